// Around a replay: what is asked, said and joined meanwhile, many clients at once, and replays that are cut short.

import assert from "node:assert/strict";

import { MODES } from "./support/client.mjs";
import { QUICK_PINGS } from "./support/cluster.mjs";
import { until } from "./support/deadline.mjs";
import { suite } from "./support/suite.mjs";

const TWO = { gateways: 2, gateway: QUICK_PINGS };
const TIGHT = { gateways: 2, gateway: { ...QUICK_PINGS, "queue-bytes": 65536, "send-buffer": 16384 } };
const test = suite(TWO);

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

const AT_ONCE = 400; // well below the commands that one client may have waiting (max-pending-client)

/** Publishes the numbers `from` to `to`, many at a time. */
async function publishAll(publisher, room, from, to, pad = "") {
  for (let first = from; first <= to; first += AT_ONCE) {
    const some = range(first, Math.min(to, first + AT_ONCE - 1));
    await Promise.all(some.map((n) => publisher.publish(room, pad ? { n, pad } : n)));
  }
}

/** A member that is away while `missed()` runs; resolves once it is on its way back, with `first` done at "connect". */
async function away(proxy, member, missed, first = () => {}) {
  const done = new Promise((resolve, reject) => {
    member.socket.once("connect", () => Promise.resolve(first()).then(resolve, reject));
  });
  proxy.isDown = true;
  proxy.cut();
  await member.dropped(member.connections.length);
  await missed();
  proxy.isDown = false;
  return done;
}

for (const { name, options } of MODES) {
  test(`with ${name} what a client says at once after a reconnect comes after what it has missed`, async (scope) => {
    const room = scope.room();
    const proxy = await scope.proxy();
    const [member, publisher] = [await scope.client({ ...options, url: proxy.url }), await scope.client()];
    await member.join(room);
    await publisher.join(room);
    const order = [];
    member.socket.on("room:message", ({ data }) => order.push(data));
    const missed = () => publishAll(publisher, room, 1, 800);
    const answer = await away(proxy, member, missed, () => member.publish(room, "own"));
    order.push("answer");
    assert.equal(answer.seq, 801);
    await member.received(room, 801);
    assert.deepEqual(member.data(room), [...range(1, 800), "own"]);
    assert.ok(order.indexOf("answer") >= 800, "the answer waits for the replay before it");
  });
}

test("a room that is left during the replay is quiet after the answer", async (scope) => {
  const [left, kept] = [scope.room(), scope.room()];
  const proxy = await scope.proxy();
  const [member, publisher] = [await scope.client({ url: proxy.url }), await scope.client({ gateway: 1 })];
  for (const room of [left, kept]) {
    await member.join(room);
    await publisher.join(room);
  }
  const missed = async () => {
    await publishAll(publisher, left, 1, 500);
    await publishAll(publisher, kept, 1, 500);
  };
  await away(proxy, member, missed, () => member.leave(left));
  const before = member.data(left).length;
  await publisher.publish(left, "after the leave");
  await publisher.publish(kept, "end");
  await member.received(kept, 501);
  assert.deepEqual(member.data(kept), [...range(1, 500), "end"]);
  assert.equal(member.data(left).length, before);
  assert.deepEqual(member.data(left), range(1, before));
});

test("a replay that is cut short goes on where it stopped", async (scope) => {
  const room = scope.room();
  const proxy = await scope.proxy();
  const [member, publisher] = [await scope.client({ url: proxy.url }), await scope.client({ gateway: 1 })];
  await member.join(room);
  await publisher.join(room);
  proxy.isDown = true;
  proxy.cut();
  await publishAll(publisher, room, 1, 1200, "x".repeat(2000));
  proxy.isDown = false;
  for (let cuts = 0, seen = 0; cuts < 5; cuts++) {
    await until(
      () => member.messages(room).length > seen || seen === 1200,
      () => `the replay goes on after ${seen} (cut ${cuts}): ${member}`,
    );
    seen = member.messages(room).length;
    proxy.target = scope.gateways[cuts % 2].port;
    proxy.cut();
  }
  await member.received(room, 1200);
  await publisher.publish(room, { n: 1201 });
  await member.received(room, 1201);
  assert.deepEqual(member.data(room).map(({ n }) => n), range(1, 1201));
  assert.ok(member.connections.slice(1).every(({ recovered }) => recovered));
});

test("a client in hundreds of rooms gets what it missed in all of them, in one order", async (scope) => {
  const rooms = range(1, 300).map(() => scope.room());
  const [member, publisher] = [await scope.client({ reconnectionDelay: 500 }), await scope.client({ gateway: 1 })];
  await Promise.all(rooms.flatMap((room) => [member.join(room), publisher.join(room)]));
  await member.drop();
  for (let n = 1; n <= 900; n++) await publisher.publish(rooms[(n * 7) % 300], n);
  await member.connected(2);
  await until(() => member.messages().length >= 900, () => `900 messages, got ${member.messages().length}`);
  assert.deepEqual(member.data(), range(1, 900));
});

test.alone("a hundred clients that come back at once after kill -9 of everything are all recovered", TWO, async (scope) => {
  const room = scope.room();
  const publisher = await scope.client();
  await publisher.join(room);
  const crowd = await Promise.all(
    range(0, 99).map((n) => scope.client({ ...MODES[n % MODES.length].options, gateway: n % 2 })),
  );
  await Promise.all(crowd.map((client) => client.join(room)));
  await publishAll(publisher, room, 1, 20);
  await Promise.all(crowd.map((client) => client.received(room, 20)));
  const publishing = publishAll(publisher, room, 21, 40).catch(() => {});
  await Promise.all(scope.cluster.processes.map((process) => process.kill()));
  await publishing;
  await scope.broker.start();
  await Promise.all(scope.gateways.map((gateway) => gateway.start()));
  await publisher.connected(2);
  await publisher.publish(room, "end");
  const { messages } = await publisher.history(room, { after: 0, limit: 100 });
  for (const client of crowd) {
    await client.connected(2);
    await client.received(room, messages.length);
    assert.deepEqual(client.messages(room), messages);
    assert.equal(client.recovered, true);
  }
});

for (const what of ["its gateway", "the broker"]) {
  test.alone(`a slow reader has lost nothing after kill -9 of ${what}`, TIGHT, async (scope) => {
    const room = scope.room();
    const proxy = await scope.proxy();
    const slow = await scope.client({ url: proxy.url, transports: ["websocket"] });
    const publisher = await scope.client({ gateway: 1 });
    await slow.join(room);
    await publisher.join(room);
    proxy.stallReader();
    await publishAll(publisher, room, 1, 200, "x".repeat(20000));
    if (what === "the broker") {
      await scope.broker.kill();
      await scope.broker.start();
      proxy.resumeReader();
    } else {
      proxy.target = scope.gateways[1].port;
      await scope.gateways[0].kill();
      proxy.cut();
    }
    await publishAll(publisher, room, 201, 220, "x");
    await slow.received(room, 220);
    assert.deepEqual(slow.data(room).map(({ n }) => n), range(1, 220));
  });
}

test("two connections that fight for one session never both have it", async (scope) => {
  const room = scope.room();
  const [first, publisher] = [await scope.client({ reconnection: false }), await scope.client({ gateway: 1 })];
  await first.join(room);
  await publisher.join(room);
  const { pid, sid } = first.connections[0];
  const rivals = range(0, 9).map((n) => {
    const options = { gateway: n % 2, reconnection: false, auth: { pid } };
    return scope.open({ ...options, ...MODES[n % MODES.length].options });
  });
  const wasServed = ({ connections, socket }) => connections.length > 0 || socket.io.engine?.readyState === "closed";
  await until(() => rivals.every(wasServed), () => `every rival is served: ${rivals.join("\n")}`);
  const holding = () => [first, ...rivals].filter(({ id, socket }) => socket.connected && id === sid);
  await until(() => holding().length === 1, () => `one is left, not ${holding().length}`);
  const others = rivals.filter(({ id, socket }) => socket.connected && id !== sid);
  for (const { connections } of others) assert.equal(connections[0].recovered, false, "it is told");
  await publisher.publish(room, "to the winner");
  await holding()[0].received(room, 1);
  assert.equal(rivals.concat(first).filter((client) => client.data(room).includes("to the winner")).length, 1);
});
