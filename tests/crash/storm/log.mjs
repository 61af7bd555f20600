// Everything that the broker has stored, in the log's order, as rejoinctl reads it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { ctlLines } from "../../e2e/support/ctl.mjs";
import { within } from "../../e2e/support/deadline.mjs";

const END_ROOM = "end of the storm";
const PATIENCE_MS = 120000;

/** [{room, seq, id, offset}]. The broker runs, and nobody publishes any more. */
export async function readLog(stage) {
  await ctlLines(stage, ["publish", END_ROOM, "null"]);
  const args = ["--broker", stage.endpoint("backends"), "tail", "--from", "0"];
  const child = spawn(join(process.env.REJOIN_BIN, "rejoinctl"), args, { stdio: ["ignore", "pipe", "ignore"] });
  const log = [];
  const read = async () => {
    for await (const line of createInterface({ input: child.stdout })) {
      const { room, seq, id, offset } = JSON.parse(line);
      if (room === END_ROOM) return;
      log.push({ room, seq, id, offset });
    }
    throw new Error("rejoinctl tail ended before the log did");
  };
  try {
    await within(read(), "the whole log", PATIENCE_MS);
    return log;
  } finally {
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }
}
