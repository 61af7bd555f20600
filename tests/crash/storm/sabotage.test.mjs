// The whole storm, not only its checker, notices what really goes wrong on the wire: a message that is lost, or comes
// twice, between a gateway and one client, a client that is not told that the store has gone back, or one whose session
// is not given back though it could be, soon after a restore or not long before it expires.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { forge } from "./saboteur.mjs";

const STORM = new URL("storm.mjs", import.meta.url).pathname;
// No mind is changed, and of these rooms everything is kept: nobody has a cause to lose his session, or a message.
const SMALL = ["--seed", "1", "--faults", "2", "--only", "kill_feeder", "--clients", "12", "--crowds", "2", "--rooms", "2", "--wander", "0"];

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

/** What a storm with a planted bug complains of. */
async function complaints(context, args) {
  const folder = mkdtempSync(join(tmpdir(), "storm-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const { code, errors } = await storm([...args, "--keep", folder]);
  assert.equal(code, 1, errors);
  return errors;
}

for (const [deed, sentence] of [
  ["drop", /^I3: rover \S+ (saw .* and missed|never saw)/m],
  ["double", /^I3: rover \S+ saw .* again, or late/m],
]) {
  test(`one message that is subject to "${deed}" on the wire is found, with its trace`, async (context) => {
    const errors = await complaints(context, ["--sabotage", deed]);
    assert.match(errors, sentence);
    assert.match(errors, /publish \{"room"/);
  });
}

const RESTORE = ["--only", "restore_broker", "--faults", "1"];
const NEEDLESS = /^I3: rover \S+ got a fresh session, though its own could be restored$/m;

test("one client that is not told that the store has gone back to a backup is found", async (context) => {
  const errors = await complaints(context, [...RESTORE, "--sabotage", "hush"]);
  assert.match(errors, /^I3: rover \S+ (never saw|waits for|saw .* before the store went back)/m);
});

test("one session that is needlessly not given back soon after a restore is found", async (context) => {
  assert.match(await complaints(context, [...RESTORE, "--sabotage", "forget"]), NEEDLESS);
});

test("one session that is needlessly not given back in the second half of its lifetime is found", async (context) => {
  assert.match(await complaints(context, ["--lifetime", "30000", "--sabotage", "hurry"]), NEEDLESS);
});

test("a session's name is forged in plain text and in a masked frame, in place", () => {
  const text = Buffer.from('40{"pid":"abcdefghijklmnopqrstuv","offset":"e.1"}');
  const [head, key] = [Buffer.from([0x81, 0x80 | text.length]), Buffer.from([1, 2, 3, 4])];
  const masked = (plain) => Buffer.concat([head, key, plain.map((byte, i) => byte ^ key[i % 4])]);
  const forged = Buffer.from('40{"pid":"vutsrqponmlkjihgfedcba","offset":"e.1"}');
  const [plain, frame, other] = [Buffer.from(text), masked(text), masked(forged)];
  for (const one of [plain, frame, other]) forge(one, "abcdefghijklmnopqrstuv");
  assert.deepEqual([plain, frame, other], [forged, masked(forged), masked(forged)]);
});
