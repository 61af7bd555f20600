// Processes that end as asked: clients come back elsewhere, nothing is lost, and the exit is clean.

import assert from "node:assert/strict";
import http from "node:http";

import { MODES } from "./support/client.mjs";
import { QUICK_PINGS } from "./support/cluster.mjs";
import { ctlLines } from "./support/ctl.mjs";
import { until } from "./support/deadline.mjs";
import { RawSocket, request } from "./support/raw.mjs";
import { suite } from "./support/suite.mjs";

const TWO = { gateways: 2, gateway: QUICK_PINGS };
const test = suite(TWO);

for (const { name, options } of MODES) {
  test.alone(`with ${name} clients of a gateway that ends come back at another one, recovered`, TWO, async (scope) => {
    const room = scope.room();
    const [member, publisher] = [await scope.client(options), await scope.client({ ...options, gateway: 1 })];
    await member.join(room);
    await publisher.join(room);
    await publisher.publish(room, 1);
    await member.received(room, 1);
    member.moveTo(scope.cluster.url(1));
    await scope.gateways[0].stop();
    assert.notEqual(await member.dropped(), "io server disconnect", "that would keep the client away");
    await publisher.publish(room, 2);
    await member.connected(2);
    await member.received(room, 2);
    assert.equal(member.recovered, true);
    assert.deepEqual(member.data(room), [1, 2]);
  });
}

test.alone("clients of a gateway that ends while messages flow get each of them once", TWO, async (scope) => {
  const room = scope.room();
  const publisher = await scope.client({ gateway: 1 });
  await publisher.join(room);
  const crowd = await Promise.all(
    Array.from({ length: 24 }, (_, n) => scope.client(MODES[n % MODES.length].options)),
  );
  for (const client of crowd) await client.join(room);
  await until(() => crowd.every(({ socket }) => !socket.io.engine.upgrading), "no upgrade is under way");
  let isDone = false;
  let count = 0;
  const publishing = (async () => {
    while (!isDone) await publisher.publish(room, ++count);
  })();
  await crowd[0].received(room, 50);
  for (const client of crowd) client.moveTo(scope.cluster.url(1));
  await scope.gateways[0].stop();
  await Promise.all(crowd.map((client) => client.connected(2)));
  isDone = true;
  await publishing;
  for (const client of crowd) {
    await client.received(room, count);
    assert.deepEqual(client.data(room), Array.from({ length: count }, (_, i) => i + 1), `${client}`);
    assert.equal(client.recovered, true);
  }
});

test.alone("a broker that ends while publishes are in flight loses no acknowledged one", TWO, async (scope) => {
  const room = scope.room();
  const client = await scope.client();
  await client.join(room);
  const publishing = Array.from({ length: 500 }, (_, n) => client.publish(room, n, { id: `id-${n}` }));
  await client.received(room, 100);
  await scope.broker.stop();
  await scope.broker.start();
  const answers = await Promise.all(publishing);
  assert.deepEqual(answers.map(({ seq }) => seq), Array.from({ length: 500 }, (_, n) => n + 1));
  const { messages } = await client.history(room, { after: 0, limit: 1000 });
  assert.deepEqual(messages.map(({ data }) => data), Array.from({ length: 500 }, (_, n) => n));
});

// ---- how a gateway drains

const SPREAD_MS = 1500;
const SILENT = { "ping-interval": 600000, "connect-timeout": 600000 }; // a crowd of bare connections says nothing
const SLOW_DRAIN = { gateways: 2, gateway: { ...SILENT, "drain-spread": SPREAD_MS } };
const ENDLESS_DRAIN = { gateways: 2, gateway: { ...SILENT, "drain-spread": 600000 } };
const CROWD = 400; // above what a drain drops at once because it harms nobody (see gateway/drain.c)

/** A crowd of bare connections at gateway 0; `times` fills with when each was closed. */
async function crowdOf(scope, count) {
  const times = [];
  const come = async () => {
    const socket = scope.own(await RawSocket.open(scope.cluster.url()));
    socket.ws.on("close", () => times.push(performance.now()));
    await socket.join();
  };
  for (let left = count; left > 0; left -= 50) await Promise.all(Array.from({ length: Math.min(50, left) }, come));
  return times;
}

test.alone("a drain moves the clients off in a spread", SLOW_DRAIN, async (scope) => {
  const times = await crowdOf(scope, CROWD);
  const began = performance.now();
  await scope.gateways[0].stop();
  await until(() => times.length === CROWD, () => `${CROWD} are closed, ${times.length} are`);
  // However late this program sees them: the last share is not due before the spread is over, and the shares
  // between come one after the other.
  assert.ok(times.at(-1) - began >= SPREAD_MS * 0.9, `the last one was closed after ${times.at(-1) - began} ms`);
  const half = times.filter((time) => time - began < SPREAD_MS / 2).length;
  assert.ok(half <= CROWD * 0.6, `${half} of ${CROWD} went in the first half`);
});

test.alone("a gateway that drains takes no new connection and says that it is not ready", ENDLESS_DRAIN, async (scope) => {
  const url = scope.cluster.url();
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const readiness = () =>
    new Promise((resolve, reject) => {
      const sent = http.get(`${url}/readyz`, { agent }, (answer) => {
        answer.resume().on("end", () => resolve(answer.statusCode));
      });
      sent.on("error", reject);
    });
  assert.equal(await readiness(), 200);
  await crowdOf(scope, 1000);
  scope.gateways[0].signal("SIGTERM");
  assert.equal(await until(async () => (await readiness()) === 503 && 503, "readyz says 503"), 503);
  await assert.rejects(request(url, "/healthz"), /ECONNREFUSED|ECONNRESET/);
  await scope.gateways[0].endBy("SIGTERM", 128 + 15);
  agent.destroy();
});

const ALERT = { gateways: 2, broker: { lease: 1000, ping: 100 } };
test.alone("what ends as it was asked to is gone at once, and no warning to anybody", ALERT, async (scope) => {
  const room = scope.room();
  const client = await scope.client({ gateway: 1 });
  await client.join(room);
  const [{ id }] = [await scope.client({ reconnection: false })];
  await scope.gateways[0].stop();
  await ctlLines(scope.cluster, ["publish", room, "1"]);
  await until(() => scope.broker.log.match(/event=peer_left/g)?.length === 2, "both have left");
  await client.received(room, 1);
  const text = (await ctlLines(scope.cluster, ["stats"])).join("\n");
  assert.match(text, /rejoin_broker_gateways 1$/m);
  assert.match(text, /rejoin_broker_leases_expired_total 0$/m);
  assert.match(text, /rejoin_broker_streams_dropped_total 0$/m);
  assert.doesNotMatch(scope.broker.log, /level=(warn|error)/);
  assert.ok(id);
});

test.alone("a second SIGTERM ends a gateway at once", ENDLESS_DRAIN, async (scope) => {
  await crowdOf(scope, 1000);
  const [gateway] = scope.gateways;
  gateway.signal("SIGTERM");
  await until(() => gateway.log.includes("event=draining"), "the drain has begun");
  await gateway.endBy("SIGTERM", 128 + 15);
});

test.alone("a second signal ends the broker at once, and what was acknowledged is there", TWO, async (scope) => {
  const room = scope.room();
  const client = await scope.client();
  await client.join(room);
  await client.publish(room, 1);
  scope.broker.freeze(); // so that it finds both at once
  scope.broker.signal("SIGTERM");
  const ended = scope.broker.endBy("SIGINT", 128 + 15); // the lower number is read first
  scope.broker.thaw();
  await ended;
  await scope.broker.start();
  assert.equal((await client.publish(room, 2)).seq, 2);
  assert.deepEqual(client.drops, []);
});
