// rejoinctl as a person would call it.

import { spawn } from "node:child_process";
import { join } from "node:path";

import { within } from "./deadline.mjs";
import { sanitizerEnvironment } from "./process.mjs";

/** Runs it to its end: {code, lines, errors}; `lines` are the output's, parsed where they are JSON. */
export async function ctl(cluster, args, { input = "", timeoutMs } = {}) {
  const patience = timeoutMs ? ["--timeout", String(timeoutMs)] : [];
  const flags = ["--broker", cluster.endpoint("backends"), ...patience];
  const child = spawn(join(process.env.REJOIN_BIN, "rejoinctl"), [...flags, ...args], {
    env: sanitizerEnvironment(process.env),
  });
  let output = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (output += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (errors += text));
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const closed = new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  try {
    const code = await within(closed, `the end of rejoinctl ${args.join(" ")}: ${output} ${errors}`, timeoutMs);
    const lines = output.split("\n").filter(Boolean);
    return { code, errors, lines: lines.map((line) => (line.startsWith("{") ? JSON.parse(line) : line)) };
  } finally {
    child.kill("SIGKILL");
  }
}

/** The same for a call that must succeed; its lines. */
export async function ctlLines(cluster, args, options) {
  const { code, lines, errors } = await ctl(cluster, args, options);
  if (code !== 0) throw new Error(`rejoinctl ${args.join(" ")} failed with ${code}: ${errors}`);
  return lines;
}
