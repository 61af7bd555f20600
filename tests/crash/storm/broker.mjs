// The broker of a storm, which can be taken back to a backup of its store. What is lost by that is kept aside, so that it
// can be told in the end what every store held.

import { execFile } from "node:child_process";
import { cpSync, existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

import { Process } from "../../e2e/support/process.mjs";
import { markEnd, readLog } from "./log.mjs";

const execute = promisify(execFile);
const READY = /^rejoin-broker ready .*\bepoch=(\d+)$/m;

/** {lease: 2000} → ["--lease", "2000"] */
const flags = (settings) => Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);

/** As it stands in an offset (proto/offset.h). */
const epochOf = (decimal) => BigInt(decimal).toString(36);

export class Broker extends Process {
  #run = {}; // what is known of the run that has begun, until it is noted
  #isBack = false; // and whether it is on a restored backup

  /**
   * `folder` is the storm's, `endpoint(which)` where gateways and backends find it, `settings` its flags; `environment`
   * is added to the process's. `trace` is where it notes, as the storm's:
   *   spawned, ended        before a run can have done anything; when it is over
   *   went_back             between two runs: its store is a backup's now
   *   run {epoch, keeps?}   a run has begun; `keeps`: on a restored backup, which holds everything up to there
   *   voided                all sessions from before this run are void, since the store has gone back
   *   refused {reason}      it says why it has not given a session back
   */
  constructor({ folder, endpoint, settings, environment, trace }) {
    const own = { data: join(folder, "data"), gateways: endpoint("gateways"), backends: endpoint("backends") };
    const file = join(process.env.REJOIN_BIN, "rejoin-broker");
    super("broker", file, flags({ ...own, ...settings }), { ready: READY, env: { ...process.env, ...environment } });
    Object.assign(this, { folder, settings, environment, trace });
    /** How many stores have been lost: they are `lost-0`, `lost-1` … in the folder. */
    this.losses = 0;
  }

  get data() {
    return join(this.folder, "data");
  }

  get backup() {
    return join(this.folder, "backup");
  }

  get hasBackup() {
    return existsSync(this.backup);
  }

  /** Takes a backup in the place of the one before. */
  async backUp() {
    const fresh = `${this.backup}.new`;
    rmSync(fresh, { recursive: true, force: true });
    await execute(join(process.env.REJOIN_BIN, "rejoinctl"), ["backup", this.data, fresh]);
    rmSync(this.backup, { recursive: true, force: true });
    renameSync(fresh, this.backup);
  }

  /** What the operator does who has only the backup left. It must not be running. */
  goBack() {
    renameSync(this.data, join(this.folder, `lost-${this.losses++}`));
    cpSync(this.backup, this.data, { recursive: true });
    this.#isBack = true;
    this.trace.note("storm", "went_back");
  }

  spawn() {
    this.trace.note("storm", "spawned");
    super.spawn();
  }

  ended() {
    this.trace.note("storm", "ended");
  }

  /** What the lost stores hold, in the order in which they were lost: [[{room, seq, id, offset}]]. */
  async readLost() {
    const logs = [];
    for (let i = 0; i < this.losses; i++) logs.push(await this.#readOne(`lost-${i}`));
    return logs;
  }

  async #readOne(name) {
    const endpoint = (which) => `ipc://${this.folder}/${name}-${which[0]}.ipc`;
    const own = { data: join(this.folder, name), gateways: endpoint("gateways"), backends: endpoint("backends") };
    const args = flags({ ...own, ...this.settings });
    const reader = new Process(name, this.file, args, { ready: READY, env: { ...process.env, ...this.environment } });
    reader.patienceMs = this.patienceMs;
    await reader.start();
    try {
      await markEnd({ endpoint });
      return await readLog({ endpoint });
    } finally {
      await reader.stop();
      this.faults.push(...reader.faults);
    }
  }

  /** The two lines about a run come through two pipes, in any order. */
  said(line) {
    const head = /event=backup_restored .*\bhead=(\d+)/.exec(line);
    const ready = READY.exec(line);
    const refused = /event=session_not_recovered reason=(\w+)/.exec(line);
    if (/event=store_gone_back\b/.test(line)) this.trace.note("storm", "voided");
    if (refused) this.trace.note("storm", "refused", { reason: refused[1] });
    if (head) this.#run.keeps = Number(head[1]);
    if (ready) this.#run.epoch = epochOf(ready[1]);
    if (!this.#run.epoch || (this.#isBack && this.#run.keeps === undefined)) return;
    this.trace.note("storm", "run", this.#run);
    this.#run = {};
    this.#isBack = false;
  }
}
