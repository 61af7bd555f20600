// Polling, WebSocket and the upgrade between them, as the stock client and the protocol see them.

import assert from "node:assert/strict";
import { cpSync, readFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { MODES } from "./support/client.mjs";
import { until } from "./support/deadline.mjs";
import { Polling, RawSocket, request } from "./support/raw.mjs";
import { suite } from "./support/suite.mjs";

const DIST = fileURLToPath(new URL("./node_modules/socket.io-client/dist", import.meta.url));
const LIVELY = { gateways: 1, gateway: { "ping-interval": 300, "ping-timeout": 2000 } };
const MAX_PAYLOAD = 1000000;
const test = suite({ gateways: 1, gateway: { "client-dir": DIST } });

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

test("with default options the client polls first and then upgrades to WebSocket", async (scope) => {
  const client = scope.open();
  assert.equal(client.transport, "polling");
  await client.connected();
  await until(() => client.transport === "websocket", "the upgrade");
  const room = scope.room();
  await client.join(room);
  await client.publish(room, 1);
  await client.received(room, 1);
  assert.deepEqual(client.drops, []);
});

test("nothing is lost, doubled or reordered while clients upgrade", async (scope) => {
  const room = scope.room();
  const writer = await scope.client({ transports: ["websocket"] });
  await writer.join(room);
  let isDone = false;
  let published = 0;
  const writing = (async () => {
    while (!isDone) await writer.publish(room, ++published);
  })();
  const readers = [];
  for (let n = 0; n < 15; n++) {
    const reader = await scope.client();
    // The join, its answer and the live messages all happen around the upgrade.
    const { seq } = await reader.join(room);
    readers.push({ reader, seq });
  }
  await until(() => readers.every(({ reader }) => reader.transport === "websocket"), "all upgraded");
  isDone = true;
  await writing;
  for (const { reader, seq } of readers) {
    await reader.received(room, published - seq);
    assert.deepEqual(reader.data(room), range(seq + 1, published));
    assert.deepEqual(reader.drops, []);
  }
});

for (const { name, options } of MODES) {
  test(`with ${name} a burst of messages arrives whole and in order`, async (scope) => {
    const room = scope.room();
    const [writer, reader] = [await scope.client(options), await scope.client(options)];
    await writer.join(room);
    await reader.join(room);
    const texts = range(1, 500).map((n) => `${n} ${"ä€😀".repeat(n % 40)} \u001e control`);
    await Promise.all(texts.map((text) => writer.publish(room, text)));
    await reader.received(room, texts.length);
    assert.deepEqual(reader.data(room), texts);
  });

  test(`with ${name} messages near the size limit pass`, async (scope) => {
    const room = scope.room();
    const [writer, reader] = [await scope.client(options), await scope.client(options)];
    await writer.join(room);
    await reader.join(room);
    const values = ["x".repeat(MAX_PAYLOAD - 1000), "€".repeat(330000), Buffer.alloc(700000, 7)];
    for (const value of values) await writer.publish(room, value);
    await reader.received(room, values.length);
    assert.deepEqual(reader.data(room), values);
    assert.deepEqual([...writer.drops, ...reader.drops], []);
  });
}

test("the handshake over polling is the reference's, byte for byte in its form", async (scope) => {
  const { handshakeAnswer: answer, handshake } = await Polling.open(scope.cluster.url());
  assert.equal(answer.type, "text/plain; charset=UTF-8");
  assert.equal(answer.headers["cache-control"], "no-store");
  assert.equal(answer.text[0], "0");
  assert.deepEqual(Object.keys(handshake), ["sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"]);
  const { sid, ...rest } = handshake;
  assert.match(sid, /^[A-Za-z0-9_-]{20,}$/);
  assert.deepEqual(rest, { upgrades: ["websocket"], pingInterval: 25000, pingTimeout: 20000, maxPayload: MAX_PAYLOAD });
});

test("over WebSocket the handshake offers no upgrade", async (scope) => {
  const raw = scope.own(await RawSocket.open(scope.cluster.url()));
  const open = await raw.packet("0");
  assert.deepEqual(JSON.parse(open.slice(1)).upgrades, []);
});

test("a polling session speaks Socket.IO, with binary packets in base64", async (scope) => {
  const polling = await Polling.open(scope.cluster.url());
  const posted = await polling.post("40");
  assert.deepEqual([posted.status, posted.text], [200, "ok"]);
  assert.match((await polling.poll()).text, /^40\{"sid":"[^"]+","pid":"[^"]+"\}$/);
  const room = scope.room();
  await polling.post(`420["room:join","${room}"]`);
  const joined = await polling.poll();
  assert.equal(joined.text, `430[{"ok":true,"room":"${room}","seq":0,"members":1}]`);
  const packet = `451-1["room:publish",{"room":"${room}","data":{"_placeholder":true,"num":0}}]\x1ebAAEC`;
  await polling.post(packet);
  let seen = "";
  while (!(seen.includes("bAAEC") && seen.includes('431[{"ok":true'))) seen += `${(await polling.poll()).text}\x1e`;
  assert.match(seen, /451-\["room:message",\{.*"data":\{"_placeholder":true,"num":0\}.*\},"[0-9a-z.]+"\]\x1ebAAEC/);
});

test("a polling session fits on one connection, with all requests sent before the first answer", async (scope) => {
  const polling = await Polling.open(scope.cluster.url());
  const room = scope.room();
  const { port } = scope.gateways[0];
  const get = `GET ${polling.path} HTTP/1.1\r\nHost: x\r\n\r\n`;
  const post = (body) => `POST ${polling.path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const chunks = (body) => post(body).replace(/Content-Length.*$/s, `Transfer-Encoding: chunked\r\n\r\n1\r\n${body[0]}\r\n`)
    + `${(body.length - 1).toString(16)};ext=1\r\n${body.slice(1)}\r\n0\r\n\r\n`;
  const socket = net.connect({ port, host: "127.0.0.1" });
  scope.own({ close: () => socket.destroy() });
  let text = "";
  socket.setEncoding("utf8").on("data", (data) => (text += data));
  socket.write(post("40") + get + chunks(`420["room:join","${room}"]`) + get + post("1"));
  const bodies = () => text.split(/HTTP\/1\.1 200 OK\r\n.*?\r\n\r\n/s).slice(1);
  await until(() => bodies().length === 5, "five answers");
  const [first, connected, second, joined, third] = bodies();
  assert.deepEqual([first, second, third], ["ok", "ok", "ok"]);
  assert.match(connected, /^40\{"sid":/);
  assert.equal(joined, `430[{"ok":true,"room":"${room}","seq":0,"members":1}]`);
});

test("requests that are no Engine.IO are answered as the reference answers them", async (scope) => {
  const url = scope.cluster.url();
  const { handshake } = await Polling.open(url);
  const cases = [
    ["GET", "/socket.io/?EIO=4", 400, 0, "Transport unknown"],
    ["GET", "/socket.io/?EIO=4&transport=carrier-pigeon", 400, 0, "Transport unknown"],
    ["GET", "/socket.io/?EIO=4&transport=__proto__", 400, 0, "Transport unknown"],
    ["GET", "/socket.io/?EIO=4&transport=polling&sid=unknown", 400, 1, "Session ID unknown"],
    ["GET", "/socket.io/?EIO=4&transport=polling&sid=__proto__", 400, 1, "Session ID unknown"],
    ["POST", "/socket.io/?EIO=4&transport=polling", 400, 2, "Bad handshake method"],
    ["PUT", "/socket.io/?EIO=4&transport=polling", 400, 2, "Bad handshake method"],
    ["GET", `/socket.io/?EIO=4&transport=websocket&sid=${handshake.sid}`, 400, 3, "Bad request"],
    ["GET", "/socket.io/?EIO=3&transport=polling", 400, 5, "Unsupported protocol version"],
    ["GET", "/socket.io/?transport=polling", 400, 5, "Unsupported protocol version"],
  ];
  for (const [method, path, status, code, message] of cases) {
    const answer = await request(url, path, { method });
    assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`);
    assert.equal(answer.type, "application/json");
    assert.deepEqual(JSON.parse(answer.text), { code, message }, `${method} ${path}`);
  }
});

test("the client library is served with an ETag", async (scope) => {
  const url = scope.cluster.url();
  const bundles = ["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js"];
  for (const file of bundles.flatMap((bundle) => [bundle, `${bundle}.map`])) {
    const answer = await request(url, `/socket.io/${file}`);
    assert.equal(answer.status, 200, file);
    assert.equal(answer.text, readFileSync(`${DIST}/${file}`, "utf8"));
    assert.match(answer.type, file.endsWith(".map") ? /^application\/json/ : /^(text|application)\/javascript/);
    const again = await request(url, `/socket.io/${file}`, { headers: { "if-none-match": answer.headers.etag } });
    assert.deepEqual([again.status, again.text], [304, ""]);
  }
});

test.alone("the client library is found beside the program when no setting says where it is", {}, async (scope) => {
  const [gateway] = scope.gateways;
  const { folder } = scope.cluster;
  const served = async () => (await request(gateway.url, "/socket.io/socket.io.min.js")).status;
  await gateway.stop();
  cpSync(gateway.file, join(folder, "bin", "rejoin-gateway"));
  gateway.file = join(folder, "bin", "rejoin-gateway");
  await gateway.start();
  assert.equal(await served(), 400); // a request without a transport
  await gateway.stop();
  cpSync(DIST, join(folder, "share", "rejoin", "client"), { recursive: true });
  await gateway.start();
  assert.equal(await served(), 200);
  await gateway.stop();
  gateway.settings["client-dir"] = "";
  await gateway.start();
  assert.equal(await served(), 400);
});

test.alone("clients stay connected through many heartbeats, silent ones are closed", LIVELY, async (scope) => {
  const raw = scope.own(await RawSocket.open(scope.cluster.url()));
  await raw.join();
  for (const { options } of MODES) {
    const client = await scope.client(options);
    let pings = 0;
    client.socket.io.on("ping", () => pings++);
    await until(() => pings >= 5, "five pings");
    assert.deepEqual(client.drops, []);
  }
  await raw.untilClosed();
  assert.ok(raw.packets.includes("2"), "the silent one was pinged");
});
