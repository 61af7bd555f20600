// The server-side cursor: what a pong or a next poll has proved to be there. It stands in for a client that has lost its
// offset, so that it neither misses anything nor gets again what it has.

import assert from "node:assert/strict";

import { MODES } from "./support/client.mjs";
import { until } from "./support/deadline.mjs";
import { suite } from "./support/suite.mjs";

const QUICK = { "ping-interval": 200, "ping-timeout": 20000 };
const TWO = { gateways: 2, gateway: QUICK };
const test = suite(TWO);

/** Until the gateway has got a pong (or a next poll) that is later than all that was sent up to now. */
async function proved(member) {
  // The next ping may have been on its way; the second one is behind all that, and the third answers its pong.
  let pings = 0;
  const count = () => pings++;
  member.socket.io.on("ping", count);
  await until(() => pings >= 3, () => `pings at ${member}`);
  member.socket.io.off("ping", count);
}

/** Loses the client's offset and its connection, and returns what it is sent again once it is back: numbers. */
async function forget(member, publisher, room, marker) {
  const before = member.messages(room).length;
  const connections = member.connections.length;
  member.socket._lastOffset = undefined;
  await member.drop();
  await publisher.publish(room, marker);
  await member.connected(connections + 1);
  assert.equal(member.recovered, true);
  await until(() => member.data(room).includes(marker), () => `the message of meanwhile at ${member}`);
  const got = member.data(room).slice(before);
  assert.equal(got.at(-1), marker);
  return got.slice(0, -1);
}

/** What a client whose offset is lost is sent once its connection, which is being cut, is back. */
async function backWithout(member, publisher, room) {
  const before = member.messages(room).length;
  member.socket._lastOffset = undefined;
  await member.connected(2);
  await publisher.publish(room, "end");
  await until(() => member.data(room).at(-1) === "end", () => `the end at ${member}`);
  return member.data(room).slice(before);
}

for (const { name, options } of MODES) {
  test(`with ${name} what was proved to have arrived is not sent again to a client without its offset`, async (scope) => {
    const room = scope.room();
    const [member, publisher] = [await scope.client(options), await scope.client({ gateway: 1 })];
    for (const client of [member, publisher]) await client.join(room);
    for (let round = 1; round <= 2; round++) {
      for (let n = 1; n <= 3; n++) await publisher.publish(room, `${round} ${n}`);
      await member.received(room, round * 4 - 1);
      await proved(member);
      assert.deepEqual(await forget(member, publisher, room, `marker ${round}`), []);
    }
  });

  test(`with ${name} what was not proved is sent again rather than missed`, async (scope) => {
    const room = scope.room();
    const proxy = await scope.proxy();
    const [member, publisher] = [await scope.client({ ...options, url: proxy.url }), await scope.client({ gateway: 1 })];
    for (const client of [member, publisher]) await client.join(room);
    await publisher.publish(room, "had");
    await member.received(room, 1);
    await proved(member);
    proxy.stallReader(); // what follows leaves the gateway, and never arrives
    proxy.onPair = () => proxy.stallReader(); // nor does what answers a poll that is on its way
    for (let n = 1; n <= 3; n++) await publisher.publish(room, n);
    proxy.onPair = null;
    proxy.cut();
    assert.deepEqual((await backWithout(member, publisher, room)).slice(0, 3), [1, 2, 3]);
  });
}

test.alone("what was proved outlives the broker, ended or killed", TWO, async (scope) => {
  const room = scope.room();
  const [member, publisher] = [await scope.client(), await scope.client({ gateway: 1 })];
  for (const client of [member, publisher]) await client.join(room);
  await publisher.publish(room, 1);
  await member.received(room, 1);
  let round = 0;
  const settled = async () => {
    await proved(member);
    assert.deepEqual(await forget(member, publisher, room, `marker ${++round}`), []);
  };
  await settled();
  await proved(member);
  await scope.broker.stop();
  await scope.broker.start();
  await settled();
  await scope.broker.kill();
  await scope.broker.start();
  await settled();
  assert.deepEqual(member.data(room), [1, "marker 1", "marker 2", "marker 3"]);
});
