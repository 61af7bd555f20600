// All that a storm can hurt: the broker, gateways with their links to it, feeders with theirs, crowds of rovers.

import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { Gateway } from "../../e2e/support/cluster.mjs";
import { Proxy } from "../../e2e/support/proxy.mjs";
import { Broker } from "./broker.mjs";
import { Clock } from "./clock.mjs";
import { Crowd } from "./crowd.mjs";
import { Feeder } from "./feeder.mjs";

/** After so long without a sign the broker has given a gateway or backend up. */
export const LEASE_MS = 2000;
/** And a gateway a client. */
export const SILENCE_MS = 4000;
/** And so much later a user who had no other socket has left. */
export const GRACE_MS = 1000;
// Everything small, so that queues fill, leases end and pings are missed within seconds.
const BROKER = {
  lease: LEASE_MS,
  ping: 400,
  "max-in-flight": 64,
  identity: "claimed",
  "gateway-bytes": 65536,
  "presence-grace": GRACE_MS,
  "presence-rules": "room-1*, room-2*", // the others have no roster until somebody asks
  "retention-rules": "room-2* count=30", // see keptOf
  "optimistic-rooms": "room-3*, room-4*",
};
const GATEWAY = {
  "ping-interval": 1000,
  "ping-timeout": SILENCE_MS - 1000,
  "queue-bytes": 16384,
  "send-buffer": 8192,
  "stuck-timeout": 4000,
  "command-timeout": 2500,
};
/** What a gateway may come back with when all are restarted with other settings; the first one is the settings above. */
const OTHERWISE = [
  {},
  { "queue-bytes": 4096, "send-buffer": 4096, "drain-spread": 100 },
  { "ping-interval": 700, "stuck-timeout": 2500, "drain-spread": 2000 },
  { "command-timeout": 1500, "queue-bytes": 65536, "drain-spread": 0 },
];

/** How many of its last messages a room keeps: who has missed more gets a fresh session. */
export function keptOf(room) {
  return room.startsWith("room-2") ? 30 : Infinity;
}

/** For whatever is there at once, were it not for a machine that is busy with other things as well. */
export const PATIENCE_MS = 120000;

const times = (count, make) => Array.from({ length: count }, (_, index) => make(index));

export class Stage {
  /**
   * `folder` is there and empty. `size` is {gateways, feeders, crowds, crowdSize, rooms}, `pace` {roomsEach, publishMs,
   * wanderMs, feederMs}. Who is away for longer than `lifetimeMs` gets a fresh session. `random` seeds everybody's own choices; `trace` is where the feeders note theirs; `sabotage`,
   * if given, is the deed of a saboteur among the first crowd.
   */
  constructor({ folder, size, pace, lifetimeMs, random, trace, sabotage }) {
    this.folder = folder;
    this.traces = join(folder, "traces");
    this.rooms = times(size.rooms, (i) => `room-${i}`);
    this.hasFaultPoints = Clock.isThere(join(folder, "clock")); // one build option for both
    /** The broker's and the gateways'; none in a build whose clocks cannot be set. */
    this.clocks = times(this.hasFaultPoints ? 1 + size.gateways : 0, (i) => new Clock(join(folder, `clock-${i}`)));
    const endpoint = (which) => this.endpoint(which);
    const settings = { ...BROKER, "session-lifetime": lifetimeMs };
    this.broker = new Broker({ folder, endpoint, settings, environment: this.clocks[0]?.environment, trace });
    this.uplinks = times(size.gateways, () => new Proxy(join(folder, "gateways.ipc")));
    this.gateways = times(size.gateways, (i) => this.#newGateway(i));
    this.feeds = times(size.feeders, () => new Proxy(join(folder, "backends.ipc")));
    this.feeders = times(size.feeders, (index) => {
      const endpoint = () => `tcp://127.0.0.1:${this.feeds[index].port}`;
      return new Feeder({ index, endpoint, rooms: this.rooms, publishMs: pace.feederMs, random: random.fork(), trace });
    });
    this.crowds = times(size.crowds, (index) => {
      const scene = { rooms: this.rooms, ...pace };
      const own = { index, size: size.crowdSize, scene, random: random.fork(), trace, folder: this.traces };
      return new Crowd({ ...own, sabotage: index === 0 ? sabotage : undefined });
    });
  }

  /** Where rejoinctl finds the broker: past all faults. */
  endpoint(which) {
    return `ipc://${this.folder}/${which}.ipc`;
  }

  get processes() {
    return [this.broker, ...this.gateways, ...this.feeders];
  }

  /** What went wrong with the processes themselves. */
  get faults() {
    return [...this.processes, ...this.crowds].flatMap(({ faults }) => faults);
  }

  async start() {
    for (const process of this.processes) process.patienceMs = PATIENCE_MS;
    await this.broker.start();
    for (const link of [...this.uplinks, ...this.feeds]) await link.listen();
    await Promise.all(this.gateways.map((gateway) => gateway.start()));
    await Promise.all(this.gateways.map((gateway) => gateway.untilLinked()));
    await Promise.all(this.feeders.map((feeder) => feeder.start()));
    const gateways = this.gateways.map(({ port }) => port);
    for (const crowd of this.crowds) crowd.scene.gateways = gateways;
    await Promise.all(this.crowds.map((crowd) => crowd.start()));
    this.feeding = Promise.all(this.feeders.map((feeder) => feeder.run()));
  }

  /** The next settings for this gateway, from its next start on. */
  changeSettings(gateway) {
    gateway.variant = ((gateway.variant ?? 0) + 1) % OTHERWISE.length;
    gateway.settings = { ...GATEWAY, ...OTHERWISE[gateway.variant] };
  }

  /** Nobody begins anything new. */
  quiet() {
    for (const one of [...this.feeders, ...this.crowds]) one.quiet();
  }

  /** Everybody's state: the rovers' and the feeders'. */
  async states() {
    const crowds = await Promise.all(this.crowds.map((crowd) => crowd.states()));
    return { rovers: crowds.flat(), feeders: this.feeders.map(({ state }) => state) };
  }

  /** Who is in their rooms, as the broker answers the rovers: [{room, users: {name: sockets}}]. */
  async presence() {
    const crowds = await Promise.all(this.crowds.map((crowd) => crowd.presence()));
    return crowds.flat();
  }

  async isSabotaged() {
    const crowds = await Promise.all(this.crowds.map((crowd) => crowd.isSabotaged()));
    return crowds.every(Boolean);
  }

  /** Every rover asks a backend; whether it was answered, each. */
  async inquire() {
    const crowds = await Promise.all(this.crowds.map((crowd) => crowd.inquire()));
    return crowds.flat();
  }

  async stop() {
    for (const feeder of this.feeders) feeder.quiet();
    await Promise.all(this.crowds.map((crowd) => crowd.stop()));
    await Promise.all(this.feeders.map((feeder) => feeder.stop()));
    await Promise.all(this.gateways.map((gateway) => gateway.stop()));
    await this.broker.stop();
    for (const link of [...this.uplinks, ...this.feeds]) await link.close();
    for (const clock of this.clocks) clock.close();
  }

  /** The processes' logs, each in a file. */
  keepLogs() {
    for (const one of [...this.processes, ...this.crowds]) {
      writeFileSync(join(this.folder, `${one.name.replaceAll(" ", "-")}.log`), one.log);
    }
  }

  #newGateway(index) {
    const uplink = { endpoint: () => `tcp://127.0.0.1:${this.uplinks[index].port}` };
    const gateway = new Gateway(index, uplink, GATEWAY);
    Object.assign(gateway.env, this.clocks[1 + index]?.environment);
    return gateway;
  }
}
