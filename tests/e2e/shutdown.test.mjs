// Processes that end as asked: clients come back elsewhere, nothing is lost, and the exit is clean.

import assert from "node:assert/strict";

import { MODES } from "./support/client.mjs";
import { suite } from "./support/suite.mjs";

const TWO = { gateways: 2 };
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
