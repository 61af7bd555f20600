// Binary data in messages: live, in history and in the answer to a join.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";

import { MODES } from "./support/client.mjs";
import { suite } from "./support/suite.mjs";

const test = suite({ gateways: 2 });

for (const { name, options } of MODES) {
  test(`with ${name} binary data arrives live, in history and with a join`, async (scope) => {
    const room = scope.room();
    const [sender, reader] = [await scope.client(options), await scope.client({ ...options, gateway: 1 })];
    await sender.join(room);
    await reader.join(room);
    const values = [
      Buffer.from("plain"),
      { name: "picture", bytes: Buffer.from([0, 1, 2, 255]), thumb: Buffer.alloc(0) },
      [Buffer.from("a"), [Buffer.from("b"), { c: Buffer.from("c") }], "text between"],
      "no binary at all",
      { big: randomBytes(200000) },
    ];
    for (const value of values) await sender.publish(room, value);
    await reader.received(room, values.length);
    assert.deepEqual(reader.data(room), values);
    const { messages } = await reader.history(room);
    assert.deepEqual(messages.map((message) => message.data), values);
    const late = await scope.client({ ...options, gateway: 1 });
    assert.deepEqual((await late.join(room, { last: 10 })).messages, messages);
  });
}

test("typed arrays and array buffers are binary too", async (scope) => {
  const room = scope.room();
  const client = await scope.client();
  await client.join(room);
  await client.publish(room, { view: new Uint8Array([1, 2, 3]), buffer: new Uint8Array([4, 5]).buffer });
  const [{ data }] = await client.received(room, 1);
  assert.deepEqual(data, { view: Buffer.from([1, 2, 3]), buffer: Buffer.from([4, 5]) });
});

test("binary messages of many rooms and senders do not mix", async (scope) => {
  const room = scope.room();
  const clients = await Promise.all([0, 1, 0, 1].map((gateway) => scope.client({ gateway })));
  for (const client of clients) await client.join(room);
  const digest = (bytes) => createHash("sha256").update(bytes).digest("hex");
  await Promise.all(
    clients.flatMap((client) =>
      Array.from({ length: 10 }, () => {
        const parts = [randomBytes(1 + Math.floor(Math.random() * 5000)), randomBytes(10)];
        return client.publish(room, { parts, digests: parts.map(digest) });
      }),
    ),
  );
  for (const client of clients) {
    for (const { data } of await client.received(room, 40)) assert.deepEqual(data.parts.map(digest), data.digests);
  }
});

test("ten attachments are the most in a message", async (scope) => {
  const room = scope.room();
  const [sender, reader] = [await scope.client(), await scope.client({ gateway: 1 })];
  await sender.join(room);
  await reader.join(room);
  const ten = Array.from({ length: 10 }, (_, n) => Buffer.from([n]));
  await sender.publish(room, ten);
  await reader.received(room, 1);
  assert.deepEqual(reader.data(room), [ten]);
});

test("a page of history holds no more than ten attachments, and its successors the rest", async (scope) => {
  const room = scope.room();
  const client = await scope.client();
  await client.join(room);
  const count = 12;
  for (let n = 1; n <= count; n++) {
    await client.publish(room, [n, Buffer.from(`a${n}`), Buffer.from(`b${n}`), Buffer.from(`c${n}`)]);
  }
  const seen = [];
  for (let after = 0, more = true; more; after = seen.at(-1).seq) {
    const page = await client.history(room, { after });
    assert.ok(page.messages.length > 0 && page.messages.length <= 3, "three times three attachments fit");
    seen.push(...page.messages);
    more = page.more;
  }
  assert.deepEqual(seen.map((message) => message.seq), Array.from({ length: count }, (_, i) => i + 1));
  assert.deepEqual(seen, client.messages(room));

  const newest = await client.history(room, { limit: 50 });
  assert.deepEqual(newest.messages, seen.slice(-3), "a page backwards ends with the newest");
  assert.equal(newest.more, true);
  const joined = await client.join(room, { last: 50 });
  assert.deepEqual(joined.messages, seen.slice(-3), "and so does a join");
  assert.deepEqual(client.drops, []);
});

test("text that looks like a placeholder harms nobody, live or in history", async (scope) => {
  const room = scope.room();
  const [mallory, victim] = [await scope.client(), await scope.client({ gateway: 1 })];
  await mallory.join(room);
  await victim.join(room);
  const fakes = [
    { _placeholder: true, num: 0 },
    { _placeholder: true, num: 99 },
    { deep: [{ _placeholder: true, num: -1 }] },
    { _placeholder: true },
    { _placeholder: true, num: "0" },
  ];
  for (const data of fakes) await mallory.ask("room:publish", { room, data });
  for (const num of [0.5, 1e99, null, true, [0]]) {
    // The stock client leaves such an object as it is and sends the attachment beside it.
    const data = [Buffer.from("beside"), { _placeholder: true, num }];
    await mallory.ask("room:publish", { room, data }).catch(() => "the packet cost its sender the connection");
    await mallory.connected(mallory.drops.length + 1);
  }
  // Beside a real attachment the page of history is a binary packet, in which every placeholder is looked up.
  await victim.publish(room, { real: Buffer.from("real") });
  await victim.publish(room, "end");
  const real = (messages) => messages.filter((message) => Buffer.isBuffer(message.data?.real));
  const { messages } = await victim.history(room);
  assert.deepEqual(real(messages).map((message) => message.data.real.toString()), ["real"]);
  const late = await scope.client();
  assert.equal(real((await late.join(room, { last: 50 })).messages).length, 1);
  await victim.drop();
  await victim.connected(2);
  await victim.publish(room, "after");
  await victim.received(room, 3);
  assert.deepEqual(victim.drops.length, 1, "the victim was disconnected by its own drop only");
  assert.deepEqual(late.drops, []);
});

test("binary data is replayed after a drop", async (scope) => {
  const room = scope.room();
  const [sender, reader] = [await scope.client(), await scope.client({ gateway: 1 })];
  await sender.join(room);
  await reader.join(room);
  await sender.publish(room, Buffer.from("before"));
  await reader.received(room, 1);
  reader.socket.io.reconnectionDelay(500);
  await reader.drop();
  await sender.publish(room, { missed: Buffer.from("missed") });
  await reader.connected(2);
  assert.equal(reader.recovered, true);
  await sender.publish(room, Buffer.from("after"));
  await reader.received(room, 3);
  assert.deepEqual(reader.data(room), [Buffer.from("before"), { missed: Buffer.from("missed") }, Buffer.from("after")]);
});
