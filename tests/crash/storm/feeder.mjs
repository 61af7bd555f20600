// A backend that publishes to all rooms under ids, through a link of its own to the broker, and repeats under the
// same id whatever is not answered: in time, or by the process that was asked. And it serves the event "echo", together
// with the others: the answer is what was asked.

import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { Process } from "../../e2e/support/process.mjs";

const ANSWER_MS = 4000;
const AGAIN_MS = 100;
const IN_FLIGHT = 16;
const REPEATED_OF = 8;
const SERVICE = { group: "echoers", events: ["echo"] };

export class Feeder extends Process {
  #calls = new Map(); // number of the call → what to do with its answer
  #lastCall = 0;
  #count = 0;
  #open = 0;
  #acked = [];
  #isQuiet = false;

  /** `endpoint` tells the broker's at each start; `publishMs` is the mean time between two publishes. */
  constructor({ index, endpoint, rooms, publishMs, random, trace }) {
    const name = `feeder ${index}`;
    const ready = /^backend-driver ready$/m;
    super(name, join(process.env.REJOIN_BIN, "backend-driver"), [], { ready, isSpokenTo: true });
    Object.assign(this, { index, endpoint, rooms, publishMs, random, trace });
  }

  spawn() {
    this.args = ["--broker", this.endpoint(), "--name", `feeder-${this.index}`];
    super.spawn();
  }

  get state() {
    return { name: this.name, open: this.#open, isSettled: this.#open === 0 };
  }

  /** Serves anew with each start. */
  async untilReady(timeoutMs) {
    const match = await super.untilReady(timeoutMs);
    this.write(JSON.stringify({ do: "serve", id: ++this.#lastCall, ...SERVICE }));
    return match;
  }

  quiet() {
    this.#isQuiet = true;
  }

  async run() {
    while (!this.#isQuiet) {
      await delay(this.random.below(2 * this.publishMs));
      if (this.#isQuiet || this.#open >= IN_FLIGHT) continue;
      const isRepeat = this.#acked.length > 0 && this.random.below(REPEATED_OF) === 0;
      const again = isRepeat ? this.random.pick(this.#acked) : null;
      const { room, id } = again ?? { room: this.random.pick(this.rooms), id: `${this.name}#${++this.#count}` };
      this.#publish(room, id);
    }
  }

  heard(line) {
    if (!line.startsWith("{")) return;
    const item = JSON.parse(line);
    if (item.on === "event") this.#serve(item);
    else if (item.on === "answer") this.#calls.get(item.id)?.(item);
  }

  #serve({ job, sid, args: [id], repeated }) {
    this.#note("served", { id, sid, start: this.starts, repeated });
    this.write(JSON.stringify({ do: "ack", id: ++this.#lastCall, job, args: [{ ok: true, id }] }));
  }

  /** Publishes so many large messages at once; resolves when all are acknowledged. */
  async flood(room, count, bytes) {
    const ids = Array.from({ length: count }, () => `${this.name}#${++this.#count}`);
    await Promise.all(ids.map((id) => this.#publish(room, id, bytes)));
  }

  async #publish(room, id, bytes = 0) {
    this.#open++;
    const data = id.padEnd(bytes, ".");
    for (;;) {
      this.#note("publish", { room, id });
      const answer = await this.#call({ do: "publish", room, key: id, data });
      if (answer?.status === "ok") {
        this.#note("acked", { room, id, seq: answer.seq, offset: answer.offset });
        this.#acked = [...this.#acked.slice(-9), { room, id }];
        this.#open--;
        return;
      }
      this.#note("unacked", { room, id, code: answer?.status ?? "no answer" });
      await delay(AGAIN_MS);
    }
  }

  /** Its answer, or null when none came in time. */
  #call(command) {
    const n = ++this.#lastCall;
    return new Promise((resolve) => {
      const late = setTimeout(() => settle(null), ANSWER_MS);
      const settle = (answer) => {
        clearTimeout(late);
        this.#calls.delete(n);
        resolve(answer);
      };
      this.#calls.set(n, settle);
      this.write(JSON.stringify({ ...command, id: n }));
    });
  }

  #note(on, what) {
    this.trace.note(this.name, on, what);
  }
}
