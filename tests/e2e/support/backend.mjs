// A backend that a test steers: backend-driver (librejoin in C) does what is said here and tells what it is called
// back with. Every move of it is kept.

import { join } from "node:path";

import { until, within } from "./deadline.mjs";
import { Process } from "./process.mjs";

let names = 0;

/** Binaries in a value, taken out as the protocol does: {json, attachments}. */
function takeApart(value) {
  const attachments = [];
  const walk = (part) => {
    if (part instanceof Uint8Array) {
      attachments.push(Buffer.from(part).toString("hex"));
      return { _placeholder: true, num: attachments.length - 1 };
    }
    if (Array.isArray(part)) return part.map(walk);
    if (part && typeof part === "object") {
      return Object.fromEntries(Object.entries(part).map(([key, inner]) => [key, walk(inner)]));
    }
    return part;
  };
  return { json: walk(value), attachments };
}

/** And put together again. */
function putTogether(value, attachments) {
  if (Array.isArray(value)) return value.map((part) => putTogether(part, attachments));
  if (!value || typeof value !== "object") return value;
  if (value._placeholder === true) return Buffer.from(attachments[value.num], "hex");
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, putTogether(inner, attachments)]));
}

export class Backend extends Process {
  #answers = new Map();
  #lastId = 0;
  #groups = new Set();

  /** One more for the scope's cluster, ended with the scope; `name` is what its publish ids are unique within. */
  static async open(scope, { name = `backend-${++names}`, ...serving } = {}) {
    const backend = scope.own(new Backend(scope.cluster, name));
    await backend.start();
    if (Object.keys(serving).length > 0) await backend.serve(serving);
    return backend;
  }

  constructor(cluster, name) {
    const args = ["--broker", cluster.endpoint("backends"), "--name", name];
    const ready = /^backend-driver ready$/m;
    super(name, join(process.env.REJOIN_BIN, "backend-driver"), args, { ready, isSpokenTo: true });
    this.cluster = cluster;
    /** Everything that it was called back with, in order: {on: "event" | "connect" | "open" | …, …}. */
    this.seen = [];
    /** What is done at once: handlers by the kind of callback, then, for events, by the event's name. */
    this.handlers = { event: {} };
  }

  /**
   * Serves with these options (see serve() of backend-driver) and waits until it does. A group of its own unless
   * told otherwise; the broker forgets it with the scope.
   */
  async serve({ group = this.name, ...options }) {
    this.#groups.add(group);
    const before = this.of("started").length;
    const { status } = await this.call("serve", { group, ...options });
    if (status !== "ok") throw new Error(`serve: ${status}`);
    await until(() => this.of("started").length > before || this.of("ended").length > 0, () => `${this} serves`);
  }

  /** Begins a call; resolves with its answer, whatever its status. */
  call(what, options = {}) {
    const id = ++this.#lastId;
    const answered = new Promise((resolve) => this.#answers.set(id, resolve));
    const { data, args, ...rest } = options;
    const parts = takeApart(data ?? args);
    const body = data !== undefined ? { data: parts.json } : args !== undefined ? { args: parts.json } : {};
    this.write(JSON.stringify({ ...rest, ...body, attachments: parts.attachments, do: what, id }));
    return within(answered, `${this.name}: an answer to ${what}`, 30000);
  }

  /** The same for a call that must succeed. */
  async demand(what, options) {
    const answer = await this.call(what, options);
    if (answer.status !== "ok") throw new Error(`${what} failed: ${JSON.stringify(answer)}`);
    return answer;
  }

  /** What Socket.IO calls emit: arguments as they are. */
  async emit(options, event, ...args) {
    return this.demand("publish", { plain: true, event, data: args, ...options });
  }

  ack(job, ...args) {
    return this.call("ack", { job, args });
  }

  /** What it was called back with of one kind; of events, with that name. */
  of(kind, name) {
    return this.seen.filter((item) => item.on === kind && (name === undefined || item.name === name));
  }

  /** Waits for number `count` (from 1) of a kind, and returns it. */
  async saw(kind, count = 1, name = undefined) {
    await until(() => this.of(kind, name).length >= count, () => `${count} of ${kind} ${name ?? ""} at ${this}`);
    return this.of(kind, name)[count - 1];
  }

  /** The same for the first that is about this socket: a client of the test before may still be leaving. */
  async sawOf(kind, sid) {
    const find = () => this.of(kind).find((item) => item.sid === sid);
    return until(find, () => `${kind} of ${sid} at ${this}`);
  }

  heard(line) {
    if (!line.startsWith("{")) return;
    const item = JSON.parse(line);
    if (item.args) item.args = putTogether(item.args, item.attachments);
    if (item.on === "answer") {
      for (const one of [...(item.answers ?? []), ...(item.replies ?? [])]) {
        one.args = putTogether(one.args, one.attachments);
      }
      this.#answers.get(item.id)?.(item);
      this.#answers.delete(item.id);
      return;
    }
    this.seen.push(item);
    const handler = item.on === "event" ? this.handlers.event[item.name] : this.handlers[item.on];
    handler?.(item);
  }

  async close() {
    this.thaw();
    if (this.isRunning && this.cluster.broker.isRunning) {
      for (const group of this.#groups) await this.call("unserve", { group, forget: true });
    }
    await this.stop();
    for (const answer of this.#answers.values()) answer({ status: "closed" }); // nobody waits for them any more
    if (this.faults.length > 0) throw new Error(`${this.faults.join("\n")}\n${this.tail(200)}`);
  }

  thaw() {
    if (this.isRunning) super.thaw();
  }

  toString() {
    const last = this.seen.slice(-5).map((item) => JSON.stringify(item));
    return `${this.name}, which saw ${this.seen.length}: … ${last.join("\n")}\n${this.tail()}`;
  }
}

/** A backend that answers `echo` with its arguments. */
export async function echoing(scope, options = {}) {
  const backend = await Backend.open(scope, { events: ["echo"], ...options });
  backend.handlers.event.echo = ({ job, args }) => backend.ack(job, ...args);
  return backend;
}
