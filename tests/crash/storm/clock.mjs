// The wall clock of one process under test, as a file that it follows (REJOIN_CLOCK, proto/base/clock.h).

import { spawnSync } from "node:child_process";
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";

const BYTES = 8;

export class Clock {
  #file;

  /** Whether the binaries' clocks can be set: a release build's cannot. */
  static isThere(path) {
    const env = { ...process.env, ...new Clock(path).environment };
    return spawnSync(join(process.env.REJOIN_BIN, "rejoin-gateway"), ["--help"], { env }).status === 0;
  }

  /** The file is made; the clock is right until it is set. */
  constructor(path) {
    this.path = path;
    this.#file = openSync(path, "w");
    this.set(0);
  }

  get environment() {
    return { REJOIN_CLOCK: this.path };
  }

  /** How many ms the clock is ahead (or, negative, behind) from now on. */
  set(offMs) {
    const bytes = Buffer.alloc(BYTES);
    bytes.writeBigInt64LE(BigInt(offMs));
    writeSync(this.#file, bytes, 0, BYTES, 0);
  }

  close() {
    closeSync(this.#file);
  }
}
