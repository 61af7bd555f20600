// rejoinctl looks at sockets and rooms, disconnects, and emits.

import assert from "node:assert/strict";

import { ctl, ctlLines } from "./support/ctl.mjs";
import { until } from "./support/deadline.mjs";
import { suite } from "./support/suite.mjs";

const test = suite({ gateways: 2, broker: { namespaces: "/,/news" } });

test("sockets are listed and counted by filter", async (scope) => {
  const room = scope.room();
  const clients = [await scope.client({ auth: { t: 1 } }), await scope.client({ gateway: 1 }), await scope.client()];
  for (const client of clients.slice(0, 2)) await client.join(room);
  const listed = await ctlLines(scope.cluster, ["sockets", "--room", room]);
  assert.deepEqual(listed.map(({ sid }) => sid).sort(), clients.slice(0, 2).map(({ id }) => id).sort());
  assert.deepEqual([listed[0].namespace, listed[0].user, listed[0].rooms, listed[0].data], ["/", null, [room], null]);
  const args = ["sockets", "--room", room, "--except-socket", clients[0].id, "--count"];
  assert.deepEqual(await ctlLines(scope.cluster, args), [{ sockets: 1 }]);
});

test("rooms are listed with their members", async (scope) => {
  const prefix = scope.room("ctl");
  const client = await scope.client();
  for (const end of ["a", "b"]) await client.join(`${prefix}-${end}`);
  const rooms = await ctlLines(scope.cluster, ["rooms", "--pattern", `${prefix}-*`]);
  assert.deepEqual(rooms, [{ room: `${prefix}-a`, members: 1 }, { room: `${prefix}-b`, members: 1 }]);
});

test("an event is emitted to rooms, sockets and all, with plain arguments", async (scope) => {
  const room = scope.room();
  const [member, other] = [await scope.client(), await scope.client({ gateway: 1 })];
  await member.join(room);
  const to = ["--room", room, "--socket", other.id];
  const [emitted] = await ctlLines(scope.cluster, ["emit", ...to, "hi", "1", '{"a":[true]}']);
  assert.deepEqual(emitted.seqs, [1, 1]);
  await ctlLines(scope.cluster, ["emit", "--all", "--except-room", room, "hi", "2"]);
  await ctlLines(scope.cluster, ["emit", "--all", "end"]);
  await until(() => [member, other].every((client) => client.events.at(-1)?.event === "end"), "the end");
  const got = (client) => client.events.filter(({ event }) => event === "hi").map(({ args }) => args.slice(0, -1));
  assert.deepEqual(got(member), [[1, { a: [true] }]]);
  assert.deepEqual(got(other), [[1, { a: [true] }], [2]]);
  const [stored] = await ctlLines(scope.cluster, ["history", room]);
  assert.deepEqual(stored.args, [1, { a: [true] }]);
});

test("sockets are disconnected, but not all of them by mistake", async (scope) => {
  const room = scope.room();
  const [out, stays] = [await scope.client(), await scope.client()];
  await out.join(room);
  assert.equal((await ctl(scope.cluster, ["disconnect"])).code, 2);
  assert.equal((await ctl(scope.cluster, ["disconnect", "--all", "--room", room])).code, 2);
  assert.deepEqual(await ctlLines(scope.cluster, ["disconnect", "--room", room]), [{ sockets: 1 }]);
  assert.equal(await out.dropped(), "io server disconnect");
  assert.equal(stays.socket.connected, true);
});

test("wrong usage is told, with exit 2", async (scope) => {
  const wrong = [
    ["emit", "hi"],
    ["emit", "--all"],
    ["emit", "--all", "hi", "no json"],
    ["sockets", "extra"],
    ["sockets", "--limbs", "4"],
    ["rooms", "--pattern"],
    ["disconnect", "--socket"],
  ];
  for (const args of wrong) {
    const { code, errors } = await ctl(scope.cluster, args);
    assert.equal(code, 2, `${args}`);
    assert.match(errors, /usage: /);
  }
});
