// The promise that Rejoin is named after: a client that was away gets exactly what it missed, in order, once, and
// `socket.recovered` says so, whatever has died meanwhile.

import assert from "node:assert/strict";

import { MODES } from "./support/client.mjs";
import { QUICK_PINGS } from "./support/cluster.mjs";
import { until } from "./support/deadline.mjs";
import { suite } from "./support/suite.mjs";

const TWO = { gateways: 2, gateway: QUICK_PINGS };
const FORGETFUL = { gateways: 1, broker: { "session-lifetime": 1000 } };
const TRIMMING = { gateways: 1, broker: { retention: 1000 } };
const UNRECOVERED = { gateways: 1, gateway: { recovery: "off" } };
const test = suite(TWO);

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** A member that gets the messages, and a publisher at the other gateway, both in two rooms, with 3 messages seen. */
async function begun(scope, options = {}) {
  const rooms = [scope.room(), scope.room()];
  const member = await scope.client(options);
  const publisher = await scope.client({ gateway: 1 });
  let count = 0;
  // What one client says at once is stored in its order.
  const publish = async (n, atOnce = 1) => {
    const next = () => publisher.publish(rooms[++count % 2], count);
    for (let left = n; left > 0; left -= atOnce) {
      await Promise.all(Array.from({ length: Math.min(left, atOnce) }, next));
    }
  };
  for (const room of rooms) {
    await member.join(room);
    await publisher.join(room);
  }
  await publish(3);
  await until(() => member.messages().length === 3, "the first three messages");
  return {
    rooms, member, publisher, publish,
    /** The member has seen everything, each message once and in order, over both rooms. */
    async complete() {
      await publish(1); // what comes in order behind all the others shows that none follows doubled
      await until(() => member.messages().length >= count, () => `${count} messages, got ${member.data()}`);
      assert.deepEqual(member.data(), range(1, count));
    },
  };
}

function assertRecovered(member, times = 1) {
  const [first, ...later] = member.connections;
  assert.equal(first.recovered, false);
  assert.equal(later.length, times);
  for (const connection of later) assert.deepEqual(connection, { ...first, recovered: true }, "same sid, same pid");
}

for (const { name, options } of MODES) {
  test(`with ${name} a client's own drop is healed`, async (scope) => {
    const { member, publish, complete } = await begun(scope, { ...options, reconnectionDelay: 400 });
    await member.drop();
    await publish(10);
    await member.connected(2);
    await complete();
    assertRecovered(member);
  });

  test(`with ${name} a network that is cut is healed, on another gateway too`, async (scope) => {
    const proxy = await scope.proxy();
    const { member, publish, complete } = await begun(scope, { ...options, url: proxy.url });
    for (let round = 1; round <= 3; round++) {
      proxy.isDown = true;
      proxy.cut();
      await member.dropped(round);
      await publish(5);
      proxy.target = scope.gateways[round % 2].port;
      proxy.isDown = false;
      await member.connected(round + 1);
      await publish(2);
    }
    await complete();
    assertRecovered(member, 3);
  });

  test(`with ${name} a network that falls silent is healed while the old connection seems alive`, async (scope) => {
    const proxy = await scope.proxy();
    const { member, publish, complete } = await begun(scope, { ...options, url: proxy.url, reconnectionDelay: 1000 });
    proxy.silence();
    await publish(10);
    await member.dropped();
    proxy.heal();
    await member.connected(2);
    await complete();
    assertRecovered(member);
    assert.equal((await member.join(scope.room())).ok, true, "the client works on");
  });

  test.alone(`with ${name} kill -9 of the gateway is healed on the other one`, TWO, async (scope) => {
    const { member, publish, complete } = await begun(scope, options);
    await scope.gateways[0].kill();
    member.moveTo(scope.cluster.url(1));
    await publish(10);
    await member.connected(2);
    await complete();
    assertRecovered(member);
  });

  test.alone(`with ${name} kill -9 of the gateway is healed on the same one once it is back`, TWO, async (scope) => {
    const { member, publish, complete } = await begun(scope, options);
    await scope.gateways[0].kill();
    await publish(10);
    await scope.gateways[0].start();
    await member.connected(2);
    await complete();
    assertRecovered(member);
  });

  test.alone(`with ${name} a drop over kill -9 and restart of the broker is healed`, TWO, async (scope) => {
    const { member, publisher, publish, complete } = await begun(scope, { ...options, reconnectionDelay: 1500 });
    await member.drop();
    await publish(5);
    await scope.broker.kill();
    await scope.broker.start();
    await publish(5);
    await member.connected(2);
    await complete();
    assertRecovered(member);
    assert.deepEqual(publisher.drops, [], "who stayed connected was not disturbed");
  });

  test.alone(`with ${name} kill -9 of broker and gateway at once is healed`, TWO, async (scope) => {
    const { member, publish, complete } = await begun(scope, options);
    await Promise.all([scope.gateways[0].kill(), scope.broker.kill()]);
    member.moveTo(scope.cluster.url(1));
    await scope.broker.start();
    await publish(5);
    await member.connected(2);
    await complete();
    assertRecovered(member);
  });
}

test.alone("kill -9 of everything is healed", TWO, async (scope) => {
  const { member, publisher, publish, complete } = await begun(scope);
  await publish(5);
  await Promise.all(scope.cluster.processes.map((process) => process.kill()));
  await scope.broker.start();
  await Promise.all(scope.gateways.map((gateway) => gateway.start()));
  await member.connected(2);
  await publisher.connected(2);
  await publish(5);
  await complete();
  assertRecovered(member);
  assertRecovered(publisher);
});

test("a session that never got an event is restored", async (scope) => {
  const room = scope.room();
  const [idle, publisher] = [await scope.client({ reconnectionDelay: 300 }), await scope.client({ gateway: 1 })];
  await idle.join(room);
  await publisher.join(room);
  idle.moveTo(scope.cluster.url(1));
  await idle.drop();
  await publisher.publish(room, "the first of all");
  await idle.connected(2);
  assertRecovered(idle);
  await idle.received(room, 1);
  await idle.drop();
  await idle.connected(3);
  await publisher.publish(room, "live");
  await idle.received(room, 2);
  assert.deepEqual(idle.data(room), ["the first of all", "live"]);
  assertRecovered(idle, 2);
});

test("a session that is in no room is restored", async (scope) => {
  const client = await scope.client();
  await client.drop();
  await client.connected(2);
  assertRecovered(client);
});

test.alone("a session that never got an event is restored after kill -9 of broker and gateway", TWO, async (scope) => {
  const room = scope.room();
  const [idle, publisher] = [await scope.client(), await scope.client({ gateway: 1 })];
  await idle.join(room);
  await publisher.join(room);
  await Promise.all([scope.gateways[0].kill(), scope.broker.kill()]);
  await scope.broker.start();
  await publisher.publish(room, "missed");
  await scope.gateways[0].start();
  await idle.connected(2);
  await idle.received(room, 1);
  assertRecovered(idle);
});

test("a client that drops again and again, however fast, misses and doubles nothing", async (scope) => {
  const { member, publish, complete } = await begun(scope, { reconnectionDelay: 1, reconnectionDelayMax: 20 });
  let isDone = false;
  const publishing = publish(150).then(() => (isDone = true));
  let drops = 0;
  while (!isDone && drops < 25) {
    await member.connected(drops + 1);
    member.moveTo(scope.cluster.url(drops % 2));
    await member.drop();
    drops++;
  }
  await publishing;
  await member.connected(drops + 1);
  await complete();
  assertRecovered(member, drops);
});

test("what was read before a drop is not sent again, what was on its way is", async (scope) => {
  const proxy = await scope.proxy();
  const { member, publish, complete } = await begun(scope, { url: proxy.url, transports: ["websocket"] });
  proxy.stallReader();
  await publish(20);
  proxy.cut();
  await member.connected(2);
  await complete();
  assertRecovered(member);
});

test("a long absence is replayed in full", async (scope) => {
  const { rooms, member, publisher, complete, publish } = await begun(scope, { reconnectionDelay: 50 });
  const proxy = await scope.proxy();
  member.moveTo(proxy.url);
  proxy.isDown = true;
  await member.drop();
  await publish(1500, 25); // each answer for itself would take a busy machine minutes
  proxy.isDown = false;
  await member.connected(2);
  await complete();
  assertRecovered(member);
  assert.equal((await publisher.history(rooms[0], { limit: 1 })).messages.length, 1);
});

test("messages of a room that was left before the drop are not replayed", async (scope) => {
  const [left, kept] = [scope.room(), scope.room()];
  const [member, publisher] = [await scope.client({ reconnectionDelay: 300 }), await scope.client({ gateway: 1 })];
  for (const room of [left, kept]) {
    await member.join(room);
    await publisher.join(room);
  }
  await member.leave(left);
  await member.drop();
  await publisher.publish(left, "not for the member");
  await publisher.publish(kept, "missed");
  await member.connected(2);
  await member.received(kept, 1);
  assert.deepEqual(member.data(), ["missed"]);
});

test("what was published before a join is not replayed after a drop", async (scope) => {
  const room = scope.room();
  const [member, publisher] = [await scope.client({ reconnectionDelay: 300 }), await scope.client({ gateway: 1 })];
  await publisher.join(room);
  await publisher.publish(room, "before the join");
  await member.join(room);
  await member.drop();
  await publisher.publish(room, "missed");
  await member.connected(2);
  await member.received(room, 1);
  assert.deepEqual(member.data(room), ["missed"]);
});

test("a client's own echo:false messages are not replayed to it", async (scope) => {
  const room = scope.room();
  const [member, other] = [await scope.client({ reconnectionDelay: 300 }), await scope.client({ gateway: 1 })];
  await member.join(room);
  await other.join(room);
  await member.publish(room, "own, unseen", { echo: false });
  await other.received(room, 1);
  await member.drop();
  await other.publish(room, "missed");
  await member.connected(2);
  await member.received(room, 1);
  assert.deepEqual(member.data(room), ["missed"]);
});

test("volatile messages are not replayed and do not disturb what is", async (scope) => {
  const { rooms, member, publisher, publish, complete } = await begun(scope, { reconnectionDelay: 300 });
  await publisher.publish(rooms[0], "volatile string", { volatile: true, event: "tick" });
  await member.received(rooms[0], 1, "tick");
  await member.drop();
  await publisher.publish(rooms[0], "missed for good", { volatile: true, event: "tick" });
  await publish(3);
  await member.connected(2);
  await complete();
  assertRecovered(member);
  assert.deepEqual(member.data(rooms[0], "tick"), ["volatile string"]);
});

test("string data does not confuse where the client stands", async (scope) => {
  const room = scope.room();
  const [member, publisher] = [await scope.client({ reconnectionDelay: 300 }), await scope.client({ gateway: 1 })];
  await member.join(room);
  await publisher.join(room);
  for (const data of ["1.1", "zz.zz", ""]) await publisher.publish(room, data);
  await member.received(room, 3);
  await member.drop();
  await publisher.publish(room, "missed");
  await member.connected(2);
  await member.received(room, 4);
  assert.deepEqual(member.data(room), ["1.1", "zz.zz", "", "missed"]);
  assertRecovered(member);
});

test("a session that the client ended is not restored", async (scope) => {
  const room = scope.room();
  const client = await scope.client();
  await client.join(room);
  client.socket.disconnect();
  client.socket.connect();
  await client.connected(2);
  const [first, second] = client.connections;
  assert.equal(second.recovered, false);
  assert.notEqual(second.pid, first.pid);
  assert.notEqual(second.sid, first.sid);
  const answer = await client.ask("room:publish", { room, data: 1 });
  assert.equal(answer.error.code, "not_joined", "a fresh session is in no room");
});

test("a pid that nobody was given restores nothing", async (scope) => {
  const client = await scope.client({ auth: { pid: "AAAAAAAAAAAAAAAAAAAAAA", offset: "1.1" } });
  assert.equal(client.recovered, false);
  assert.notEqual(client.connections[0].pid, "AAAAAAAAAAAAAAAAAAAAAA");
});

test("a garbled offset falls back to what the server knows, and nothing is missed", async (scope) => {
  const room = scope.room();
  const publisher = await scope.client({ gateway: 1 });
  await publisher.join(room);
  for (const offset of ["garbage", "", "1.1.1", "zzzzzzzzzzzzz.zzzzzzzzzzzzz", 5, null, { a: 1 }, "9".repeat(5000)]) {
    const member = await scope.client({ reconnectionDelay: 200 });
    await member.join(room);
    const { id } = member;
    member.socket.auth = { offset };
    await member.drop();
    await publisher.publish(room, `for ${id}`);
    await member.connected(2);
    await member.received(room, 1);
    assert.equal(member.recovered, true, `offset ${JSON.stringify(offset).slice(0, 40)}`);
    assert.equal(member.data(room).at(-1), `for ${id}`);
    member.close();
  }
});

test("whoever presents a session takes it over, and the old connection is closed", async (scope) => {
  const room = scope.room();
  const [old, publisher] = [await scope.client({ reconnection: false }), await scope.client({ gateway: 1 })];
  await old.join(room);
  await publisher.join(room);
  await publisher.publish(room, 1);
  await old.received(room, 1);
  const { pid, sid } = old.connections[0];
  const offset = old.events.at(-1).args.at(-1);
  const next = await scope.client({ gateway: 1, auth: { pid, offset } });
  assert.equal(next.id, sid, "the sid is kept");
  await old.dropped();
  await publisher.publish(room, 2);
  await next.received(room, 1);
  assert.deepEqual(next.data(room), [2]);
  assert.deepEqual(old.data(room), [1]);
});

test.alone("after the session's lifetime a client gets a fresh one and is told so", FORGETFUL, async (scope) => {
  const room = scope.room();
  const client = await scope.client({ reconnectionDelay: 2500, reconnectionDelayMax: 2500 });
  await client.join(room);
  await client.drop();
  await client.connected(2);
  assert.equal(client.recovered, false);
  assert.notEqual(client.connections[1].pid, client.connections[0].pid);
});

test.alone("when what was missed is no longer kept the client is told so", TRIMMING, async (scope) => {
  const room = scope.room();
  const proxy = await scope.proxy();
  const [client, witness] = [await scope.client({ url: proxy.url }), await scope.client()];
  await client.join(room);
  await witness.join(room);
  proxy.isDown = true;
  proxy.cut();
  await witness.publish(room, "trimmed");
  await until(async () => (await witness.history(room)).messages.length === 0, "the message is trimmed");
  proxy.isDown = false;
  await client.connected(2);
  assert.equal(client.recovered, false);
  assert.notEqual(client.connections[1].pid, client.connections[0].pid);
});

test.alone("with recovery off a client gets no pid and no offsets", UNRECOVERED, async (scope) => {
  const room = scope.room();
  const client = await scope.client();
  assert.equal(client.connections[0].pid, undefined);
  await client.join(room);
  await client.publish(room, "plain");
  await client.received(room, 1);
  assert.equal(client.events[0].args.length, 1);
  await client.drop();
  await client.connected(2);
  assert.ok(!client.recovered);
});
