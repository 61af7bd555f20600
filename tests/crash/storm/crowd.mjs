// The leader's end of a process full of rovers (crowd_main.mjs). It can be killed, frozen and started anew; its next
// generation are other users.

import { fork } from "node:child_process";

import { within } from "../../e2e/support/deadline.mjs";
import { now } from "./trace.mjs";

const PROGRAM = new URL("crowd_main.mjs", import.meta.url).pathname;
const PATIENCE_MS = 120000;

/** All that may still run; nothing is left behind. */
const running = new Set();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

function exitOf(child) {
  return new Promise((resolve) => child.once("exit", resolve));
}

export class Crowd {
  #child = null;
  #asked = new Map();
  #lastAsk = 0;
  #generation = 0;
  #heard = null; // called with what it tells besides answers

  /** `random` gives each generation its seed; `trace` is where the leader notes who died. */
  constructor({ index, size, scene, random, folder, trace, sabotage }) {
    this.name = `crowd ${index}`;
    Object.assign(this, { index, size, scene, random, folder, trace, sabotage });
    /** What went wrong with the process itself. */
    this.faults = [];
    this.log = "";
  }

  get isRunning() {
    return this.#child !== null;
  }

  get pid() {
    return this.#child?.pid;
  }

  async start() {
    const generation = ++this.#generation;
    const suffix = generation > 1 ? `'${generation}` : "";
    this.names = Array.from({ length: this.size }, (_, i) => `rover ${this.index}-${i}${suffix}`);
    const child = fork(PROGRAM, [], { silent: true });
    running.add(child);
    this.#child = child;
    child.on("message", (message) => this.#hear(message));
    child.on("exit", (code, signal) => this.#onExit(child, code, signal));
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => (this.log += text));
    }
    const opened = this.#next("opened");
    const file = `crowd-${this.index}-${generation}`;
    const { scene, folder, sabotage } = this;
    this.#send({ do: "open", names: this.names, scene, seed: this.random.below(2 ** 32), folder, file, sabotage });
    const ended = exitOf(child).then(() => Promise.reject(new Error(`${this.name} ended\n${this.log}`)));
    ended.catch(() => {}); // it does so one day
    await within(Promise.race([opened, ended]), `${this.name} opened\n${this.log}`, PATIENCE_MS);
  }

  /** Something befalls the network of some rovers for `ms` (see crowd_main.mjs). */
  hurt(what, which, ms) {
    this.#send({ do: "hurt", what, which, ms });
  }

  quiet() {
    this.#send({ do: "quiet" });
  }

  /** Each rover's state. */
  states() {
    return this.#ask("state");
  }

  /** Each room's users, as each of its rovers is told: [{room, users}]. */
  presence() {
    return this.#ask("presence");
  }

  /** Each asks a backend: whether it was answered. */
  inquire() {
    return this.#ask("inquire");
  }

  /** Whether the bug that is to be planted in it, if any, is. */
  isSabotaged() {
    return this.#ask("sabotage");
  }

  async kill() {
    const child = this.#child;
    this.expected = "SIGKILL";
    const gone = exitOf(child);
    child.kill("SIGKILL");
    await gone;
    for (const name of this.names) this.trace.note(name, "died");
  }

  freeze() {
    this.#child.kill("SIGSTOP");
  }

  thaw() {
    this.#child.kill("SIGCONT");
  }

  async stop() {
    if (!this.isRunning) return;
    const child = this.#child;
    this.expected = 0;
    this.#send({ do: "end" });
    await within(exitOf(child), `${this.name} ended`, PATIENCE_MS).catch((error) => {
      this.faults.push(error.message);
      child.kill("SIGKILL");
    });
  }

  async #ask(what) {
    const n = ++this.#lastAsk;
    const answered = new Promise((resolve) => this.#asked.set(n, resolve));
    this.#send({ do: what, n });
    return within(answered, `${this.name} tells its ${what}`, PATIENCE_MS);
  }

  #hear(message) {
    if (message.on === "answer") {
      this.#asked.get(message.n)?.(message.answer);
      this.#asked.delete(message.n);
    } else {
      this.#heard?.(message.on);
    }
  }

  /** One that was just killed hears nothing, and that is all. */
  #send(order) {
    this.#child?.send(order, () => {});
  }

  #next(on) {
    return new Promise((resolve) => {
      this.#heard = (what) => what === on && resolve();
    });
  }

  #onExit(child, code, signal) {
    running.delete(child);
    this.#child = null;
    if ((signal ?? code) !== this.expected) {
      this.faults.push(`${this.name} ended at ${now()} with code ${code}, signal ${signal}:\n${this.log.slice(-2000)}`);
    }
    this.expected = undefined;
  }
}
