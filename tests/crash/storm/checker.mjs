// What must be true after a storm, judged from its trace. Pure: no clients, no clocks, no files.
//
//   I1  every acknowledged publish is in the log, under the seq and offset that were told
//   I2  each room's seq runs 1, 2, 3 …; everybody saw the same message under it, and all in the log's order
//   I3  each reader saw each message of its rooms, from its join on, exactly once, or was told (reader.mjs)
//   I4  a repeated id gave the same answer, and is stored once
//   I5  presence equals the truth, within a lease after the last fault
//   I6  what backends serve is answered by its own answer, and shown once and in order (services.mjs)
//
// The operator's own act is no broken promise: where the broker comes back with a backup, what was stored behind it is
// gone, from there on. Whoever had a session is told so (a fresh one), and so is who follows the log.
//
// An observation is
//   log      [{room, seq, id, offset, by}]   as who followed the log saw it; `by`: how often he had begun anew
//   stores   [{epochs, keeps, begunAt, lostAt?, kept}] one more with each backup that was restored (stores.mjs): the
//                                            epochs of the runs on it; up to where it is the one before; nobody has read
//                                            it before, or after, these times; what was read of it at its end
//   keptOf(room)                             how many of its last messages the room keeps at least
//   lifetimeMs                               of a session without a connection; may be left out
//   traces   {name: [event]}                 each actor's events in their order (rover.mjs, feeder.mjs, storm.mjs)
//   census   {truth, told, tookMs, allowedMs} who is where, {what: text} each (census.mjs); for how long they differed
// A fault is {invariant, text, and what it is about: who?, t?, room?, seq?, id?}.

import { Lifetimes } from "./lifetimes.mjs";
import { Reader } from "./reader.mjs";
import { checkServices } from "./services.mjs";
import { Stores, positionOf } from "./stores.mjs";

/** {faults, figures}; no faults when every promise was kept. */
export function check({ log, stores: kept, traces, census, keptOf, lifetimeMs }) {
  const isTrimmed = (room) => keptOf(room) < Infinity;
  const events = Object.values(traces).flat();
  const stores = new Stores({ stores: kept, log, events, isTrimmed });
  const lifetimes = new Lifetimes(traces.storm ?? [], lifetimeMs);
  const known = { stores, lifetimes, keptOf };
  const readers = Object.entries(traces).map(([name, trace]) => read(new Reader(name, known), trace));
  const faults = [
    ...stores.all.flatMap((store) => checkLog(store, events, stores.last > 0 ? isTrimmed : () => false)),
    ...stores.all.flatMap((store) => checkPrefix(store, isTrimmed)),
    ...checkFollowed(log, stores, isTrimmed),
    ...checkAnswers(events, stores),
    ...readers.flatMap((reader) => reader.faults),
    ...checkRefusals(events, lifetimes),
    ...checkCensus(census),
    ...checkServices(traces),
    ...events.filter(({ on }) => on === "garbled").map((event) => {
      return { invariant: "I2", text: `${event.who} got other data than ${event.id}`, ...event };
    }),
  ];
  return { faults, figures: figuresOf(events, stores, readers) };
}

function figuresOf(events, stores, readers) {
  const count = (on) => events.reduce((sum, event) => sum + (event.on === on ? 1 : 0), 0);
  const total = (what) => readers.reduce((sum, reader) => sum + what(reader), 0);
  const stored = stores.all.reduce((sum, { log, prefix }) => sum + log.length - prefix.length, 0);
  return {
    stored,
    lost: stored - stores.all.at(-1).log.length,
    acknowledged: count("acked"),
    seen: count("saw"),
    reconnects: count("dropped"),
    recovered: total(({ recovered }) => recovered),
    fresh: Object.fromEntries(
      Object.keys(readers[0]?.fresh ?? {}).map((reason) => [reason, total(({ fresh }) => fresh[reason])]),
    ),
    reloads: count("reloaded"),
    asked: count("ask"),
    answered: events.filter(({ on, got }) => on === "answered" && got !== undefined).length,
    heldTwice: total(({ heldTwice }) => heldTwice),
  };
}

function read(reader, trace) {
  for (const event of trace) reader.take(event);
  reader.finish();
  return reader;
}

/**
 * I2 of the log itself, I4 (nothing stands twice), and that somebody has said what it holds. `isPatchy(room)`: not all
 * that it has held of that room needs to be known, since it was trimmed before a lost store could be read.
 */
function checkLog({ log }, events, isPatchy) {
  const faults = [];
  const fault = (invariant, text, message) => faults.push({ invariant, text, ...message });
  const said = new Set(events.filter(({ on }) => on === "publish").map(({ id }) => id));
  const ids = new Map();
  const heads = new Map();
  for (const message of log) {
    const { room, seq, id } = message;
    const next = (heads.get(room) ?? 0) + 1;
    const isNext = isPatchy(room) ? seq >= next : seq === next;
    if (!isNext) fault("I2", `${room}: seq ${seq} stands in the log where ${next} was next`, message);
    if (ids.has(id)) fault("I4", `${id} is stored twice: ${ids.get(id)}, and ${room} ${seq}`, message);
    if (!said.has(id)) fault("I2", `${room} ${seq} holds ${id}, which nobody has published`, message);
    heads.set(room, seq);
    ids.set(id, `${room} ${seq}`);
  }
  return faults;
}

/** A restored store has all that the lost one held up to the backup. */
function checkPrefix({ keeps, kept, prefix }, isTrimmed) {
  const expected = prefix.filter(({ room }) => !isTrimmed(room));
  const there = new Set(kept.filter((message) => positionOf(message) <= keeps).map(place));
  const lost = expected.find((message) => !there.has(place(message)));
  return lost ? [{ invariant: "I1", text: `${place(lost)} is not in the backup`, ...lost }] : [];
}

/** Whoever follows the log gets what whoever reads it later gets, as far as that is still kept. */
function checkFollowed(log, stores, isTrimmed) {
  const faults = [];
  let before = null; // what he got last, and in which store
  const readings = new Map(); // by follower and store
  for (const message of log) {
    const n = stores.of(message.offset);
    const by = message.by ?? 0;
    const goesOn = before?.by === by;
    if (goesOn && before.n !== n && !stores.survives(before.position, before.n, n)) {
      const text = `who followed the log went on with ${place(message)}, though the store has gone back behind him`;
      faults.push({ invariant: "I3", text, ...message });
    }
    const name = `${by} ${n}`;
    if (!readings.has(name)) readings.set(name, { n, after: goesOn ? before.position : 0, messages: [] });
    readings.get(name).messages.push(message);
    before = { by, n, position: positionOf(message) };
  }
  const all = [...readings.values()];
  return [...faults, ...all.flatMap((reading) => checkReading(reading, stores, isTrimmed, reading === all.at(-1)))];
}

/** What was followed of one store. `isLast`: to its end. */
function checkReading({ n, after, messages }, stores, isTrimmed, isLast) {
  const fault = (text, message) => [{ invariant: "I2", text, ...message }];
  const kept = stores.all[n].kept.filter((message) => positionOf(message) > after);
  const [one, other] = [messages, kept].map((log) => log.filter(({ room }) => !isTrimmed(room)));
  for (let i = 0; i < (isLast ? Math.max(one.length, other.length) : one.length); i++) {
    if (!one[i]) return fault(`who followed the log never got ${place(other[i])}`, other[i]);
    if (!other[i]) return fault(`${place(one[i])} is not in the log any more`, one[i]);
    if (place(one[i]) !== place(other[i])) {
      return fault(`who followed the log got ${place(one[i])}, the log has ${place(other[i])}`, one[i]);
    }
  }
  return [];
}

/** I1, and I4: every answer to one id is the same, for as long as the store has it. */
function checkAnswers(events, stores) {
  const faults = [];
  const first = new Map();
  for (const event of events) {
    if (event.on !== "acked") continue;
    const { who, id, offset } = event;
    const fault = (invariant, text) => faults.push({ invariant, text: `${id} of ${who} ${text}`, ...event });
    const n = stores.of(offset);
    if (n === undefined) {
      fault("I1", `was acknowledged as ${offset}, which is the offset of no store`);
      continue;
    }
    const [told, stored] = [place(event), stores.index(n).withId(id)];
    const before = first.get(id);
    if (!before || !stores.survives(before.position, before.n, n)) {
      first.set(id, { n, position: positionOf(event), told: `${told} ${offset}` });
    } else if (before.told !== `${told} ${offset}`) {
      fault("I4", `was acknowledged as ${before.told}, then as ${told} ${offset}`);
    }
    if (!stored) fault("I1", `was acknowledged as ${told}, and is lost`);
    else if (place(stored) !== told) fault("I1", `was acknowledged as ${told}, and is stored as ${place(stored)}`);
  }
  return faults;
}

/**
 * I3: the broker says why it does not give a session back, and only of what has happened. Whoever tries again before
 * his first attempt was answered contests with himself: that one loses, and nobody is there any more to be told.
 */
function checkRefusals(events, lifetimes) {
  const firstContest = Math.min(...events.filter(({ on }) => on === "contested").map(({ t }) => t));
  const causes = {
    expired: () => true,
    gap: () => true,
    contested: () => true,
    restored: (t) => lifetimes.firstVoid <= t,
    unknown: (t) => lifetimes.firstVoid <= t,
    left: (t) => firstContest <= t, // whoever took it over has ended it
  };
  const isBaseless = ({ on, t, reason }) => on === "refused" && !causes[reason]?.(t);
  return events.filter(isBaseless).map((event) => {
    return { invariant: "I3", text: `the broker gave a session not back, and says: ${event.reason}`, ...event };
  });
}

/** Where a message stands. */
function place({ room, seq, offset }) {
  return `${room} ${seq}, log ${positionOf({ offset })}`;
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
  if (tookMs > allowedMs) fault(`presence differed for ${tookMs} ms, ${allowedMs} are allowed`);
  return faults;
}
