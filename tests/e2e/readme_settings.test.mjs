// The README names every setting that there is.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";

const readme = readFileSync(join(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "../../README.md"), "utf8");

/** The names of a process's flags, as its --help lists them. */
function settings(program) {
  const help = execFileSync(join(process.env.REJOIN_BIN, program), ["--help"], { encoding: "utf8" });
  return [...help.matchAll(/^ {2}--([a-z-]+)/gm)].map(([, name]) => name).filter((name) => name !== "version");
}

for (const program of ["rejoin-broker", "rejoin-gateway"]) {
  test(`${program}: each setting is told of`, () => {
    const all = settings(program);
    assert.ok(all.length > 40, `${all.length} settings`);
    const untold = all.filter((name) => !new RegExp(`(--|\`)${name}\\b(?!-)`).test(readme));
    assert.deepEqual(untold, []);
  });
}
