// Whoever gets a fresh session is told so, and the operator is told why: each reason by its counter and a line in the log.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";

import { QUICK_PINGS } from "./support/cluster.mjs";
import { ctlLines } from "./support/ctl.mjs";
import { until } from "./support/deadline.mjs";
import { suite } from "./support/suite.mjs";

const execute = promisify(execFile);
const ONE = { gateways: 1, gateway: QUICK_PINGS, broker: { "retention-rules": "brief-* count=2", namespaces: "/,/other" } };
const LIFETIME_MS = 1000;
const SHORT = { ...ONE, broker: { "session-lifetime": LIFETIME_MS } };
const test = suite(ONE);

/** Every rejoin_broker_recoveries_total that is not 0: {"fresh left": 1}. */
async function recoveries(scope) {
  const text = (await ctlLines(scope.cluster, ["stats"])).join("\n");
  const found = text.matchAll(/recoveries_total\{result="(.*)",reason="(.*)"\} (\d+)/g);
  return Object.fromEntries([...found].map(([, result, reason, n]) => [`${result} ${reason}`, Number(n)]).filter(([, n]) => n));
}

/** What `act` adds to them. */
async function counted(scope, act) {
  const before = await recoveries(scope);
  await act();
  const after = await recoveries(scope);
  for (const key of Object.keys(before)) after[key] -= before[key];
  return Object.fromEntries(Object.entries(after).filter(([, n]) => n));
}

/** The client comes back by itself to a session that is not its old one, and is told so. */
async function assertFresh(client, count = 2) {
  await client.connected(count);
  assert.equal(client.recovered, false);
  assert.notEqual(client.connections.at(-1).pid, client.connections[0].pid);
  assert.notEqual(client.connections.at(-1).sid, client.connections[0].sid);
  assert.deepEqual(client.errors, []);
}

function tells(scope, reason) {
  return until(
    () => scope.broker.log.includes(`event=session_not_recovered reason=${reason}`),
    () => `a line that says ${reason}`,
  );
}

test("a session that its client has ended: left", async (scope) => {
  const client = await scope.client();
  const reasons = await counted(scope, async () => {
    client.socket.disconnect();
    await until(async () => (await scope.client()).id, "others come and go");
    client.socket.connect(); // the stock client presents its old session
    await assertFresh(client);
  });
  assert.deepEqual(reasons, { "fresh left": 1 });
  await tells(scope, "left");
});

test.alone("a session whose lifetime is over: expired, long after the broker has swept it", SHORT, async (scope) => {
  const client = await scope.client({ reconnection: false });
  await client.join("room");
  await client.drop();
  const swept = "rejoin_broker_sessions_expired_total";
  const isSwept = async () => (await ctlLines(scope.cluster, ["stats"])).join("\n").includes(`${swept} 1`);
  await until(isSwept, "the session is swept");
  await delay(2 * LIFETIME_MS);
  await scope.broker.kill();
  await scope.broker.start();
  await scope.gateways[0].untilLinked();
  client.socket.connect();
  await assertFresh(client);
  assert.deepEqual(await recoveries(scope), { "fresh expired": 1 });
  await tells(scope, "expired");
});

test("a session that never was: unknown", async (scope) => {
  const client = await scope.client();
  const reasons = await counted(scope, async () => {
    client.socket._pid = "0123456789012345678901";
    await client.drop();
    await client.connected(2);
    assert.equal(client.recovered, false);
  });
  assert.deepEqual(reasons, { "fresh unknown": 1 });
});

test("a session of another namespace: mismatch", async (scope) => {
  const [client, other] = [await scope.client(), await scope.client({ nsp: "/other" })];
  const reasons = await counted(scope, async () => {
    other.socket._pid = client.socket._pid;
    await other.drop();
    await other.connected(2);
    assert.equal(other.recovered, false);
  });
  assert.deepEqual(reasons, { "fresh mismatch": 1 });
  assert.deepEqual(client.drops, [], "whose session it is has nothing to do with it");
});

test("an offset of another store: offset", async (scope) => {
  const client = await scope.client();
  const reasons = await counted(scope, async () => {
    client.socket._lastOffset = "zz9.5";
    await client.drop();
    await assertFresh(client);
  });
  assert.deepEqual(reasons, { "fresh offset": 1 });
});

test("messages that are no longer kept: gap, and none of the rest is shown", async (scope) => {
  const room = scope.room("brief");
  const [client, publisher] = [await scope.client({ reconnectionDelay: 1000, reconnectionDelayMax: 1000 }), await scope.client()];
  for (const one of [client, publisher]) await one.join(room);
  await publisher.publish(room, 1);
  await client.received(room, 1);
  const reasons = await counted(scope, async () => {
    await client.drop();
    for (let n = 2; n <= 9; n++) await publisher.publish(room, n);
    await assertFresh(client);
  });
  assert.deepEqual(reasons, { "fresh gap": 1 });
  await client.join(room);
  await publisher.publish(room, 10);
  await client.received(room, 2);
  assert.deepEqual(client.data(room), [1, 10]);
});

test.alone("a backup that was restored: restored, for all who were there before it", ONE, async (scope) => {
  const data = join(scope.cluster.folder, "data");
  const copy = join(scope.cluster.folder, "backup");
  const clients = [await scope.client(), await scope.client({ transports: ["polling"] })];
  for (const client of clients) await client.join("room");
  await execute(join(process.env.REJOIN_BIN, "rejoinctl"), ["backup", data, copy]);
  await clients[0].publish("room", "lost");
  await scope.broker.kill();
  rmSync(data, { recursive: true });
  cpSync(copy, data, { recursive: true });
  await scope.broker.start();
  for (const client of clients) await assertFresh(client);
  assert.deepEqual(await recoveries(scope), { "fresh restored": 2 });
});
