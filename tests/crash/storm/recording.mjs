// A small storm without a broker: what the trace of one looks like when every promise is kept. For the checker's tests.
//
// Readers ann, bob and cleo join and leave rooms, drop and come back; bob and a feeder publish, and repeat some ids. Cleo
// loses her session by a page reload, and reads on from the history. If that is wanted, the store goes back to a backup on
// the way.

import { Random } from "../../e2e/support/random.mjs";
import { truthOf } from "./census.mjs";

const ROOMS = ["milk", "coffee", "tea"];
const OPTIMISTIC = "tea"; // where members see a message before it is stored
const TRIMMED = "milk"; // and ann is never in it
const KEPT = 30;
const STEPS = 400;
const STEP_MS = 100;
const LIFETIME_MS = 2 * STEPS * STEP_MS; // longer than the storm

class Reader {
  constructor(name, world) {
    this.name = name;
    this.world = world;
    this.rooms = new Set();
    this.isConnected = false;
    this.missed = [];
    this.known = new Map();
  }

  note(on, what = {}) {
    this.world.note(this.name, on, what);
  }

  connect(recovered) {
    this.isConnected = true;
    this.note("presents");
    this.note("connected", { sid: `sid of ${this.name}`, recovered });
    for (const message of this.missed.splice(0)) this.#see(message);
  }

  drop() {
    this.isConnected = false;
    this.note("dropped", { reason: "transport close" });
  }

  join(room) {
    if (this.name === "ann" && room === TRIMMED) return;
    const seq = this.world.head(room);
    this.note("join", { room });
    this.#answer("joined", { room, seq });
    this.rooms.add(room);
    const after = this.known.get(room);
    if (after < seq) this.#answer("reloaded", { room, after, upto: seq, messages: this.world.page(room, after, seq) });
    this.known.set(room, seq);
  }

  leave(room) {
    this.note("leave", { room });
    this.#answer("left", { room });
    this.rooms.delete(room);
  }

  /** A new page, which has kept what it knew of the rooms: it reads on from there. */
  reload() {
    const rooms = [...this.rooms];
    this.drop();
    this.missed = [];
    this.rooms.clear();
    this.note("reborn");
    this.connect(false);
    for (const room of rooms) this.join(room);
  }

  deliver(message) {
    if (!this.rooms.has(message.room)) return;
    if (this.isConnected) this.#see(message, message.room === OPTIMISTIC);
    else this.missed.push(message);
  }

  /** Its session is of a store that is no more: it begins anew, and joins again. */
  lose() {
    const rooms = [...this.rooms];
    if (this.isConnected) this.drop();
    this.missed = [];
    this.rooms.clear();
    this.known.clear();
    this.connect(false);
    for (const room of rooms) this.join(room);
  }

  #answer(on, what) {
    this.note(on, { ...what, asked: this.world.now });
  }

  #see({ room, seq, id, offset: stored }, isPending = false) {
    const offset = this.world.offsetOf(stored);
    if (isPending) this.note("glimpsed", { room, id });
    this.note("saw", { room, seq, id, offset, ...(isPending ? { confirmed: true } : {}) });
    this.known.set(room, seq);
  }
}

class World {
  constructor(random) {
    this.random = random;
    this.log = [];
    this.traces = {};
    this.heads = new Map();
    this.readers = ["ann", "bob", "cleo"].map((name) => new Reader(name, this));
    this.answers = [];
    this.asked = 0;
    this.steps = 0;
    this.position = this.published = 0;
    this.epoch = "one";
    this.followed = [];
    this.stores = [{ epochs: ["one", "other"], keeps: 0, begunAt: 0 }];
  }

  get now() {
    return this.steps * STEP_MS;
  }

  note(who, on, what) {
    (this.traces[who] ??= []).push({ t: this.now, who, on, ...what });
  }

  /** A run of the broker. */
  run(what) {
    this.note("storm", "spawned");
    this.note("storm", "run", what);
  }

  /** As it is told now. */
  offsetOf(stored) {
    return `${this.epoch}.${stored.split(".")[1]}`;
  }

  /** From now on the store is what it was when it held `length` messages. */
  goBack(length) {
    Object.assign(this.stores.at(-1), { kept: this.log, lostAt: this.now });
    this.note("storm", "ended");
    this.note("storm", "went_back");
    this.steps++;
    this.log = this.log.slice(0, length);
    this.position = length;
    this.epoch = "two";
    this.stores.push({ epochs: ["two"], keeps: length, begunAt: this.now });
    this.run({ epoch: "two", keeps: length });
    this.steps++;
    for (const { room, seq, id, offset } of this.log) this.#follow({ room, seq, id, offset });
    this.heads.clear();
    for (const { room, seq } of this.log) this.heads.set(room, seq);
    this.answers = this.answers.filter(({ message }) => this.log.includes(message));
    for (const reader of this.readers) reader.lose();
  }

  #follow({ room, seq, id, offset }) {
    this.followed.push({ room, seq, id, offset: this.offsetOf(offset), by: this.stores.length - 1 });
  }

  head(room) {
    return this.heads.get(room) ?? 0;
  }

  page(room, after, upto) {
    const page = this.log.filter((m) => m.room === room && m.seq > after && m.seq <= upto);
    return page.map(({ seq, id }) => [seq, id]);
  }

  publish(who, room) {
    const id = `${who}#${++this.published}`;
    const offset = `${this.epoch}.${(++this.position).toString(36)}`;
    const message = { room, seq: this.head(room) + 1, id, offset };
    this.note(who, "publish", { room, id });
    this.heads.set(room, message.seq);
    this.log.push(message);
    this.#follow(message);
    for (const reader of this.readers) reader.deliver(message);
    this.answers.push({ who, message });
    this.note(who, "acked", { ...message, asked: this.now });
  }

  repeat() {
    if (this.answers.length === 0) return;
    const { who, message } = this.random.pick(this.answers);
    this.note(who, "publish", { room: message.room, id: message.id });
    this.note(who, "acked", { ...message, asked: this.now });
  }

  ask(reader) {
    const id = `${reader.name}.0?${++this.asked}`;
    reader.note("ask", { id });
    this.note("feeder", "served", { id, sid: `sid of ${reader.name}`, start: 1, repeated: false });
    if (this.random.below(4) === 0) this.note("feeder", "served", { id, sid: `sid of ${reader.name}`, start: 2, repeated: true });
    reader.note("answered", { id, got: id, asked: this.now });
  }

  step() {
    this.steps++;
    const [reader, room] = [this.random.pick(this.readers), this.random.pick(ROOMS)];
    switch (this.random.below(10)) {
      case 0:
        if (reader.isConnected) reader.drop();
        else reader.connect(true);
        return;
      case 1:
        if (!reader.isConnected) return;
        if (!reader.rooms.has(room)) reader.join(room);
        else if (reader.rooms.size > 1) reader.leave(room);
        return;
      case 2:
        this.repeat();
        return;
      case 4:
        if (reader.isConnected) this.ask(reader);
        return;
      case 3:
        if (reader.name === "cleo" && reader.isConnected) reader.reload();
        return;
      default:
        this.publish(this.random.pick(["bob", "feeder"]), room);
    }
  }

  get census() {
    const truth = truthOf(
      this.readers.map(({ name, rooms }) => {
        return { sid: `sid of ${name}`, user: name, rooms: Object.fromEntries([...rooms].map((room) => [room, 0])) };
      }),
    );
    return { truth, told: { ...truth }, tookMs: 100, allowedMs: 2000 };
  }
}

/** An observation for the checker, in which nothing is wrong; with `goesBack` the store is once taken back to a backup. */
export function record(seed, { goesBack = false } = {}) {
  const world = new World(new Random(seed));
  world.run({ epoch: "one" });
  for (const reader of world.readers) {
    reader.connect(false);
    for (const room of ROOMS) reader.join(room);
  }
  let backup = 0;
  for (let i = 0; i < STEPS; i++) {
    if (i === STEPS / 4) backup = world.log.length;
    if (i === STEPS / 2 && goesBack) world.goBack(backup);
    world.step();
  }
  for (const reader of world.readers) {
    if (!reader.isConnected) reader.connect(true);
    for (const room of ROOMS) if (!reader.rooms.has(room)) reader.join(room);
  }
  for (const room of ROOMS) world.publish("feeder", room);
  const { followed, stores, traces, census } = world;
  stores.at(-1).kept = structuredClone(world.log);
  const keptOf = (room) => (room === TRIMMED ? KEPT : Infinity);
  return { log: followed, stores, traces, census, keptOf, lifetimeMs: LIFETIME_MS };
}
