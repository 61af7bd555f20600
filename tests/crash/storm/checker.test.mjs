// The checker of the storm finds each kind of planted fault in a recorded storm, and nothing where there is none.

import assert from "node:assert/strict";
import { test } from "node:test";

import { check } from "./checker.mjs";
import { record } from "./recording.mjs";

const SEED = 7;

/** What the checker finds after `plant` has changed a faultless recording. */
function planted(plant) {
  const observation = record(SEED);
  plant(observation);
  return check(observation).faults;
}

const indexOf = (trace, on, from = 0) => trace.findIndex((event, i) => i >= from && event.on === on);
/** The first reader's trace, and the place of a message in it behind which more of the same room come. */
function middle({ traces }) {
  const trace = traces.ann;
  const at = trace.findIndex(({ on, room }, i) => on === "saw" && trace.slice(i + 1).some((e) => e.on === "saw" && e.room === room));
  return { trace, at };
}

test("a faultless storm passes, and its figures are told", () => {
  const { faults, figures } = check(record(SEED));
  assert.deepEqual(faults, []);
  for (const name of ["stored", "acknowledged", "seen", "reconnects", "reloads"]) assert.ok(figures[name] > 0, name);
});

test("every seed records a faultless storm", () => {
  for (let seed = 1; seed <= 50; seed++) assert.deepEqual(check(record(seed)).faults, [], `seed ${seed}`);
});

const PLANTED = {
  "a message dropped for one reader": [
    (storm) => {
      const { trace, at } = middle(storm);
      trace.splice(at, 1);
    },
    "I3",
    /ann saw .* and missed/,
  ],
  "the last message dropped for one reader": [
    ({ traces: { ann } }) => ann.splice(ann.findLastIndex(({ on }) => on === "saw"), 1),
    "I3",
    /ann never saw/,
  ],
  "a message doubled at once": [
    (storm) => {
      const { trace, at } = middle(storm);
      trace.splice(at, 0, { ...trace[at] });
    },
    "I3",
    /ann saw .* again, or late/,
  ],
  "a message doubled after a reconnect": [
    ({ traces: { ann } }) => {
      const [before, back] = [indexOf(ann, "saw"), ann.findIndex((e) => e.on === "connected" && e.recovered)];
      ann.splice(back + 1, 0, { ...ann[before] });
    },
    "I3",
    /ann saw .* again, or late/,
  ],
  "two messages of a room swapped": [
    (storm) => {
      const { trace, at } = middle(storm);
      const next = trace.findIndex((e, i) => i > at && e.on === "saw" && e.room === trace[at].room);
      [trace[at], trace[next]] = [trace[next], trace[at]];
    },
    "I3",
    /ann saw .* and missed/,
  ],
  "two messages of different rooms swapped": [
    ({ traces: { ann } }) => {
      const at = ann.findIndex(
        (e, i) => e.on === "saw" && ann[i + 1]?.on === "saw" && e.room !== ann[i + 1].room,
      );
      [ann[at], ann[at + 1]] = [ann[at + 1], ann[at]];
    },
    "I2",
    /ann saw .* after a later message/,
  ],
  "a pending message that is shown twice": [
    ({ traces: { ann } }) => {
      const at = indexOf(ann, "glimpsed");
      ann.splice(at, 0, { ...ann[at] });
    },
    "I3",
    /ann was shown .* as pending twice/,
  ],
  "a pending message without an end": [
    ({ traces: { ann } }) => {
      ann.push({ ...ann.find(({ on }) => on === "glimpsed"), id: "nothing" });
    },
    "I3",
    /ann was shown nothing as pending, and never its end/,
  ],
  "a pending message that is shown after it was seen": [
    ({ traces: { ann } }) => {
      const at = indexOf(ann, "glimpsed");
      ann.splice(at + 2, 0, { ...ann[at] });
    },
    "I3",
    /which it has seen already/,
  ],
  "an end of what was not pending": [
    ({ traces: { ann } }) => ann.splice(indexOf(ann, "glimpsed"), 1),
    "I3",
    /is stored, which was not pending/,
  ],
  "a failure of what was not pending": [
    ({ traces: { ann } }) => ann.push({ ...ann[indexOf(ann, "saw")], on: "failed" }),
    "I3",
    /has failed, which was not pending/,
  ],
  "a session said to be recovered that was not: its messages are missing": [
    ({ traces: { ann } }) => {
      const at = ann.findIndex((e) => e.on === "connected" && e.recovered);
      const room = ann.slice(at).find((e) => e.on === "saw")?.room;
      const lost = ann.findIndex((e, i) => i > at && e.on === "saw" && e.room === room);
      ann.splice(lost, 1);
    },
    "I3",
    /ann (saw .* and missed|never saw)/,
  ],
  "a fresh session said to be recovered: nothing comes any more": [
    ({ traces }) => {
      const at = traces.ann.findLastIndex((e) => e.on === "connected" && e.recovered);
      traces.ann = traces.ann.filter((e, i) => i <= at || e.on !== "saw");
    },
    "I3",
    /ann never saw/,
  ],
  "a session that could be restored and was not": [
    ({ traces: { ann } }) => {
      const at = ann.findIndex((e) => e.on === "connected" && e.recovered);
      ann[at] = { ...ann[at], recovered: false };
    },
    "I3",
    /ann got a fresh session/,
  ],
  "a message of a room that was left": [
    ({ traces: { ann } }) => {
      const at = indexOf(ann, "left");
      const { room } = ann[at];
      const seen = ann.find((e) => e.on === "saw" && e.room === room);
      ann.splice(at + 1, 0, { ...seen });
    },
    "I3",
    /a room that it is not in/,
  ],
  "an acknowledged message that is lost": [
    ({ log, stores: [{ kept }], traces }) => {
      const lost = log.findLastIndex(({ id, room }) => room !== "milk" && Object.values(traces).some((t) => t.some((e) => e.on === "acked" && e.id === id)));
      const [{ room, seq, id }] = log.splice(lost, 1);
      for (const [name, trace] of Object.entries(traces)) {
        traces[name] = trace.filter((e) => !(e.on === "saw" && e.id === id));
      }
      for (const message of log) if (message.room === room && message.seq > seq) message.seq--;
      kept.splice(0, kept.length, ...structuredClone(log));
    },
    "I1",
    /was acknowledged as .*, and is lost/,
  ],
  "an acknowledgement with another seq": [
    ({ traces: { bob } }) => bob[indexOf(bob, "acked")].seq++,
    "I1",
    /was acknowledged as .*, and is stored as/,
  ],
  "a repeated id that got another answer": [
    ({ traces: { bob } }) => {
      const at = indexOf(bob, "acked");
      bob.push({ ...bob[at], offset: `other.${bob[at].offset.split(".")[1]}` });
    },
    "I4",
    /was acknowledged as .*, then as/,
  ],
  "a repeated id that was stored twice": [
    ({ log }) => {
      const last = log.at(-1);
      log.push({ ...last, seq: last.seq + 1 });
    },
    "I4",
    /is stored twice/,
  ],
  "a message that nobody has published": [
    ({ log }) => log.push({ ...log.at(-1), seq: log.at(-1).seq + 1, id: "phantom" }),
    "I2",
    /phantom, which nobody has published/,
  ],
  "a message that whoever followed the log did not get": [
    ({ log, traces }) => {
      const [{ id }] = log.splice(log.findLastIndex(({ room }) => room === "tea"), 1);
      for (const name of Object.keys(traces)) traces[name] = traces[name].filter((e) => e.id !== id);
    },
    "I2",
    /who followed the log never got/,
  ],
  "a message that is in the log no more": [({ stores: [{ kept }] }) => kept.pop(), "I2", /is not in the log any more/],
  "two messages that whoever followed the log got the other way round": [
    ({ stores: [{ kept }] }) => {
      const [one, other] = kept.flatMap(({ room }, i) => (room === "milk" ? [] : [i]));
      [kept[one], kept[other]] = [kept[other], kept[one]];
    },
    "I2",
    /who followed the log got/,
  ],
  "a hole in a room's seq": [
    ({ log }) => {
      const { room } = log[0];
      for (const message of log) if (message.room === room && message.seq > 1) message.seq++;
    },
    "I2",
    /seq 3 stands in the log where 2 was next/,
  ],
  "another message under a seq": [
    ({ traces: { ann } }) => (ann[indexOf(ann, "saw")].id = "other"),
    "I2",
    /ann saw other as/,
  ],
  "other data under an id": [
    ({ traces: { ann } }) => ann.push({ ...ann[indexOf(ann, "saw")], on: "garbled" }),
    "I2",
    /ann got other data/,
  ],
  "a page of the history that lacks a message": [
    ({ traces: { cleo } }) => cleo.find(({ on, room }) => on === "reloaded" && room !== "milk").messages.shift(),
    "I2",
    /cleo (read .* was next|did not find .*) in the history/,
  ],
  "a socket that the broker does not know": [
    ({ census }) => delete census.told["socket sid of ann"],
    "I5",
    /socket sid of ann is there, and the broker does not know it/,
  ],
  "a socket that is gone and still told of": [
    ({ census }) => (census.told["socket ghost"] = "tea"),
    "I5",
    /socket ghost is gone/,
  ],
  "a socket in the wrong rooms": [
    ({ census }) => (census.told["socket sid of ann"] += " cellar"),
    "I5",
    /socket sid of ann: there is .* the broker says ".*cellar"/,
  ],
  "a user too many in a room": [
    ({ census }) => (census.told["room tea"] += ", ghost 1"),
    "I5",
    /room tea: there is .* the broker says ".*, ghost 1"/,
  ],
  "a user with a socket too many": [
    ({ census: { told } }) => (told["room tea"] = told["room tea"].replace(/1$/, "2")),
    "I5",
    /room tea: there is .* 1", the broker says ".* 2"/,
  ],
  "an answer to another question": [
    ({ traces: { bob } }) => (bob[indexOf(bob, "answered")].got = "bob.0?999"),
    "I6",
    /bob asked .*, and got the answer to bob.0\?999/,
  ],
  "a question that is shown twice as if it were new": [
    ({ traces: { feeder } }) => feeder.push({ ...feeder[indexOf(feeder, "served")], start: 2, repeated: false }),
    "I6",
    /as if it were new/,
  ],
  "questions of one socket out of order": [
    ({ traces: { feeder } }) => {
      const at = indexOf(feeder, "served");
      const { sid } = feeder[at];
      const next = feeder.findIndex((e, i) => i > at && e.on === "served" && e.sid === sid && !e.repeated && e.id !== feeder[at].id);
      [feeder[at].id, feeder[next].id] = [feeder[next].id, feeder[at].id];
    },
    "I6",
    /after a later question/,
  ],
  "a question that nobody has asked": [
    ({ traces: { ann } }) => ann.splice(indexOf(ann, "ask"), 1),
    "I6",
    /which nobody has asked/,
  ],
  "presence that took too long": [({ census }) => (census.tookMs = census.allowedMs + 1), "I5", /differed for/],
};

for (const [what, [plant, invariant, sentence]] of Object.entries(PLANTED)) {
  test(`${what} is found`, () => {
    const faults = planted(plant);
    const found = faults.some((fault) => fault.invariant === invariant && sentence.test(fault.text));
    assert.ok(found, `${invariant} ${sentence} among ${JSON.stringify(faults.map(({ text }) => text))}`);
  });
}

test("a store that has gone back is no broken promise, over every seed", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const { faults, figures } = check(record(seed, { goesBack: true }));
    assert.deepEqual(faults, [], `seed ${seed}`);
    assert.ok(figures.lost > 0 && figures.fresh.restored === 3, `seed ${seed}`);
  }
});

/** Where the store goes back in a trace, whose owner then gets a fresh session. */
const theReturn = (trace, { t }) => trace.findIndex((e) => e.on === "connected" && !e.recovered && e.t >= t);
const theLoss = ({ traces: { storm } }) => storm.find(({ keeps }) => keeps !== undefined);

const PLANTED_WHERE_THE_STORE_GOES_BACK = {
  "a client that is not told, and goes on": [
    (storm) => {
      const { ann } = storm.traces;
      ann[theReturn(ann, theLoss(storm))].recovered = true;
    },
    "I3",
    /ann saw .* in the session that it had before the store went back/,
  ],
  "a client that is left in silence": [
    (storm) => {
      const { ann } = storm.traces;
      const back = theReturn(ann, theLoss(storm));
      const dropped = ann.findLastIndex(({ on }, i) => i < back && on === "dropped");
      ann.splice(dropped);
    },
    "I3",
    /ann (never saw|waits for)/,
  ],
  "an acknowledged publish from before the backup that is lost": [
    ({ stores, log, traces }) => {
      const { keeps } = stores[1];
      const { id } = stores[1].kept.find(({ room, offset }) => room === "tea" && parseInt(offset.split(".")[1], 36) <= keeps);
      stores[1].kept = stores[1].kept.filter((message) => message.id !== id);
      log.splice(log.findLastIndex((message) => message.id === id), 1);
      for (const name of Object.keys(traces)) traces[name] = traces[name].filter((e) => e.on !== "saw" || e.id !== id);
    },
    "I1",
    /is not in the backup/,
  ],
  "an acknowledged publish that was lost before the store was": [
    ({ stores: [{ kept }, { keeps }], log }) => {
      const at = kept.findLastIndex(({ room, offset }) => room !== "milk" && parseInt(offset.split(".")[1], 36) > keeps);
      const [{ id }] = kept.splice(at, 1);
      log.splice(log.findIndex((message) => message.id === id), 1);
    },
    "I1",
    /was acknowledged as .*, and is lost/,
  ],
  "an acknowledged publish that is lost after the backup was restored": [
    ({ stores: [, { kept, keeps }], log }) => {
      const at = kept.findLastIndex(({ room, offset }) => room !== "milk" && parseInt(offset.split(".")[1], 36) > keeps);
      const [{ id }] = kept.splice(at, 1);
      log.splice(log.findLastIndex((message) => message.id === id), 1);
    },
    "I1",
    /was acknowledged as .*, and is lost/,
  ],
  "a repeated id from before the backup that is stored anew": [
    ({ stores: [, { kept, keeps }] }) => {
      const { room, id } = kept.find(({ offset }) => parseInt(offset.split(".")[1], 36) <= keeps);
      const last = kept.findLast((message) => message.room === room);
      kept.push({ ...last, id, seq: last.seq + 1, offset: "two.zz" });
    },
    "I4",
    /is stored twice/,
  ],
  "whoever followed the log, and was not told": [
    ({ log, stores: [, { keeps }] }) => {
      const isBefore = ({ by, offset }) => by === 1 && parseInt(offset.split(".")[1], 36) <= keeps;
      log.splice(0, log.length, ...log.filter((message) => !isBefore(message)));
      for (const message of log) message.by = 0;
    },
    "I3",
    /who followed the log went on with .*, though the store has gone back/,
  ],
  "a message of the lost store in the one after it": [
    ({ traces: { ann }, stores: [{ kept }] }) => {
      const lost = ({ room, seq, offset }) => offset.startsWith("two.") && kept.find((e) => e.room === room && e.seq === seq);
      const at = ann.findLastIndex((e) => e.on === "saw" && lost(e) && lost(e).id !== e.id);
      ann[at].id = lost(ann[at]).id;
    },
    "I2",
    /ann saw .* where the log has/,
  ],
  "a message that is seen again after the store went back": [
    (storm) => {
      const { ann } = storm.traces;
      const at = ann.findIndex((e, i) => i > theReturn(ann, theLoss(storm)) && e.on === "saw");
      ann.splice(at, 0, { ...ann[at] });
    },
    "I3",
    /ann saw .* again, or late/,
  ],
};

for (const [what, [plant, invariant, sentence]] of Object.entries(PLANTED_WHERE_THE_STORE_GOES_BACK)) {
  test(`where the store goes back, ${what} is found`, () => {
    const storm = record(SEED, { goesBack: true });
    plant(storm);
    const { faults } = check(storm);
    const found = faults.some((fault) => fault.invariant === invariant && sentence.test(fault.text));
    assert.ok(found, `${invariant} ${sentence} among ${JSON.stringify(faults.map(({ text }) => text))}`);
  });
}

test("an event that the client library kept for itself, and got again, is not held against the broker", () => {
  const storm = record(SEED);
  const { ann } = storm.traces;
  const at = ann.findIndex((e, i) => e.on === "dropped" && ann[i + 3]?.on === "saw");
  ann.splice(at + 1, 0, { ...ann[at + 3], held: true });
  const { faults, figures } = check(storm);
  assert.deepEqual(faults, []);
  assert.equal(figures.heldTwice, 1);
});

test("nothing is expected of whoever was killed", () => {
  const storm = record(SEED);
  const { ann, feeder } = storm.traces;
  const never = new Set(ann.splice(Math.floor(ann.length / 2)).map(({ id }) => id));
  ann.push({ t: 0, who: "ann", on: "died" });
  storm.traces.feeder = feeder.filter(({ on, id }) => on !== "served" || !never.has(id));
  assert.deepEqual(check(storm).faults, []);
});
