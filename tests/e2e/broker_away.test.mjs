// The broker is away for long: longer than leases, sessions' lifetimes and the time that commands wait. The settings are
// short here, so that seconds stand for minutes.

import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";

import { MODES } from "./support/client.mjs";
import { until } from "./support/deadline.mjs";
import { metric } from "./support/metrics.mjs";
import { request } from "./support/raw.mjs";
import { suite } from "./support/suite.mjs";

const WAIT_MS = 700; // how long a command waits for the broker
const AWAY_MS = 3000;
const LIFETIME_MS = 1500; // of sessions: the broker is away for longer
const MOST = 20; // commands of one client that may wait
const BROKER = { lease: 1000, ping: 200, "session-lifetime": LIFETIME_MS };
const GATEWAY = {
  "ping-interval": 300,
  "ping-timeout": 20000,
  "command-timeout": WAIT_MS,
  "max-pending-client": MOST,
};
const TWO = { gateways: 2, broker: BROKER, gateway: GATEWAY };
const PATIENT = { ...TWO, gateway: { ...GATEWAY, "command-timeout": 30000 } };
const SLOW = { ...TWO, gateway: { ...GATEWAY, "command-timeout": 6000 } }; // it is noticed before
const LARGE = 400000; // bytes of one client that may wait
const SMALL = {
  ...PATIENT,
  gateway: { ...PATIENT.gateway, "max-pending-client-bytes": LARGE, "max-pending-bytes": LARGE * 1.5 },
};
const test = suite(TWO);

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** The gateways know that the broker is away (before, what waits too long may have been stored: "timeout"). */
async function noticed(scope) {
  const isNoticed = async ({ url }) => (await request(url, "/readyz")).status === 503;
  for (const gateway of scope.gateways) await until(() => isNoticed(gateway), () => `${gateway.name} has noticed`);
}

/** A client of each mode, at both gateways, all in one room, with one message seen. */
async function crowd(scope) {
  const room = scope.room();
  const clients = await Promise.all(MODES.map(({ options }, i) => scope.client({ ...options, gateway: i % 2 })));
  for (const client of clients) await client.join(room);
  await clients[0].publish(room, 1);
  for (const client of clients) await client.received(room, 1);
  return { room, clients };
}

test.alone("nobody is cut, publishes fail clearly, and all goes on when the broker is back", TWO, async (scope) => {
  const { room, clients } = await crowd(scope);
  await scope.broker.kill();
  await noticed(scope);
  const end = performance.now() + AWAY_MS;
  for (let n = 0; performance.now() < end; n++) {
    const client = clients[n % clients.length];
    const began = performance.now();
    const answer = await client.ask("room:publish", { room, data: "too late" });
    assert.equal(answer.ok, false);
    assert.equal(answer.error.code, "unavailable");
    assert.ok(answer.error.message.length > 0);
    assert.ok(performance.now() - began >= WAIT_MS - 100, "it has waited for the broker before");
  }
  await scope.broker.start();
  for (const gateway of scope.gateways) await gateway.untilLinked();
  for (const [i, client] of clients.entries()) await client.publish(room, 2 + i);
  for (const client of clients) {
    await client.received(room, 4);
    assert.deepEqual(client.data(room), range(1, 4));
    assert.deepEqual(client.drops, [], "its socket was never cut");
    assert.deepEqual(client.connections.length, 1);
  }
});

test.alone("what still waits when the broker is back is done, once and in order", PATIENT, async (scope) => {
  const { room, clients } = await crowd(scope);
  await scope.broker.kill();
  await delay(AWAY_MS / 2);
  const waiting = range(2, 11).map((n) => clients[n % 3].publish(room, n, n % 2 ? { id: `id-${n}` } : {}));
  await scope.broker.start();
  const seqs = (await Promise.all(waiting)).map(({ seq }) => seq);
  assert.deepEqual([...seqs].sort((a, b) => a - b), range(2, 11));
  for (const client of clients) {
    await client.received(room, 11);
    assert.deepEqual(client.messages(room).map(({ seq }) => seq), range(1, 11));
    assert.deepEqual(client.drops, []);
  }
});

test.alone("more than may wait is refused at once, and only that", PATIENT, async (scope) => {
  const { room, clients } = await crowd(scope);
  const [greedy, modest] = clients;
  await scope.broker.kill();
  let waited = 0;
  const asked = range(1, MOST + 10).map((n) => greedy.ask("room:publish", { room, data: n }));
  for (const one of asked.slice(0, MOST)) one.then(() => waited++);
  const first = modest.ask("room:publish", { room, data: "modest" });
  const refused = await Promise.all(asked.slice(MOST));
  assert.equal(waited, 0, "they are refused while those before them still wait");
  for (const { ok, error } of refused) {
    assert.equal(ok, false);
    assert.match(error.code, /^(busy|too_many|unavailable)$/);
  }
  await scope.broker.start();
  const answers = await Promise.all(asked.slice(0, MOST).concat(first));
  assert.ok(answers.every(({ ok }) => ok), "what was taken is done");
  const { messages } = await modest.history(room, { after: 1, limit: 100 });
  assert.deepEqual(messages.map(({ data }) => data).filter((data) => data !== "modest"), range(1, MOST));
  assert.deepEqual([...greedy.drops, ...modest.drops], []);
});

test.alone("what was said to the broker before it died fails as something that may have been done", SLOW, async (scope) => {
  const { room, clients } = await crowd(scope);
  scope.broker.freeze(); // it is asked, and will never answer
  const asked = clients.map((client, i) => client.ask("room:publish", { room, data: `said ${i}`, id: `said ${i}` }));
  const isSaid = async ({ url }) => (await metric({ url }, "rejoin_gateway_commands_pending")) > 0;
  for (const gateway of scope.gateways) await until(() => isSaid(gateway), "the gateway has said it");
  await scope.broker.kill();
  await noticed(scope);
  const late = clients[0].ask("room:publish", { room, data: "late" });
  for (const { ok, error } of await Promise.all(asked)) assert.deepEqual([ok, error.code], [false, "timeout"]);
  assert.equal((await late).error.code, "unavailable", "this one was told to nobody");
  await scope.broker.start();
  const again = await Promise.all(clients.map((client, i) => client.publish(room, `said ${i}`, { id: `said ${i}` })));
  assert.deepEqual(again.map(({ seq }) => seq).sort(), [2, 3, 4], "each is stored once, whatever became of it before");
});

test.alone("what waits is bounded in bytes, for each client and for all", SMALL, async (scope) => {
  const { room, clients } = await crowd(scope);
  const text = "x".repeat(LARGE / 4);
  const [greedy, , other] = clients; // both at gateway 0
  const [gateway] = scope.gateways;
  await scope.broker.kill();
  const flood = (client, count) => range(1, count).map((n) => client.ask("room:publish", { room, data: { n, text } }));
  const first = flood(greedy, 10);
  const refused = await Promise.all(first.slice(5));
  for (const { ok, error } of refused) assert.deepEqual([ok, error.code], [false, "busy"]);
  const second = flood(other, 10);
  for (const { error } of await Promise.all(second.slice(5))) assert.equal(error.code, "busy");
  const waiting = await metric(gateway, "rejoin_gateway_commands_pending_bytes");
  assert.ok(waiting > 0 && waiting < 2 * LARGE, `${waiting} bytes wait`);
  await scope.broker.start();
  const answers = await Promise.all([...first, ...second]);
  const stored = answers.filter(({ ok }) => ok).length;
  assert.ok(stored >= 4, `${stored} were stored`);
  const { messages } = await greedy.history(room, { after: 1, limit: 100 });
  assert.equal(messages.length, stored, "what was refused is not in the log, what was taken is");
  assert.ok((await greedy.ask("room:publish", { room, data: { text } })).ok, "there is room again");
  for (const client of clients) assert.deepEqual(client.drops, []);
});

for (const { name, options } of MODES) {
  test.alone(`with ${name} a client that drops meanwhile is recovered when the broker is back`, TWO, async (scope) => {
    const room = scope.room();
    const [member, publisher] = [await scope.client(options), await scope.client({ gateway: 1 })];
    for (const client of [member, publisher]) await client.join(room);
    await publisher.publish(room, 1);
    await member.received(room, 1);
    await scope.broker.kill();
    await member.drop();
    await delay(AWAY_MS);
    assert.equal(member.connections.length, 1, "without a broker nobody is let in, and nobody is refused for good");
    await scope.broker.start();
    await scope.gateways[1].untilLinked();
    await publisher.publish(room, 2);
    await member.connected(2);
    await member.received(room, 2);
    assert.equal(member.recovered, true, "its session has outlived the broker's absence");
    assert.deepEqual(member.data(room), [1, 2]);
    assert.deepEqual(member.errors.filter(({ message }) => /invalid|unknown/i.test(message)), []);
  });
}

test.alone("who comes anew while the broker is away gets in when it is back", TWO, async (scope) => {
  await scope.broker.kill();
  const clients = MODES.map(({ options }, i) => scope.open({ ...options, gateway: i % 2 }));
  await delay(AWAY_MS);
  await scope.broker.start();
  const room = scope.room();
  for (const client of clients) {
    await client.connected();
    await client.join(room);
  }
  await clients[0].publish(room, "hello");
  for (const client of clients) await client.received(room, 1);
  await until(() => clients.every(({ connections }) => connections.length === 1), "nobody is dropped after that");
});
