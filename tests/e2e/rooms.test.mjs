// Rooms: join, leave, publish, and what the members get.

import assert from "node:assert/strict";

import { MODES } from "./support/client.mjs";
import { suite } from "./support/suite.mjs";

const test = suite({ gateways: 2 });

for (const { name, options } of MODES) {
  test(`with ${name} members on two gateways get what one publishes, in one order`, async (scope) => {
    const room = scope.room();
    const members = await Promise.all([0, 1, 0, 1].map((gateway) => scope.client({ ...options, gateway })));
    for (const member of members) await member.join(room);
    const answers = await Promise.all(members.flatMap((m, i) => [0, 1, 2, 3, 4].map((n) => m.publish(room, [i, n]))));
    const seqs = answers.map((answer) => answer.seq).sort((a, b) => a - b);
    assert.deepEqual(seqs, Array.from({ length: 20 }, (_, i) => i + 1));

    const reference = await members[0].received(room, 20);
    assert.deepEqual(reference.map((message) => message.seq), Array.from({ length: 20 }, (_, i) => i + 1));
    for (const member of members) assert.deepEqual(await member.received(room, 20), reference);
    members.forEach((_, i) => {
      const own = reference.filter((message) => message.data[0] === i).map((message) => message.data[1]);
      assert.deepEqual(own, [0, 1, 2, 3, 4], "a publisher's own order is kept");
    });
  });
}

test("a message carries room, seq, time, id, sender and data, and its offset as the last argument", async (scope) => {
  const room = scope.room();
  const [sender, reader] = [await scope.client(), await scope.client({ gateway: 1 })];
  await sender.join(room);
  await reader.join(room);
  const began = Date.now();
  const answer = await sender.publish(room, { text: "hello" }, { id: "first" });
  assert.deepEqual(Object.keys(answer).sort(), ["offset", "ok", "seq", "ts"]);
  assert.ok(answer.ts >= began - 1000 && answer.ts <= Date.now() + 1000, "the time is the server's, in ms");
  assert.match(answer.offset, /^[0-9a-z]+\.[0-9a-z]+$/);

  await reader.received(room, 1);
  assert.deepEqual(reader.events[0], {
    event: "room:message",
    args: [
      {
        room,
        seq: 1,
        ts: answer.ts,
        id: "first",
        from: { user: null, sid: sender.id },
        data: { text: "hello" },
      },
      answer.offset,
    ],
  });
});

test("a message published without an id carries none", async (scope) => {
  const room = scope.room();
  const client = await scope.client();
  await client.join(room);
  await client.publish(room, 1);
  const [message] = await client.received(room, 1);
  assert.deepEqual(Object.keys(message).sort(), ["data", "from", "room", "seq", "ts"]);
});

test("nobody can lend a message another's name, time or number", async (scope) => {
  const room = scope.room();
  const [mallory, reader] = [await scope.client(), await scope.client({ gateway: 1 })];
  await mallory.join(room);
  await reader.join(room);
  const forged = { from: { user: "root", sid: reader.id }, ts: 1, seq: 99, source: "backend", offset: "zz.zz" };
  await mallory.ask("room:publish", { room, data: "forged", ...forged });
  await mallory.ask("room:message", { room, data: "direct", ...forged });
  mallory.socket.emit("room:message", { room, data: "direct", ...forged }, "1.1");
  await mallory.publish(room, "true");
  const messages = await reader.received(room, 1);
  for (const message of messages) {
    assert.deepEqual(message.from, { user: null, sid: mallory.id });
    assert.ok(message.ts > 1e12);
    assert.notEqual(message.data, "direct");
  }
  assert.equal(messages.at(-1).seq, messages.length);
});

test("echo:false leaves out the sender, and only the sender", async (scope) => {
  const room = scope.room();
  const [sender, near, far] = await Promise.all([0, 0, 1].map((gateway) => scope.client({ gateway })));
  for (const client of [sender, near, far]) await client.join(room);
  await sender.publish(room, "quiet", { echo: false });
  await sender.publish(room, "loud", { echo: true });
  await sender.received(room, 1);
  assert.deepEqual(sender.data(room), ["loud"]);
  for (const other of [near, far]) {
    await other.received(room, 2);
    assert.deepEqual(other.data(room), ["quiet", "loud"]);
  }
  const { messages } = await sender.history(room);
  assert.deepEqual(messages.map((message) => message.data), ["quiet", "loud"], "history has it for everyone");
});

test("an event of the publisher's choice reaches the listeners of that name", async (scope) => {
  const room = scope.room();
  const client = await scope.client();
  await client.join(room);
  await client.publish(room, { x: 1 }, { event: "cursor:moved" });
  const [message] = await client.received(room, 1, "cursor:moved");
  assert.deepEqual(message.data, { x: 1 });
  assert.deepEqual(client.messages(room), []);
});

test("events that the client's own library reserves cannot be published", async (scope) => {
  const room = scope.room();
  const [mallory, victim] = [await scope.client(), await scope.client()];
  await mallory.join(room);
  await victim.join(room);
  for (const event of ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener", ""]) {
    const answer = await mallory.ask("room:publish", { room, event, data: 1 });
    assert.equal(answer.ok, false, `the event "${event}" is refused`);
    assert.match(answer.error.code, /^bad_(name|request)$/);
  }
  await mallory.publish(room, "end");
  await victim.received(room, 1);
  assert.deepEqual(victim.data(room), ["end"]);
  assert.deepEqual(victim.drops, []);
});

test("the number of members counts sockets over all gateways, and joining twice counts once", async (scope) => {
  const room = scope.room();
  const [a, b, c] = await Promise.all([0, 1, 1].map((gateway) => scope.client({ gateway })));
  assert.deepEqual(await a.join(room), { ok: true, room, seq: 0, members: 1 });
  assert.equal((await b.join(room)).members, 2);
  assert.equal((await b.join(room)).members, 2);
  await a.publish(room, 1);
  const third = await c.join(room);
  assert.equal(third.members, 3);
  assert.equal(third.seq, 1);
  await b.leave(room);
  assert.equal((await a.join(room)).members, 2);
});

test("who has left gets nothing any more and may not publish", async (scope) => {
  const room = scope.room();
  const [stays, leaves] = [await scope.client(), await scope.client()];
  await stays.join(room);
  await leaves.join(room);
  await stays.publish(room, "before");
  await leaves.received(room, 1);
  await leaves.leave(room);
  await stays.publish(room, "after");
  assert.equal((await leaves.ask("room:publish", { room, data: 1 })).error.code, "not_joined");
  await leaves.join(room);
  await stays.publish(room, "back");
  await leaves.received(room, 2);
  assert.deepEqual(leaves.data(room), ["before", "back"]);
});

test("publishing to a room and reading its history need a join", async (scope) => {
  const room = scope.room();
  const [member, stranger] = [await scope.client(), await scope.client({ gateway: 1 })];
  await member.join(room);
  await member.publish(room, "for members");
  for (const request of [
    ["room:publish", { room, data: 1 }],
    ["room:history", { room }],
  ]) {
    const answer = await stranger.ask(...request);
    assert.equal(answer.ok, false);
    assert.equal(answer.error.code, "not_joined");
    assert.equal(typeof answer.error.message, "string");
  }
  assert.equal((await member.history(room)).messages.length, 1);
});

test("a name is one to 255 bytes of UTF-8", async (scope) => {
  const client = await scope.client();
  const good = ["x", 'with spaces and / : , "quotes"', "a".repeat(255), "€".repeat(85), "房间 😀", "__proto__"];
  for (const room of good) {
    const joined = await client.join(room);
    assert.equal(joined.room, room);
    assert.equal((await client.publish(room, room)).seq, joined.seq + 1);
    const [message] = await client.received(room, 1);
    assert.equal(message.room, room);
  }
  for (const room of ["", "a".repeat(256), "€".repeat(86), "nul\u0000inside"]) {
    for (const [event, ...args] of [
      ["room:join", room],
      ["room:join", { room }],
      ["room:leave", room],
      ["room:publish", { room, data: 1 }],
      ["room:history", { room }],
    ]) {
      const answer = await client.ask(event, ...args);
      assert.equal(answer.ok, false, `${event} refuses a bad name`);
      assert.equal(answer.error.code, "bad_name", `${event} of a name of ${room.length} characters`);
    }
  }
});

test("arguments of the wrong kind are refused, and the client stays connected", async (scope) => {
  const room = scope.room();
  const client = await scope.client();
  await client.join(room);
  const odd = [undefined, null, 5, true, [], [room], {}, { room: 5 }, { room: null }, { room: { room } }];
  for (const argument of odd) {
    for (const event of ["room:join", "room:leave", "room:publish", "room:history"]) {
      const answer = await (argument === undefined ? client.ask(event) : client.ask(event, argument));
      assert.equal(answer.ok, false, `${event} ${JSON.stringify(argument)}`);
      assert.match(answer.error.code, /^bad_(request|name)$/);
    }
  }
  for (const more of [{ event: 5 }, { id: 5 }, { id: {} }, { echo: "yes" }, { volatile: 1 }]) {
    const answer = await client.ask("room:publish", { room, data: 1, ...more });
    assert.equal(answer.ok, false, `publish ${JSON.stringify(more)}`);
    assert.equal(answer.error.code, "bad_request");
  }
  for (const more of [{ last: -1 }, { last: "5" }, { after: 1.5 }, { after: {} }]) {
    const answer = await client.ask("room:join", { room, ...more });
    assert.equal(answer.ok, false, `join ${JSON.stringify(more)}`);
    assert.equal(answer.error.code, "bad_request");
  }
  assert.equal((await client.publish(room, "still here")).seq, 1);
  assert.deepEqual(client.drops, []);
});

test("data may be any JSON value, and text arrives as it was sent", async (scope) => {
  const room = scope.room();
  const [sender, reader] = [await scope.client(), await scope.client({ gateway: 1 })];
  await sender.join(room);
  await reader.join(room);
  const values = [
    null, true, false, 0, -1.5, 1e300, Number.MAX_SAFE_INTEGER, "", "ä € 😀 \u2028 \u0000 \ud800 \\ \" </script>",
    "日本語テキスト", [], {}, [[[[]]]], { "": 0, "ключ": ["значение"] }, [null, { a: [1, "2", false] }],
    JSON.parse('{"__proto__": {"polluted": true}, "constructor": 1, "toString": 2}'),
  ];
  for (const value of values) await sender.publish(room, value);
  await reader.received(room, values.length);
  assert.deepEqual(reader.data(room), values);
  assert.deepEqual((await reader.history(room)).messages, reader.messages(room));
});
