// What the stores of a storm held, one after the other: with each backup that was restored begins one that has the
// beginning of the one before, and gives out the positions and seqs behind it once more. Pure.

/** A log by place and by room. */
class LogIndex {
  #rooms = new Map();
  #ids = new Map();

  constructor(log) {
    log.forEach(({ room, seq, id, offset }, place) => {
      if (!this.#rooms.has(room)) this.#rooms.set(room, new Map());
      const entry = { room, seq, id, offset, place };
      if (!this.#rooms.get(room).has(seq)) this.#rooms.get(room).set(seq, entry);
      if (!this.#ids.has(id)) this.#ids.set(id, entry);
    });
  }

  at(room, seq) {
    return this.#rooms.get(room)?.get(seq);
  }

  withId(id) {
    return this.#ids.get(id);
  }

  /** The room's highest seq; of those messages only that `isMeant`. */
  head(room, isMeant = () => true) {
    const entries = [...(this.#rooms.get(room)?.values() ?? [])];
    return entries.reduce((most, entry) => (entry.seq > most && isMeant(entry) ? entry.seq : most), 0);
  }
}

/** An offset is epoch.pos; who reads the log is told the epoch in which he reads. */
export function positionOf({ offset }) {
  return parseInt(offset.split(".")[1], 36);
}

export class Stores {
  #list;
  #byEpoch = new Map();
  #publishedAt;
  #ackedAt;
  #unplaced; // what was published, and of which nobody knows whether it was stored

  /** `stores` and `log` as in checker.mjs; `events` of everybody. */
  constructor({ stores, log, events, isTrimmed }) {
    this.#publishedAt = firstTimes(events, "publish");
    this.#ackedAt = firstTimes(events, "acked");
    stores.forEach(({ epochs }, n) => epochs.forEach((epoch) => this.#byEpoch.set(epoch, n)));
    const followed = this.#divide(log);
    const told = this.#divide(events.filter(({ on, room }) => (on === "saw" || on === "acked") && isTrimmed(room)));
    let before = [];
    this.#list = stores.map(({ keeps, kept, begunAt, lostAt = Infinity }, n) => {
      const prefix = before.filter((message) => positionOf(message) <= keeps);
      // What was trimmed before anybody came to read it, is known from those who saw it in time.
      before = distinct([...prefix, ...followed[n], ...kept, ...told[n]]);
      return { keeps, kept, begunAt, lostAt, prefix, followed: followed[n], log: before, index: new LogIndex(before) };
    });
    this.#unplaced = this.#withoutPlace(events);
  }

  /** {room, id, t} of all publishes of which nobody knows a place: the first attempt of each. */
  #withoutPlace(events) {
    const isPlaced = (id) => this.#list.some(({ index }) => index.withId(id));
    const isFirst = ({ on, id, t }) => on === "publish" && this.#publishedAt.get(id) === t;
    return events.filter((event) => isFirst(event) && !isPlaced(event.id));
  }

  /** The number of the store that an offset speaks of; undefined: of none. */
  of(offset) {
    return this.#byEpoch.get(offset.split(".")[0]);
  }

  get last() {
    return this.#list.length - 1;
  }

  index(n) {
    return this.#list[n].index;
  }

  /** {keeps, kept, prefix, followed, log} of each: `prefix` is what it has of the one before, `log` all that it held. */
  get all() {
    return this.#list;
  }

  /** Those that may have been read between these times. */
  during(from, to) {
    return this.#list.filter(({ begunAt, lostAt }) => begunAt <= to && lostAt >= from).map(({ index }) => index);
  }

  /** When that was said for the first time, as far as it is known: it was not stored, or shown to anybody, before. */
  publishedAt(id) {
    return this.#publishedAt.get(id) ?? -Infinity;
  }

  /** Up to where the room's messages were certainly stored at `t`. */
  leastHead(room, t) {
    const heads = this.during(t, t).map((log) => log.head(room, ({ id }) => this.#ackedAt.get(id) <= t));
    return heads.length > 0 ? Math.min(...heads) : 0;
  }

  /** And up to where they may have been, at some time between. */
  mostHead(room, from, to) {
    const heads = this.during(from, to).map((log) => log.head(room, ({ id }) => this.publishedAt(id) <= to));
    const unplaced = this.#unplaced.filter((event) => event.room === room && event.t <= to).length;
    return Math.max(0, ...heads) + unplaced;
  }

  /** Whether what store `n` holds at that position is in store `later`, too. */
  survives(position, n, later) {
    return this.#list.slice(n + 1, later + 1).every(({ keeps }) => position <= keeps);
  }

  #divide(messages) {
    const parts = Array.from({ length: Math.max(...this.#byEpoch.values()) + 1 }, () => []);
    for (const message of messages) parts[this.of(message.offset)]?.push(message);
    return parts;
  }
}

/** When each id had this for the first time. */
function firstTimes(events, what) {
  const times = new Map();
  for (const { on, id, t } of events) if (on === what && !(times.get(id) <= t)) times.set(id, t);
  return times;
}

/** Each message once, in the log's order. */
function distinct(messages) {
  const known = new Map();
  for (const { room, seq, id, offset } of messages) {
    const key = `${positionOf({ offset })} ${room} ${seq} ${id}`;
    if (!known.has(key)) known.set(key, { room, seq, id, offset });
  }
  return [...known.values()].sort((a, b) => positionOf(a) - positionOf(b));
}
