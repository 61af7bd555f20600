// The past: pages of history, and what a join brings along.

import assert from "node:assert/strict";

import { MODES } from "./support/client.mjs";
import { suite } from "./support/suite.mjs";

const test = suite({ gateways: 2 });

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const seqs = (answer) => answer.messages.map((message) => message.seq);

/** A client in a room of its own that has `count` messages whose data is their seq. */
async function filled(scope, count, options) {
  const room = scope.room();
  const client = await scope.client(options);
  await client.join(room);
  await Promise.all(range(1, count).map((n) => client.publish(room, n)));
  return { client, room };
}

for (const { name, options } of MODES) {
  test(`with ${name} history pages backwards and forwards through all of a room`, async (scope) => {
    const { client, room } = await filled(scope, 120, options);
    const newest = await client.history(room);
    assert.deepEqual(seqs(newest), range(71, 120), "the default is the newest 50");
    assert.equal(newest.more, true);
    const older = await client.history(room, { before: 71, limit: 60 });
    assert.deepEqual(seqs(older), range(11, 70));
    assert.equal(older.more, true);
    const oldest = await client.history(room, { before: 11 });
    assert.deepEqual(seqs(oldest), range(1, 10));
    assert.equal(oldest.more, false);

    const first = await client.history(room, { after: 0, limit: 100 });
    assert.deepEqual(seqs(first), range(1, 100));
    assert.equal(first.more, true);
    const last = await client.history(room, { after: 100, limit: 100 });
    assert.deepEqual(seqs(last), range(101, 120));
    assert.equal(last.more, false);
    for (const message of last.messages) assert.equal(message.data, message.seq);
  });
}

test("a page ends exactly at the edge", async (scope) => {
  const { client, room } = await filled(scope, 10);
  const cases = [
    [{ limit: 10 }, range(1, 10), false],
    [{ limit: 9 }, range(2, 10), true],
    [{ limit: 1 }, [10], true],
    [{ before: 1 }, [], false],
    [{ before: 2 }, [1], false],
    [{ before: 1000 }, range(1, 10), false],
    [{ after: 9 }, [10], false],
    [{ after: 10 }, [], false],
    [{ after: 1000 }, [], false],
    [{ after: 0, limit: 10 }, range(1, 10), false],
    [{ after: 0, limit: 9 }, range(1, 9), true],
    [{ limit: 100000 }, range(1, 10), false],
  ];
  for (const [options, expected, more] of cases) {
    const page = await client.history(room, options);
    assert.deepEqual(seqs(page), expected, JSON.stringify(options));
    assert.equal(page.more, more, `more, for ${JSON.stringify(options)}`);
  }
});

test("a room without messages has an empty history", async (scope) => {
  const room = scope.room();
  const client = await scope.client();
  await client.join(room);
  assert.deepEqual(await client.history(room), { ok: true, messages: [], more: false });
});

test("history is what the members got, whichever gateway is asked", async (scope) => {
  const room = scope.room();
  const [a, b] = [await scope.client(), await scope.client({ gateway: 1 })];
  await a.join(room);
  await b.join(room);
  await a.publish(room, { from: "a" }, { id: "one" });
  await b.publish(room, { from: "b" });
  const live = await b.received(room, 2);
  assert.deepEqual((await a.history(room)).messages, live);
  assert.deepEqual((await b.history(room)).messages, live);
});

test("unusable limits are refused", async (scope) => {
  const { client, room } = await filled(scope, 1);
  const odd = [{ limit: -1 }, { limit: "all" }, { limit: 1.5 }, { before: -1 }, { before: "x" }, { after: {} }];
  for (const options of odd) {
    const answer = await client.ask("room:history", { room, ...options });
    assert.equal(answer.ok, false, JSON.stringify(options));
    assert.equal(answer.error.code, "bad_request");
  }
});

test("a join brings the last messages, or those after one, or none", async (scope) => {
  const { client, room } = await filled(scope, 60);
  const late = await scope.client({ gateway: 1 });
  const plain = await late.join(room);
  assert.equal(plain.seq, 60);
  assert.equal("messages" in plain, false);
  assert.deepEqual(seqs(await late.join(room, { last: 5 })), range(56, 60));
  assert.deepEqual(seqs(await late.join(room, { last: 100 })), range(1, 60));
  assert.deepEqual(seqs(await late.join(room, { after: 57 })), range(58, 60));
  assert.deepEqual(seqs(await late.join(room, { after: 60 })), []);
  const { messages } = await client.history(room, { limit: 60 });
  assert.deepEqual((await late.join(room, { last: 60 })).messages, messages);
});

test("an empty room joined with history gives an empty list", async (scope) => {
  const client = await scope.client();
  assert.deepEqual((await client.join(scope.room(), { last: 10 })).messages, []);
  assert.deepEqual((await client.join(scope.room(), { after: 0 })).messages, []);
});

test("between the history of a join and the first live message nothing is missing or double", async (scope) => {
  const room = scope.room();
  const writer = await scope.client();
  await writer.join(room);
  const total = 300;
  const writing = (async () => {
    for (let n = 1; n <= total; n++) await writer.publish(room, n);
  })();
  const readers = [];
  for (let n = 20; n <= 220; n += 40) {
    await writer.received(room, n);
    const reader = await scope.client({ gateway: readers.length % 2 });
    readers.push({ reader, joined: await reader.join(room, { last: 5 }) });
  }
  await writing;
  for (const { reader, joined } of readers) {
    await reader.received(room, total - joined.seq);
    const seen = [...seqs(joined), ...reader.messages(room).map((message) => message.seq)];
    assert.deepEqual(seen, range(seen[0], total));
    assert.equal(seen.length >= 5, true);
  }
});
