// Optimistic rooms: members see a message before it is stored, and learn of each what has become of it.

import assert from "node:assert/strict";

import { MODES } from "./support/client.mjs";
import { until } from "./support/deadline.mjs";
import { suite } from "./support/suite.mjs";

const SETTINGS = { "optimistic-rooms": "room-*", lease: 1500, ping: 200 };
const test = suite({ gateways: 2, broker: SETTINGS });
const ALONE = { gateways: 2, broker: SETTINGS };

/** What a client saw of each id: ["pending", "confirmed"], …; a message with a seq is "logged". */
function fates(client, room) {
  const seen = new Map();
  for (const { event, args } of client.events) {
    const [{ room: where, id, pending, seq }] = args;
    if (where !== room) continue;
    const what = event === "room:message" ? (pending ? "pending" : "logged") : event.replace("room:", "");
    if (what !== "pending" && what !== "failed") assert.ok(seq > 0);
    seen.set(id, [...(seen.get(id) ?? []), what]);
  }
  return seen;
}

/** The seqs of what a client saw as stored, in the order in which it saw them. */
function seqs(client, room) {
  return client.events
    .filter(({ args }) => args[0].room === room && args[0].seq)
    .map(({ args }) => args[0].seq);
}

/** The broker starts again, to commit nothing any more once it has shown a pending message. */
async function restartForgetful(scope, clients) {
  await scope.broker.kill();
  scope.broker.env.REJOIN_FAULT = "optimistic.shown=fail";
  await scope.broker.start();
  delete scope.broker.env.REJOIN_FAULT;
  // Its gateways follow it live when they have got two messages: the first one may have come by a refill.
  const plain = scope.room("plain");
  for (const client of clients) await client.join(plain);
  for (const n of [1, 2]) {
    await clients[0].publish(plain, n);
    for (const client of clients) await client.received(plain, n);
  }
}

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

for (const { name, options } of MODES) {
  test(`with ${name} members see pending, then confirmed; the publisher's ack says the same place`, async (scope) => {
    const room = scope.room();
    const [writer, reader] = [await scope.client(options), await scope.client({ ...options, gateway: 1 })];
    await writer.join(room);
    await reader.join(room);
    const answers = await Promise.all(range(1, 20).map((n) => writer.publish(room, { n }, { id: `id-${n}` })));
    for (const client of [writer, reader]) {
      await until(() => seqs(client, room).length === 20, () => `20 confirmations at ${client}`);
      assert.deepEqual(seqs(client, room), range(1, 20));
      for (const [, fate] of fates(client, room)) assert.deepEqual(fate, ["pending", "confirmed"]);
      const [pending] = client.messages(room);
      assert.deepEqual(pending, {
        room,
        ts: pending.ts,
        id: "id-1",
        from: { user: null, sid: writer.id },
        pending: true,
        data: { n: 1 },
      });
      const [confirmed] = client.messages(room, "room:confirmed");
      const { seq, offset, ts } = answers[0];
      assert.deepEqual(confirmed, { room, seq, ts, id: "id-1", from: pending.from, offset });
    }
  });
}

test("a message without an id gets one; its publisher with echo off sees nothing of it", async (scope) => {
  const room = scope.room();
  const [writer, reader] = [await scope.client(), await scope.client({ gateway: 1 })];
  await writer.join(room);
  await reader.join(room);
  await writer.publish(room, 1, { echo: false });
  await until(() => seqs(reader, room).length === 1, () => `a confirmation at ${reader}`);
  const [[id, fate]] = fates(reader, room);
  assert.deepEqual(fate, ["pending", "confirmed"]);
  assert.equal(writer.events.length, 0);
  const { messages } = await reader.history(room);
  assert.equal(messages[0].id, id);
});

test("a pending message carries its binaries, its confirmation none", async (scope) => {
  const room = scope.room();
  const [writer, reader] = [await scope.client(), await scope.client({ gateway: 1 })];
  await writer.join(room);
  await reader.join(room);
  await writer.publish(room, { bytes: Buffer.from("binary") }, { id: "b" });
  await until(() => seqs(reader, room).length === 1, () => `a confirmation at ${reader}`);
  assert.deepEqual(fates(reader, room).get("b"), ["pending", "confirmed"]);
  assert.equal(Buffer.from(reader.messages(room)[0].data.bytes).toString(), "binary");
});

test("a member that is away, behind or new gets the message itself", async (scope) => {
  const room = scope.room();
  const [writer, late] = [await scope.client(), await scope.client({ gateway: 1 })];
  await writer.join(room);
  const proxy = await scope.proxy(1);
  const away = await scope.client({ url: proxy.url, transports: ["websocket"] });
  await away.join(room);
  const first = writer.publish(room, 1, { id: "1" });
  await late.join(room);
  await first;
  await until(() => seqs(away, room).length === 1, "the first");
  proxy.cut();
  await away.dropped();
  await writer.publish(room, 2, { id: "2" });
  await away.connected(2);
  await until(() => seqs(away, room).length === 2, "the second");
  assert.equal(away.recovered, true);
  assert.deepEqual(fates(away, room).get("2"), ["logged"]);
  await writer.publish(room, 3, { id: "3" });
  for (const client of [away, late]) {
    await until(() => seqs(client, room).includes(3), "the third");
    assert.deepEqual(fates(client, room).get("3"), ["pending", "confirmed"]);
  }
});

test("an offset got with a pending message never runs past the log", async (scope) => {
  const room = scope.room();
  const [writer, reader] = [await scope.client(), await scope.client({ gateway: 1 })];
  await writer.join(room);
  await reader.join(room);
  for (let round = 0; round < 5; round++) {
    const before = reader.events.length;
    const answer = writer.publish(room, round, { id: `r${round}` });
    await until(() => reader.events.length > before, "the pending message");
    await reader.drop(); // maybe before the confirmation: then the message comes by the log
    await answer;
    await reader.connected(round + 2);
    assert.equal(reader.recovered, true);
    await until(() => seqs(reader, room).length === round + 1, () => `message ${round} at ${reader}`);
  }
  assert.deepEqual(seqs(reader, room), range(1, 5));
});

test.alone("kill -9 between pending and commit: what is repeated is confirmed, once", ALONE, async (scope) => {
  const room = scope.room();
  const [writer, reader] = [await scope.client(), await scope.client({ gateway: 1 })];
  await writer.join(room);
  await reader.join(room);
  await writer.publish(room, 0, { id: "first" });
  await restartForgetful(scope, [writer, reader]);
  const answers = range(1, 5).map((n) => writer.publish(room, n, n % 2 ? { id: `id-${n}` } : {}));
  await until(() => reader.messages(room).filter(({ pending }) => pending).length === 6, "five are pending");
  await until(() => writer.messages(room).filter(({ pending }) => pending).length === 6, "here, too");
  assert.deepEqual(seqs(reader, room), [1]);
  await scope.broker.kill();
  await scope.broker.start();
  assert.deepEqual((await Promise.all(answers)).map(({ seq }) => seq), range(2, 6));
  for (const client of [writer, reader]) {
    await until(() => seqs(client, room).length === 6, () => `six confirmations at ${client}`);
    assert.deepEqual(seqs(client, room), range(1, 6));
    for (const [, fate] of fates(client, room)) assert.deepEqual(fate, ["pending", "confirmed"]);
    assert.deepEqual(client.drops, []);
  }
});

test.alone("what its publisher cannot repeat has failed, and so every member is told", ALONE, async (scope) => {
  const room = scope.room();
  const [writer, reader, witness] = await Promise.all([0, 1, 1].map((gateway) => scope.client({ gateway })));
  for (const client of [writer, reader, witness]) await client.join(room);
  await writer.publish(room, 0, { id: "first" });
  await restartForgetful(scope, [writer, reader, witness]);
  writer.socket.emit("room:publish", { room, data: 1, id: "lost" });
  await until(() => [reader, witness].every((client) => client.messages(room).length === 2), "both see it pending");
  // The publisher's gateway goes with the broker: nobody is left to say it again.
  await scope.gateways[0].kill();
  await scope.broker.kill();
  await scope.broker.start();
  for (const client of [reader, witness]) {
    await until(() => fates(client, room).get("lost").length === 2, () => `the end of "lost" at ${client}`);
    assert.deepEqual(fates(client, room).get("lost"), ["pending", "failed"]);
    const [{ error, from }] = client.messages(room, "room:failed");
    assert.equal(error.code, "unavailable");
    assert.equal(from.sid, client.messages(room)[1].from.sid);
  }
  await reader.publish(room, 2, { id: "next" });
  await until(() => seqs(witness, room).length === 2, "the next message");
  assert.deepEqual(seqs(witness, room), [1, 2]);
  assert.deepEqual((await reader.history(room)).messages.map(({ id }) => id), ["first", "next"]);
});

test.alone("kill -9 of the broker at any moment leaves no message without an end", ALONE, async (scope) => {
  const room = scope.room();
  const clients = await Promise.all([0, 1, 0, 1].map((gateway) => scope.client({ gateway })));
  for (const client of clients) await client.join(room);
  const answers = [];
  for (let round = 0; round < 4; round++) {
    for (const client of clients) {
      for (let n = 0; n < 25; n++) answers.push(client.publish(room, n, { id: `${client.id}-${round}-${n}` }));
    }
    const seen = 100 * round + 1 + 20 * round;
    await until(() => clients[1].messages(room).length >= seen, () => `${seen} messages at ${clients[1]}`);
    await scope.broker.kill();
    await scope.broker.start();
    await Promise.all(answers);
  }
  for (const client of clients) {
    await until(() => seqs(client, room).length === 400, () => `400 messages at ${client}`);
    assert.deepEqual(seqs(client, room), range(1, 400));
    for (const [id, fate] of fates(client, room)) {
      // One that was pending had one end; one that was not shown, because it came with a refill, is there whole.
      const isWhole = fate.length === 1 ? fate[0] === "logged" : fate.join() === "pending,confirmed";
      assert.ok(isWhole, `${id}: ${fate}`);
    }
    assert.deepEqual(client.drops, []);
  }
});
