// The fault storm: a broker, gateways, backends that publish and stock clients that roam, under faults of every kind at
// random; then the books are checked (checker.mjs).
//
//   node storm.mjs [--seed S] [--faults N | --seconds N] [--gap MS] [--only KIND,KIND]
//                  [--clients N] [--crowds N] [--rooms N] [--gateways N] [--feeders N]
//                  [--wander MS] [--lifetime MS] [--build DIR] [--keep DIR] [--sabotage drop|double|hush|forget|hurry]
//   node storm.mjs --judge DIR        judges once more what an earlier run has kept
//
// The seed decides the schedule (plan.mjs), and what each client does when; what the machine makes of it in time is
// its own. --wander is the mean time after which a client changes its mind (0: never), --lifetime a session's.
// --sabotage plants a bug (saboteur.mjs). REJOIN_BIN names the folder of the binaries, or --build the build's. With
// --keep, the traces of everybody and the logs of all processes stay in that folder, otherwise only when something was
// wrong. Exit status 0: all promises held.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";

import { temporaryFolder } from "../../e2e/support/cluster.mjs";
import { until } from "../../e2e/support/deadline.mjs";
import { Random } from "../../e2e/support/random.mjs";
import { takeCensus } from "./census.mjs";
import { check } from "./checker.mjs";
import { Faults } from "./faults.mjs";
import { Follower, markEnd, readLog } from "./log.mjs";
import { KINDS, plan } from "./plan.mjs";
import { reportFaults, reportKinds } from "./report.mjs";
import { GRACE_MS, LEASE_MS, SILENCE_MS, Stage, keptOf } from "./stage.mjs";
import { TraceFile, now, readTraces } from "./trace.mjs";

const BREATH = 25; // faults after which everybody gets the time to come back
const CALM_MS = 240000; // and the longest that this may take, on a machine that is busy with other things as well
// A dead client's last sign, a dead gateway's, the users' grace, and what a busy machine is late.
const CENSUS_MS = SILENCE_MS + LEASE_MS + GRACE_MS + 3000;

const { values: given } = parseArgs({
  options: {
    seed: { type: "string", default: String(Date.now() % 1000000) },
    faults: { type: "string", default: "100" },
    seconds: { type: "string" },
    gap: { type: "string", default: "500" },
    clients: { type: "string", default: "200" },
    crowds: { type: "string", default: "4" },
    rooms: { type: "string", default: "50" },
    gateways: { type: "string", default: "3" },
    feeders: { type: "string", default: "2" },
    wander: { type: "string", default: "15000" },
    lifetime: { type: "string", default: "15000" },
    only: { type: "string" },
    build: { type: "string" },
    keep: { type: "string" },
    sabotage: { type: "string" },
    judge: { type: "string" },
  },
});

const number = (name) => Number(given[name]);

function settings() {
  const size = {
    gateways: number("gateways"),
    feeders: number("feeders"),
    crowds: number("crowds"),
    crowdSize: Math.ceil(number("clients") / number("crowds")),
    rooms: number("rooms"),
  };
  const pace = { roomsEach: 3, publishMs: 4000, wanderMs: number("wander"), feederMs: 80 };
  const count = given.seconds ? Math.ceil((number("seconds") * 1000) / number("gap")) : number("faults");
  const only = given.only?.split(",") ?? Object.keys(KINDS);
  return { size, pace, count, only };
}

/** Everybody is connected once more; not all at once, since they drop by themselves, too. */
async function breathe(stage, what) {
  const back = new Set();
  let missing = [];
  await until(
    async () => {
      const { rovers } = await stage.states();
      for (const { name, isConnected } of rovers) if (isConnected) back.add(name);
      missing = rovers.filter(({ name }) => !back.has(name));
      return missing.length === 0;
    },
    () => `every client is back ${what}: ${describe(missing)}`,
    CALM_MS,
  );
}

const describe = (some) => `${some.length} are not: ${JSON.stringify(some.slice(0, 5))}`;

async function rage(stage, faults, schedule) {
  for (const [i, fault] of schedule.entries()) {
    await delay(fault.gapMs);
    faults.begin(fault);
    if ((i + 1) % BREATH > 0) continue;
    await faults.over();
    await breathe(stage, `after ${i + 1} faults`);
    console.log(`${i + 1} faults`);
  }
  await faults.over();
}

/** What was begun comes to its end, and everybody has been answered once more. */
async function calm(stage) {
  stage.quiet();
  let restless = [];
  await until(
    async () => {
      const { rovers, feeders } = await stage.states();
      restless = [...rovers, ...feeders].filter(({ isSettled }) => !isSettled);
      return restless.length === 0;
    },
    () => `everybody settles: ${describe(restless)}`,
    CALM_MS,
  );
  await stage.feeding;
  const answered = [];
  await until(
    async () => {
      (await stage.inquire()).forEach((isAnswered, i) => (answered[i] ||= isAnswered));
      return answered.every(Boolean);
    },
    () => `the backends answer every client: ${answered.filter((is) => !is).length} of them are not answered`,
    CALM_MS,
  );
}

/**
 * Everybody has come to the end of their rooms, as the store has them now; when somebody does not, the checker will say
 * what they lack.
 */
async function arrived(stage, kept) {
  const heads = new Map();
  for (const { room, seq } of kept) heads.set(room, Math.max(heads.get(room) ?? 0, seq));
  const lacks = ({ rooms }) => Object.entries(rooms).some(([room, seq]) => seq < (heads.get(room) ?? 0));
  const all = async () => !(await stage.states()).rovers.some(lacks);
  await until(all, "everybody has seen the end", CALM_MS).catch(() => {});
}

/** Runs a storm in the folder; returns what the checker needs beside the traces, and what went wrong on the way. */
async function storm(folder, random) {
  const { size, pace, count, only } = settings();
  mkdirSync(folder, { recursive: true });
  const schedule = plan(random.fork(), { count, meanGapMs: number("gap"), scene: size, only });
  writeFileSync(join(folder, "plan.json"), schedule.map((fault) => JSON.stringify(fault)).join("\n"));
  mkdirSync(join(folder, "traces"));
  const trace = new TraceFile(join(folder, "traces"), "storm");
  const lifetimeMs = number("lifetime");
  const stage = new Stage({ folder, size, pace, lifetimeMs, random, trace, sabotage: given.sabotage });
  const faults = new Faults(stage, trace);
  const wrong = [];
  let follower = null;
  let books = { log: [], kept: [], census: { truth: {}, told: {}, tookMs: 0, allowedMs: 0 } };
  try {
    await stage.start();
    follower = new Follower(stage);
    console.log(`${size.crowds * size.crowdSize} clients are open`);
    await breathe(stage, "before the storm");
    await rage(stage, faults, schedule);
    await until(() => stage.isSabotaged(), "what is to be planted is planted", CALM_MS);
    await calm(stage);
    const census = await takeCensus(stage, now(), CENSUS_MS);
    await markEnd(stage);
    const [log, kept] = [await follower.untilEnd(), await readLog(stage)];
    await arrived(stage, kept);
    books = { log, kept: [kept], census };
  } catch (error) {
    wrong.push(error.stack);
  }
  await follower?.stop();
  await stage.stop().catch((error) => wrong.push(error.stack));
  await stage.broker.readLost().then(
    (lost) => books.kept.unshift(...lost),
    (error) => wrong.push(error.stack),
  );
  trace.close();
  stage.keepLogs();
  wrong.push(...faults.errors, ...stage.faults);
  writeFileSync(join(folder, "books.json"), JSON.stringify({ ...books, lifetimeMs, counts: faults.counts, wrong }));
}

/** The stores as the checker wants them, of the storm's events (broker.mjs); `kept` is what was read of each. */
function storesOf(events, kept) {
  const stores = [{ epochs: [], keeps: 0, begunAt: 0, kept: kept[0] }];
  let [begunAt, endedAt] = [0, 0]; // of the latest run on the latest store, and of the last one on the one before
  let isBack = false;
  for (const { t, on, epoch, keeps } of events) {
    if (on === "went_back") isBack = true;
    if (on === "ended" && !isBack) endedAt = t;
    if (on === "spawned" && isBack) [begunAt, isBack] = [t, false];
    if (on !== "run") continue;
    if (keeps !== undefined) {
      stores.at(-1).lostAt = endedAt;
      stores.push({ epochs: [], keeps, begunAt, kept: kept[stores.length] });
    }
    stores.at(-1).epochs.push(epoch);
  }
  return stores;
}

/** Judges what stands in a folder. Returns whether all promises were kept. */
function judge(folder) {
  const { log, kept, census, lifetimeMs, counts, wrong } = JSON.parse(readFileSync(join(folder, "books.json"), "utf8"));
  const traces = readTraces(join(folder, "traces"));
  const isCutShort = wrong.length > 0 && log.length === 0;
  const stores = storesOf(traces.storm ?? [], kept);
  const { faults, figures } = isCutShort
    ? { faults: [], figures: {} }
    : check({ log, stores, traces, census, keptOf, lifetimeMs });
  const happened = Object.values(counts).reduce((sum, count) => sum + count, 0);
  console.log(reportKinds(counts, traces));
  console.log(`${happened} faults; ${JSON.stringify(figures)}; presence differed for ${census.tookMs} ms`);
  if (faults.length > 0) console.error(`${reportFaults(faults, traces)}\n(${faults.length} broken promises)`);
  if (wrong.length > 0) console.error(`${wrong.slice(0, 10).join("\n")}\n(${wrong.length} other faults)`);
  const isGood = faults.length === 0 && wrong.length === 0;
  if (isGood) console.log("no promise was broken");
  return isGood;
}

async function main() {
  if (given.judge) {
    process.exitCode = judge(given.judge) ? 0 : 1;
    return;
  }
  if (given.build) process.env.REJOIN_BIN = resolve(given.build, "bin");
  const seed = number("seed");
  const same = ["gap", "only", "clients", "crowds", "rooms", "gateways", "feeders", "wander", "lifetime", "sabotage"];
  const flags = same.filter((name) => given[name] !== undefined).map((name) => `--${name} ${given[name]}`);
  const again = `node storm.mjs --seed ${seed} --faults ${settings().count} ${flags.join(" ")}`;
  console.log(again);
  const folder = given.keep ? resolve(given.keep) : temporaryFolder();
  if (given.keep) mkdirSync(folder, { recursive: true });
  await storm(folder, new Random(seed));
  const isGood = judge(folder);
  if (isGood && !given.keep) rmSync(folder, { recursive: true, force: true });
  if (isGood) return;
  console.error(`again: ${again}\ntraces and logs: ${folder}`);
  process.exitCode = 1;
}

await main();
