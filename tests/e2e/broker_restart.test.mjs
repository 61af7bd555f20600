// The broker goes away and comes back while clients stay connected to their gateways.

import assert from "node:assert/strict";

import { MODES } from "./support/client.mjs";
import { until } from "./support/deadline.mjs";
import { request } from "./support/raw.mjs";
import { suite } from "./support/suite.mjs";

const test = suite({ gateways: 2 });
const TWO = { gateways: 2 };
const SHORT_LEASE = { lease: 1000, ping: 200 };
const TWO_SHORT = { gateways: 2, broker: SHORT_LEASE };
const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

for (const { name, options } of MODES) {
  test.alone(`with ${name} clients stay connected over kill -9 of the broker, publishes wait`, TWO, async (scope) => {
    const room = scope.room();
    const clients = [await scope.client(options), await scope.client({ ...options, gateway: 1 })];
    for (const client of clients) await client.join(room);
    await clients[0].publish(room, 1);
    await scope.broker.kill();
    const waiting = [2, 3, 4, 5].map((n) => clients[0].publish(room, n));
    await scope.broker.start();
    const answers = await Promise.all(waiting);
    assert.deepEqual(answers.map((answer) => answer.seq), [2, 3, 4, 5]);
    await clients[1].publish(room, 6);
    for (const client of clients) {
      await client.received(room, 6);
      assert.deepEqual(client.data(room), range(1, 6));
      assert.deepEqual(client.drops, []);
    }
  });
}

test.alone("publishes in flight when the broker is killed are stored once, with ids or without", TWO, async (scope) => {
  const room = scope.room();
  const [writer, reader] = [await scope.client(), await scope.client({ gateway: 1 })];
  await writer.join(room);
  await reader.join(room);
  let sent = 0;
  for (let round = 0; round < 5; round++) {
    const inFlight = range(1, 100).map(() => {
      const n = ++sent;
      return writer.publish(room, n, n % 2 ? { id: `id-${n}` } : {});
    });
    await reader.received(room, round * 100 + 1 + round * 15);
    await scope.broker.kill();
    await scope.broker.start();
    await Promise.all(inFlight);
  }
  await reader.received(room, sent);
  assert.deepEqual(reader.data(room), range(1, sent));
  const { messages } = await reader.history(room, { after: 0, limit: 1000 });
  assert.deepEqual(messages.map((message) => message.seq), range(1, sent));
  assert.deepEqual([...writer.drops, ...reader.drops], []);
});

test.alone("an acknowledged publish is there after kill -9, and its id is still known", TWO, async (scope) => {
  const room = scope.room();
  const client = await scope.client();
  await client.join(room);
  const answers = [];
  for (let n = 1; n <= 5; n++) {
    answers.push(await client.publish(room, n, { id: `id-${n}` }));
    await scope.broker.kill();
    await scope.broker.start();
  }
  assert.deepEqual(answers.map((answer) => answer.seq), range(1, 5));
  for (let n = 1; n <= 5; n++) assert.deepEqual(await client.publish(room, n, { id: `id-${n}` }), answers[n - 1]);
  assert.deepEqual((await client.history(room)).messages.map((message) => message.data), range(1, 5));
});

test.alone("rooms, members and order survive a broker that ends as asked", TWO, async (scope) => {
  const room = scope.room();
  const clients = [await scope.client(), await scope.client({ gateway: 1 })];
  for (const client of clients) await client.join(room);
  await clients[0].publish(room, 1);
  await scope.broker.stop();
  await scope.broker.start();
  await clients[1].publish(room, 2);
  for (const client of clients) {
    await client.received(room, 2);
    assert.deepEqual(client.data(room), [1, 2]);
  }
  assert.equal((await clients[0].join(room)).members, 2);
});

const IMPATIENT = { gateways: 1, broker: SHORT_LEASE, gateway: { "command-timeout": 1500 } };
test.alone("without a broker a gateway lives but is not ready, and requests fail with a clear error", IMPATIENT, async (scope) => {
  const room = scope.room();
  const client = await scope.client();
  await client.join(room);
  await scope.broker.kill();
  const url = scope.cluster.url();
  await until(async () => (await request(url, "/readyz")).status === 503, "readyz says 503");
  assert.equal((await request(url, "/healthz")).status, 200);
  const answer = await client.ask("room:publish", { room, data: "too late" });
  assert.equal(answer.ok, false);
  assert.match(answer.error.code, /^(unavailable|timeout)$/);
  assert.deepEqual(client.drops, []);
  await scope.broker.start();
  await scope.gateways[0].untilLinked();
  await client.publish(room, "in time");
  await client.received(room, 1);
});

test.alone("a client that connects while the broker is away is served once it is back", TWO, async (scope) => {
  await scope.broker.kill();
  const client = scope.open();
  await until(() => client.socket.io.engine?.readyState === "open", "the engine's connection stands");
  await scope.broker.start();
  await client.connected();
  const room = scope.room();
  await client.join(room);
  await client.publish(room, 1);
  await client.received(room, 1);
});

test.alone("a member whose gateway was killed is not counted after a lease", TWO_SHORT, async (scope) => {
  const room = scope.room();
  const [stays, dies] = [await scope.client(), await scope.client({ gateway: 1, reconnection: false })];
  await stays.join(room);
  assert.equal((await dies.join(room)).members, 2);
  await scope.gateways[1].kill();
  await until(async () => (await stays.join(room)).members === 1, "the dead one is gone");
});

test.alone("a broker that froze for less than a lease is as if nothing had been", TWO, async (scope) => {
  const room = scope.room();
  const clients = [await scope.client(), await scope.client({ gateway: 1 })];
  for (const client of clients) await client.join(room);
  scope.broker.freeze();
  const waiting = range(1, 20).map((n) => clients[0].publish(room, n));
  await until(async () => (await request(scope.cluster.url(), "/healthz")).status === 200, "the gateway lives");
  scope.broker.thaw();
  await Promise.all(waiting);
  await clients[1].received(room, 20);
  assert.deepEqual(clients[1].data(room), range(1, 20));
});

test.alone("a gateway that froze for longer than a lease catches up without a gap", TWO_SHORT, async (scope) => {
  const room = scope.room();
  const [writer, reader] = [await scope.client(), await scope.client({ gateway: 1 })];
  await writer.join(room);
  await reader.join(room);
  await writer.publish(room, 1);
  await reader.received(room, 1);
  scope.gateways[1].freeze();
  await until(async () => (await writer.join(room)).members === 1, "the broker has given the frozen gateway up");
  for (let n = 2; n <= 50; n++) await writer.publish(room, n);
  scope.gateways[1].thaw();
  await writer.publish(room, 51);
  await reader.received(room, 51);
  assert.deepEqual(reader.data(room), range(1, 51));
  assert.ok(reader.connections.slice(1).every((connection) => connection.recovered));
});
