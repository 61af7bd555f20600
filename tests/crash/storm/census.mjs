// Who is in which rooms, as the clients themselves know it, and as the broker tells: by socket to a backend, by user to
// the rooms' members.

import { setTimeout as delay } from "node:timers/promises";

import { ctlLines } from "../../e2e/support/ctl.mjs";
import { PATIENCE_MS } from "./log.mjs";
import { now } from "./trace.mjs";

const BETWEEN_MS = 200;
const LONGEST_MS = 180000; // somebody comes or goes all the time

/** {"socket SID": "room room", "room ROOM": "USER 2, USER 1", "members of ROOM": "3"} of all rovers, when they have settled. */
export function truthOf(rovers) {
  const rooms = {};
  const truth = {};
  for (const { sid, user, rooms: joined } of rovers) {
    truth[`socket ${sid}`] = Object.keys(joined).sort().join(" ");
    for (const room of Object.keys(joined)) {
      rooms[room] ??= {};
      rooms[room][user] = (rooms[room][user] ?? 0) + 1;
    }
  }
  for (const [room, users] of Object.entries(rooms)) {
    truth[`room ${room}`] = listOf(users);
    truth[`members of ${room}`] = String(Object.values(users).reduce((sum, sockets) => sum + sockets));
  }
  return truth;
}

function listOf(users) {
  const list = Object.entries(users).map(([user, sockets]) => `${user} ${sockets}`);
  return list.sort().join(", ");
}

/** The same, as the broker has it. When it tells two members different things, one that is not the truth. */
async function toldBy(stage, truth) {
  const told = {};
  for (const { sid, rooms } of await ctlLines(stage, ["sockets"], { timeoutMs: PATIENCE_MS })) {
    told[`socket ${sid}`] = rooms.filter((room) => room !== sid).sort().join(" ");
  }
  const rooms = await ctlLines(stage, ["rooms"], { timeoutMs: PATIENCE_MS });
  for (const { room, members } of rooms) told[`members of ${room}`] = String(members);
  for (const { room, users } of await stage.presence()) {
    const [name, list] = [`room ${room}`, listOf(users)];
    if (told[name] === undefined || told[name] === truth[name]) told[name] = list;
  }
  return told;
}

/**
 * Waits until both agree: `tookMs` since `since` they did not yet. A difference counts when nobody came, went or moved
 * while it was looked at, and only when it was still there after `allowedMs`; the checker judges what it was then.
 */
export async function takeCensus(stage, since, allowedMs) {
  let tookMs = 0;
  for (;;) {
    const begunMs = Math.round(now() - since);
    const { rovers } = await stage.states();
    const truth = truthOf(rovers);
    const told = await toldBy(stage, truth);
    if (isSame(truth, told)) return { truth, told, tookMs, allowedMs };
    if (pictureOf(rovers) === pictureOf((await stage.states()).rovers)) tookMs = begunMs;
    if (tookMs > allowedMs || begunMs > LONGEST_MS) return { truth, told, tookMs, allowedMs };
    await delay(BETWEEN_MS);
  }
}

/** Who is connected, since when, and where. */
function pictureOf(rovers) {
  const pictures = rovers.map(({ sid, connections, isSettled, rooms }) => [sid, connections, isSettled, Object.keys(rooms)]);
  return JSON.stringify(pictures);
}

function isSame(one, other) {
  const names = [...new Set([...Object.keys(one), ...Object.keys(other)])];
  return names.every((name) => one[name] === other[name]);
}
