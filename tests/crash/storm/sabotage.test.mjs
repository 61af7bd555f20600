// The whole storm, not only its checker, notices what really goes wrong on the wire: a message that is lost, or comes
// twice, between a gateway and one client, or a client that is not told that the store has gone back.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const STORM = new URL("storm.mjs", import.meta.url).pathname;
const SMALL = ["--seed", "1", "--faults", "2", "--only", "kill_feeder", "--clients", "12", "--crowds", "2", "--rooms", "3"];

/** Runs a small storm to its end: {code, errors, folder}. */
async function storm(args) {
  const child = spawn(process.execPath, [STORM, ...SMALL, ...args], { stdio: ["ignore", "ignore", "pipe"] });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (errors += text));
  const [code] = await once(child, "close");
  return { code, errors };
}

test("a small storm without sabotage passes", async () => {
  const { code, errors } = await storm([]);
  assert.equal(code, 0, errors);
});

for (const [deed, sentence] of [
  ["drop", /^I3: rover \S+ saw .* and missed/m],
  ["double", /^I3: rover \S+ saw .* again, or late/m],
]) {
  test(`one message that is subject to "${deed}" on the wire is found, with its trace`, async (context) => {
    const folder = mkdtempSync(join(tmpdir(), "storm-"));
    context.after(() => rmSync(folder, { recursive: true, force: true }));
    const { code, errors } = await storm(["--sabotage", deed, "--keep", folder]);
    assert.equal(code, 1, errors);
    assert.match(errors, sentence);
    assert.match(errors, /publish \{"room"/);
  });
}

test("one client that is not told that the store has gone back to a backup is found", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "storm-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const { code, errors } = await storm(["--only", "restore_broker", "--faults", "1", "--sabotage", "hush", "--keep", folder]);
  assert.equal(code, 1, errors);
  assert.match(errors, /^I3: rover \S+ (never saw|waits for|saw .* before the store went back)/m);
});
