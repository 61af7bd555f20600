// Processes that end as asked: clients come back elsewhere, nothing is lost, and the exit is clean.

import assert from "node:assert/strict";

import { MODES } from "./support/client.mjs";
import { QUICK_PINGS } from "./support/cluster.mjs";
import { until } from "./support/deadline.mjs";
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
