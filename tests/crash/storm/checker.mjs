// What must be true after a storm, judged from its trace. Pure: no clients, no clocks, no files.
//
//   I1  every acknowledged publish is in the log, under the seq and offset that were told
//   I2  each room's seq runs 1, 2, 3 …; everybody saw the same message under it, and all in the log's order
//   I3  each reader saw each message of its rooms, from its join on, exactly once, or was told (reader.mjs)
//   I4  a repeated id gave the same answer, and is stored once
//   I5  presence equals the truth, within a lease after the last fault
//   I6  what backends serve is answered by its own answer, and shown once and in order (services.mjs)
//
// An observation is
//   log      [{room, seq, id, offset}]       everything that was stored, in the log's order, as who followed it saw it
//   kept     the same                        what was read of it at the end
//   isTrimmed(room)                          whether the room keeps only its last messages
//   traces   {name: [event]}                 each actor's events in their order (rover.mjs, feeder.mjs)
//   census   {truth, told, tookMs, allowedMs} who is where, {what: text} each (census.mjs); how long it took to agree
// A fault is {invariant, text, and what it is about: who?, t?, room?, seq?, id?}.

import { Reader } from "./reader.mjs";
import { checkServices } from "./services.mjs";

/** The log by place and by room. */
export class LogIndex {
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

  /** The highest seq up to which the room has no hole. */
  head(room) {
    const messages = this.#rooms.get(room);
    let seq = 0;
    while (messages?.has(seq + 1)) seq++;
    return seq;
  }
}

/** {faults, figures}; no faults when every promise was kept. */
export function check({ log: followed, kept, traces, census, isTrimmed }) {
  const events = Object.values(traces).flat();
  const log = complete(followed, events, isTrimmed);
  const index = new LogIndex(log);
  const readers = Object.entries(traces).map(([name, trace]) => read(new Reader(name, index, isTrimmed), trace));
  const faults = [
    ...checkLog(log, events),
    ...checkKept(followed, kept, isTrimmed),
    ...checkAnswers(events, index),
    ...readers.flatMap((reader) => reader.faults),
    ...checkCensus(census),
    ...checkServices(traces),
    ...events.filter(({ on }) => on === "garbled").map((event) => {
      return { invariant: "I2", text: `${event.who} got other data than ${event.id}`, ...event };
    }),
  ];
  const count = (on) => events.reduce((sum, event) => sum + (event.on === on ? 1 : 0), 0);
  const figures = {
    stored: log.length,
    acknowledged: count("acked"),
    seen: count("saw"),
    reconnects: count("dropped"),
    reloads: count("reloaded"),
    asked: count("ask"),
    answered: events.filter(({ on, got }) => on === "answered" && got !== undefined).length,
    heldTwice: readers.reduce((sum, { heldTwice }) => sum + heldTwice, 0),
  };
  return { faults, figures };
}

function read(reader, trace) {
  for (const event of trace) reader.take(event);
  reader.finish();
  return reader;
}

/** I2 of the log itself, I4 (nothing stands twice), and that somebody has said what it holds. */
function checkLog(log, events) {
  const faults = [];
  const fault = (invariant, text, message) => faults.push({ invariant, text, ...message });
  const said = new Set(events.filter(({ on }) => on === "publish").map(({ id }) => id));
  const ids = new Map();
  const heads = new Map();
  for (const message of log) {
    const { room, seq, id } = message;
    const next = (heads.get(room) ?? 0) + 1;
    if (seq !== next) fault("I2", `${room}: seq ${seq} stands in the log where ${next} was next`, message);
    if (ids.has(id)) fault("I4", `${id} is stored twice: ${ids.get(id)}, and ${room} ${seq}`, message);
    if (!said.has(id)) fault("I2", `${room} ${seq} holds ${id}, which nobody has published`, message);
    heads.set(room, seq);
    ids.set(id, `${room} ${seq}`);
  }
  return faults;
}

/** Whoever follows the log gets what whoever reads it later gets, as far as that is still kept. */
function checkKept(followed, kept, isTrimmed) {
  const fault = (text, message) => [{ invariant: "I2", text, ...message }];
  const [one, other] = [followed, kept].map((log) => log.filter(({ room }) => !isTrimmed(room)));
  for (let i = 0; i < Math.max(one.length, other.length); i++) {
    if (!one[i]) return fault(`who followed the log never got ${place(other[i])}`, other[i]);
    if (!other[i]) return fault(`${place(one[i])} is not in the log any more`, one[i]);
    if (place(one[i]) !== place(other[i])) {
      return fault(`who followed the log got ${place(one[i])}, the log has ${place(other[i])}`, one[i]);
    }
  }
  return [];
}

/** What was trimmed before the follower came to it, from those who saw it in time. */
function complete(followed, events, isTrimmed) {
  const known = new Set(followed.map(({ room, seq }) => `${room} ${seq}`));
  const missing = [];
  for (const { on, room, seq, id, offset } of events) {
    if ((on !== "saw" && on !== "acked") || !isTrimmed(room) || known.has(`${room} ${seq}`)) continue;
    known.add(`${room} ${seq}`);
    missing.push({ room, seq, id, offset });
  }
  if (missing.length === 0) return followed;
  return [...followed, ...missing].sort((a, b) => positionOf(a) - positionOf(b));
}

/** I1, and I4: every answer to one id is the same. */
function checkAnswers(events, index) {
  const faults = [];
  const first = new Map();
  for (const event of events) {
    if (event.on !== "acked") continue;
    const { who, id, offset } = event;
    const fault = (invariant, text) => faults.push({ invariant, text: `${id} of ${who} ${text}`, ...event });
    const [told, stored] = [place(event), index.withId(id)];
    const before = first.get(id);
    if (before === undefined) first.set(id, `${told} ${offset}`);
    else if (before !== `${told} ${offset}`) fault("I4", `was acknowledged as ${before}, then as ${told} ${offset}`);
    if (!stored) fault("I1", `was acknowledged as ${told}, and is lost`);
    else if (place(stored) !== told) fault("I1", `was acknowledged as ${told}, and is stored as ${place(stored)}`);
  }
  return faults;
}

/** Where a message stands. An offset is epoch.pos; who reads the log is told the epoch in which he reads. */
function place({ room, seq, offset }) {
  return `${room} ${seq}, log ${positionOf({ offset })}`;
}

function positionOf({ offset }) {
  return parseInt(offset.split(".")[1], 36);
}

/** I5. */
function checkCensus({ truth, told, tookMs, allowedMs }) {
  const faults = [];
  const fault = (text) => faults.push({ invariant: "I5", text });
  for (const [what, is] of Object.entries(truth)) {
    if (told[what] === undefined) fault(`${what} is there, and the broker does not know it`);
    else if (told[what] !== is) fault(`${what}: there is "${is}", the broker says "${told[what]}"`);
  }
  for (const what of Object.keys(told)) if (truth[what] === undefined) fault(`${what} is gone, and still told of`);
  if (tookMs > allowedMs) fault(`presence agreed after ${tookMs} ms, ${allowedMs} are allowed`);
  return faults;
}
