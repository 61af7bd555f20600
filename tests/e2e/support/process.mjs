// One process of ours under test: started, awaited ready, killed or ended, and judged. A sanitizer's report or
// an exit that nobody asked for is a failure of the test, whatever the test itself looked at.

import { spawn } from "node:child_process";

import { PATIENCE_MS, until, within } from "./deadline.mjs";

const SANITIZER = /AddressSanitizer|LeakSanitizer|ThreadSanitizer|UndefinedBehaviorSanitizer|runtime error:/;
const KEPT_LOG_CHARS = 4_000_000;
const KEPT_STDOUT_CHARS = 65536; // the ready line is near the beginning

// Appended to what the caller has set, so that a run under other options stays possible.
export function sanitizerEnvironment(env) {
  const add = (name, value) => (env[name] ? `${env[name]}:${value}` : value);
  return {
    ...env,
    ASAN_OPTIONS: add("ASAN_OPTIONS", "detect_stack_use_after_return=1"),
    UBSAN_OPTIONS: add("UBSAN_OPTIONS", "print_stacktrace=1"),
    // The system's libzmq is not instrumented: what it does between its threads would be taken for races.
    TSAN_OPTIONS: add("TSAN_OPTIONS", "ignore_noninstrumented_modules=1"),
  };
}

/** All processes that this Node process has started and that may still run. */
const running = new Set();

// Whatever happens to the test program, nothing is left behind.
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));

export class Process {
  #child = null;
  #exited = null;
  #stdout = "";
  #partial = "";
  #line = "";

  /**
   * `name` stands in logs and failures. `ready` matches the line that says that it serves. With `isSpokenTo` it has
   * a stdin, see write(), and each line of its stdout goes to heard() instead of the log.
   */
  constructor(name, file, args, { ready, env = process.env, isSpokenTo = false } = {}) {
    this.name = name;
    this.file = file;
    this.args = args;
    this.ready = ready;
    this.isSpokenTo = isSpokenTo;
    this.env = sanitizerEnvironment({ ...env });
    /** Everything that was logged, over all starts. */
    this.log = "";
    /** What went wrong with the process itself, as sentences. */
    this.faults = [];
    this.starts = 0;
    this.kills = 0;
    /** How long it may take to be ready, or to end. */
    this.patienceMs = PATIENCE_MS;
  }

  get isRunning() {
    return this.#child !== null;
  }

  get pid() {
    return this.#child?.pid;
  }

  /** Starts it and waits for its ready line; returns the match. */
  async start(timeoutMs) {
    this.spawn();
    return this.untilReady(timeoutMs);
  }

  spawn() {
    if (this.#child) throw new Error(`${this.name} runs already`);
    this.starts++;
    this.#stdout = "";
    this.#note(`--- start ${this.starts}: ${this.file} ${this.args.join(" ")}\n`);
    // Should this program be killed with -9 (a timeout), the kernel ends the child too.
    const child = spawn("setpriv", ["--pdeathsig", "KILL", this.file, ...this.args], {
      env: this.env,
      stdio: [this.isSpokenTo ? "pipe" : "ignore", "pipe", "pipe"],
    });
    this.#child = child;
    this.#line = "";
    child.stdin?.on("error", () => {}); // it may be gone
    this.expected = null;
    running.add(child);
    child.stdout.setEncoding("utf8").on("data", (text) => {
      if (this.isSpokenTo) this.#split(text);
      else this.#note(text);
      if (this.#stdout.length < KEPT_STDOUT_CHARS) this.#stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text) => this.#note(text));
    this.#exited = new Promise((resolve) => {
      child.on("error", (error) => {
        this.faults.push(`${this.name}: ${error.message}`);
        running.delete(child);
        this.#child = null;
        resolve();
      });
      child.on("close", (code, signal) => {
        running.delete(child);
        this.#child = null;
        this.#note(`--- ended: code ${code} signal ${signal}\n`);
        this.#judge(code, signal);
        this.ended();
        resolve();
      });
    });
  }

  async untilReady(timeoutMs = this.patienceMs) {
    return until(
      () => {
        const match = this.ready.exec(this.#stdout);
        if (!match && !this.isRunning) {
          throw new Error(`${this.name} ended before it was ready\n${this.tail()}`);
        }
        return match;
      },
      () => `${this.name} ready\n${this.tail()}`,
      timeoutMs,
    );
  }

  /** kill -9. Resolves when it is gone. */
  async kill() {
    this.kills++;
    await this.#end("SIGKILL", { signal: "SIGKILL" });
  }

  /** SIGTERM. Resolves when it is gone; anything but a clean exit is a fault. */
  async stop() {
    if (!this.isRunning) return;
    try {
      await this.#end("SIGTERM", { code: 0 });
    } catch (error) {
      this.faults.push(`${this.name} did not end on SIGTERM: ${error.message}`);
      await this.#end("SIGKILL", { signal: "SIGKILL" });
    }
  }

  /** Sends a signal that it is to live through. */
  signal(name) {
    this.#child.kill(name);
  }

  /** Sends a signal that it is to end by. Resolves when it is gone; any exit but with that code is a fault. */
  async endBy(name, code) {
    await this.#end(name, { code });
  }

  /** It is about to end by itself, at a fault point, with this {code} or {signal}. Resolves when it has. */
  async untilEnded(expected, timeoutMs = this.patienceMs) {
    this.expected = expected;
    await within(this.#exited, `${this.name} ended at a fault point`, timeoutMs);
  }

  /** Says a line to one that is spoken to. */
  write(line) {
    this.#child?.stdin.write(`${line}\n`);
  }

  /** A line of its stdout, when it is spoken to. */
  heard() {}

  /** A line of its log. */
  said() {}

  /** It is gone, and all that it has said was heard. */
  ended() {}

  /** SIGSTOP and SIGCONT: a process that is there and does nothing. */
  freeze() {
    this.#child.kill("SIGSTOP");
  }

  thaw() {
    this.#child.kill("SIGCONT");
  }

  tail(lines = 60) {
    const all = this.log.split("\n");
    return all.slice(-lines).map((line) => `  [${this.name}] ${line}`).join("\n");
  }

  async #end(signal, expected) {
    if (!this.isRunning) throw new Error(`${this.name} is not running\n${this.tail()}`);
    this.expected = expected;
    this.#child.kill(signal);
    await within(this.#exited, `${this.name} ended by ${signal}`, this.patienceMs);
  }

  #split(text) {
    const lines = (this.#line + text).split("\n");
    this.#line = lines.pop();
    for (const line of lines) this.heard(line);
  }

  // Sanitizer reports are searched as the text comes: the kept log is bounded, a report must not fall out of it.
  #note(text) {
    const seen = this.#partial + text;
    const lines = seen.split("\n");
    this.#partial = lines.pop();
    for (const line of lines) {
      if (SANITIZER.test(line)) this.faults.push(`${this.name}: ${line.trim()}`);
      this.said(line);
    }
    this.log = (this.log + text).slice(-KEPT_LOG_CHARS);
  }

  #judge(code, signal) {
    const { expected } = this;
    if (!expected) {
      this.faults.push(`${this.name} ended by itself: code ${code}, signal ${signal}`);
    } else if (expected.signal ? signal !== expected.signal : code !== expected.code) {
      this.faults.push(`${this.name} ended with code ${code}, signal ${signal}`);
    }
  }
}
