// What everybody did and saw, one JSON object a line: {t, who, on, …}. Written through at once, so that what a killed
// process has recorded is not lost with it.

import { closeSync, openSync, readFileSync, readdirSync, writeSync } from "node:fs";
import { join } from "node:path";

/** ms of one clock that all processes share and nobody sets (Linux: CLOCK_MONOTONIC). */
export function now() {
  return Number(process.hrtime.bigint() / 100000n) / 10;
}

export class TraceFile {
  #file;

  constructor(folder, name) {
    this.#file = openSync(join(folder, `${name}.trace`), "a");
  }

  note(who, on, what = {}) {
    writeSync(this.#file, `${JSON.stringify({ t: now(), who, on, ...what })}\n`);
  }

  close() {
    closeSync(this.#file);
  }
}

/** The events of all files in the folder, by actor: {name: [event]}. A line that was cut short by a kill is left out. */
export function readTraces(folder) {
  const traces = {};
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".trace")).sort()) {
    for (const line of readFileSync(join(folder, file), "utf8").split("\n")) {
      if (!line.endsWith("}")) continue;
      const event = JSON.parse(line);
      (traces[event.who] ??= []).push(event);
    }
  }
  return traces;
}
