// A backend asks clients (broadcast with acks), and backends speak to each other.

import assert from "node:assert/strict";

import { Backend } from "./support/backend.mjs";
import { until } from "./support/deadline.mjs";
import { suite } from "./support/suite.mjs";

const test = suite({ gateways: 2, broker: { lease: 1000, ping: 100 } });

/** A client in `room` that acks `ask` with `...answer`. */
async function answering(scope, room, gateway, ...answer) {
  const client = await scope.client({ gateway });
  await client.join(room);
  client.socket.on("ask", (...args) => args.findLast((arg) => typeof arg === "function")?.(...answer));
  return client;
}

const bySid = (answers) => Object.fromEntries(answers.map(({ sid, args }) => [sid, args]));

test("all clients of a room answer, on whichever gateway they are", async (scope) => {
  const [backend, room] = [await Backend.open(scope), scope.room()];
  const [a, b] = [await answering(scope, room, 0, "a", { x: 1 }), await answering(scope, room, 1, Buffer.from("b"))];
  await answering(scope, scope.room(), 0, "elsewhere");
  const result = await backend.demand("ask", { room, event: "ask", data: ["?"], timeout: 5000 });
  assert.equal(result.asked, 2);
  assert.deepEqual(result.missing, []);
  assert.deepEqual(bySid(result.answers), { [a.id]: ["a", { x: 1 }], [b.id]: [Buffer.from("b")] });
  assert.deepEqual(a.events.map(({ event }) => event), ["ask"]);
  assert.equal(a.events[0].args[0], "?");
});

test("who is silent until the time is over is missing, the others' answers count", async (scope) => {
  const [backend, room] = [await Backend.open(scope), scope.room()];
  const talker = await answering(scope, room, 0, 1);
  const silent = await scope.client({ gateway: 1 });
  await silent.join(room);
  const before = performance.now();
  const result = await backend.demand("ask", { room, event: "ask", data: [], timeout: 400 });
  assert.ok(performance.now() - before >= 390);
  assert.deepEqual(bySid(result.answers), { [talker.id]: [1] });
  assert.deepEqual(result.missing, [silent.id]);
});

test("who leaves without an answer is missing at once", async (scope) => {
  const [backend, room] = [await Backend.open(scope), scope.room()];
  const talker = await answering(scope, room, 0, 1);
  const leaver = await scope.client({ gateway: 1 });
  await leaver.join(room);
  leaver.socket.on("ask", () => leaver.close());
  const { id } = leaver;
  const result = await backend.demand("ask", { room, event: "ask", data: [], timeout: 15000 });
  assert.deepEqual(bySid(result.answers), { [talker.id]: [1] });
  assert.deepEqual(result.missing, [id]);
});

test("nobody there is no error; enough answers end it early; exceptions are not asked", async (scope) => {
  const [backend, room] = [await Backend.open(scope), scope.room()];
  const nobody = await backend.demand("ask", { room, event: "ask", data: [], timeout: 5000 });
  assert.deepEqual([nobody.asked, nobody.answers, nobody.missing], [0, [], []]);
  const [a, b] = [await answering(scope, room, 0, 1), await answering(scope, room, 1, 2)];
  const one = await backend.demand("ask", { room, event: "ask", data: [], timeout: 15000, max: 1 });
  assert.ok(one.answers.length >= 1);
  const but = await backend.demand("ask", { room, exceptSids: [a.id], event: "ask", data: [], timeout: 5000 });
  assert.deepEqual(bySid(but.answers), { [b.id]: [2] });
});

test("one socket may be asked, and a question is not replayed", async (scope) => {
  const backend = await Backend.open(scope);
  const client = await scope.client({ reconnectionDelay: 400 });
  client.socket.on("ask", (...args) => args.at(-1)("yes"));
  const to = { targets: [{ kind: "socket", name: client.id }], event: "ask", data: [] };
  assert.deepEqual((await backend.demand("ask", { ...to, timeout: 5000 })).answers[0].args, ["yes"]);
  await client.drop();
  const gone = await backend.demand("ask", { ...to, timeout: 200 });
  assert.deepEqual(gone.answers, []);
  await client.connected(2);
  await backend.emit({ targets: [{ kind: "socket", name: client.id }] }, "end");
  await until(() => client.events.some(({ event }) => event === "end"), "the end");
  assert.deepEqual(client.events.map(({ event }) => event), ["ask", "end"]);
});

test("a backend speaks to the others of a group, without and with answers", async (scope) => {
  const group = "speakers";
  const [one, two, three] = await Promise.all([1, 2, 3].map(() => Backend.open(scope, { group, allEvents: true })));
  const told = await one.demand("send", { group, name: "reload", args: [1, { deep: true }] });
  assert.equal(told.sent, 2);
  for (const other of [two, three]) {
    const note = await other.saw("note");
    assert.deepEqual([note.from, note.name, note.group, note.job], [one.name, "reload", group, 0]);
    assert.deepEqual(note.args, [1, { deep: true }]);
  }
  assert.deepEqual(one.of("note"), []);
  two.handlers.note = ({ job }) => two.ack(job, "two", Buffer.from([9]));
  three.handlers.note = ({ job }) => three.call("refuse", { job, code: "busy", message: "later" });
  const asked = await one.demand("send", { group, name: "?", args: [], wantsAnswers: true, timeout: 5000 });
  assert.equal(asked.sent, 2);
  const byName = Object.fromEntries(asked.replies.map((reply) => [reply.from, reply]));
  assert.deepEqual(byName[two.name].args, ["two", Buffer.from([9])]);
  assert.equal(byName[three.name].error, "busy");
});

test("a word to a namespace reaches who serves it; who is silent is missing", async (scope) => {
  const one = await Backend.open(scope);
  const two = await Backend.open(scope, { namespaces: ["/orders-*"], allEvents: true });
  const away = await one.demand("send", { nsp: "/", name: "x" });
  assert.equal(away.sent, 0);
  const result = await one.demand("send", { nsp: "/orders-5", name: "x", wantsAnswers: true, timeout: 300 });
  assert.equal(result.sent, 1);
  assert.deepEqual(result.replies, []);
  assert.equal(result.missing.length, 1);
  assert.equal((await two.saw("note")).instance, two.of("note")[0].instance);
  await until(() => two.of("note").length === 1, "one note");
});
