// A backend's messages, published by rejoinctl through librejoin, reach the clients.

import assert from "node:assert/strict";

import { ctl, ctlLines } from "./support/ctl.mjs";
import { suite } from "./support/suite.mjs";

const test = suite({ gateways: 2, broker: { namespaces: "/,/news" } });

test("a backend's publish reaches the members and the history", async (scope) => {
  const room = scope.room();
  const members = [await scope.client(), await scope.client({ gateway: 1 })];
  for (const member of members) await member.join(room);
  const [published] = await ctlLines(scope.cluster, ["publish", room, '{"text":"grüße 😀"}']);
  assert.equal(published.seq, 1);
  for (const member of members) {
    await member.received(room, 1);
    const [{ args: [message, offset] }] = member.events;
    const { id, ...rest } = message;
    assert.equal(typeof (id ?? ""), "string");
    const from = { user: null, sid: null };
    assert.deepEqual(rest, { room, seq: 1, ts: published.ts, from, data: { text: "grüße 😀" } });
    assert.equal(offset, published.offset);
    assert.deepEqual((await member.history(room)).messages, [message]);
  }
});

test("a backend's publish repeated under its id is stored once, across a restart of the broker too", async (scope) => {
  const room = scope.room();
  const member = await scope.client();
  await member.join(room);
  const args = ["publish", "--id", `order-${room}`, room, '"once"'];
  const [first] = await ctlLines(scope.cluster, args);
  const [second] = await ctlLines(scope.cluster, args);
  await scope.broker.kill();
  await scope.broker.start();
  const [third] = await ctlLines(scope.cluster, args);
  for (const again of [second, third]) assert.deepEqual(again, { ...first, duplicate: true });
  await ctlLines(scope.cluster, ["publish", room, '"end"']);
  await member.received(room, 2);
  assert.deepEqual(member.data(room), ["once", "end"]);
});

test("a backend's stream of messages arrives in its order", async (scope) => {
  const room = scope.room();
  const member = await scope.client({ gateway: 1 });
  await member.join(room);
  const numbers = Array.from({ length: 1000 }, (_, i) => i + 1);
  const lines = await ctlLines(scope.cluster, ["publish", room, "-"], { input: numbers.join("\n") });
  assert.deepEqual(lines.map((line) => line.seq), numbers);
  await member.received(room, numbers.length);
  assert.deepEqual(member.data(room), numbers);
});

test("a backend's messages are replayed after a drop", async (scope) => {
  const room = scope.room();
  const member = await scope.client({ reconnectionDelay: 500 });
  await member.join(room);
  await member.drop();
  await ctlLines(scope.cluster, ["publish", room, '"missed"']);
  await member.connected(2);
  await member.received(room, 1);
  assert.equal(member.recovered, true);
});

test("namespace and event are the backend's choice", async (scope) => {
  const room = scope.room();
  const [reader, elsewhere] = [await scope.client({ nsp: "/news" }), await scope.client()];
  await reader.join(room);
  await elsewhere.join(room);
  await ctlLines(scope.cluster, ["publish", "--namespace", "/news", "--event", "headline", room, "1"]);
  await reader.received(room, 1, "headline");
  await elsewhere.publish(room, "its own");
  await elsewhere.received(room, 1);
  assert.deepEqual(elsewhere.events.map((item) => item.event), ["room:message"]);
});

test("a volatile publish of a backend reaches who is there and is not stored", async (scope) => {
  const room = scope.room();
  const member = await scope.client();
  await member.join(room);
  await ctlLines(scope.cluster, ["publish", "--volatile", room, '"now"']);
  await member.received(room, 1);
  assert.deepEqual((await member.history(room)).messages, []);
});

test("a backend's text that looks like a placeholder harms no client", async (scope) => {
  const room = scope.room();
  const client = await scope.client();
  await client.join(room);
  for (const data of ['{"_placeholder":true,"num":0}', '[{"_placeholder":true,"num":99}]', '{"_placeholder":true}']) {
    await ctl(scope.cluster, ["publish", room, data]);
  }
  await client.publish(room, Buffer.from("real"));
  const { messages } = await client.history(room);
  assert.deepEqual(messages.at(-1).data, Buffer.from("real"));
  assert.deepEqual(client.drops, []);
});

test("history and tail show what clients have published", async (scope) => {
  const room = scope.room();
  const client = await scope.client();
  await client.join(room);
  for (const n of [1, 2, 3]) await client.publish(room, n);
  const history = await ctlLines(scope.cluster, ["history", room]);
  assert.deepEqual(history.map(({ seq, data }) => [seq, data]), [[1, 1], [2, 2], [3, 3]]);
  assert.equal(history[0].from.sid, client.id);
  const tail = ctlLines(scope.cluster, ["tail", "--from", history[0].offset, "--count", "3", room]);
  await client.publish(room, 4);
  assert.deepEqual((await tail).map(({ data }) => data), [2, 3, 4]);
});

test("stats are answered", async (scope) => {
  const lines = await ctlLines(scope.cluster, ["stats"]);
  assert.ok(lines.length > 0);
  for (const line of lines) assert.match(line, /^[a-z_]+(\{.*\})? [-+.e0-9]+$/);
});

test("a backend's bad room or namespace is refused", async (scope) => {
  const refused = [
    ["publish", "", "1"],
    ["publish", "x".repeat(256), "1"],
    ["publish", "--namespace", "/nowhere", "x", "1"],
    ["history", ""],
  ];
  for (const args of refused) {
    const { code, errors } = await ctl(scope.cluster, args);
    assert.equal(code, 1, `${args}`);
    assert.notEqual(errors, "");
  }
});
