// What every application does with a Socket.IO client, with an old and the newest library, in every mode: connecting
// with auth and query, namespaces, acks, binary, text, sizes.

import assert from "node:assert/strict";

import { Backend, echoing } from "./support/backend.mjs";
import { STOCK } from "./support/client.mjs";
import { until, within } from "./support/deadline.mjs";
import { suite } from "./support/suite.mjs";

const MAX_PAYLOAD = 100000;
const test = suite({
  gateways: 2,
  broker: { "max-data": 4 * MAX_PAYLOAD },
  gateway: { "max-payload": MAX_PAYLOAD, "max-clients-per-connection": 40 },
});

/** What `socket` gets as the ack of `echo`: all of its arguments. */
function echo(socket, ...args) {
  const answered = new Promise((resolve) => socket.emit("echo", ...args, (...got) => resolve(got)));
  return within(answered, `the echo of ${JSON.stringify(args).slice(0, 100)}`);
}

/** The same arguments as an event from the backend. */
async function sentBack(backend, client, ...args) {
  const before = client.events.length;
  await backend.emit({ targets: [{ kind: "socket", name: client.id }] }, "back", ...args);
  await until(() => client.events.length > before, () => `the event at ${client}`);
  return client.events.at(-1).args.slice(0, args.length); // behind them: the offset
}

/** What a binary value comes as. */
const asBuffer = (view) =>
  ArrayBuffer.isView(view) ? Buffer.from(view.buffer, view.byteOffset, view.byteLength) : Buffer.from(view);

/** One character of each of Unicode's planes, the ends of some, and what others' parsers trip over. */
function texts() {
  const planes = Array.from({ length: 17 }, (_, plane) => String.fromCodePoint(plane * 0x10000 + 0x1234));
  const ends = [0x7f, 0x80, 0x7ff, 0x800, 0xfdd0, 0xfffd, 0xfffe, 0xffff, 0x10000, 0x1fffe, 0x10ffff];
  const odd = ["\u0000", "\u001e", "\ufeffbom", "\u2028\u2029", "\u007f\u0080", '"\\/\b\f\n\r\t', "e\u0301", "", "👨‍👩‍👧"];
  return [planes.join(""), ...planes, ...ends.map((code) => String.fromCodePoint(code)), ...odd];
}

for (const { name, recovers, options } of STOCK) {
  test(`${name}: auth as an object or a function, and a query`, async (scope) => {
    const backend = await Backend.open(scope, { admits: true, namespaces: ["/", "/staff"] });
    backend.handlers.connect = ({ job, auth }) =>
      auth?.token === "good"
        ? backend.call("accept", { job, user: auth.name })
        : backend.call("refuse", { job, message: "not authorized", data: { code: 401, "ä": ["😀"] } });
    const query = { version: "2", "ä ö": "a&b=c#d", empty: "", zero: "a\u0000b", semicolon: "a;sid=b" };
    const object = await scope.client({ ...options, query, auth: { token: "good", name: "object" } });
    let calls = 0;
    const auth = (give) => setTimeout(give, 1, { token: "good", name: `function ${++calls}` });
    const called = await scope.client({ ...options, gateway: 1, auth });
    for (const client of [object, called]) await backend.sawOf("open", client.id);
    const opened = (client) => backend.of("open").findLast(({ sid }) => sid === client.id);
    assert.deepEqual(opened(object).auth, { token: "good", name: "object" });
    assert.equal(opened(called).user, "function 1");
    const url = new URL(opened(object).handshake.url, "http://x");
    for (const [key, value] of Object.entries(query)) assert.equal(url.searchParams.get(key), value, key);

    // Each namespace of the connection has its own.
    const staff = object.socket.io.socket("/staff", { auth: { token: "bad" } });
    const error = await within(new Promise((resolve) => staff.on("connect_error", resolve)), "the refusal");
    assert.equal(error.message, "not authorized");
    assert.deepEqual(error.data, { code: 401, "ä": ["😀"] });
    assert.equal(staff.active, false);
    staff.auth = { token: "good", name: "second try" };
    staff.connect();
    await until(() => staff.connected, "the second try");
    assert.equal((await backend.sawOf("open", staff.id)).user, "second try");
    assert.deepEqual(object.drops, []);

    // A function is asked again for each connection.
    await called.drop();
    await called.connected(2);
    await until(() => opened(called)?.user === "function 2", "the second answer");
    assert.equal(called.socket.recovered ?? false, recovers && opened(called).recovered);
  });

  test(`${name}: many namespaces on one connection keep apart`, async (scope) => {
    const backend = await echoing(scope, { namespaces: ["/", "/n-*"], allEvents: true });
    const main = await scope.client(options);
    const sockets = Array.from({ length: 30 }, (_, n) => main.socket.io.socket(`/n-${n} ü😀`));
    const got = sockets.map(() => []);
    for (const [n, socket] of sockets.entries()) socket.on("news", (text) => got[n].push(text));
    await until(() => sockets.every((socket) => socket.connected), "all namespaces connected");
    assert.equal(new Set([main.id, ...sockets.map(({ id }) => id)]).size, 31);
    await Promise.all(
      sockets.map(async (socket, n) => {
        assert.deepEqual(await echo(socket, n, Buffer.from([n])), [n, Buffer.from([n])]);
        await backend.emit({ nsp: `/n-${n} ü😀`, targets: [{ kind: "namespace" }] }, "news", `for ${n}`);
      }),
    );
    await until(() => got.every((texts) => texts.length > 0), "news everywhere");
    assert.deepEqual(got, sockets.map((_, n) => [`for ${n}`]));
    for (const socket of sockets.slice(0, 15)) socket.disconnect();
    const closes = () => backend.of("close").filter(({ nsp }) => nsp.startsWith("/n-"));
    await until(() => closes().length === 15, () => `15 closes at ${backend}`);
    assert.ok(closes().every(({ reason }) => reason === "client namespace disconnect"));
    for (const socket of sockets.slice(15)) assert.deepEqual(await echo(socket, 1), [1]);
    assert.deepEqual(await echo(main.socket, 2), [2]);
    assert.deepEqual(main.drops, []);
  });

  test(`${name}: acks both ways, late ones and none at all`, async (scope) => {
    const backend = await echoing(scope, { events: ["echo", "silent"], timeout: 15000 });
    const client = await scope.client(options);
    assert.deepEqual(await echo(client.socket), []);
    assert.deepEqual(await echo(client.socket, 1, "2", null, [3], { four: 4 }), [1, "2", null, [3], { four: 4 }]);
    const late = new Promise((resolve) => client.socket.timeout(100).emit("silent", resolve));
    assert.match((await within(late, "the client's own timeout")).message, /operation has timed out/);
    await backend.ack((await backend.saw("event", 1, "silent")).job, "too late");
    const inTime = new Promise((resolve) => client.socket.timeout(15000).emit("echo", 7, (...got) => resolve(got)));
    assert.deepEqual(await within(inTime, "the ack"), [null, 7]);

    client.socket.on("question", (text, ack) => ack(text.length, Buffer.from(text)));
    client.socket.on("unanswered", () => {});
    const to = { targets: [{ kind: "socket", name: client.id }], plain: true };
    const { answers } = await backend.demand("ask", { ...to, event: "question", data: ["four"], timeout: 15000 });
    assert.deepEqual(answers[0].args, [4, Buffer.from("four")]);
    const none = await backend.demand("ask", { ...to, event: "unanswered", data: [], timeout: 100 });
    assert.deepEqual([none.answers, none.missing], [[], [client.id]]);
    assert.deepEqual(client.drops, []);
  });

  test(`${name}: binary of every kind, both ways`, async (scope) => {
    const backend = await echoing(scope);
    const client = await scope.client(options);
    const bytes = Uint8Array.from({ length: 256 }, (_, n) => n);
    const kinds = [
      Buffer.from(bytes), Buffer.alloc(0), bytes, bytes.subarray(3, 9), bytes.buffer, new ArrayBuffer(0),
      new Uint16Array([1, 65535]), new Float64Array([Math.PI, -0]), new DataView(bytes.buffer, 8, 4),
    ];
    for (const kind of kinds) {
      const expected = [asBuffer(kind)];
      assert.deepEqual(await echo(client.socket, kind), expected, kind.constructor.name);
      assert.deepEqual(await sentBack(backend, client, ...expected), expected, kind.constructor.name);
    }
    const nested = ["text", { deep: [{ a: Buffer.from("a") }, null, { b: [Buffer.from("b")] }] }, Buffer.from("c"), 4];
    assert.deepEqual(await echo(client.socket, ...nested), nested);
    assert.deepEqual(await sentBack(backend, client, ...nested), nested);
    const ten = Array.from({ length: 10 }, (_, n) => Buffer.alloc(n * 500, n));
    assert.deepEqual(await echo(client.socket, ...ten), ten);
    assert.deepEqual(client.drops, []);
  });

  test(`${name}: text of every plane of Unicode, in values, keys and names`, async (scope) => {
    const backend = await echoing(scope, { allEvents: true });
    const client = await scope.client(options);
    const values = texts();
    const keys = Object.fromEntries(values.map((text, n) => [text, n]));
    assert.deepEqual(await echo(client.socket, values, keys), [values, keys]);
    assert.deepEqual(await sentBack(backend, client, values, keys), [values, keys]);
    for (const text of values.filter((text) => text !== "" && !text.includes("\u0000"))) {
      client.socket.emit(text, text);
      const event = await backend.saw("event", 1, text);
      assert.deepEqual(event.args, [text]);
    }
    assert.deepEqual(client.drops, []);
  });

  test(`${name}: half a surrogate pair stays what it is in values, and is U+FFFD in a name`, async (scope) => {
    const backend = await echoing(scope, { allEvents: true });
    const client = await scope.client(options);
    const values = ["\ud800", "\udfff", "a\udc00\ud800b", { "\ud83d": "\ude00" }];
    assert.deepEqual(await echo(client.socket, ...values), values);
    assert.deepEqual(await sentBack(backend, client, ...values), values);
    client.socket.emit("x\ud83d", 1);
    await backend.saw("event", 1, "x\ufffd");
    const room = scope.room();
    await client.join(`${room}\udc00`);
    assert.equal((await client.publish(`${room}\ufffd`, "\ud800")).seq, 1);
    await client.received(`${room}\ufffd`, 1);
    assert.deepEqual(client.data(`${room}\ufffd`), ["\ud800"]);
    assert.deepEqual(client.drops, []);
  });

  test(`${name}: empty arguments, and a payload of exactly the limit`, async (scope) => {
    const backend = await echoing(scope, { events: ["echo", "size"] });
    const client = await scope.client(options);
    await until(() => !client.socket.io.engine.upgrading, "the upgrade");
    const empties = [undefined, null, "", 0, false, [], {}, [[]], [null], { "": "" }];
    assert.deepEqual(await echo(client.socket, ...empties), [null, ...empties.slice(1)]);
    const whole = "x".repeat(MAX_PAYLOAD - '42["size",""]'.length);
    client.socket.emit("size", whole);
    assert.deepEqual((await backend.saw("event", 1, "size")).args, [whole]);
    assert.deepEqual(await sentBack(backend, client, whole), [whole]);
    assert.deepEqual(client.drops, []);
  });

  test(`${name}: attachments of exactly the limit, ten in one packet`, async (scope) => {
    const backend = await echoing(scope, { events: ["echo"] });
    const client = await scope.client(options);
    await until(() => !client.socket.io.engine.upgrading, "the upgrade");
    // Over polling an attachment is base64 behind a "b", and up to four times the limit are held of a packet.
    const most = client.transport === "polling" ? Math.floor((MAX_PAYLOAD - 1) / 4) * 3 : MAX_PAYLOAD;
    const whole = Buffer.alloc(most, 1);
    assert.deepEqual(await echo(client.socket, whole), [whole]);
    assert.deepEqual(await sentBack(backend, client, whole), [whole]);
    const ten = Array.from({ length: 10 }, (_, n) => Buffer.alloc(MAX_PAYLOAD * 0.38, n));
    assert.deepEqual(await echo(client.socket, ...ten), ten);
    assert.deepEqual(await sentBack(backend, client, ...ten), ten);
    assert.deepEqual(client.drops, []);
  });

  test(`${name}: one byte above the limit costs the connection, and the client comes back`, async (scope) => {
    const backend = await echoing(scope, { allEvents: true });
    const client = await scope.client(options);
    await until(() => !client.socket.io.engine.upgrading, "the upgrade");
    const { id } = client;
    client.socket.emit("size", "x".repeat(MAX_PAYLOAD + 1 - '42["size",""]'.length));
    const isPolling = client.transport === "polling";
    assert.equal(await client.dropped(), isPolling ? "transport error" : "transport close");
    await client.connected(2);
    assert.equal(client.recovered ?? false, recovers);
    const { reason } = await backend.sawOf("close", id);
    assert.equal(reason, isPolling ? "transport close" : "transport error");
    assert.deepEqual(await echo(client.socket, "again"), ["again"]);
    assert.deepEqual(backend.of("event", "size"), []);
  });
}
