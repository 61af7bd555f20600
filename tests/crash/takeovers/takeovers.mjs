// Groups of two or three devices that take one session from each other at any moment, while their gateways are
// stopped, killed and restarted, and the broker too. After each round of it everybody must be connected in time, and
// be served; whoever is not is shown with all that is known of it.
//
//   node takeovers.mjs [--rounds N] [--groups N] [--seed S] [--patience MS] [--transports polling,websocket]
//                      [--faults none|gateways|all] [--early no]
//
// `--early no`: devices close only connections that they have. A stock client whose engine is closed while it opens is
// deaf for as long as its `timeout` says (20 s by default): its manager (4.8) does not listen for the close by then.
//
// REJOIN_BIN names the folder of the binaries. Exit status 0: nobody was stranded.

import { execFileSync } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";

import { Cluster } from "../../e2e/support/cluster.mjs";
import { until } from "../../e2e/support/deadline.mjs";
import { Random } from "../../e2e/support/random.mjs";
import { Device } from "./device.mjs";

const ROUND_MS = 2500;
const CLIENT_PACE_MS = 150; // mean time between two deeds of one group
const FAULT_PACE_MS = 500; // and between two faults
const SOON_MS = 40; // engines are closed within that, so that it hits them in all states
// Where a live connection gives no sign of life in time, because the machine is busy, devices would take a session from
// each other for ever, and nobody would stay connected.
const CONTEST_TIMEOUT_MS = 4000;
const PATIENT_PINGS = { "ping-interval": 2000, "ping-timeout": 8000 };
const LINES = 4000;

const { values: given } = parseArgs({
  options: {
    rounds: { type: "string", default: "20" },
    groups: { type: "string", default: "30" },
    seed: { type: "string", default: String(Date.now() % 1000000) },
    patience: { type: "string", default: "120000" },
    transports: { type: "string" },
    faults: { type: "string", default: "all" },
    early: { type: "string", default: "yes" },
  },
});
const counts = { takeovers: 0, connections: 0, recovered: 0, fresh: 0, freezes: 0, kills: 0, brokers: 0, slowestMs: 0 };

/** Devices of one session. */
class Group {
  constructor(index, urls, random) {
    this.random = random;
    this.room = `group-${index}`;
    const transports = given.transports?.split(",") ?? null;
    this.devices = Array.from({ length: 2 + random.below(2) }, (_, i) =>
      new Device(`${index}.${i}`, urls, random.fork(), transports));
  }

  /** One device goes for the session of another, or has its own trouble. */
  act() {
    const device = this.random.pick(this.devices);
    const other = this.random.pick(this.devices);
    if (device !== other && other.socket._pid && this.random.below(3) > 0) {
      counts.takeovers++;
      device.impersonate(other);
    }
    if (given.early === "no" && !device.isConnected) return;
    device.closeSoon(SOON_MS);
    if (given.early !== "no" && this.random.below(3) === 0) device.closeSoon(SOON_MS * 5);
  }

  async run(isOver) {
    while (!isOver()) {
      this.act();
      await delay(this.random.below(2 * CLIENT_PACE_MS));
    }
    for (const device of this.devices) device.calm();
  }
}

/** One fault after another; all is whole again when it is over. */
async function harm(cluster, random, isOver) {
  const pace = () => delay(random.below(2 * FAULT_PACE_MS));
  const faults = {
    async freeze(gateway) {
      counts.freezes++;
      gateway.freeze();
      await pace();
      gateway.thaw();
    },
    async kill(gateway) {
      counts.kills++;
      await gateway.kill();
      await pace();
      await gateway.start();
    },
    async restartBroker() {
      counts.brokers++;
      await cluster.broker.kill();
      await pace();
      await cluster.broker.start();
    },
    async freezeBroker() {
      cluster.broker.freeze();
      await pace();
      cluster.broker.thaw();
    },
  };
  const kinds = { none: [], gateways: ["freeze", "freeze", "kill"], all: Object.keys(faults) }[given.faults];
  while (!isOver()) {
    await pace();
    if (kinds.length) await faults[random.pick(kinds)](random.pick(cluster.gateways));
  }
}

function connections() {
  try {
    return execFileSync("ss", ["-tnp"], { encoding: "utf8", maxBuffer: 1 << 26 });
  } catch (error) {
    return error.message; // it may not be installed
  }
}

async function show(cluster, stranded) {
  for (const device of stranded) console.error(`--- ${device.name}\n${device.dump()}`);
  for (const gateway of cluster.gateways) {
    const metrics = await fetch(`${gateway.url}/metrics`, { signal: AbortSignal.timeout(5000) }).catch(() => null);
    console.error(`--- ${gateway.name}\n${await metrics?.text()}`);
  }
  console.error(connections());
  console.error(cluster.tail(LINES));
}

/** Everybody is there again, and what is said in its room reaches it. */
async function allBack(cluster, groups) {
  const begun = performance.now();
  const devices = groups.flatMap((group) => group.devices);
  const missing = () => devices.filter(({ isConnected }) => !isConnected);
  try {
    await until(() => missing().length === 0, "everybody is connected", Number(given.patience));
    counts.slowestMs = Math.max(counts.slowestMs, Math.round(performance.now() - begun));
  } catch (error) {
    await show(cluster, missing());
    throw error;
  }
}

/**
 * Is in the room, and the message that says so reaches it. A connection may still be lost in the midst of it, to one
 * who came at the same time as it: then it begins again.
 */
async function served(device, room, text) {
  const isTold = async () => {
    await device.ask("room:join", room).catch(() => null);
    await device.ask("room:publish", { room, data: text, id: text }).catch(() => null);
    return device.data(room).includes(text);
  };
  await until(isTold, () => `${device.name} is served`, Number(given.patience));
}

async function allServed(cluster, groups, round) {
  const one = ({ device, room }) =>
    served(device, room, `${device.name} in round ${round}`).catch(async (error) => {
      await show(cluster, [device]);
      throw error;
    });
  await Promise.all(groups.flatMap(({ devices, room }) => devices.map((device) => one({ device, room }))));
}

function note(groups) {
  const all = groups.flatMap(({ devices }) => devices.flatMap(({ connections }) => connections));
  counts.connections = all.length;
  counts.recovered = all.filter(({ recovered }) => recovered).length;
  counts.fresh = counts.connections - counts.recovered;
}

async function run(cluster, random) {
  await cluster.start();
  const urls = cluster.gateways.map(({ url }) => url);
  const groups = Array.from({ length: Number(given.groups) }, (_, i) => new Group(i, urls, random.fork()));
  try {
    for (let round = 1; round <= Number(given.rounds); round++) {
      const end = performance.now() + ROUND_MS;
      const isOver = () => performance.now() >= end;
      await Promise.all([...groups.map((group) => group.run(isOver)), harm(cluster, random, isOver)]);
      await Promise.all(cluster.gateways.map((gateway) => gateway.untilLinked(Number(given.patience))));
      await allBack(cluster, groups);
      await allServed(cluster, groups, round);
      note(groups);
      console.log(`round ${round}: ${JSON.stringify(counts)}`);
    }
  } finally {
    for (const { devices } of groups) for (const device of devices) device.close();
  }
}

async function main() {
  console.log(`takeovers.mjs --rounds ${given.rounds} --groups ${given.groups} --seed ${given.seed}`);
  const level = { "log-level": "debug" };
  const cluster = new Cluster({
    gateways: 2,
    gateway: { ...level, ...PATIENT_PINGS },
    broker: { ...level, lease: 3000, ping: 500, "contest-timeout": CONTEST_TIMEOUT_MS },
  });
  const wrong = [];
  try {
    await run(cluster, new Random(Number(given.seed)));
  } catch (error) {
    wrong.push(error.stack);
  } finally {
    await cluster.stop();
  }
  wrong.push(...cluster.faults);
  if (wrong.length === 0) return;
  console.error(wrong.join("\n"));
  process.exitCode = 1;
}

await main();
