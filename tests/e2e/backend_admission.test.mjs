// A backend as the middleware of a namespace: it lets clients in, or refuses them, before they see anything.

import assert from "node:assert/strict";

import { Backend } from "./support/backend.mjs";
import { until } from "./support/deadline.mjs";
import { suite } from "./support/suite.mjs";

const QUICK = { lease: 1000, ping: 100 };
const test = suite({ gateways: 2, broker: QUICK });

/** A backend that lets in whoever has a token, as the user that it names. */
async function guard(scope, options = {}) {
  const backend = await Backend.open(scope, { admits: true, ...options });
  backend.handlers.connect = ({ job, auth }) => {
    if (!auth?.token) {
      const data = { retry: false, docs: ["/login"] };
      return backend.call("refuse", { job, message: "not without a token", data });
    }
    return backend.call("accept", { job, user: auth.token, data: { level: 3 }, rooms: ["lobby", `of-${auth.token}`] });
  };
  return backend;
}

test("a client without a token is refused with message and data", async (scope) => {
  const backend = await guard(scope);
  const client = scope.open({ query: { v: "2" } });
  await until(() => client.errors.length > 0, "the refusal");
  const [error] = client.errors;
  assert.equal(error.message, "not without a token");
  assert.deepEqual(error.data, { retry: false, docs: ["/login"] });
  assert.equal(client.socket.active, false); // the client does not try again
  const [asked] = backend.of("connect");
  assert.equal(asked.nsp, "/");
  assert.equal(asked.rejoining, false);
  assert.ok(["polling", "websocket"].includes(asked.handshake.transport));
  assert.equal(asked.handshake.address, "127.0.0.1");
  assert.match(asked.handshake.url, /[?&]v=2/);
  assert.deepEqual(backend.of("open"), []);
});

test("an accepted client has its user, data and rooms before anything reaches it", async (scope) => {
  const backend = await guard(scope);
  const client = await scope.client({ auth: { token: "ann" } });
  const opened = await backend.saw("open");
  assert.equal(opened.sid, client.id);
  assert.equal(opened.user, "ann");
  assert.deepEqual(opened.data, { level: 3 });
  assert.deepEqual([...opened.rooms].sort(), ["lobby", "of-ann"]);
  assert.equal(backend.of("connect")[0].sid, client.id); // the id that it was told beforehand
  await backend.emit({ targets: [{ kind: "user", name: "ann" }] }, "hello", 1);
  await backend.emit({ room: "of-ann" }, "hello", 2);
  await until(() => client.events.length === 2, "both messages");
  assert.deepEqual(client.events.map(({ args }) => args[0]), [1, 2]);
});

test("what the client publishes bears the user that the backend named", async (scope) => {
  await guard(scope);
  const room = scope.room();
  const client = await scope.client({ auth: { token: "bob" } });
  await client.join(room);
  await client.publish(room, "x");
  const [message] = await client.received(room, 1);
  assert.equal(message.from.user, "bob");
});

test("an answer may come later; until then the client waits and sees nothing", async (scope) => {
  const backend = await Backend.open(scope, { admits: true });
  const client = scope.open({ auth: { token: "x" } });
  const { job } = await backend.saw("connect");
  await backend.emit({ targets: [{ kind: "namespace" }] }, "news", 1);
  assert.equal(client.connections.length, 0);
  await backend.call("accept", { job });
  await client.connected();
  assert.deepEqual(client.events, []);
});

test("a client that rejoins is asked about again, before its replay", async (scope) => {
  const backend = await guard(scope);
  const auth = { token: "cat" };
  const room = scope.room();
  const client = await scope.client({ auth, reconnectionDelay: 300 });
  await client.join(room);
  await client.drop();
  await backend.demand("publish", { room, data: "missed" });
  await client.connected(2);
  await client.received(room, 1);
  assert.equal(client.recovered, true);
  assert.deepEqual(backend.of("connect").map((item) => item.rejoining), [false, true]);
  auth.token = "";
  await client.drop();
  await backend.demand("publish", { room, data: "secret" });
  await until(() => client.errors.length > 0, "the refusal of the revoked client");
  assert.deepEqual(client.data(room), ["missed"]);
});

test("two groups that admit must both let a client in", async (scope) => {
  const [first, second] = [await guard(scope), await Backend.open(scope, { admits: true })];
  second.handlers.connect = ({ job, auth }) =>
    auth.token === "good"
      ? second.call("accept", { job, rooms: ["second"] })
      : second.call("refuse", { job, message: "the second says no" });
  const bad = scope.open({ auth: { token: "bad" } });
  await until(() => bad.errors.length > 0, "the refusal");
  assert.equal(bad.errors[0].message, "the second says no");
  const good = await scope.client({ auth: { token: "good" } });
  const opened = await first.saw("open");
  assert.equal(opened.sid, good.id);
  assert.deepEqual([...opened.rooms].sort(), ["lobby", "of-good", "second"]);
});

test("a namespace pattern asks with the namespace's own name", async (scope) => {
  const backend = await guard(scope, { namespaces: ["/tenant-*"] });
  await scope.client({ nsp: "/tenant-7", auth: { token: "dan" } });
  const opened = await backend.saw("open");
  assert.equal(opened.nsp, "/tenant-7");
  assert.equal(backend.of("connect")[0].nsp, "/tenant-7");
});

test.alone("while nobody is there to ask, clients keep trying and get in later", { broker: QUICK }, async (scope) => {
  const first = await guard(scope, { group: "guards", name: "guards" });
  await scope.client({ auth: { token: "eve" } });
  await first.kill();
  const client = scope.open({ auth: { token: "fay" }, timeout: 3000 });
  const second = await guard(scope, { group: "guards", name: "guards" });
  await client.connected();
  assert.equal(client.errors.filter((error) => error.data !== undefined).length, 0);
  await until(() => second.of("open").some((item) => item.sid === client.id), "the backend hears of the socket");
});

test.alone("a guard that never answers lets nobody in, and clients try again", { broker: QUICK }, async (scope) => {
  const backend = await Backend.open(scope, { admits: true, timeout: 300 });
  const client = scope.open({ auth: { token: "gil" } });
  await backend.saw("connect", 2);
  assert.equal(client.connections.length, 0);
  backend.handlers.connect = ({ job }) => backend.call("accept", { job });
  await client.connected();
});
