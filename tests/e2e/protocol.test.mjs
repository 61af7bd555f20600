// Both protocols to the letter, by hand: Engine.IO v4 and Socket.IO v5 as their specifications have them, over a real
// gateway and broker. The backend is the one that the protocols' own test suites want: a client gets its own `auth`
// back as an event, `message` comes back as `message-back`, `message-with-ack` as its ack.

import assert from "node:assert/strict";
import http from "node:http";
import { join } from "node:path";
import { after } from "node:test";

import { until, within } from "./support/deadline.mjs";
import { Process } from "./support/process.mjs";
import { Polling, RawSocket } from "./support/raw.mjs";
import { suite } from "./support/suite.mjs";

const PING_INTERVAL = 400;
const PING_TIMEOUT = 1600; // on a busy machine pongs take their time
const CONNECT_TIMEOUT = 4000;
const SETTINGS = {
  gateways: 1,
  gateway: {
    "ping-interval": PING_INTERVAL,
    "ping-timeout": PING_TIMEOUT,
    "connect-timeout": CONNECT_TIMEOUT,
    recovery: "off",
  },
};

// No pongs are sent in the tests about packets. A broker that has just started waits a lease for the backends that it
// may know a namespace from.
const PATIENT = { gateways: 1, broker: { lease: 1000, ping: 100 }, gateway: { recovery: "off" } };

const engineTest = suite(SETTINGS);

const SEPARATOR = "\x1e";

/** The backend of all tests about packets, started with the first. */
let backend = null;
after(async () => {
  await backend?.kill(); // it serves for ever
  assert.deepEqual(backend?.faults ?? [], []);
});

const packetSuite = suite(PATIENT);

function packetTest(name, body) {
  packetSuite(name, async (scope) => {
    if (!backend) {
      const file = join(process.env.REJOIN_BIN, "socketio-suite-backend");
      const args = ["--broker", scope.cluster.endpoint("backends")];
      backend = new Process("suite backend", file, args, { ready: /^socketio-suite-backend ready$/m });
      await backend.start();
    }
    await body(scope);
  });
}

async function websocket(scope, options) {
  return scope.own(await RawSocket.open(scope.cluster.url(), options));
}

/** A WebSocket that has joined "/" and has got its `auth` event. */
async function joined(scope) {
  const raw = await websocket(scope);
  await raw.join();
  await raw.packet('42["auth"');
  raw.skip();
  return raw;
}

/** Polls until `count` packets are there; heartbeats and noops are left out. */
async function polled(polling, count) {
  const packets = [];
  while (packets.length < count) {
    const { status, text } = await polling.poll();
    assert.equal(status, 200, text);
    packets.push(...text.split(SEPARATOR).filter((packet) => packet !== "2" && packet !== "6"));
  }
  return packets;
}

/** A poll that its sender gives up once the server has it. */
async function abortedPoll(scope, polling) {
  const { port } = scope.gateways[0];
  const sent = http.get({ host: "127.0.0.1", port, path: polling.path, agent: false });
  sent.on("error", () => {});
  await within(new Promise((resolve) => sent.on("socket", (socket) => socket.on("connect", resolve))), "connected");
  // A POST on a connection of its own is answered after what came before it was read.
  await polling.post("6");
  sent.destroy();
}

async function assertGone(polling) {
  const last = await until(async () => {
    const answer = await polling.poll();
    return answer.status === 400 && answer;
  }, "the session is unknown");
  assert.deepEqual(JSON.parse(last.text), { code: 1, message: "Session ID unknown" });
}

// ------------------------------------------------------------------------------------------------- Engine.IO

engineTest("the open packet tells of the session, and of the upgrade only over polling", async (scope) => {
  const polling = await Polling.open(scope.cluster.url());
  const raw = await websocket(scope);
  const opens = [polling.handshakeAnswer.text, await raw.next()];
  for (const [i, open] of opens.entries()) {
    assert.equal(open[0], "0");
    const { sid, ...rest } = JSON.parse(open.slice(1));
    assert.equal(typeof sid, "string");
    assert.deepEqual(rest, {
      upgrades: i === 0 ? ["websocket"] : [],
      pingInterval: PING_INTERVAL,
      pingTimeout: PING_TIMEOUT,
      maxPayload: 1000000,
    });
  }
});

engineTest("over polling pings come at their interval, and pongs keep the session", async (scope) => {
  const polling = await Polling.open(scope.cluster.url());
  await polling.post("40");
  for (let pings = 0; pings < 3; ) {
    const { status, text } = await polling.poll();
    assert.equal(status, 200);
    if (!text.split(SEPARATOR).includes("2")) continue;
    pings++;
    assert.equal((await polling.post("3")).text, "ok");
  }
});

engineTest("over WebSocket pings come at their interval, and pongs keep the session", async (scope) => {
  const raw = await websocket(scope);
  await raw.join();
  const began = performance.now();
  for (let pings = 0; pings < 3; pings++) {
    await raw.nextIs("2");
    raw.send("3");
  }
  // A machine that is busy makes them later, never earlier.
  assert.ok(performance.now() - began >= 3 * PING_INTERVAL - 50, "not before their time");
  assert.equal(raw.closed, null);
});

engineTest("who does not answer a ping is gone when the time is over, on both transports", async (scope) => {
  const polling = await Polling.open(scope.cluster.url());
  const raw = await websocket(scope);
  const began = performance.now();
  await raw.untilClosed();
  assert.ok(performance.now() - began >= PING_INTERVAL + PING_TIMEOUT - 50, "not before its time");
  assert.deepEqual(raw.packets.slice(1), ["2"]);
  // It was opened before the other, so the first poll is to find nothing.
  const { status, text } = await polling.poll();
  assert.deepEqual([status, JSON.parse(text)], [400, { code: 1, message: "Session ID unknown" }]);
});

engineTest("a client's ping is none of its packets", async (scope) => {
  const raw = await websocket(scope);
  await raw.packet("0");
  raw.send("2");
  await raw.untilClosed();
});

engineTest("packets that mean nothing at their place are passed over", async (scope) => {
  const raw = await websocket(scope);
  await raw.join();
  for (const packet of ["6", "5", "0{}", "3", "3"]) raw.send(packet);
  await raw.nextIs("2");
  raw.send("3");
  await raw.nextIs("2");
  assert.equal(raw.closed, null);
});

engineTest("a client's close ends its session: the held poll gets a noop, a WebSocket is closed", async (scope) => {
  const polling = await Polling.open(scope.cluster.url());
  // Whichever of the two comes first: the poll is held until the close, or finds no session any more.
  const [poll, post] = await Promise.all([polling.poll(), polling.post("1")]);
  assert.deepEqual([post.status, post.text], [200, "ok"]);
  if (poll.status === 200) assert.equal(poll.text, "6");
  await assertGone(polling);
  const raw = await websocket(scope);
  await raw.packet("0");
  raw.send("1");
  await raw.untilClosed();
});

engineTest("a poll that is given up ends the session", async (scope) => {
  const polling = await Polling.open(scope.cluster.url());
  await abortedPoll(scope, polling);
  await assertGone(polling);
});

packetTest("a payload of several packets is taken in its order, and answered so", async (scope) => {
  const polling = await Polling.open(scope.cluster.url());
  await polling.post("40");
  assert.match((await polled(polling, 2))[1], /^42\["auth",\{\}\]$/);
  const packets = [1, 2, 3].map((n) => `42["message",${n},"€ and 😀"]`);
  await polling.post(packets.join(SEPARATOR));
  assert.deepEqual(await polled(polling, 3), packets.map((packet) => packet.replace("message", "message-back")));
});

packetTest("over polling binary is base64 behind a b, among texts", async (scope) => {
  const polling = await Polling.open(scope.cluster.url());
  await polling.post("40");
  await polled(polling, 2);
  const event = '451-["message",{"_placeholder":true,"num":0}]';
  await polling.post([event, "bAAEC/w==", '42["message","text"]'].join(SEPARATOR));
  const back = '451-["message-back",{"_placeholder":true,"num":0}]';
  assert.deepEqual(await polled(polling, 3), [back, "bAAEC/w==", '42["message-back","text"]']);
});

packetTest("the upgrade: probe, noop to the held poll, and nothing is left on polling", async (scope) => {
  const polling = await Polling.open(scope.cluster.url());
  await polling.post("40");
  await polled(polling, 2);
  const { sid } = polling.handshake;
  const held = polling.poll();
  const raw = await websocket(scope, { sid });
  raw.send("2probe");
  assert.equal(await raw.next(), "3probe");
  const { status, text } = await held;
  assert.deepEqual([status, text], [200, "6"]);
  // What is sent now, on either side, is kept for the transport that comes.
  await polling.post('42["message","during"]');
  raw.send("5");
  // In the order of arrival, over two connections: the session has left polling when the "5" was read.
  await raw.nextIs('42["message-back","during"]');
  const late = await polling.poll();
  assert.deepEqual([late.status, JSON.parse(late.text).code], [400, 3]);
  const second = scope.own(RawSocket.connect(scope.cluster.url(), { sid }));
  await second.untilClosed();
  raw.send('42["message","after"]');
  await raw.nextIs('42["message-back","after"]');
});

packetTest("a candidate that is given up leaves the session on polling", async (scope) => {
  const polling = await Polling.open(scope.cluster.url());
  await polling.post("40");
  await polled(polling, 2);
  const raw = await websocket(scope, { sid: polling.handshake.sid });
  raw.send("2probe");
  await raw.packet("3probe");
  // The first poll after the probe is answered at once, by a noop.
  raw.close();
  await raw.untilClosed();
  await polling.post('42["message","still"]');
  assert.deepEqual(await polled(polling, 1), ['42["message-back","still"]']);
  const again = await websocket(scope, { sid: polling.handshake.sid });
  again.send("2probe");
  assert.equal(await again.next(), "3probe");
});

// ------------------------------------------------------------------------------------------------- Socket.IO

for (const [nsp, prefix] of [["/", ""], ["/custom", "/custom,"]]) {
  packetTest(`${nsp} is joined, with and without auth, and the server may speak at once`, async (scope) => {
      for (const auth of ["", "{}", '{"token":"123","deep":[1,{"ä":"😀"}]}']) {
      const raw = await websocket(scope);
      const engine = JSON.parse((await raw.next()).slice(1));
      raw.send(`40${prefix}${auth}`);
      const answer = await raw.next();
      assert.ok(answer.startsWith(`40${prefix}{`), answer);
      const { sid, ...rest } = JSON.parse(answer.slice(2 + prefix.length));
      assert.deepEqual(rest, {});
      assert.equal(typeof sid, "string");
      assert.notEqual(sid, engine.sid, "the engine's id is secret");
      assert.equal(await raw.next(), `42${prefix}["auth",${auth || "{}"}]`);
    }
  });

  packetTest(`in ${nsp} an event is answered by its ack, under the client's own number`, async (scope) => {
    const raw = await websocket(scope);
    await raw.packet("0");
    raw.send(`40${prefix}`);
    await raw.packet(`42${prefix}["auth"`);
    raw.skip();
    raw.send(`42${prefix}456["message-with-ack",1,"2",{"3":[true]}]`);
    assert.equal(await raw.next(), `43${prefix}456[1,"2",{"3":[true]}]`);
  });
}

packetTest("a namespace's comma may be left out at the packet's end, its query is part of its name", async (scope) => {
  const raw = await websocket(scope);
  await raw.next();
  raw.send("40/custom");
  assert.match(await raw.next(), /^40\/custom,\{"sid":"[^"]+"\}$/);
  assert.equal(await raw.next(), '42/custom,["auth",{}]');
  raw.send("40/custom?token=1,");
  assert.equal(await raw.next(), '44/custom?token=1,{"message":"Invalid namespace"}');
});

packetTest("an unknown namespace is refused, and the connection goes on", async (scope) => {
  const raw = await websocket(scope);
  await raw.next();
  raw.send("40/random");
  assert.equal(await raw.next(), '44/random,{"message":"Invalid namespace"}');
  raw.send("40");
  assert.match(await raw.next(), /^40\{"sid"/);
});

packetTest("a handshake that is garbled costs the connection", async (scope) => {
  for (const packet of ["4abc", "40abc", "40[1]", '40"x"', "40{", "4", "40/custom,["]) {
    const raw = await websocket(scope);
    await raw.next();
    raw.send(packet);
    await raw.untilClosed();
  }
});

engineTest("who joins no namespace in time is closed, though it answers pings", async (scope) => {
  const raw = await websocket(scope);
  raw.ws.on("message", (data) => data.toString() === "2" && raw.send("3"));
  const began = performance.now();
  await raw.untilClosed();
  assert.ok(performance.now() - began >= CONNECT_TIMEOUT - 50, "not before its time");
  assert.ok(raw.packets.includes("2"));
});

engineTest("who leaves all namespaces stays connected, and gets no answer to it", async (scope) => {
  const raw = await websocket(scope);
  await raw.join();
  raw.skip();
  raw.send("41");
  assert.equal(await raw.next(), "2");
  raw.send("3");
  assert.equal(await raw.next(), "2");
  assert.equal(raw.closed, null);
});

packetTest("a namespace that was left may be joined again; the others do not notice", async (scope) => {
  const raw = await joined(scope);
  raw.send("40/custom,");
  await raw.packet('42/custom,["auth"');
  raw.skip();
  raw.send("41/custom,");
  raw.send('42["message","still here"]');
  assert.equal(await raw.next(), '42["message-back","still here"]');
  raw.send('40/custom,{"again":1}');
  assert.match(await raw.next(), /^40\/custom,\{"sid"/);
  assert.equal(await raw.next(), '42/custom,["auth",{"again":1}]');
  raw.send("41/custom,");
  raw.send('42/custom,["message","too late"]');
  await raw.untilClosed();
});

packetTest("events come back as they were sent, in their order", async (scope) => {
  const raw = await joined(scope);
  const args = ['1,"2",{"3":[true]}', "", "null", "[]", '"\\u0000\\u001e\\ud83d\\ude00"', "1e400", "-0", '""'];
  for (const one of args) raw.send(`42["message"${one && `,${one}`}]`);
  for (const one of args) assert.equal(await raw.next(), `42["message-back"${one && `,${one}`}]`);
});

packetTest("binary attachments go both ways, in events and in acks", async (scope) => {
  const raw = await joined(scope);
  const args = '{"_placeholder":true,"num":0},"between",{"deep":[{"_placeholder":true,"num":1}]}';
  const attachments = [Buffer.from([1, 2, 3]), Buffer.alloc(0)];
  for (const [sent, got] of [
    [`452-["message",${args}]`, `452-["message-back",${args}]`],
    [`452-789["message-with-ack",${args}]`, `462-789[${args}]`],
  ]) {
    raw.send(sent);
    for (const attachment of attachments) raw.send(attachment);
    assert.equal(await raw.next(), got);
    for (const attachment of attachments) assert.deepEqual(await raw.next(), attachment);
  }
});

packetTest("placeholders stand in any order, one attachment for several or for none", async (scope) => {
  const raw = await joined(scope);
  const held = (num) => `{"_placeholder":true,"num":${num}}`;
  for (const args of [`${held(1)},${held(0)}`, `${held(0)},[${held(0)}]`, '"none"', `{"num":1,"_placeholder":true}`]) {
    const attachments = [Buffer.from("a"), Buffer.from("b")];
    raw.send(`452-7["message-with-ack",${args}]`);
    for (const attachment of attachments) raw.send(attachment);
    assert.equal(await raw.next(), `462-7[${args}]`);
    for (const attachment of attachments) assert.deepEqual(await raw.next(), attachment);
  }
  // The reference would pass this on as an object like any other; here the mark is Socket.IO's own.
  raw.send(`428["message-with-ack",${held(0)}]`);
  assert.match(await raw.next(), /^438\[\{"ok":false,"error":\{"code":"bad_request"/);
});

packetTest("acks bear any number that fits, and each its own", async (scope) => {
  const raw = await joined(scope);
  const ids = ["0", "1", "4294967296", "9007199254740991"];
  for (const id of ids) raw.send(`42${id}["message-with-ack","${id}"]`);
  for (const id of ids) assert.equal(await raw.next(), `43${id}["${id}"]`);
});

packetTest("packets of no known form cost the connection", async (scope) => {
  for (const packet of ["4abc", "42{}", "42abc[]", "42", '42["message"', "43abc[]", "47", "451-", '45["message"]']) {
    const raw = await joined(scope);
    raw.send(packet);
    await raw.untilClosed();
  }
});
