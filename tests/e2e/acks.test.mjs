// What is answered, and that repeating a publish is harmless.

import assert from "node:assert/strict";

import { MODES } from "./support/client.mjs";
import { QUICK_PINGS } from "./support/cluster.mjs";
import { suite } from "./support/suite.mjs";

const test = suite({ gateways: 2, gateway: QUICK_PINGS });

for (const { name, options } of MODES) {
  test(`with ${name} an event that nobody serves is answered with no_handler`, async (scope) => {
    const client = await scope.client(options);
    const events = [["orders:create", { x: 1 }], ["message"], ["room:unheard-of", 1], ["x", Buffer.from("b")]];
    for (const [event, ...args] of events) {
      const answer = await client.ask(event, ...args);
      assert.equal(answer.ok, false);
      assert.equal(answer.error.code, "no_handler", event);
      assert.equal(typeof answer.error.message, "string");
    }
    assert.deepEqual(client.drops, []);
  });

  test(`with ${name} a publish repeated with its id is stored once and gets the first answer`, async (scope) => {
    const room = scope.room();
    const client = await scope.client(options);
    await client.join(room);
    const first = await client.publish(room, "once", { id: "the-id" });
    await client.publish(room, "between");
    const again = await client.publish(room, "once", { id: "the-id" });
    assert.deepEqual(again, first);
    await client.publish(room, "end");
    await client.received(room, 3);
    assert.deepEqual(client.data(room), ["once", "between", "end"]);
    assert.equal((await client.history(room)).messages.length, 3);
  });
}

test("an event without an ack is taken silently", async (scope) => {
  const room = scope.room();
  const client = await scope.client();
  client.socket.emit("nobody:listens", { x: 1 });
  client.socket.emit("room:join", room);
  client.socket.emit("room:publish", { room, data: "no ack wanted" });
  client.socket.emit("room:publish", { room: "", data: "a failure that nobody hears" });
  await client.received(room, 1);
  assert.deepEqual(client.data(room), ["no ack wanted"]);
  assert.deepEqual(client.drops, []);
});

test("many requests at once are each answered, the publishes in the order in which they were sent", async (scope) => {
  const room = scope.room();
  const client = await scope.client();
  await client.join(room);
  const seqs = [];
  await Promise.all(
    Array.from({ length: 200 }, async (_, n) => {
      if (n % 3 === 0) await client.history(room, { limit: 1 });
      else seqs.push((await client.publish(room, n)).seq);
    }),
  );
  assert.deepEqual(seqs, seqs.map((_, i) => i + 1));
});

test("the ack of a publish follows or precedes the message, but both say the same", async (scope) => {
  const room = scope.room();
  const client = await scope.client();
  await client.join(room);
  const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => client.publish(room, n)));
  await client.received(room, 50);
  const told = answers.map(({ seq, ts, offset }) => ({ seq, ts, offset }));
  const seen = client.events.map(({ args: [{ seq, ts }, offset] }) => ({ seq, ts, offset }));
  assert.deepEqual(seen, told);
});

test("the same id in another room, or from another client, is another message", async (scope) => {
  const [one, two] = [scope.room(), scope.room()];
  const [a, b] = [await scope.client(), await scope.client({ gateway: 1 })];
  for (const client of [a, b]) {
    await client.join(one);
    await client.join(two);
  }
  assert.equal((await a.publish(one, "a", { id: "same" })).seq, 1);
  assert.equal((await a.publish(two, "a", { id: "same" })).seq, 1);
  assert.equal((await b.publish(one, "b", { id: "same" })).seq, 2);
  assert.equal((await b.publish(one, "b", { id: "same" })).seq, 2);
});

test("a repetition is known as one after a reconnect to another gateway", async (scope) => {
  const room = scope.room();
  const client = await scope.client();
  await client.join(room);
  const first = await client.publish(room, "once", { id: "kept" });
  client.moveTo(scope.cluster.url(1));
  await client.drop();
  await client.connected(2);
  assert.deepEqual(await client.publish(room, "once", { id: "kept" }), first);
  assert.equal((await client.history(room)).messages.length, 1);
});

test("the client's own retries store a message once", async (scope) => {
  const room = scope.room();
  const proxy = await scope.proxy();
  const client = await scope.client({ url: proxy.url, retries: 20, ackTimeout: 500 });
  await client.join(room);
  const sent = [];
  for (let n = 0; n < 20; n++) {
    // emitWithAck with `retries` resolves once the publish was acknowledged, however often that took.
    sent.push(client.socket.emitWithAck("room:publish", { room, data: n, id: `id-${n}` }));
    if (n % 5 === 4) proxy.cut();
  }
  const answers = await Promise.all(sent);
  assert.deepEqual(answers.map((answer) => answer.seq), Array.from({ length: 20 }, (_, n) => n + 1));
  await client.received(room, 20);
  assert.deepEqual(client.data(room), Array.from({ length: 20 }, (_, n) => n));
});

test("a volatile message reaches who is there and is not in the history", async (scope) => {
  const room = scope.room();
  const [sender, reader] = [await scope.client(), await scope.client({ gateway: 1 })];
  await sender.join(room);
  await reader.join(room);
  await sender.publish(room, "kept 1");
  await reader.received(room, 1);
  const answer = await sender.publish(room, "typing", { volatile: true });
  assert.ok(!answer.seq, "a volatile message has no number");
  await reader.received(room, 2);
  assert.equal((await sender.publish(room, "kept 2")).seq, 2);
  await reader.received(room, 3);
  assert.deepEqual(reader.data(room), ["kept 1", "typing", "kept 2"]);
  assert.deepEqual((await reader.history(room)).messages.map((message) => message.data), ["kept 1", "kept 2"]);
});
