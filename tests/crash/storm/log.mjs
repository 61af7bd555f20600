// The log, as rejoinctl follows it: one that has been there from the beginning, through all faults, and one that reads
// what is kept, at the end or of a store that was lost.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { ctlLines } from "../../e2e/support/ctl.mjs";
import { within } from "../../e2e/support/deadline.mjs";
import { sanitizerEnvironment } from "../../e2e/support/process.mjs";

const END_ROOM = "end of the storm";
/** Of rejoinctl, with a machine that is busy. */
export const PATIENCE_MS = 120000;
const LOST_PLACE = /^rejoinctl: tail: not_found:/m;

/**
 * Follows the whole log until the mark of its end; a tail waits while the broker is away. When it is told that the broker
 * does not know its place any more, it begins anew.
 */
export class Follower {
  #child;
  #done;
  #isStopped = false;

  constructor(stage) {
    /** [{room, seq, id, offset, by}], as they came; `by` is how often it had begun anew. */
    this.log = [];
    this.#done = this.#follow(stage);
    this.#done.catch(() => {}); // untilEnd tells
  }

  /** Resolves with the log once the mark has come. */
  async untilEnd() {
    return within(this.#done, "the end of the log", PATIENCE_MS);
  }

  async stop() {
    this.#isStopped = true;
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== null || signalCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await gone;
  }

  async #follow(stage) {
    for (let by = 0; !this.#isStopped; by++) {
      const { isEnd, errors } = await this.#read(stage, by);
      if (isEnd) return this.log;
      if (!LOST_PLACE.test(errors)) throw new Error(`rejoinctl tail ended before the log did: ${errors}`);
    }
    throw new Error("stopped");
  }

  /** From the beginning, until the mark or its own end: {isEnd, errors}. */
  async #read(stage, by) {
    const args = ["--broker", stage.endpoint("backends"), "--timeout", String(PATIENCE_MS), "tail", "--from", "0"];
    const child = spawn("setpriv", ["--pdeathsig", "KILL", join(process.env.REJOIN_BIN, "rejoinctl"), ...args], {
      env: sanitizerEnvironment(process.env),
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    let errors = "";
    child.stderr.setEncoding("utf8").on("data", (text) => (errors += text));
    const closed = once(child, "close");
    for await (const line of createInterface({ input: child.stdout })) {
      const { room, seq, id, offset } = JSON.parse(line);
      if (room === END_ROOM) return { isEnd: true };
      this.log.push({ room, seq, id, offset, by });
    }
    await closed;
    return { isEnd: false, errors };
  }
}

/** Puts the mark behind everything. Nobody publishes any more. */
export async function markEnd(stage) {
  await ctlLines(stage, ["publish", END_ROOM, "null"], { timeoutMs: PATIENCE_MS });
}

/** What is kept, read afresh. */
export async function readLog(stage) {
  const follower = new Follower(stage);
  try {
    return await follower.untilEnd();
  } finally {
    await follower.stop();
  }
}
