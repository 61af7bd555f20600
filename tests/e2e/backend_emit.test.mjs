// What a backend emits reaches exactly whom it names: rooms, users, a socket, everybody, with exceptions.

import assert from "node:assert/strict";

import { Backend } from "./support/backend.mjs";
import { until } from "./support/deadline.mjs";
import { suite } from "./support/suite.mjs";

const test = suite({ gateways: 2, broker: { namespaces: "/,/news" } });

let marks = 0;

/** What each of `clients` has got of `event`, once all of them have seen a message that was emitted after it. */
async function gotBy(backend, clients, event) {
  const mark = `mark-${++marks}`;
  await backend.emit({ targets: [{ kind: "namespace" }] }, mark);
  const isMarked = (client) => client.events.some((item) => item.event === mark);
  await until(() => clients.every(isMarked), `${mark} reached all`);
  return clients.map((client) => client.events.filter((item) => item.event === event).map(({ args }) => args[0]));
}

async function three(scope) {
  return Promise.all([scope.client(), scope.client({ gateway: 1 }), scope.client()]);
}

const room = (name) => ({ kind: "room", name });

test("to one socket", async (scope) => {
  const [backend, clients] = [await Backend.open(scope), await three(scope)];
  const answer = await backend.emit({ targets: [{ kind: "socket", name: clients[1].id }] }, "hi", 1);
  assert.equal(answer.seq, 1);
  assert.deepEqual(await gotBy(backend, clients, "hi"), [[], [1], []]);
});

test("to everybody in a namespace, and nobody elsewhere", async (scope) => {
  const [backend, clients] = [await Backend.open(scope), await three(scope)];
  const reader = await scope.client({ nsp: "/news" });
  await backend.emit({ targets: [{ kind: "namespace" }] }, "hi", 1);
  await backend.emit({ nsp: "/news", targets: [{ kind: "namespace" }] }, "hi", 2);
  assert.deepEqual(await gotBy(backend, clients, "hi"), [[1], [1], [1]]);
  await until(() => reader.events.length > 0, "the reader's message");
  assert.deepEqual(reader.events.map(({ args }) => args[0]), [2]);
});

test("to the union of several rooms, each client once", async (scope) => {
  const [backend, clients] = [await Backend.open(scope), await three(scope)];
  const [a, b] = [scope.room(), scope.room()];
  await clients[0].join(a);
  await clients[0].join(b);
  await clients[1].join(b);
  await backend.emit({ targets: [room(a), room(b)] }, "hi", 1);
  assert.deepEqual(await gotBy(backend, clients, "hi"), [[1], [1], []]);
});

test("except who is in a room, and except a socket", async (scope) => {
  const [backend, clients] = [await Backend.open(scope), await three(scope)];
  const [all, muted] = [scope.room(), scope.room()];
  for (const client of clients) await client.join(all);
  await clients[0].join(muted);
  await backend.emit({ room: all, exceptRooms: [muted] }, "hi", 1);
  await backend.emit({ room: all, exceptSids: [clients[1].id] }, "hi", 2);
  await backend.emit({ targets: [{ kind: "namespace" }], exceptRooms: [muted], exceptSids: [clients[2].id] }, "hi", 3);
  assert.deepEqual(await gotBy(backend, clients, "hi"), [[2], [1, 3], [1, 2]]);
});

test("to a user, wherever it is connected", async (scope) => {
  const backend = await Backend.open(scope, { admits: true });
  backend.handlers.connect = ({ job, auth }) => backend.call("accept", { job, user: auth.user });
  const clients = await Promise.all([
    scope.client({ auth: { user: "ann" } }),
    scope.client({ auth: { user: "ann" }, gateway: 1 }),
    scope.client({ auth: { user: "bob" } }),
  ]);
  await backend.emit({ targets: [{ kind: "user", name: "ann" }] }, "hi", 1);
  assert.deepEqual(await gotBy(backend, clients, "hi"), [[1], [1], []]);
});

test("what was emitted while a client was away is replayed, whatever it was meant for", async (scope) => {
  const backend = await Backend.open(scope, { admits: true });
  backend.handlers.connect = ({ job }) => backend.call("accept", { job, user: "ann", rooms: ["home"] });
  const client = await scope.client({ reconnectionDelay: 400 });
  const { id } = client;
  await client.drop();
  await backend.emit({ targets: [{ kind: "socket", name: id }] }, "hi", 1);
  await backend.emit({ targets: [{ kind: "user", name: "ann" }] }, "hi", 2);
  await backend.emit({ targets: [room("home")] }, "hi", 3);
  await backend.emit({ targets: [{ kind: "namespace" }] }, "hi", 4);
  await backend.emit({ targets: [{ kind: "namespace" }], volatile: true }, "hi", 5);
  await backend.emit({ targets: [{ kind: "namespace" }], exceptSids: [id] }, "hi", 6);
  await client.connected(2);
  assert.equal(client.recovered, true);
  assert.deepEqual(await gotBy(backend, [client], "hi"), [[1, 2, 3, 4]]);
});

test("arguments of every kind come as they are, binaries too", async (scope) => {
  const [backend, client] = [await Backend.open(scope), await scope.client()];
  const args = [1, "zwei", { blob: Buffer.from([1, 2, 3]), list: [Buffer.from("x"), null] }, []];
  await backend.emit({ targets: [{ kind: "socket", name: client.id }] }, "all", ...args);
  await until(() => client.events.length > 0, "the event");
  assert.deepEqual(client.events[0].args.slice(0, args.length), args);
});

test("the same key is stored once; bad targets and data are refused", async (scope) => {
  const [backend, client] = [await Backend.open(scope), await scope.client()];
  const to = { targets: [{ kind: "socket", name: client.id }] };
  const first = await backend.emit({ ...to, key: "k" }, "hi", 1);
  const again = await backend.emit({ ...to, key: "k" }, "hi", 1);
  assert.deepEqual([again.duplicate, again.seq, again.offset], [true, first.seq, first.offset]);
  assert.deepEqual(await gotBy(backend, [client], "hi"), [[1]]);
  const refused = [
    [{ ...to, event: "e", plain: true, data: { no: "array" } }, "bad_request"],
    [{ targets: [{ kind: "socket", name: "x".repeat(22) }], event: "e", plain: true, data: [] }, "not_found"],
    [{ room: "", data: 1 }, "bad_name"],
    [{ nsp: "/nowhere", room: "r", data: 1 }, "invalid_namespace"],
    [{ ...to, event: "disconnect", plain: true, data: [] }, "bad_request"],
  ];
  for (const [publish, code] of refused) {
    const { status } = await backend.call("publish", publish);
    assert.equal(status, code, JSON.stringify(publish));
  }
});

test("many emits from one backend arrive in order", async (scope) => {
  const [backend, client] = [await Backend.open(scope), await scope.client({ gateway: 1 })];
  const to = { targets: [{ kind: "socket", name: client.id }] };
  const numbers = Array.from({ length: 500 }, (_, n) => n);
  await Promise.all(numbers.map((n) => backend.emit(to, "n", n)));
  assert.deepEqual(await gotBy(backend, [client], "n"), [numbers]);
});
