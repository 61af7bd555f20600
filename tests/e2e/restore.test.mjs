// The broker comes back with an older backup of its store, so that it gives out positions and seqs again that clients
// have seen for other messages. They must all be told: a fresh session, never silence or a wrong replay.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

import { MODES } from "./support/client.mjs";
import { QUICK_PINGS } from "./support/cluster.mjs";
import { ctl, ctlLines } from "./support/ctl.mjs";
import { until } from "./support/deadline.mjs";
import { suite } from "./support/suite.mjs";

const execute = promisify(execFile);
const TWO = { gateways: 2, gateway: QUICK_PINGS };
const test = suite(TWO);

/**
 * Takes the broker back to what its store was at `backup()`; both return when it is done. With `isPlain` the backup is a
 * copy of the files of a broker that was ended for it, which nothing marks as a copy.
 */
function timeMachine(scope, { isPlain = false } = {}) {
  const data = join(scope.cluster.folder, "data");
  const copy = join(scope.cluster.folder, "backup");
  return {
    async backup() {
      if (isPlain) {
        await scope.broker.stop();
        cpSync(data, copy, { recursive: true });
        await scope.broker.start();
        return;
      }
      await execute(join(process.env.REJOIN_BIN, "rejoinctl"), ["backup", data, copy]);
    },
    async restore() {
      rmSync(data, { recursive: true });
      cpSync(copy, data, { recursive: true });
      await scope.broker.start();
    },
  };
}

/** Everyone is in a room; some have seen messages, one has not; then the backup; then more happens, then it is lost. */
async function lostTime(scope, machine) {
  const [room, quiet, later] = [scope.room(), scope.room(), scope.room()];
  const publisher = await scope.client({ gateway: 1 });
  const members = await Promise.all(
    MODES.flatMap(({ options }) => [0, 1].map((gateway) => scope.client({ ...options, gateway }))),
  );
  const idle = await scope.client({ transports: ["websocket"] });
  for (const client of [publisher, ...members]) await client.join(room);
  await idle.join(quiet);
  for (let n = 1; n <= 5; n++) await publisher.publish(room, `kept ${n}`);
  for (const member of members) await member.received(room, 5);
  await machine.backup();
  await idle.join(later); // which the backup does not know
  for (let n = 1; n <= 5; n++) await publisher.publish(room, `lost ${n}`);
  for (const member of members) await member.received(room, 10);
  return { room, quiet, later, publisher, members, idle };
}

/** All have a fresh session, and get what is published from now on, in the rooms that they join again. */
async function assertAllReset({ room, later, publisher, members, idle }) {
  const everybody = [publisher, idle, ...members];
  for (const client of everybody) {
    await client.connected(2);
    assert.equal(client.recovered, false, `${client}`);
    assert.notEqual(client.connections.at(-1).pid, client.connections[0].pid);
  }
  const before = members.map((member) => member.messages(room).length);
  for (const client of [publisher, ...members]) await client.join(room);
  await idle.join(later);
  for (let n = 1; n <= 3; n++) {
    const { seq } = await publisher.publish(room, `new ${n}`);
    assert.equal(seq, 5 + n, "the seqs of the lost time are given out again");
  }
  await publisher.join(later);
  await publisher.publish(later, "hello");
  await idle.received(later, 1);
  for (const [i, member] of members.entries()) {
    await member.received(room, before[i] + 3);
    assert.equal(before[i], 10, "nothing of the new time before it has joined");
    assert.deepEqual(member.data(room).slice(10), ["new 1", "new 2", "new 3"]);
  }
  const { messages } = await publisher.history(room);
  const kept = [1, 2, 3, 4, 5].map((n) => `kept ${n}`);
  assert.deepEqual(messages.map(({ data }) => data), [...kept, "new 1", "new 2", "new 3"]);
}

test.alone("clients of gateways that stayed are reset when the broker restores a backup", TWO, async (scope) => {
  const machine = timeMachine(scope);
  const world = await lostTime(scope, machine);
  await scope.broker.kill();
  await machine.restore();
  await assertAllReset(world);
});

test.alone("clients are reset when the broker comes back with a plain copy of older files", TWO, async (scope) => {
  const machine = timeMachine(scope, { isPlain: true });
  const world = await lostTime(scope, machine);
  await scope.broker.kill();
  await machine.restore();
  await assertAllReset(world);
});

test.alone("clients are reset when everything was down and the broker restores a backup", TWO, async (scope) => {
  const machine = timeMachine(scope);
  const world = await lostTime(scope, machine);
  await Promise.all(scope.cluster.processes.map((process) => process.kill()));
  await machine.restore();
  await Promise.all(scope.gateways.map((gateway) => gateway.start()));
  await assertAllReset(world);
});

test.alone("a backup in which nothing but joins is missing resets, too", TWO, async (scope) => {
  const machine = timeMachine(scope);
  const room = scope.room();
  const [member, publisher] = [await scope.client(), await scope.client({ gateway: 1 })];
  await publisher.join(room);
  await publisher.publish(room, 1);
  await machine.backup();
  await member.join(room);
  await scope.broker.kill();
  await machine.restore();
  for (const client of [member, publisher]) {
    await client.connected(2);
    assert.equal(client.recovered, false);
  }
});

test.alone("who was away while the store went back is told when it returns", TWO, async (scope) => {
  const machine = timeMachine(scope);
  const room = scope.room();
  const proxy = await scope.proxy();
  const [away, publisher] = [await scope.client({ url: proxy.url }), await scope.client({ gateway: 1 })];
  for (const client of [away, publisher]) await client.join(room);
  await publisher.publish(room, 1);
  await away.received(room, 1);
  await machine.backup();
  proxy.isDown = true;
  proxy.cut();
  await scope.broker.kill();
  await machine.restore();
  await publisher.connected(2);
  await publisher.join(room);
  await publisher.publish(room, 2);
  proxy.isDown = false;
  await away.connected(2);
  assert.equal(away.recovered, false, "its session may lack what happened after the backup");
  await until(() => scope.broker.log.includes("event=backup_restored"), "the broker says what it is");
});

test.alone("a session that began after that is kept, though the client's library still presents the lost offset", TWO, async (scope) => {
  const machine = timeMachine(scope);
  const room = scope.room();
  const [member, publisher] = [await scope.client({ reconnectionDelay: 300 }), await scope.client({ gateway: 1 })];
  for (const client of [member, publisher]) await client.join(room);
  await publisher.publish(room, "kept");
  await machine.backup();
  await publisher.publish(room, "lost");
  await member.received(room, 2);
  await scope.broker.kill();
  await machine.restore();
  for (const client of [member, publisher]) {
    await client.connected(2);
    assert.equal(client.recovered, false);
    await client.join(room);
  }
  // It has got no event that would have brought another offset.
  await member.drop();
  await member.connected(3);
  assert.equal(member.recovered, true);
  await member.drop();
  await scope.broker.kill();
  await scope.broker.start();
  await publisher.publish(room, "new");
  await member.connected(4);
  assert.equal(member.recovered, true, "and over a restart");
  await member.received(room, 3);
  assert.deepEqual(member.data(room), ["kept", "lost", "new"]);
});

test.alone("who follows the log is told that it has gone back behind it, and only then", TWO, async (scope) => {
  const machine = timeMachine(scope);
  const room = scope.room();
  const follow = (...args) => ctl(scope.cluster, ["tail", ...args]);
  for (let n = 1; n <= 3; n++) await ctlLines(scope.cluster, ["publish", room, `${n}`]);
  const { lines: kept } = await follow("--from", "0", "--count", "3");
  await machine.backup();
  await ctlLines(scope.cluster, ["publish", room, "4"]);
  const { lines: lost } = await follow("--from", kept.at(-1).offset, "--count", "1");
  await scope.broker.kill();
  await machine.restore();
  await ctlLines(scope.cluster, ["publish", room, "5"]);
  const told = await follow("--from", lost[0].offset, "--count", "1");
  assert.deepEqual([told.code, told.lines], [1, []], "positions behind the backup speak of other messages now");
  assert.match(told.errors, /not_found/);
  const { lines } = await follow("--from", kept.at(-1).offset, "--count", "1");
  assert.deepEqual(lines.map(({ seq, data }) => [seq, data]), [[4, 5]], "what was taken up to the backup still stands");
});

test.alone("a restored broker recovers its new sessions as ever, over restarts too", TWO, async (scope) => {
  const machine = timeMachine(scope);
  await machine.backup();
  await scope.broker.kill();
  await machine.restore();
  const room = scope.room();
  const [member, publisher] = [await scope.client({ reconnectionDelay: 500 }), await scope.client({ gateway: 1 })];
  for (const client of [member, publisher]) await client.join(room);
  await publisher.publish(room, 1);
  await member.received(room, 1);
  await member.drop();
  await scope.broker.kill();
  await scope.broker.start();
  await publisher.publish(room, 2);
  await member.connected(2);
  await member.received(room, 2);
  assert.equal(member.recovered, true);
  assert.deepEqual(member.data(room), [1, 2]);
});
