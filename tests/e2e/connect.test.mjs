// A client connects: what it is given, and what it is refused.

import assert from "node:assert/strict";

import { io } from "socket.io-client";

import { MODES } from "./support/client.mjs";
import { until, within } from "./support/deadline.mjs";
import { suite } from "./support/suite.mjs";

const test = suite({ gateways: 2, broker: { namespaces: "/,/chat" } });

const PUBLIC_ID = /^[A-Za-z0-9_-]{20,}$/;

for (const { name, options } of MODES) {
  test(`with ${name} a client connects and gets a sid and a secret pid`, async (scope) => {
    const client = await scope.client(options);
    const [{ sid, pid, recovered }] = client.connections;
    assert.match(sid, PUBLIC_ID);
    assert.match(pid, PUBLIC_ID);
    assert.notEqual(sid, pid);
    assert.equal(recovered, false);
    assert.notEqual(sid, client.socket.io.engine.id, "the engine's id is secret: it is never shown as the sid");
  });

  test(`with ${name} an unknown namespace is refused as "Invalid namespace"`, async (scope) => {
    const client = scope.open({ ...options, nsp: "/nowhere" });
    const error = await within(new Promise((resolve) => client.socket.on("connect_error", resolve)), "connect_error");
    assert.equal(error.message, "Invalid namespace");
    assert.equal(client.socket.active, false, "the client does not try again");
    assert.deepEqual(client.connections, []);
  });
}

test("io(url) with nothing else connects", async (scope) => {
  const socket = io(scope.cluster.url());
  scope.own({ close: () => socket.disconnect() });
  await within(new Promise((resolve) => socket.on("connect", resolve)), "connect");
  assert.equal(socket.connected, true);
});

test("every client has ids of its own, over all gateways", async (scope) => {
  const clients = await Promise.all(Array.from({ length: 8 }, (_, i) => scope.client({ gateway: i % 2 })));
  const ids = clients.flatMap(({ connections: [{ sid, pid }] }) => [sid, pid]);
  assert.equal(new Set(ids).size, 16);
});

test("two namespaces share one connection, and a room's name means another room in each", async (scope) => {
  const main = await scope.client();
  const socket = main.socket.io.socket("/chat");
  scope.own({ close: () => socket.disconnect() });
  await within(new Promise((resolve) => socket.on("connect", resolve)), "connect to /chat");
  assert.notEqual(socket.id, main.id);

  const room = scope.room();
  const seen = [];
  socket.on("room:message", (message) => seen.push(message.data));
  await main.join(room);
  assert.equal((await socket.emitWithAck("room:join", room)).members, 1);
  assert.equal((await main.publish(room, "for the main one")).seq, 1);
  assert.equal((await socket.emitWithAck("room:publish", { room, data: "for the other" })).seq, 1);
  await main.received(room, 1);
  await socket.emitWithAck("room:history", { room });
  assert.deepEqual(seen, ["for the other"]);
  assert.deepEqual(main.data(room), ["for the main one"]);
});

test("leaving one namespace keeps the connection for the other", async (scope) => {
  const main = await scope.client();
  const socket = main.socket.io.socket("/chat");
  await within(new Promise((resolve) => socket.on("connect", resolve)), "connect to /chat");
  socket.disconnect();
  const room = scope.room();
  await main.join(room);
  await main.publish(room, 1);
  await main.received(room, 1);
  assert.deepEqual(main.drops, []);
});

test("a namespace that is refused leaves the connection's other namespace alone", async (scope) => {
  const main = await scope.client();
  const socket = main.socket.io.socket("/nowhere");
  const refused = new Promise((resolve) => socket.on("connect_error", resolve));
  assert.equal((await within(refused, "connect_error")).message, "Invalid namespace");
  const room = scope.room();
  await main.join(room);
  assert.deepEqual(main.drops, []);
});

test("a client that disconnects itself is gone from its rooms", async (scope) => {
  const [stays, leaves] = [await scope.client(), await scope.client({ gateway: 1 })];
  const room = scope.room();
  await stays.join(room);
  assert.equal((await leaves.join(room)).members, 2);
  leaves.socket.disconnect();
  // The count is told to whoever joins: join again until it has reached the broker.
  const other = await scope.client();
  await until(async () => {
    const { members } = await other.join(room);
    return members === 2;
  }, "the leaver is not counted any more");
});
