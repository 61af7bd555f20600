// Who is in which rooms, twice: as the clients themselves know it, and as the broker tells.

import { setTimeout as delay } from "node:timers/promises";

import { ctlLines } from "../../e2e/support/ctl.mjs";
import { now } from "./trace.mjs";

const BETWEEN_MS = 200;

/** {sid: [room]} of all rovers, when they have settled. */
export function truthOf(rovers) {
  return Object.fromEntries(rovers.map(({ sid, rooms }) => [sid, Object.keys(rooms).sort()]));
}

/** The same, as the broker has it. */
async function toldBy(stage) {
  const lines = await ctlLines(stage, ["sockets"]);
  return Object.fromEntries(lines.map(({ sid, rooms }) => [sid, rooms.filter((room) => room !== sid).sort()]));
}

/** How many are in each room, as the broker counts them, beside how many it lists. */
async function countsAgree(stage, told) {
  const counted = {};
  for (const { room, members } of await ctlLines(stage, ["rooms"])) counted[room] = members;
  const listed = {};
  for (const room of Object.values(told).flat()) listed[room] = (listed[room] ?? 0) + 1;
  return isSame(counted, listed);
}

function isSame(one, other) {
  const names = [...new Set([...Object.keys(one), ...Object.keys(other)])];
  return names.every((name) => JSON.stringify(one[name]) === JSON.stringify(other[name]));
}

/** Waits until both agree, at most for `allowedMs` since `since`; the checker judges what it was then. */
export async function takeCensus(stage, rovers, since, allowedMs) {
  const truth = truthOf(rovers);
  for (;;) {
    const told = await toldBy(stage);
    const tookMs = Math.round(now() - since);
    const agrees = isSame(truth, told) && (await countsAgree(stage, told));
    if (agrees || tookMs > allowedMs) return { truth, told, tookMs: agrees ? tookMs : allowedMs + 1, allowedMs };
    await delay(BETWEEN_MS);
  }
}
