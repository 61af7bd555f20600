// What the README tells authors of backends, done as it is written.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

import { until } from "./support/deadline.mjs";
import { Process } from "./support/process.mjs";
import { suite } from "./support/suite.mjs";

const test = suite({ gateways: 1, broker: { lease: 1000, ping: 100 } });

const ROOT = resolve(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "../..");

const run = promisify(execFile);
const cmake = (...args) => run("cmake", args);

/** The first block of that language behind `text`. */
function block(text, language) {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const start = readme.indexOf(`\`\`\`${language}\n`, readme.indexOf(text));
  assert.ok(readme.includes(text) && start >= 0, `the README has a block of ${language} behind "${text}"`);
  return readme.slice(start + language.length + 4, readme.indexOf("\n```", start));
}

test("the server for the event hello, built by another project", async (scope) => {
  const folder = mkdtempSync(join(tmpdir(), "rejoin-readme-"));
  try {
    const program = block("A server for the event `hello`", "c");
    const project = block("A server for the event `hello`", "cmake");
    const endpoint = "ipc:///run/rejoin/backends";
    assert.ok(program.includes(endpoint) && project.includes("path/to/rejoin"));
    writeFileSync(join(folder, "greeter.c"), program.replace(endpoint, scope.cluster.endpoint("backends")));
    writeFileSync(join(folder, "CMakeLists.txt"), project.replace("path/to/rejoin", ROOT));
    await cmake("-S", folder, "-B", join(folder, "build"), "-G", "Ninja");
    await cmake("--build", join(folder, "build"));

    const greeter = new Process("greeter", join(folder, "build", "greeter"), []);
    greeter.spawn();
    try {
      const client = await scope.client();
      let answer;
      await until(async () => {
        answer = await client.ask("hello");
        return answer === "hello to you";
      }, () => `the greeting; the answer is ${JSON.stringify(answer)}`);
    } finally {
      await greeter.kill();
    }
    assert.deepEqual(greeter.faults, []);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
