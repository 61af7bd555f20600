// A backend looks at the clients' sockets and commands them, by filter.

import assert from "node:assert/strict";

import { Backend } from "./support/backend.mjs";
import { until } from "./support/deadline.mjs";
import { suite } from "./support/suite.mjs";

const test = suite({ gateways: 2, broker: { lease: 1000, ping: 100 } });

const sids = ({ sockets }) => sockets.map(({ sid }) => sid).sort();
const idsOf = (clients) => clients.map(({ id }) => id).sort();

test("sockets join and leave rooms from outside, and see what comes there", async (scope) => {
  const [backend, room, other] = [await Backend.open(scope), scope.room(), scope.room()];
  const clients = [await scope.client(), await scope.client({ gateway: 1 }), await scope.client()];
  await clients[0].join(room);
  await clients[1].join(room);
  const joined = await backend.demand("join", { inRooms: [room], rooms: [other] });
  assert.equal(joined.sockets, 2);
  await backend.emit({ room: other }, "hi", 1);
  await until(() => [0, 1].every((i) => clients[i].events.length === 1), "both members got it");
  const left = await backend.demand("leave", { inRooms: [room], sids: [clients[0].id], rooms: [other, room] });
  assert.equal(left.sockets, 1);
  await backend.emit({ room: other }, "hi", 2);
  await backend.emit({ targets: [{ kind: "namespace" }] }, "end");
  await until(() => clients.every((client) => client.events.at(-1)?.event === "end"), "the end");
  const got = clients.map((client) => client.events.filter(({ event }) => event === "hi").map(({ args }) => args[0]));
  assert.deepEqual(got, [[1], [1, 2], []]);
});

test("a room that a backend has put a socket into is there after a rejoin", async (scope) => {
  const [backend, room] = [await Backend.open(scope), scope.room()];
  const client = await scope.client({ reconnectionDelay: 300 });
  await backend.demand("join", { sids: [client.id], rooms: [room] });
  await client.drop();
  await backend.demand("publish", { room, data: "missed" });
  await client.connected(2);
  await client.received(room, 1);
  assert.equal(client.recovered, true);
});

for (const close of [false, true]) {
  test(`sockets are disconnected ${close ? "with their connection" : "from the namespace"}`, async (scope) => {
    const [backend, room] = [await Backend.open(scope, { allEvents: true }), scope.room()];
    const [out, stays] = [await scope.client(), await scope.client()];
    await out.join(room);
    const { id } = out;
    const { sockets } = await backend.demand("disconnect", { inRooms: [room], close });
    assert.equal(sockets, 1);
    assert.equal(await out.dropped(), "io server disconnect");
    const closed = await backend.saw("close");
    assert.deepEqual([closed.sid, closed.reason, closed.rooms], [id, "server namespace disconnect", [room]]);
    assert.equal(out.socket.active, false);
    assert.equal(stays.socket.connected, true);
    out.socket.connect();
    await out.connected(2);
    assert.equal(out.recovered, false);
  });
}

test("sockets are listed with all that is known of them", async (scope) => {
  const backend = await Backend.open(scope, { admits: true });
  backend.handlers.connect = ({ job }) => backend.call("accept", { job, user: "ann", data: { n: 1 }, rooms: ["home"] });
  const client = await scope.client({ auth: { token: 1 } });
  const { sockets } = await backend.demand("sockets", { sids: [client.id], withHandshake: true });
  assert.equal(sockets.length, 1);
  const [socket] = sockets;
  assert.deepEqual([socket.sid, socket.nsp, socket.user, socket.rooms], [client.id, "/", "ann", ["home"]]);
  assert.deepEqual(socket.data, { n: 1 });
  assert.deepEqual(socket.auth, { token: 1 });
  assert.equal(socket.handshake.address, "127.0.0.1");
  assert.ok(Math.abs(socket.connected - Date.now()) < 60000);
  const bare = await backend.demand("sockets", { sids: [client.id] });
  assert.equal(bare.sockets[0].handshake, undefined);
});

test("a socket's data is set, read and cleared", async (scope) => {
  const [backend, client] = [await Backend.open(scope), await scope.client()];
  const data = async () => (await backend.demand("sockets", { sids: [client.id] })).sockets[0].data;
  assert.equal(await data(), null);
  await backend.demand("data", { sid: client.id, data: { cart: ["a", "b"] } });
  assert.deepEqual(await data(), { cart: ["a", "b"] });
  await backend.demand("data", { sid: client.id });
  assert.equal(await data(), null);
  assert.equal((await backend.call("data", { sid: "x".repeat(22), data: 1 })).status, "not_found");
});

test("filters meet exactly whom they name, in pages", async (scope) => {
  const [backend, a, b] = [await Backend.open(scope), scope.room(), scope.room()];
  const clients = await Promise.all(Array.from({ length: 9 }, (_, i) => scope.client({ gateway: i % 2 })));
  for (const [i, client] of clients.entries()) {
    await client.join(a);
    if (i < 4) await client.join(b);
  }
  const both = await backend.demand("sockets", { inRooms: [a, b] });
  assert.deepEqual(sids(both), idsOf(clients));
  const not = await backend.demand("sockets", { inRooms: [a], exceptRooms: [b], exceptSids: [clients[8].id] });
  assert.deepEqual(sids(not), idsOf(clients.slice(4, 8)));
  const { total } = await backend.demand("sockets", { inRooms: [a], countOnly: true });
  assert.equal(total, 9);
  const paged = [];
  let after = 0;
  do {
    const page = await backend.demand("sockets", { inRooms: [a], limit: 2, after });
    assert.ok(page.sockets.length <= 2);
    paged.push(...sids(page));
    after = page.next;
  } while (after);
  assert.deepEqual(paged.sort(), idsOf(clients));
  const none = await backend.demand("sockets", { inRooms: ["nobody-ever"] });
  assert.deepEqual(none.sockets, []);
});

test("rooms are listed with their sizes", async (scope) => {
  const [backend, prefix] = [await Backend.open(scope), scope.room("list")];
  const clients = [await scope.client(), await scope.client({ gateway: 1 })];
  for (const client of clients) await client.join(`${prefix}-b`);
  await clients[0].join(`${prefix}-a`);
  const pattern = `${prefix}-*`;
  const { rooms, more } = await backend.demand("rooms", { pattern });
  assert.deepEqual(rooms.map(({ name, members }) => [name, members]), [[`${prefix}-a`, 1], [`${prefix}-b`, 2]]);
  assert.equal(more, false);
  const second = await backend.demand("rooms", { pattern, after: `${prefix}-a` });
  assert.deepEqual(second.rooms.map(({ name }) => name), [`${prefix}-b`]);
  await clients[0].leave(`${prefix}-a`);
  const { rooms: left } = await backend.demand("rooms", { pattern });
  assert.deepEqual(left.map(({ name }) => name), [`${prefix}-b`]);
});
