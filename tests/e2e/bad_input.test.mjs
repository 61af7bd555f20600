// Bad input hurts only its sender. Beside every offender two witnesses chat on the same gateway and must not
// notice anything.

import assert from "node:assert/strict";
import net from "node:net";

import { until } from "./support/deadline.mjs";
import { Polling, RawSocket, request } from "./support/raw.mjs";
import { suite } from "./support/suite.mjs";
import { ZmtpPeer } from "./support/zmtp.mjs";

const MAX_PAYLOAD = 1000000;
const test = suite({ gateways: 1, broker: { "max-data": MAX_PAYLOAD } });

/** Runs `offence` between witnesses; afterwards they have every message, no drop, and their gateway serves. */
function witnessed(name, offence) {
  test(name, async (scope) => {
    const room = scope.room("witnesses");
    const witnesses = [await scope.client(), await scope.client({ transports: ["polling"] })];
    for (const witness of witnesses) await witness.join(room);
    await witnesses[0].publish(room, "before");
    await offence(scope, room);
    await witnesses[1].publish(room, "after");
    for (const witness of witnesses) {
      await witness.received(room, 2);
      assert.deepEqual(witness.data(room), ["before", "after"]);
      assert.deepEqual(witness.drops, []);
    }
  });
}

// Each is sent on a fresh connection after the namespace was joined; the reference closes the transport.
const FATAL_PACKETS = {
  "an unknown Engine.IO packet type": "9",
  "an unknown Socket.IO packet type": "49",
  "an empty Socket.IO packet": "4",
  "an event that is no JSON": "42[",
  "an event that is no array": '42{"a":1}',
  "an empty event": "42[]",
  "an event without a name": "42[null]",
  "an event whose name is an object": "42[{}]",
  "an event with JSON that only lax parsers take": '42["x",NaN]',
  "an event with trailing text": '42["x"]y',
  "an event with a reserved name": '42["connect"]',
  "an event named disconnecting": '42["disconnecting"]',
  "an event with a reserved name in escapes": '42["\\u0063onnect"]',
  "a second CONNECT": "40",
  "an event for a namespace that was not joined": '42/other,["x"]',
  "a CONNECT_ERROR from a client": '44{"message":"x"}',
  "a DISCONNECT with payload": '41{"a":1}',
  "an ack that is no array": '430{"a":1}',
  "text between attachments": ['451-["x",{"_placeholder":true,"num":0}]', '42["y"]'],
  "a binary packet that nobody announced": Buffer.from("stray"),
  "more attachments than allowed": '4511-["x",{"_placeholder":true,"num":0}]',
  "an absurd number of attachments": '4599999999999999999999-["x"]',
  "a placeholder beyond the attachments": ['451-["x",{"_placeholder":true,"num":1}]', Buffer.from("a")],
  "a placeholder with a text for a number": ['451-["x",{"_placeholder":true,"num":"splice"}]', Buffer.from("a")],
  "nesting deeper than any parser's stack": `42["x",${"[".repeat(100000)}${"]".repeat(100000)}]`,
  "bytes that are no JSON at all": `42\u0000\u0001\u0002`,
};

for (const [what, packets] of Object.entries(FATAL_PACKETS)) {
  witnessed(`${what} costs its sender the connection`, async (scope) => {
    const raw = scope.own(await RawSocket.open(scope.cluster.url()));
    await raw.join();
    for (const packet of [packets].flat()) raw.send(packet);
    await raw.untilClosed();
  });
}

witnessed("the same over polling costs its sender the session", async (scope) => {
  const noUtf8 = Buffer.from([0x34, 0xff, 0xfe]);
  for (const body of ["9", "42[", '42["x",NaN]', "bAAEC", "b!!!", "\x1e\x1e", "40\x1e42{", noUtf8]) {
    const polling = await Polling.open(scope.cluster.url());
    await polling.post("40");
    await polling.poll();
    await polling.post(body).catch(() => {});
    const last = await until(async () => {
      const answer = await polling.poll();
      return answer.status === 400 && answer;
    }, `the session ended after ${JSON.stringify(body)}`);
    assert.equal(JSON.parse(last.text).code, 1);
  }
});

witnessed("what is merely odd is tolerated", async (scope, room) => {
  const raw = scope.own(await RawSocket.open(scope.cluster.url()));
  await raw.join();
  const odd = ["42[7]", '4399["no such question"]', '42["unheard of"]', '42["connect_me"]', "6"];
  for (const packet of odd) raw.send(packet);
  raw.send(`421["room:join","${room}-odd"]`);
  await raw.packet("431[");
  assert.equal(raw.closed, null);
});

witnessed("a connection that never joins a namespace may be closed, and one that sends before is", async (scope) => {
  const raw = scope.own(await RawSocket.open(scope.cluster.url()));
  await raw.packet("0");
  raw.send('42["x"]');
  await raw.untilClosed();
});

witnessed("a CONNECT that is garbled is refused", async (scope) => {
  for (const packet of ["40{", '40"text"', "40[1]", "40/x,{", `40/${"n".repeat(5000)},`, "40\u0000"]) {
    const raw = scope.own(await RawSocket.open(scope.cluster.url()));
    await raw.packet("0");
    raw.send(packet);
    await until(() => raw.closed || raw.packets.some((p) => p.toString().startsWith("44")), `${packet} refused`);
  }
});

/** 1009; or 1006, when the reset that answers what was still being sent has overtaken the closing frame. */
async function assertTooBig(raw) {
  const code = await raw.untilClosed();
  assert.ok(code === 1009 || code === 1006, `closed with ${code}`);
}

witnessed("a message over the limit closes its WebSocket with 1009", async (scope) => {
  const raw = scope.own(await RawSocket.open(scope.cluster.url()));
  await raw.join();
  raw.send(`42["x","${"y".repeat(MAX_PAYLOAD)}"]`);
  await assertTooBig(raw);
});

witnessed("a message over the limit in small fragments is not collected either", async (scope) => {
  const raw = scope.own(await RawSocket.open(scope.cluster.url()));
  await raw.join();
  for (let n = 0; n < 30 && !raw.closed; n++) raw.ws.send("z".repeat(50000), { fin: false });
  await assertTooBig(raw);
});

witnessed("a POST over the limit is answered with 413, and the session lives on", async (scope, room) => {
  const polling = await Polling.open(scope.cluster.url());
  await polling.post("40");
  await polling.poll();
  const answer = await polling.post(`42["x","${"y".repeat(MAX_PAYLOAD)}"]`).catch((error) => error);
  if (!(answer instanceof Error)) assert.equal(answer.status, 413);
  await polling.post(`420["room:join","${room}-small"]`);
  assert.match((await polling.poll()).text, /^430\[\{"ok":true/);
});

witnessed("a POST of another content type ends the session", async (scope) => {
  const polling = await Polling.open(scope.cluster.url());
  assert.equal((await polling.post("40", { "content-type": "application/octet-stream" })).status, 400);
  assert.equal((await polling.poll()).status, 400);
});

witnessed("a second poll is refused, ends the first and the session", async (scope) => {
  const polling = await Polling.open(scope.cluster.url());
  await polling.post("40");
  await polling.poll();
  const first = polling.poll();
  // Which of two concurrent requests arrives first is the kernel's choice; one waits, the other is refused.
  const answers = await Promise.all([first, polling.poll()]);
  assert.deepEqual(answers.map((answer) => answer.status).sort(), [200, 400]);
  assert.equal(answers.find((answer) => answer.status === 200).text, "1");
  assert.equal((await polling.poll()).status, 400);
});

witnessed("a second WebSocket for an upgraded session is closed", async (scope) => {
  const polling = await Polling.open(scope.cluster.url());
  const { sid } = polling.handshake;
  const url = scope.cluster.url();
  const upgraded = scope.own(await RawSocket.open(url, { sid }));
  upgraded.send("2probe");
  await upgraded.packet("3probe");
  upgraded.send("5");
  upgraded.send("40");
  await upgraded.packet("40");
  const second = scope.own(RawSocket.connect(url, { sid }));
  await second.untilClosed();
  assert.equal(upgraded.closed, null);
});

witnessed("a wrong probe closes the WebSocket, and polling goes on", async (scope) => {
  const polling = await Polling.open(scope.cluster.url());
  const probe = scope.own(await RawSocket.open(scope.cluster.url(), { sid: polling.handshake.sid }));
  probe.send('42["x"]');
  await probe.untilClosed();
  await polling.post("40");
  assert.match((await polling.poll()).text, /40\{"sid"/);
});

witnessed("data over the limit is refused by the ack", async (scope, room) => {
  const client = await scope.client({ transports: ["websocket"] });
  await client.join(room);
  const halves = [Buffer.alloc(600000), Buffer.alloc(600000)];
  const answer = await client.ask("room:publish", { room, data: halves });
  assert.equal(answer.ok, false);
  assert.equal(answer.error.code, "too_large");
  assert.deepEqual(client.drops, []);
  client.socket.disconnect();
});

witnessed("a publish that is deeper than the limit is refused, one that is merely deep is not", async (scope, room) => {
  const client = await scope.client({ transports: ["websocket"], reconnection: false });
  await client.join(`${room}-deep`);
  const nested = (depth) => JSON.parse("[".repeat(depth) + "]".repeat(depth));
  await client.publish(`${room}-deep`, nested(100));
  client.socket.emit("room:publish", { room: `${room}-deep`, data: nested(1000) });
  await client.dropped();
});

witnessed("HTTP that is none is refused", async (scope) => {
  const { port } = scope.gateways[0];
  const polling = "/socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x";
  const websocket = "/socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade";
  const texts = [
    "\r\n\r\n",
    "GET\r\n\r\n",
    "GET / HTTP/9.9\r\n\r\n",
    "\u0016\u0003\u0001\u0002\u0000", // the beginning of TLS
    `GET /${"a".repeat(100000)} HTTP/1.1\r\n\r\n`,
    `GET / HTTP/1.1\r\n${"x: y\r\n".repeat(20000)}\r\n`,
    `POST ${polling}\r\nContent-Length: -5\r\n\r\n`,
    `POST ${polling}\r\nContent-Length: 99999999999999999999\r\n\r\n`,
    "GET /socket.io/%00%ff?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n",
    `POST ${polling}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET ${polling}\r\n\r\n`,
    `POST ${polling}\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n4xx`,
    `POST ${polling}\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n`,
    `GET ${polling}\r\n folded\r\nx : y\r\n\r\n`,
    `GET ${polling}\r\n\r\n`.repeat(1000),
    `GET ${websocket}\r\nUpgrade: websocket\r\n\r\n`,
    `GET ${websocket}\r\nUpgrade: nothing\r\n\r\n`,
  ];
  for (const text of texts) {
    const socket = net.connect({ port, host: "127.0.0.1" });
    socket.on("error", () => {});
    socket.resume();
    socket.end(Buffer.from(text, "latin1"));
    await until(() => socket.destroyed || socket.readableEnded, `an end after ${JSON.stringify(text.slice(0, 60))}`);
  }
});

witnessed("WebSocket frames that break the rules close the connection", async (scope) => {
  const frames = [
    [0xf1, 0x80, 0, 0, 0, 0], // reserved bits
    [0x83, 0x80, 0, 0, 0, 0], // unknown opcode
    [0x80, 0x80, 0, 0, 0, 0], // a continuation of nothing
    [0x09, 0x80, 0, 0, 0, 0], // a ping in fragments
    [0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], // 2^64 - 1 bytes
    [0x81, 0x83, 0, 0, 0, 0, 0x34, 0xc3, 0x28], // no UTF-8
  ];
  for (const frame of frames) {
    const raw = scope.own(await RawSocket.open(scope.cluster.url()));
    await raw.packet("0");
    raw.sendBytes(frame);
    await raw.untilClosed();
  }
});

witnessed("a WebSocket frame that is left unfinished leaves nothing behind", async (scope) => {
  const beginnings = [
    [0x81], // half a head
    [0x82, 0xfe, 0xff, 0xff, 0, 0, 0, 0], // the head alone
    [0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0x34], // the first of 2^63 - 1 bytes
    [0x01, 0x81, 0, 0, 0, 0, 0x34], // the first fragment
  ];
  for (const beginning of beginnings) {
    const raw = scope.own(await RawSocket.open(scope.cluster.url()));
    await raw.join();
    raw.sendBytes(beginning);
    raw.close();
    await raw.untilClosed();
  }
});

witnessed("paths outside of what is served are not found", async (scope) => {
  const url = scope.cluster.url();
  const escape = "/socket.io/..%2f..%2fetc%2fpasswd";
  for (const path of ["/", "/nothing", "/etc/passwd", "/../../etc/passwd", "/socket.io/../../etc/passwd", escape]) {
    const answer = await request(url, path);
    assert.ok(answer.status >= 400 && answer.status < 500, `${path}: ${answer.status}`);
  }
});

witnessed("garbage on the broker's sockets disturbs nobody", async (scope) => {
  const { cluster, broker } = scope;
  for (const which of ["gateways", "backends"]) {
    const path = cluster.endpoint(which).slice("ipc://".length);
    for (const bytes of [Buffer.alloc(10000, 0xff), Buffer.from("GET / HTTP/1.1\r\n\r\n"), Buffer.alloc(64)]) {
      const socket = net.connect({ path });
      socket.on("error", () => {});
      socket.resume();
      socket.end(bytes);
      await until(() => socket.destroyed || socket.readableEnded, "the broker gave up on the connection");
    }
    const frames = [
      "", "x", "RJ", "RJ\x01\x00\xff\xff\xff\xff", "RJ\x63\x00", "HTTP/1.1 200", "RJ\x01\x00\x1a\x02\x08\x7f",
      `RJ\x01\x00${"\x1a\x00".repeat(2000)}`, `RJ\x01\x00${"\x00".repeat(3000)}`,
    ];
    const peer = await ZmtpPeer.open(path);
    for (const frame of frames) peer.send(Buffer.from(frame, "latin1"));
    peer.sendMultipart([Buffer.from("RJ"), Buffer.from("in two frames")]);
    await peer.settled();
    peer.close();
  }
  assert.equal(broker.isRunning, true);
});
