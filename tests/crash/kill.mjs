// kill -9 of broker and gateways at random moments while clients publish and read; then the books are checked.
//
//   node kill.mjs [--kills N] [--seed S] [--publishers N] [--subscribers N]
//
// REJOIN_BIN names the folder of the binaries. The seed decides who is killed when and what each client does; what
// the machine makes of it in time is its own. Exit status 0: all promises held. Otherwise what everybody saw and all logs
// are kept.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";

import { check } from "./checker.mjs";
import { Client, MODES } from "../e2e/support/client.mjs";
import { Cluster, QUICK_PINGS, temporaryFolder } from "../e2e/support/cluster.mjs";
import { until, within } from "../e2e/support/deadline.mjs";
import { Random } from "../e2e/support/random.mjs";

const ROOMS = ["red", "green", "blue"];
const IN_FLIGHT = 4; // publishes that one publisher has unanswered
const RETRY_MS = 3000;
const LONGEST_LIFE_MS = 900; // between the restart of what was killed and the next kill
const SETTLE_MS = 200000; // for what is done at once, were it not for a machine that is busy with other things as well
const BREATH = 10; // kills after which everybody gets the time to come back
const SHOWN_FAULTS = 20;

const { values: options } = parseArgs({
  options: {
    kills: { type: "string", default: "50" },
    seed: { type: "string", default: String(Date.now() % 1000000) },
    publishers: { type: "string", default: "4" },
    subscribers: { type: "string", default: "6" },
  },
});
const wanted = Object.fromEntries(Object.entries(options).map(([name, value]) => [name, Number(value)]));

/** A client that turns to the other gateway whenever its connection is lost. */
class Nomad extends Client {
  constructor(cluster, index, settings) {
    super(cluster.url(index % cluster.gateways.length), settings);
    /** All messages, for the checker. */
    this.seen = [];
    this.socket.onAny((event, message) => event === "room:message" && this.#see(message));
    let at = index;
    const move = () => this.moveTo(cluster.url(++at % cluster.gateways.length));
    this.socket.on("disconnect", move);
    this.socket.io.on("reconnect_error", move);
  }

  /** What comes out before the client library says that it is connected is what it has kept for itself. */
  #see({ room, seq, id }) {
    this.seen.push({ room, seq, id, isHeld: this.connections.length === this.drops.length });
  }
}

/** Somebody who joins rooms before anything is said, and remembers all that was said there. */
class Member {
  constructor(cluster, name, index, rooms) {
    this.name = name;
    this.rooms = rooms;
    this.client = new Nomad(cluster, index, MODES[index % MODES.length].options);
  }

  async join() {
    await until(() => this.client.socket.connected, () => `a connection of ${this.client}`, SETTLE_MS);
    for (const room of this.rooms) await this.client.join(room);
  }

  /** For the checker. */
  get observation() {
    return {
      name: this.name,
      rooms: this.rooms,
      seen: this.client.seen,
      connections: this.client.connections,
    };
  }
}

/** Publishes until told to stop; every message under its id again and again until it is acknowledged. */
class Publisher extends Member {
  constructor(cluster, index, random) {
    super(cluster, `publisher ${index}`, index, ROOMS);
    this.random = random;
    this.acked = [];
    this.count = 0;
    this.isStopping = false;
  }

  /** Resolves once everything that was begun is acknowledged. */
  async run() {
    await Promise.all(Array.from({ length: IN_FLIGHT }, () => this.#lane()));
  }

  async #lane() {
    while (!this.isStopping) {
      await this.#publish(this.random.pick(ROOMS), `${this.name} #${++this.count}`);
      await delay(this.random.below(20));
    }
  }

  async #publish(room, id) {
    const { socket } = this.client;
    for (;;) {
      const answer = await socket
        .timeout(RETRY_MS)
        .emitWithAck("room:publish", { room, id, data: id })
        .catch(() => null);
      if (answer?.ok) {
        this.acked.push({ room, id, seq: answer.seq });
        return;
      }
      if (answer) await delay(50); // refused for now: unavailable, busy, timeout
    }
  }
}

class Subscriber extends Member {
  constructor(cluster, index, random) {
    const some = ROOMS.filter(() => random.below(2));
    super(cluster, `subscriber ${index}`, index, some.length > 0 ? some : [random.pick(ROOMS)]);
  }
}

/** Who dies next: mostly one, sometimes the broker together with a gateway, at times all of them. */
function victims({ broker, gateways }, random) {
  const gateway = random.pick(gateways);
  switch (random.below(10)) {
    case 0:
      return [broker, ...gateways];
    case 1:
    case 2:
      return [broker, gateway];
    case 3:
    case 4:
    case 5:
      return [gateway];
    default:
      return [broker];
  }
}

async function killAndRestart(victims, random) {
  await Promise.all(victims.map((victim) => victim.kill()));
  await delay(random.below(300));
  await Promise.all(victims.map((victim) => victim.start()));
  return victims.length;
}

async function storm(cluster, members, publishers, random) {
  const acknowledged = () => publishers.reduce((sum, { acked }) => sum + acked.length, 0);
  let breathAt = BREATH;
  for (let kills = 0; kills < wanted.kills; ) {
    await delay(random.below(LONGEST_LIFE_MS));
    kills += await killAndRestart(victims(cluster, random), random);
    if (kills < breathAt) continue;
    breathAt += BREATH;
    const before = acknowledged();
    const away = new Set(members);
    await until(
      () => {
        for (const one of away) if (one.client.socket.connected) away.delete(one);
        return away.size === 0;
      },
      () => `every client is back; not yet: ${[...away].map(({ client }) => String(client)).join("; ")}`,
      SETTLE_MS,
    );
    await until(() => acknowledged() > before, "a message is acknowledged", SETTLE_MS);
    console.log(`${kills} kills, ${acknowledged()} messages acknowledged`);
  }
}

/** A room's whole history, by pages forwards. */
async function wholeHistory(client, room) {
  const messages = [];
  for (let more = true; more; ) {
    const page = await client.history(room, { after: messages.at(-1)?.seq ?? 0, limit: 1000 });
    messages.push(...page.messages.map(({ seq, id }) => ({ seq, id })));
    more = page.more && page.messages.length > 0;
  }
  return messages;
}

async function histories(cluster) {
  const reader = new Client(cluster.url(0));
  try {
    await reader.connected();
    const all = {};
    for (const room of ROOMS) {
      await reader.join(room);
      all[room] = await wholeHistory(reader, room);
    }
    return all;
  } finally {
    reader.close();
  }
}

/** Every member has come to the end of its rooms; when one does not, the checker will say what it lacks. */
async function settled(members, history) {
  const last = (client, room) => client.messages(room).at(-1)?.seq ?? 0;
  const lacks = ({ client, rooms }) => rooms.some((room) => last(client, room) < history[room].length);
  await until(() => !members.some(lacks), "every member has seen the end", SETTLE_MS).catch(() => {});
}

/** What everybody saw, and all logs: a folder. */
function keep(cluster, observation) {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "observation.json"), JSON.stringify(observation));
  for (const { name, log } of cluster.processes) writeFileSync(join(folder, `${name.replace(" ", "-")}.log`), log);
  return folder;
}

async function main() {
  console.log(`kill.mjs --kills ${wanted.kills} --seed ${wanted.seed}`);
  const random = new Random(wanted.seed);
  const stream = () => new Random(random.below(2 ** 32)); // one each: nobody's pace changes another's choices
  const cluster = new Cluster({ gateways: 2, gateway: QUICK_PINGS });
  const members = [];
  let faults = [];
  let observation = {};
  for (const process of cluster.processes) process.patienceMs = SETTLE_MS;
  try {
    await cluster.start();
    const publishers = Array.from({ length: wanted.publishers }, (_, i) => new Publisher(cluster, i, stream()));
    const subscribers = Array.from({ length: wanted.subscribers }, (_, i) => new Subscriber(cluster, i, stream()));
    members.push(...publishers, ...subscribers);
    await Promise.all(members.map((member) => member.join()));

    const publishing = Promise.all(publishers.map((publisher) => publisher.run()));
    await storm(cluster, members, publishers, stream());
    for (const publisher of publishers) publisher.isStopping = true;
    await within(publishing, "everything that was published is acknowledged", SETTLE_MS);

    const history = await histories(cluster);
    await settled(members, history);
    const acked = publishers.flatMap((publisher) => publisher.acked);
    observation = { acked, history, subscribers: members.map((member) => member.observation) };
    faults = check(observation);
    const reconnects = members.reduce((sum, { client }) => sum + client.connections.length - 1, 0);
    console.log(`${acked.length} messages acknowledged, ${reconnects} reconnects, ${faults.length} faults`);
  } catch (error) {
    faults.push(error.stack);
  } finally {
    for (const { client } of members) client.close();
    await cluster.stop();
  }
  faults.push(...cluster.faults);
  if (faults.length === 0) return;
  console.error(`${faults.slice(0, SHOWN_FAULTS).join("\n")}\n(${faults.length} faults)\n${cluster.tail(150)}`);
  console.error(`again: node kill.mjs --kills ${wanted.kills} --seed ${wanted.seed}`);
  console.error(`what everybody saw, and the logs: ${keep(cluster, observation)}`);
  process.exitCode = 1;
}

await main();
