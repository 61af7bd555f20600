// Why connections end. Every cause that there is: what the serving backend is told, under which label the gateway
// counts it, and which line it logs when it was Rejoin that decided (and none when it was not).

import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";

import { Backend } from "./support/backend.mjs";
import { until } from "./support/deadline.mjs";
import { metric } from "./support/metrics.mjs";
import { Polling, RawSocket } from "./support/raw.mjs";
import { suite } from "./support/suite.mjs";

const MAX_PAYLOAD = 20000;
const GATEWAY = { "max-payload": MAX_PAYLOAD };
const SMALL = { "queue-bytes": 65536, "send-buffer": 16384 };
const TEXT = "x".repeat(15000);

const test = suite({ gateways: 1 });

/** A raw WebSocket in "/". */
async function websocket(scope) {
  const raw = scope.own(await RawSocket.open(scope.cluster.url()));
  await raw.join();
  return raw;
}

/** A raw polling session in "/". */
async function polling(scope) {
  const session = await Polling.open(scope.cluster.url());
  await session.post("40");
  await session.poll();
  return session;
}

const says = (...packets) => async (scope) => {
  const raw = await websocket(scope);
  for (const packet of packets) raw.send(packet);
};

const posts = (body, headers) => async (scope) => {
  await (await polling(scope)).post(body, headers);
};

/** A request that the gateway has begun to read: a poll that is held, or a POST without its body's end. */
async function begin(scope, session, method, headers = {}) {
  const { port } = scope.gateways[0];
  const sent = http.request({ host: "127.0.0.1", port, path: session.path, method, headers, agent: false });
  sent.on("error", () => {});
  if (method === "POST") sent.write("42[");
  else sent.end();
  await until(() => sent.socket?.readyState === "open", "connected");
  return sent;
}

/** A stock client behind a proxy, in a room, that stops reading while `count` messages come. */
async function stalled(scope, count) {
  const [room, proxy, writer] = [scope.room(), await scope.proxy(), await scope.client()];
  const slow = await scope.client({ transports: ["websocket"], url: proxy.url });
  for (const client of [writer, slow]) await client.join(room);
  proxy.stallReader();
  proxy.isDown = true; // it does not come back
  for (let n = 0; n < count; n++) await writer.publish(room, TEXT);
  return { proxy, writer, slow, room };
}

// {cause: [what happens, the reason, why in the log (none: the peer's own doing), settings]}
const CAUSES = {
  "the client leaves the namespace": [says("41"), "client namespace disconnect"],
  "the client closes its Engine.IO session": [says("1"), "transport close"],
  "the client closes its WebSocket": [async (scope) => (await websocket(scope)).ws.close(), "transport close"],
  "the network breaks": [async (scope) => (await websocket(scope)).ws._socket.resetAndDestroy(), "transport close"],
  "the client closes its polling session": [posts("1"), "transport close"],
  "a poll is given up": [
    async (scope) => {
      const session = await polling(scope);
      const poll = await begin(scope, session, "GET");
      await session.post("6"); // answered on a connection of its own: the poll was read before
      poll.destroy();
    },
    "transport error",
  ],
  "no pong comes": [websocket, "ping timeout", "no pong", { gateway: { "ping-interval": 1500, "ping-timeout": 300 } }],
  "no pong comes over polling": [
    polling, "ping timeout", "no pong", { gateway: { "ping-interval": 1500, "ping-timeout": 300 } },
  ],
  "a client pings": [says("2"), "transport error", "a client's ping"],
  "no Engine.IO packet": [says("9"), "parse error", "no packet"],
  "no Engine.IO payload": [posts("\x1e\x1e"), "parse error", "an invalid payload"],
  "a message that is too large": [says("4".repeat(MAX_PAYLOAD + 1)), "transport error", "a message that is too large"],
  "a binary POST": [
    posts("40", { "content-type": "application/octet-stream" }), "transport error", "a binary body",
  ],
  "two polls at once": [
    async (scope) => {
      const session = await polling(scope);
      await Promise.all([session.poll(), session.poll()]);
    },
    "transport error",
    "two polls at once",
  ],
  "two POSTs at once": [
    async (scope) => {
      const session = await polling(scope);
      const first = await begin(scope, session, "POST", { "content-type": "text/plain", "content-length": 100 });
      // Which of the two the gateway reads first does not matter, as long as the first does not end.
      await until(async () => (await session.post("6")).status === 400, "the second is refused");
      first.destroy();
    },
    "transport error",
    "two posts at once",
  ],
  "no Socket.IO packet": [says("42["), "forced close", "no Socket.IO packet"],
  "a packet that is too large with its attachments": [
    says('453-["x"]', ...Array.from({ length: 3 }, () => Buffer.alloc(MAX_PAYLOAD - 10))), "forced close",
    "a packet that is too large", { gateway: { "max-packet": 2 * MAX_PAYLOAD } },
  ],
  "too many attachments": [says('4511-["x"]'), "forced close", "too many attachments"],
  "attachments that do not come": [
    says('451-["x",{"_placeholder":true,"num":0}]'), "forced close", "attachments that do not come",
    { gateway: { "attachments-timeout": 200 } },
  ],
  "CONNECTs without end": [
    says(...Array.from({ length: 30 }, (_, n) => `40/n-${n},`)), "forced server close", "too many CONNECTs",
    { gateway: { "max-clients-per-connection": 5 } },
  ],
  "a second CONNECT": [says("40"), "forced server close", "a second CONNECT"],
  "a namespace that was not joined": [says('42/x,["x"]'), "forced server close", "a namespace that was not joined"],
  "a backend disconnects the socket": [
    async (scope, backend) => {
      const client = await scope.client();
      await backend.demand("disconnect", { sids: [client.id] });
    },
    "server namespace disconnect",
    "by a backend",
  ],
  "a backend disconnects the socket and its connection": [
    async (scope, backend) => {
      const client = await scope.client();
      await backend.demand("disconnect", { sids: [client.id], close: true });
    },
    "server namespace disconnect",
    "by a backend",
  ],
  "the session is taken over": [
    async (scope) => {
      const proxy = await scope.proxy();
      const client = await scope.client({ transports: ["websocket"], url: proxy.url });
      const { port } = scope.gateways[0];
      proxy.silence();
      client.moveTo(`http://127.0.0.1:${port}`);
      client.socket.io.engine.close();
      await client.connected(2);
      assert.equal(client.recovered, true);
    },
    "forced close",
    "taken over",
  ],
  "the client does not read": [
    async (scope) => void (await stalled(scope, 200)), "forced close", "slow reader",
    { gateway: { ...SMALL, "stuck-timeout": 300 } },
  ],
  "what it missed is no longer kept": [
    async (scope) => {
      const { proxy, writer, room } = await stalled(scope, 200);
      proxy.resumeReader();
      await until(async () => (await writer.join(room)).members === 1, "the broker does not count it any more");
    },
    "forced close",
    "missed messages are no longer kept",
    { broker: { "retention-rules": "* count=5" }, gateway: SMALL },
  ],
};

/** One client ended so. */
async function counts(gateway, reason) {
  const name = `rejoin_gateway_clients_ended_total{reason="${reason}"}`;
  await until(async () => (await metric(gateway, name)) >= 1, `${reason} is counted`);
  assert.equal(await metric(gateway, name), 1);
}

for (const [cause, [act, reason, why, settings = {}]] of Object.entries(CAUSES)) {
  const own = { gateways: 1, broker: settings.broker, gateway: { ...GATEWAY, ...settings.gateway } };
  test.alone(`${cause}: ${reason}${why ? "" : ", and no line in the log"}`, own, async (scope) => {
    const backend = await Backend.open(scope, { allEvents: true });
    const [gateway] = scope.gateways;
    await act(scope, backend);
    const closed = await backend.saw("close");
    assert.equal(closed.reason, reason);
    // The backend may hear of it before the gateway has done with it.
    const lines = () => gateway.log.split("\n").filter((line) => /event=(connection_closed|client_disconnected)/.test(line));
    await counts(gateway, reason);
    if (!why) {
      assert.deepEqual(lines(), []);
      return;
    }
    await until(() => lines().length > 0, "the line in the log");
    assert.equal(lines().length, 1, lines().join("\n"));
    assert.ok(lines()[0].includes(`reason="${reason}" why="${why}"`), lines()[0]);
  });
}

const IMPATIENT = { gateways: 1, gateway: { "connect-timeout": 300 } };
test.alone("no namespace is joined in time: one line, and nobody to be told or counted", IMPATIENT, async (scope) => {
  const raw = scope.own(await RawSocket.open(scope.cluster.url()));
  await raw.untilClosed();
  const [gateway] = scope.gateways;
  assert.match(gateway.log, /event=connection_closed .*reason="forced server close" why="no namespace joined in time"/);
  assert.equal(await metric(gateway, 'rejoin_gateway_clients_ended_total{reason="forced server close"}'), 0);
});

const UPGRADES = {
  "it does not end": [(raw) => raw.send("2probe"), "an upgrade that does not end"],
  "it begins with something else": [(raw) => raw.send("4hello"), "an upgrade without a probe"],
  "there is one already": [
    async (raw, open) => {
      raw.send("2probe");
      await raw.packet("3probe");
      await (await open()).untilClosed();
    },
    "an upgrade of what is not on polling any more",
  ],
};

for (const [how, [act, why]] of Object.entries(UPGRADES)) {
  const own = { gateways: 1, gateway: { "upgrade-timeout": 2000 } };
  test.alone(`an upgrade is given up, for ${how}: a line, and the session stays`, own, async (scope) => {
    const session = await polling(scope);
    const open = async () =>
      scope.own(await RawSocket.open(scope.cluster.url(), { sid: session.handshake.sid }));
    const raw = await open();
    await act(raw, open);
    await raw.untilClosed();
    const [gateway] = scope.gateways;
    await until(() => gateway.log.includes(`why="${why}"`), "the line in the log");
    assert.match(gateway.log, new RegExp(`event=request_refused .*why="${why}"`));
    assert.doesNotMatch(gateway.log, /event=connection_closed/);
    assert.equal((await session.post('42["x"]')).status, 200);
  });
}

const TWO = { gateways: 2, broker: { lease: 1000, ping: 100 }, gateway: GATEWAY };
test.alone("the gateway ends as asked: server shutting down, and one line for all", TWO, async (scope) => {
  const backend = await Backend.open(scope, { allEvents: true });
  const clients = [await scope.client(), await scope.client({ transports: ["polling"] })];
  for (const client of clients) client.moveTo(scope.cluster.url(1));
  const [gateway] = scope.gateways;
  await gateway.stop();
  await backend.saw("close", 2);
  for (const { reason } of backend.of("close")) assert.equal(reason, "server shutting down");
  assert.equal(gateway.log.match(/event=draining .*connections=2/g).length, 1);
  assert.doesNotMatch(gateway.log, /connection_closed/);
  for (const client of clients) await client.connected(2);
});

test.alone("the gateway is killed: transport error after its lease, and the broker logs it", TWO, async (scope) => {
  const backend = await Backend.open(scope, { allEvents: true });
  const client = await scope.client({ reconnection: false });
  await client.join("lobby");
  await scope.gateways[0].kill();
  const { sid, reason, rooms } = await backend.saw("close");
  assert.deepEqual([sid.length > 0, reason, rooms], [true, "transport error", ["lobby"]]);
  assert.match(scope.broker.log, /event=lease_expired/);
});

const ONE = { gateways: 1, gateway: GATEWAY };
test.alone("the broker comes back with another store: its clients start anew, each with a line", ONE, async (scope) => {
  const client = await scope.client();
  const [gateway] = scope.gateways;
  await scope.broker.stop();
  rmSync(join(scope.cluster.folder, "data"), { recursive: true });
  await scope.broker.start();
  await client.connected(2);
  assert.equal(client.recovered, false);
  assert.match(gateway.log, /event=connection_closed .*reason="forced close" why="broker store replaced"/);
  await counts(gateway, "forced close");
});

const SHORT = { ...ONE, broker: { lease: 1000, ping: 100 } };
const AWAY = {
  "it leaves": [(client) => client.socket.disconnect(), "client namespace disconnect"],
  "it does not answer pings": [
    (client, proxy) => {
      client.socket.io.reconnection(false);
      proxy.silence();
    },
    "ping timeout",
    { "ping-interval": 500, "ping-timeout": 2000 },
  ],
};

for (const recovery of ["on", "off"]) {
  for (const [how, [act, expected, settings]] of Object.entries(AWAY)) {
    const own = { ...SHORT, gateway: { ...GATEWAY, ...settings, recovery } };
    test.alone(`${how} while the broker is away, recovery ${recovery}: ${expected} once it is back`, own, async (scope) => {
      const backend = await Backend.open(scope, { allEvents: true });
      const proxy = await scope.proxy();
      const [leaver, stays] = [await scope.client({ transports: ["websocket"], url: proxy.url }), await scope.client()];
      await leaver.join("lobby");
      await backend.saw("open", 2);
      const { id } = leaver;
      await scope.broker.kill();
      await act(leaver, proxy);
      const counted = `rejoin_gateway_clients_ended_total{reason="${expected}"}`;
      await until(async () => (await metric(scope.gateways[0], counted)) === 1, "counted under its own reason");
      await scope.broker.start();
      const { sid, reason, rooms } = await backend.saw("close");
      assert.deepEqual([sid, reason, rooms], [id, expected, ["lobby"]]);
      stays.socket.emit("still here");
      assert.equal((await backend.saw("event", 1, "still here")).sid, stays.id);
      assert.equal(backend.of("close").length, 1);
    });
  }
}

test.alone("a session that its client ended while the broker was away is not restored", SHORT, async (scope) => {
  const [leaver, stays] = [await scope.client(), await scope.client()];
  for (const client of [leaver, stays]) await client.join("lobby");
  const [{ pid }] = leaver.connections;
  await scope.broker.kill();
  leaver.socket.disconnect();
  await scope.broker.start();
  await scope.gateways[0].untilLinked();
  const { users, anonymous } = await stays.demand("room:presence", "lobby");
  assert.deepEqual([users, anonymous], [[], 1], "it has left at once");
  leaver.socket.connect();
  await leaver.connected(2);
  assert.equal(leaver.recovered, false);
  assert.notEqual(leaver.connections.at(-1).pid, pid);
});
