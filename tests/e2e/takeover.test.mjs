// A session that is presented while it still has a connection: dead ones give it up, living ones keep it, and whoever
// does not get it is told so.

import assert from "node:assert/strict";

import { Backend } from "./support/backend.mjs";
import { MODES } from "./support/client.mjs";
import { QUICK_PINGS } from "./support/cluster.mjs";
import { until } from "./support/deadline.mjs";
import { ctlLines } from "./support/ctl.mjs";
import { suite } from "./support/suite.mjs";

// For connections that are dead. One that lives gives its sign in its own time, on a machine that is busy, too.
const SHORT = { lease: 1000, ping: 200, "contest-timeout": 500 };
const PATIENT = { "contest-timeout": 30000, "contest-window": 60000 };
const TWO = { gateways: 2, gateway: QUICK_PINGS, broker: SHORT };
const test = suite(TWO);
const testOfTheLiving = suite({ gateways: 2, broker: PATIENT });

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** rejoin_broker_recoveries_total of that result and reason. */
async function recoveries(scope, result, reason) {
  const name = `rejoin_broker_recoveries_total{result="${result}",reason="${reason}"}`;
  const lines = await ctlLines(scope.cluster, ["stats"]);
  const line = lines.map(String).find((text) => text.includes(name));
  assert.ok(line, `${name} in ${JSON.stringify(lines)}`);
  return Number(line.split(/\s+/).at(-1));
}

for (const { name, options } of MODES) {
  for (const where of ["one gateway", "two gateways"]) {
    testOfTheLiving(`with ${name} two devices with one session at ${where} end up with one each, and are told`, async (scope) => {
      const room = scope.room();
      const publisher = await scope.client();
      await publisher.join(room);
      const first = await scope.client(options);
      await first.join(room);
      await publisher.publish(room, 1);
      await first.received(room, 1);
      const { pid, sid } = first.connections[0];
      const second = scope.open({ ...options, gateway: where === "one gateway" ? 0 : 1 });
      // As if it had been copied with the page: what the stock client knows of its session.
      second.socket._pid = pid;
      second.socket._lastOffset = first.socket._lastOffset;
      await second.connected();
      assert.equal(second.recovered, true);
      await first.connected(2);
      const [, ...later] = first.connections;
      assert.equal(later.at(-1).recovered, false, "the one that was dropped has a fresh session, and is told");
      assert.notEqual(later.at(-1).pid, pid);
      assert.equal(second.id, sid);
      await publisher.publish(room, 2);
      await second.received(room, 1);
      assert.deepEqual(second.data(room), [2], "the session goes on where it was");
      await first.join(room);
      await publisher.publish(room, 3);
      await Promise.all([first.received(room, 2), second.received(room, 2)]);
      assert.deepEqual(first.data(room), [1, 3]);
      assert.deepEqual(second.data(room), [2, 3]);
      assert.deepEqual([first.drops.length, second.drops.length], [1, 0], "nobody is dropped again");
      assert.ok((await recoveries(scope, "fresh", "contested")) >= 1);
    });
  }

  test(`with ${name} a network that falls silent again and again does not cost the session`, async (scope) => {
    const room = scope.room();
    const proxy = await scope.proxy();
    const publisher = await scope.client();
    await publisher.join(room);
    const member = await scope.client({ ...options, url: proxy.url });
    await member.join(room);
    let count = 0;
    for (let round = 1; round <= 3; round++) {
      await until(() => !member.socket.io.engine.upgrading, "the upgrade is done");
      proxy.silence(); // the connection stays, half-open, at the gateway
      member.socket.io.engine.close();
      await member.dropped(round);
      proxy.heal();
      await publisher.publish(room, ++count);
      await member.connected(round + 1);
      await publisher.publish(room, ++count);
    }
    await member.received(room, count);
    assert.deepEqual(member.data(room), range(1, count));
    assert.ok(member.connections.slice(1).every(({ recovered }) => recovered), `${member}`);
  });

  test.alone(`with ${name} a connection at a stopped gateway is taken over, and says nothing when it goes on`, TWO, async (scope) => {
    const room = scope.room();
    const publisher = await scope.client({ gateway: 1 });
    await publisher.join(room);
    const member = await scope.client(options);
    await member.join(room);
    await publisher.publish(room, 1);
    await member.received(room, 1);
    await until(() => !member.socket.io.engine.upgrading, "the upgrade is done");
    const [stopped] = scope.gateways;
    stopped.freeze();
    // Said to the stopped gateway, and again to the other one under the same id.
    member.socket.emit("room:publish", { room, data: "own", id: "own" });
    member.socket.emit("room:leave", room);
    member.moveTo(scope.cluster.url(1));
    member.socket.io.engine.close();
    await member.connected(2);
    assert.equal(member.recovered, true);
    await member.publish(room, "own", { id: "own" });
    stopped.thaw();
    await until(async () => (await fetch(`${stopped.url}/readyz`)).status === 200, "the stopped gateway is back");
    await publisher.publish(room, 2);
    await member.received(room, 3);
    assert.deepEqual(member.data(room), [1, "own", 2], "it is still in the room, and nothing came twice");
    const { messages } = await publisher.history(room);
    assert.deepEqual(messages.map(({ data }) => data), [1, "own", 2]);
    assert.equal(member.drops.length, 1);
  });
}

testOfTheLiving("a rival that loses asks its backend to be let in as somebody new", async (scope) => {
  const backend = await Backend.open(scope, { admits: true });
  backend.handlers.connect = ({ job }) => backend.call("accept", { job, user: "ann", rooms: ["lobby"] });
  const first = await scope.client();
  const { pid, sid } = first.connections[0];
  const second = scope.open({ gateway: 1 });
  second.socket._pid = pid;
  await second.connected();
  await first.connected(2);
  assert.equal(second.id, sid);
  assert.equal(first.recovered, false);
  assert.deepEqual(backend.of("connect").map(({ rejoining }) => rejoining), [false, true, false]);
  await backend.emit({ targets: [{ kind: "user", name: "ann" }] }, "hello");
  await until(() => first.events.length === 1 && second.events.length === 1, "each has got it once");
  await until(() => backend.of("open").length === 3, () => `three sockets were opened: ${backend}`);
  assert.deepEqual(backend.of("close").map((item) => item.sid), [sid], "the first connection's, by its takeover");
});
