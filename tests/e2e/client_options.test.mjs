// The stock client's options and conveniences, with an old and the newest library.

import assert from "node:assert/strict";

import { Backend, echoing } from "./support/backend.mjs";
import { LIBRARIES, STOCK } from "./support/client.mjs";
import { QUICK_PINGS } from "./support/cluster.mjs";
import { until, within } from "./support/deadline.mjs";
import { suite } from "./support/suite.mjs";

const BROKER = { namespaces: "/,/chat" };
const GATEWAY = { ...QUICK_PINGS };
const TWO = { gateways: 2, broker: BROKER, gateway: GATEWAY };
const ELSEWHERE = { gateways: 1, broker: BROKER, gateway: { path: "/deep/down/rt/" } };
const test = suite(TWO);

const toAll = { targets: [{ kind: "namespace" }] };

for (const { name, library } of LIBRARIES) {
  /** A socket of the library's own making, ended with the test. */
  const socketOf = (scope, path, options) => {
    const socket = library(scope.cluster.url() + path, { reconnectionDelay: 50, ...options });
    scope.own({ close: () => socket.disconnect() });
    return socket;
  };
  const connected = async (...sockets) => until(() => sockets.every((socket) => socket.connected), "all connected");

  test(`${name}: sockets share a connection, unless forceNew or multiplex say otherwise`, async (scope) => {
    const [main, chat] = [socketOf(scope, "/", {}), socketOf(scope, "/chat", {})];
    const fresh = socketOf(scope, "/chat", { forceNew: true });
    const single = socketOf(scope, "/chat", { multiplex: false });
    await connected(main, chat, fresh, single);
    assert.equal(main.io, chat.io);
    const engines = new Set([main, fresh, single].map((socket) => socket.io.engine.id));
    assert.equal(engines.size, 3);
    assert.equal(new Set([main.id, chat.id, fresh.id, single.id]).size, 4);
  });

  test(`${name}: active tells whether the client will come back by itself`, async (scope) => {
    const backend = await Backend.open(scope, { allEvents: true });
    const client = await scope.client({ library });
    const { socket } = client;
    assert.equal(socket.active, true);
    await client.drop();
    assert.equal(socket.active, true);
    await client.connected(2);
    await backend.demand("disconnect", { sids: [client.id] });
    await client.dropped(2);
    assert.deepEqual([client.drops.at(-1), socket.active, socket.connected], ["io server disconnect", false, false]);
    socket.connect();
    await client.connected(3);
    socket.disconnect();
    assert.deepEqual([client.drops.at(-1), socket.active], ["io client disconnect", false]);
  });

  test(`${name}: onAny and onAnyOutgoing see every event, with the offset behind the arguments`, async (scope) => {
    const backend = await echoing(scope);
    const client = await scope.client({ library });
    const [came, went] = [[], []];
    client.socket.prependAny((...args) => came.push(args));
    client.socket.onAnyOutgoing((...args) => went.push(args.filter((arg) => typeof arg !== "function")));
    await client.ask("echo", { x: 1 });
    await backend.emit(toAll, "news", "a", Buffer.from("b"));
    await until(() => came.length > 0, "the news");
    assert.deepEqual(went, [["echo", { x: 1 }]]);
    assert.deepEqual(came[0].slice(0, 3), ["news", "a", Buffer.from("b")]);
    assert.deepEqual([came[0].length, typeof came[0][3]], [4, "string"]);
  });
}

for (const { name, options } of STOCK) {
  test(`${name}: headers of the client's choice, cookies among them, reach the backend`, async (scope) => {
    const backend = await Backend.open(scope, { allEvents: true });
    const headers = { cookie: "session=a1; theme=dark", authorization: "Bearer t", "x-app": "seven" };
    const extraHeaders = { ...headers }; // the library changes it
    const client = await scope.client({ ...options, withCredentials: true, extraHeaders });
    const { handshake } = await backend.sawOf("open", client.id);
    for (const [header, value] of Object.entries(headers)) assert.equal(handshake.headers[header], value);
  });

  test(`${name}: subprotocols may be offered, and the first is taken`, async (scope) => {
    const client = await scope.client({ ...options, protocols: ["v2.chat", "v1.chat"] });
    if (options.transports?.includes("websocket") === false || options.upgrade === false) return;
    await until(() => client.socket.io.engine.transport.name === "websocket", "the WebSocket");
    assert.equal(client.socket.io.engine.transport.ws.protocol, "v2.chat");
  });

  test(`${name}: a volatile emit arrives at once, a backend's never later`, async (scope) => {
    const backend = await Backend.open(scope, { allEvents: true });
    const client = await scope.client({ ...options, reconnectionDelay: 200 });
    await until(() => !client.socket.io.engine.upgrading, "the upgrade");
    client.socket.volatile.emit("move", 1);
    await backend.saw("event", 1, "move");
    const got = () => client.events.filter(({ event }) => event === "typing").map(({ args }) => args[0]);
    await backend.emit({ ...toAll, volatile: true }, "typing", "now");
    await until(() => got().length > 0, "the volatile message");
    const { id } = client;
    await client.drop();
    await backend.sawOf("close", id);
    await backend.emit({ ...toAll, volatile: true }, "typing", "never");
    await client.connected(2);
    await backend.emit(toAll, "typing", "end");
    await until(() => got().includes("end"), "the end");
    assert.deepEqual(got(), ["now", "end"]);
  });

  test(`${name}: what is emitted without a connection is sent with the next`, async (scope) => {
    const backend = await echoing(scope, { allEvents: true });
    const client = await scope.client({ ...options, reconnectionDelay: 200 });
    await client.drop();
    await client.dropped();
    const answered = Promise.all([1, 2, 3].map((n) => client.ask("echo", n, Buffer.from([n]))));
    assert.equal(client.socket.connected, false);
    assert.deepEqual(await answered, [1, 2, 3]);
    assert.deepEqual(backend.of("event").map(({ args }) => args[0]), [1, 2, 3]);
  });
}

for (const { name, options } of STOCK) {
  test(`${name}: options that change what is on the wire change nothing else`, async (scope) => {
    await echoing(scope);
    const changes = {
      "binary as base64": { forceBase64: true },
      "no slash behind the path": { addTrailingSlash: false },
      "every request stamped": { timestampRequests: true, timestampParam: "at" },
      "fifty arguments": { query: Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`a${n}`, n])) },
      "an auth with a pid of its own": { auth: { pid: 42, offset: [1] } },
      "a WebSocket that offers compression": { perMessageDeflate: { threshold: 0 } },
      "nothing that keeps the process alive": { autoUnref: true },
    };
    for (const [what, change] of Object.entries(changes)) {
      const client = await scope.client({ ...options, ...change });
      await until(() => !client.socket.io.engine.upgrading, "the upgrade");
      assert.deepEqual(await client.ask("echo", { b: [Buffer.from([0, 1, 255])] }), { b: [Buffer.from([0, 1, 255])] }, what);
      assert.deepEqual(await client.ask("echo", Buffer.alloc(0)), Buffer.alloc(0), what);
      assert.deepEqual(client.drops, [], what);
    }
  });

  test(`${name}: backends are told the whole query, and an auth's own pid that is no string`, async (scope) => {
    const backend = await Backend.open(scope, { allEvents: true });
    const query = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`a${n}`, `${n}`]));
    const client = await scope.client({ ...options, query, auth: { pid: 42, offset: [1], token: "t" } });
    const { handshake, auth } = await backend.sawOf("open", client.id);
    const { searchParams } = new URL(handshake.url, "http://x");
    for (const [key, value] of Object.entries(query)) assert.equal(searchParams.get(key), value);
    assert.deepEqual(auth, { pid: 42, offset: [1], token: "t" });
  });
}

test("emitWithAck resolves with the answer, or rejects when the time is over", async (scope) => {
  await echoing(scope, { events: ["echo", "silent"] });
  const client = await scope.client();
  assert.equal(await within(client.socket.emitWithAck("echo", 5), "the ack"), 5);
  await assert.rejects(client.socket.timeout(100).emitWithAck("silent"), /operation has timed out/);
});

for (const { name, options } of STOCK) {
  test.alone(`${name}: a path of its own, and nothing at the usual one`, ELSEWHERE, async (scope) => {
    await echoing(scope);
    const client = await scope.client({ ...options, path: "/deep/down/rt/" });
    assert.equal(await client.ask("echo", 1), 1);
    const lost = scope.open({ ...options, reconnection: false });
    await until(() => lost.errors.length > 0, "the refusal");
    assert.deepEqual(lost.connections, []);
  });
}

for (const [what, target] of [["the same one", 0], ["another one", 1]]) {
  test.alone(`retries over kill -9 of the gateway, back on ${what}: all answered once`, TWO, async (scope) => {
    const backend = await Backend.open(scope, { allEvents: true });
    const handled = [];
    // The client numbers its tries itself; what it sends again has the number in its arguments.
    backend.handlers.event.order = ({ job, args }) => {
      if (handled.at(-1) !== args[0]) handled.push(args[0]);
      backend.ack(job, null, args[0]);
    };
    const client = await scope.client({ retries: 30, ackTimeout: 500, timeout: 1000 });
    const answers = [];
    const numbers = Array.from({ length: 60 }, (_, n) => n);
    for (const n of numbers) client.socket.emit("order", n, (error, ...got) => answers.push(error ?? got));
    await until(() => answers.length >= 10, "the first answers");
    client.moveTo(scope.cluster.url(target));
    await scope.gateways[0].kill();
    if (target === 0) await scope.gateways[0].start();
    await until(() => answers.length === numbers.length, () => `all answers; ${answers.length} by ${client}`);
    assert.deepEqual(answers, numbers.map((n) => [null, n]));
    assert.deepEqual(handled, numbers);
    assert.equal(client.recovered, true);
  });
}
