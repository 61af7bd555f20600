// The log, as rejoinctl follows it: one that has been there from the beginning, through all faults, and one that reads
// at the end what is kept.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { ctlLines } from "../../e2e/support/ctl.mjs";
import { within } from "../../e2e/support/deadline.mjs";

const END_ROOM = "end of the storm";
const PATIENCE_MS = 120000;

/** Follows the whole log until the mark of its end; a tail waits while the broker is away. */
export class Follower {
  #child;
  #done;
  #errors = "";

  constructor(stage) {
    /** [{room, seq, id, offset}], as they came. */
    this.log = [];
    const args = ["--broker", stage.endpoint("backends"), "tail", "--from", "0"];
    this.#child = spawn("setpriv", ["--pdeathsig", "KILL", join(process.env.REJOIN_BIN, "rejoinctl"), ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child.stderr.setEncoding("utf8").on("data", (text) => (this.#errors += text));
    this.#done = this.#read();
    this.#done.catch(() => {}); // untilEnd tells
  }

  /** Resolves with the log once the mark has come. */
  async untilEnd() {
    return within(this.#done, "the end of the log", PATIENCE_MS);
  }

  async stop() {
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== null || signalCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await gone;
  }

  async #read() {
    for await (const line of createInterface({ input: this.#child.stdout })) {
      const { room, seq, id, offset } = JSON.parse(line);
      if (room === END_ROOM) return this.log;
      this.log.push({ room, seq, id, offset });
    }
    throw new Error(`rejoinctl tail ended before the log did: ${this.#errors}`);
  }
}

/** Puts the mark behind everything. Nobody publishes any more. */
export async function markEnd(stage) {
  await ctlLines(stage, ["publish", END_ROOM, "null"]);
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
