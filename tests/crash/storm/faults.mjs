// How each kind of fault (plan.mjs) is done to a stage and undone. A process or a link takes one fault at a time; the
// next one waits for its turn.

import { setTimeout as delay } from "node:timers/promises";

import { now } from "./trace.mjs";
import { PATIENCE_MS } from "./stage.mjs";

const FLOOD_MESSAGES = 150;
const FLOOD_BYTES = 2000;
const BACKUP_AGE_MS = 2000; // when there is none yet
const DISK_FAILED = 74; // the broker's exit status (EX_IOERR)

async function killed(victim, ms) {
  await victim.kill();
  await delay(ms);
  await victim.start();
}

/** SIGTERM: it ends in its own way. */
async function restarted(victim, ms) {
  await victim.stop();
  await delay(ms);
  await victim.start();
}

/** It dies by itself, at one of the next commits: before or after it, as the number says. */
const diesAt = (action, expected) => async (victim, ms) => {
  await victim.kill();
  const point = action === "fail" ? "store.commit.fail" : ms % 2 ? "store.commit.before" : "store.commit.after";
  victim.env.REJOIN_FAULT = `${point}:${3 + (ms >> 4)}=${action}`;
  victim.spawn();
  delete victim.env.REJOIN_FAULT;
  await victim.untilEnded(expected);
  await victim.start();
};

const backedUp = async (victim) => victim.backUp();

/** It is killed, and comes back with the latest backup of its store. */
async function restored(victim, ms) {
  if (!victim.hasBackup) {
    await victim.backUp();
    await delay(BACKUP_AGE_MS);
  }
  await victim.kill();
  victim.goBack();
  await delay(ms);
  await victim.start();
}

/** For a while the pipes to its peers are full now and then. */
async function filled(victim, ms) {
  victim.env.REJOIN_FAULT = `bus.send.again:${200 + (ms % 100)}+${150 + (ms % 200)}=fail`;
  await restarted(victim, 0);
  delete victim.env.REJOIN_FAULT;
  await delay(ms);
  await restarted(victim, 0);
}

/** SIGTERM, and it comes back with other settings. */
async function changed(victim, ms, stage) {
  await victim.stop();
  stage.changeSettings(victim);
  await delay(ms);
  await victim.start();
  await victim.untilLinked(2 * PATIENCE_MS); // the broker may be away for long
}

async function frozen(victim, ms) {
  victim.freeze();
  await delay(ms);
  victim.thaw();
}

async function down(link, ms) {
  link.isDown = true;
  link.cut();
  await delay(ms);
  link.isDown = false;
}

/** What was silenced stays so; new connections work again. */
const silenced = (towards) => async (link, ms) => {
  link.silence(towards);
  await delay(ms);
  link.heal();
};

async function stalled(link, ms) {
  link.stallReader();
  await delay(ms);
  link.resumeReader();
}

const cut = async (link) => link.cut();

/** Waits for all of them, whatever becomes of one, so that nobody is still hurt when the next fault comes. */
async function allOf(promises) {
  const failed = (await Promise.allSettled(promises)).find(({ status }) => status === "rejected");
  if (failed) throw failed.reason;
}

/** Rovers are hurt in their own process, which knows when it is over. */
const hurt = (what) => async (crowd, ms, rovers) => {
  crowd.hurt(what, rovers, ms);
  await delay(ms);
};

const broker = ({ broker: one }) => [one];
const gateway = ({ gateways }, i) => [gateways[i]];
const fleet = ({ gateways }) => gateways;
const feeder = ({ feeders }, i) => [feeders[i]];
const crowd = ({ crowds }, i) => [crowds[i]];
const uplink = ({ uplinks }, i) => [uplinks[i]];
const feed = ({ feeds }, i) => [feeds[i]];
const clock = ({ clocks }, i) => clocks.slice(i, i + 1);
const everything = ({ broker: one, gateways, feeders, crowds }, i) => [one, ...gateways, ...feeders, crowds[i]];
const owner = ({ crowds }, [i]) => [crowds[i]];

/** By kind: who is hurt, and how; `isRolling`: one after the other, not all at once. */
const DEEDS = {
  kill_broker: [broker, killed],
  restart_broker: [broker, restarted],
  freeze_broker: [broker, frozen],
  die_at_commit: [broker, diesAt("kill", { signal: "SIGKILL" })],
  fail_at_commit: [broker, diesAt("fail", { code: DISK_FAILED })],
  lose_broker: [broker, killed],
  lose_broker_for_long: [broker, killed],
  back_up_broker: [broker, backedUp],
  restore_broker: [broker, restored],
  fill_pipes: [broker, filled],
  kill_gateway: [gateway, killed],
  drain_gateway: [gateway, restarted],
  freeze_gateway: [gateway, frozen],
  roll_gateways: [fleet, changed, { isRolling: true }],
  kill_feeder: [feeder, killed],
  freeze_feeder: [feeder, frozen],
  kill_crowd: [crowd, killed],
  freeze_crowd: [crowd, frozen],
  kill_everything: [everything, killed],
  jump_clock: [clock, async (one, ms) => one.set(ms)],
  cut_uplink: [uplink, cut],
  down_uplink: [uplink, down],
  hole_uplink: [uplink, silenced("both")],
  hole_up_uplink: [uplink, silenced("server")],
  hole_down_uplink: [uplink, silenced("client")],
  stall_uplink: [uplink, stalled],
  cut_feed: [feed, cut],
  hole_feed: [feed, silenced("both")],
  cut_rovers: [owner, hurt("cut")],
  down_rovers: [owner, hurt("down")],
  away_rovers: [owner, hurt("down")],
  hole_rovers: [owner, hurt("hole")],
  hole_up_rovers: [owner, hurt("hole_up")],
  hole_down_rovers: [owner, hurt("hole_down")],
  stall_rovers: [owner, hurt("stall")],
  twin_rovers: [owner, hurt("twin")],
  drop_rovers: [owner, hurt("drop")],
  reload_rovers: [owner, hurt("reload")],
};

/** These need fault points; a release build is killed instead. */
const AT_FAULT_POINTS = new Set(["die_at_commit", "fail_at_commit", "fill_pipes"]);

/** Rovers may be hurt in any number of ways at once; everybody else has one thing at a time. */
const TAKES_TURNS = new Set([broker, gateway, fleet, feeder, crowd, uplink, feed, clock, everything]);

export class Faults {
  #turns = new Map(); // victim → a promise: nothing befalls it before
  #open = new Set();

  constructor(stage, trace) {
    this.stage = stage;
    this.trace = trace;
    /** By kind, how many have happened. */
    this.counts = {};
    this.lastOverAt = now();
    this.errors = [];
  }

  /** Begins a fault; it ends by itself. */
  begin(fault) {
    const done = this.#run(fault)
      .catch((error) => this.errors.push(`${JSON.stringify(fault)}: ${error.message}`))
      .finally(() => {
        this.#open.delete(done);
        this.lastOverAt = now();
      });
    this.#open.add(done);
  }

  /** Everything that was begun is over. */
  async over() {
    await Promise.all(this.#open);
  }

  async #run({ kind, which, ms }) {
    if (kind === "flood") return this.#flood(which, ms);
    const [find, hurtOne, { isRolling } = {}] = DEEDS[this.#possible(kind)];
    const victims = find(this.stage, which);
    if (victims.length === 0) return; // a build without clocks that can be set
    const turns = TAKES_TURNS.has(find) ? victims.map((victim) => this.#turn(victim)) : [];
    for (const turn of turns) await turn.isMine;
    try {
      this.#note(kind, which, ms);
      if (isRolling) for (const victim of victims) await hurtOne(victim, ms, this.stage);
      else await allOf(victims.map((victim) => hurtOne(victim, ms, which?.[1])));
    } finally {
      this.trace.note("storm", "over", { kind, which });
      for (const turn of turns) turn.end();
    }
  }

  #possible(kind) {
    return AT_FAULT_POINTS.has(kind) && !this.stage.hasFaultPoints ? "kill_broker" : kind;
  }

  /** A burst of large messages into one room, half of whose possible readers do not read. */
  async #flood(room, ms) {
    this.#note("flood", room, ms);
    for (const one of this.stage.crowds) {
      if (one.isRunning) one.hurt("stall", Array.from({ length: one.size / 2 }, (_, i) => 2 * i), ms);
    }
    const feeder = this.stage.feeders[room % this.stage.feeders.length];
    await feeder.flood(this.stage.rooms[room], FLOOD_MESSAGES, FLOOD_BYTES);
  }

  #turn(victim) {
    const isMine = this.#turns.get(victim) ?? Promise.resolve();
    let end;
    this.#turns.set(victim, new Promise((resolve) => (end = resolve)));
    return { isMine, end };
  }

  #note(kind, which, ms) {
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
    this.trace.note("storm", kind, { which, ms });
  }
}
