// A process full of rovers, led by crowd.mjs over the IPC channel. It ends with its channel.
//
// Told: {do: "open", names, scene, seed, folder, file, sabotage?} | {do: "hurt", what, which, ms} | {do: "quiet"} |
//       {do: "state" | "presence" | "inquire" | "sabotage", n} | {do: "end"}
// Tells: {on: "opened"} | {on: "answer", n, answer} | {on: "ended"}

import { setTimeout as delay } from "node:timers/promises";

import { Proxy } from "../../e2e/support/proxy.mjs";
import { Random } from "../../e2e/support/random.mjs";
import { Rover } from "./rover.mjs";
import { Saboteur } from "./saboteur.mjs";
import { TraceFile } from "./trace.mjs";

/** What can befall a rover's network, or itself; each resolves when it is over. */
const HURTS = {
  cut: async ({ link }) => link.cut(),
  async down({ link }, ms) {
    link.isDown = true;
    link.cut();
    await delay(ms);
    link.isDown = false;
  },
  hole: (rover, ms) => silence(rover, "both", ms),
  hole_up: (rover, ms) => silence(rover, "server", ms),
  hole_down: (rover, ms) => silence(rover, "client", ms),
  async stall({ link }, ms) {
    link.stallReader();
    await delay(ms);
    link.resumeReader();
  },
  twin: (rover, ms) => rover.meetTwin(ms),
  drop: async (rover) => rover.drop(),
  reload: async (rover) => rover.reload(),
};

async function silence({ link }, towards, ms) {
  link.silence(towards);
  await delay(ms);
  link.heal();
}

const rovers = [];
let trace = null;
let saboteur = null;

const ORDERS = {
  async open({ names, scene, seed, folder, file, sabotage }) {
    trace = new TraceFile(folder, file);
    const random = new Random(seed);
    if (sabotage) saboteur = new Saboteur(sabotage);
    for (const name of names) {
      const own = random.fork();
      const link = await Proxy.open(own.pick(scene.gateways));
      saboteur?.lurk(link);
      const user = `user of ${names[rovers.length & ~1]}`; // two tabs each
      rovers.push(new Rover({ name, user, random: own, trace, scene, link }));
    }
    process.send({ on: "opened" });
  },
  async hurt({ what, which, ms }) {
    const there = which.filter((i) => rovers[i]); // some may not be open yet
    await Promise.all(there.map((i) => HURTS[what](rovers[i], ms)));
  },
  async quiet() {
    for (const rover of rovers) rover.quiet();
  },
  async state({ n }) {
    process.send({ on: "answer", n, answer: rovers.map(({ state }) => state) });
  },
  async presence({ n }) {
    const answers = await Promise.all(rovers.map((rover) => rover.presence()));
    process.send({ on: "answer", n, answer: answers.flat() });
  },
  async inquire({ n }) {
    process.send({ on: "answer", n, answer: await Promise.all(rovers.map((rover) => rover.inquire())) });
  },
  async sabotage({ n }) {
    process.send({ on: "answer", n, answer: saboteur?.isDone ?? true });
  },
  async end() {
    for (const rover of rovers) await rover.close();
    process.send({ on: "ended" }, () => process.disconnect());
  },
};

process.on("message", (order) => ORDERS[order.do](order));
process.on("disconnect", () => process.exit(0));
