// Which sessions may be lost, and which may come back: the checker of the storm knows it from what has happened, to
// the millisecond, and takes no closeness to a cause for the cause.

import assert from "node:assert/strict";
import { test } from "node:test";

import { check } from "./checker.mjs";

const LIFETIME_MS = 20000;
const KEPT = 3;

/**
 * What the checker finds about ann, who gets a session at once and a sign of life at 1000; then comes what `events` says,
 * [t, on, what]. `storm` happens meanwhile. A room "brief" keeps only its last messages; `said` is when they were
 * published and acknowledged.
 */
function judge(events, { storm = [], said = [], stores } = {}) {
  const as = (who) => ([t, on, what]) => ({ t, who, on, ...what });
  const begin = [[0, "presents"], [10, "connected", { recovered: false }], ...join(20), ...sign(1000)];
  const log = said.map((_, i) => ({ room: "brief", seq: i + 1, id: `m${i + 1}`, offset: `e.${i + 1}` }));
  const published = said.map((t, i) => [t, "publish", log[i]]);
  const acked = said.map((t, i) => [t + 1, "acked", { ...log[i], asked: t }]);
  const { faults, figures } = check({
    log,
    stores: stores ?? [{ epochs: ["e"], keeps: 0, begunAt: 0, kept: log }],
    traces: {
      ann: [...begin, ...events].map(as("ann")),
      bob: [...published, ...acked].map(as("bob")),
      storm: [[-100, "spawned"], ...storm].map(as("storm")),
    },
    census: { truth: {}, told: {}, tookMs: 0, allowedMs: 0 },
    keptOf: (room) => (room === "brief" ? KEPT : Infinity),
    lifetimeMs: LIFETIME_MS,
  });
  return { fresh: figures.fresh, texts: faults.map(({ text }) => text).filter((text) => !text.includes("never saw")) };
}

const join = (t) => [[t, "join", { room: "tea" }], [t + 5, "joined", { room: "tea", seq: 0, asked: t }]];
const sign = (t, answeredAt = t + 5) => [[t, "ask", { id: `ann?${t}` }], [answeredAt, "answered", { id: `ann?${t}`, got: `ann?${t}`, asked: t }]];
const back = (asked, told, recovered) => [[asked, "presents"], [told, "connected", { recovered }]];
const lost = (goneAt, asked, told = asked + 10) => [[goneAt, "dropped"], ...back(asked, told, false)];
const kept = (goneAt, asked, told = asked + 10) => [[goneAt, "dropped"], ...back(asked, told, true)];

const NEEDLESS = ["ann got a fresh session, though its own could be restored"];

function assertFine(events, reason, options) {
  const { texts, fresh } = judge(events, options);
  assert.deepEqual(texts, []);
  if (reason) assert.equal(fresh[reason], 1, JSON.stringify(fresh));
}

function assertNeedless(events, options) {
  assert.deepEqual(judge(events, options).texts, NEEDLESS);
}

/* ---------------------------------------------------------------------------------------------------- expired */

test("a fresh session is right once the lifetime is over since the last sign of the old one, and not before", () => {
  assertFine(lost(1100, 21000, 21010), "expired");
  assertNeedless(lost(1100, 20900, 20910));
});

test("a needless fresh session shortly before the expiry is found", () => {
  for (const early of [100, 1000, 5000, 10000, 15000]) assertNeedless(lost(1100, 21000 - early));
});

test("whatever the broker has answered shows that the session was there, from when it was asked on", () => {
  const answers = [
    [[[9000, "publish", { room: "tea", id: "x" }], [9900, "unacked", { id: "x" }], ...sign(9500)], 9500],
    [[...sign(9000, 9900)], 9000],
    [[[9000, "join", { room: "milk" }], [9900, "joined", { room: "milk", seq: 0, asked: 9000 }]], 9000],
    [[[9000, "leave", { room: "tea" }], [9900, "left", { room: "tea", asked: 9000 }]], 9000],
    [[[9900, "reloaded", { room: "milk", after: 0, upto: 0, messages: [], asked: 9000 }]], 9000],
  ];
  for (const [life, alive] of answers) {
    assertNeedless([...life, ...lost(10000, alive + 19900)], { said: [] });
    assertFine([...life, ...lost(10000, alive + 20000)], undefined, { said: [] });
  }
});

/** ann is in the room that keeps little, and sees its message. */
const sees = (t, seq) => [t, "saw", { room: "brief", seq, id: `m${seq}`, offset: `e.${seq}` }];
const joinBrief = (t, seq) => [[t, "join", { room: "brief" }], [t + 5, "joined", { room: "brief", seq, asked: t }]];

test("a message shows that the session was there when it was published, not when it came out of a stalled connection", () => {
  const events = [...joinBrief(1500, 0), sees(9000, 1)];
  assertNeedless([...events, ...lost(9100, 21900)], { said: [2000] });
  assertFine([...events, ...lost(9100, 22000)], "expired", { said: [2000] });
});

test("who has tried to come back in vain was away all the while", () => {
  assertFine([[1100, "dropped"], [15000, "presents"], [16000, "dropped"], ...back(21000, 21010, false)], "expired");
});

test("who has tried to come back in vain may have had a connection then", () => {
  const tries = [[1100, "dropped"], [20000, "presents"], [21000, "dropped"]];
  assertFine([...tries, ...back(40000, 40010, true)]);
  assertFine([[1100, "dropped"], [20000, "presents"], ...back(40000, 40010, true)]);
  assert.match(judge([...tries, ...back(60000, 60010, true)]).texts.join(), /^ann got a session back that it had left 39/);
});

test("sessions expire by the broker's clock", () => {
  const set = (t, ms, which = 0) => [[t, "jump_clock", { which, ms }], [t + 3, "over", { kind: "jump_clock", which }]];
  const [soon, late] = [lost(1100, 5000), lost(1100, 22000)];
  assertFine(soon, "expired", { storm: set(3000, 17000) });
  assertNeedless(soon, { storm: set(3000, 15000) });
  assertNeedless(soon, { storm: set(3000, 17000, 1) });
  assertFine(late, "expired", { storm: set(500, -10000) });
  assertNeedless(late, { storm: set(3000, -10000) });
});

test("who has expired while the clock was ahead stays so when it is right again", () => {
  const storm = [[3000, "jump_clock", { which: 0, ms: 17000 }], [3001, "over", { kind: "jump_clock", which: 0 }], [4001, "jump_clock", { which: 0, ms: 0 }], [4002, "over", { kind: "jump_clock", which: 0 }]];
  assertFine(lost(1100, 9000), "expired", { storm });
  assertNeedless([...kept(1100, 5000, 5010), ...lost(5100, 9000)], { storm });
});

test("a clock may show either while it is being set", () => {
  const storm = [[900, "jump_clock", { which: 0, ms: 17000 }], [1100, "over", { kind: "jump_clock", which: 0 }]];
  assertFine(lost(1200, 5000), "expired", { storm });
  assertNeedless([...sign(1101), ...lost(1200, 5000)], { storm });
});

test("who was connected when the broker crashed has a lifetime from the next start, by its own clock too", () => {
  const crash = [[2000, "ended"], [2500, "spawned"], [2600, "run", { epoch: "e" }]];
  const behind = [[2700, "jump_clock", { which: 0, ms: -10000 }], [2701, "over", { kind: "jump_clock", which: 0 }]];
  assertFine(lost(1900, 22500), "expired", { storm: [...crash, ...behind] });
  assertNeedless(lost(1900, 22400), { storm: [...crash, ...behind] });
});

test("a session that must have expired may not come back, unless the broker was restarted meanwhile", () => {
  const isLate = /^ann got a session back that it had left 49\d{3} ms ago$/;
  assert.match(judge(kept(1100, 50100)).texts.join(), isLate);
  assertFine(kept(1100, 15000));
  assertFine(kept(1100, 50100), undefined, { storm: [[30000, "ended"], [30100, "spawned"]] });
  const frozen = [[10000, "freeze_gateway", { which: 1 }], [15000, "over", { kind: "freeze_gateway", which: 1 }]];
  assertFine(kept(1100, 46000), undefined, { storm: frozen });
  assert.match(judge(kept(1100, 48100), { storm: frozen }).texts.join(), /^ann got a session back that it had left 47/);
  assertFine(kept(1100, 50100), undefined, { storm: [[2000, "jump_clock", { which: 0, ms: -40000 }], [2001, "over", { kind: "jump_clock", which: 0 }]] });
});

/* ---------------------------------------------------------------------------------------------------- restored */

const RESTORE = [[4000, "ended"], [4100, "went_back"], [4200, "spawned"], [4300, "run", { epoch: "f", keeps: 0 }]];
const STORES = [
  { epochs: ["e"], keeps: 0, begunAt: 0, lostAt: 4000, kept: [] },
  { epochs: ["f"], keeps: 0, begunAt: 4200, kept: [] },
];
const restored = { storm: RESTORE, stores: STORES };

test("a backup that was restored ends the sessions from before it, and no later one", () => {
  assertFine(lost(4001, 4150, 4400), "restored", restored);
  assertFine(lost(4001, 9000), "restored", restored);
  assertNeedless(lost(3000, 3900, 4150), restored);
});

test("a needless fresh session shortly after a restore, or shortly before one, is found", () => {
  const again = lost(4001, 4150, 4400);
  for (const after of [10, 100, 1000, 5000, 10000]) assertNeedless([...again, ...lost(4401, 4401 + after)], restored);
  for (const before of [100, 1000, 2500]) assertNeedless(lost(1100, 4100 - before, 4190 - before), restored);
});

test("a session that was asked for before the restore, and given after it, may be of either store", () => {
  const straddling = lost(3000, 3999, 4400);
  assertFine(straddling, "restored", restored);
  assert.equal(judge([...straddling, ...lost(5000, 6000)], restored).fresh.restored, 2);
});

test("a session from before the restore does not come back", () => {
  assert.deepEqual(judge(kept(3000, 4201), restored).texts, ["ann got a session back that it had before the store went back"]);
  assertFine(kept(3000, 3900, 3990), undefined, { storm: [] });
});

test("a broker that finds out by itself that its store has gone back ends the sessions from before its start", () => {
  const storm = [[4000, "ended"], [4200, "spawned"], [4300, "run", { epoch: "e" }], [5000, "voided"]];
  assertFine(lost(5001, 5002), "restored", { storm });
  assertNeedless(lost(5001, 5002), { storm: storm.slice(0, 3) });
  assert.deepEqual(judge([...kept(4001, 4201), ...lost(5001, 6000)], { storm }).texts, NEEDLESS);
  assert.deepEqual(judge([...sign(4201), ...lost(5001, 6000)], { storm }).texts, NEEDLESS, "attached again by its gateway");
});

/* ---------------------------------------------------------------------------------------------------- a gap */

const MANY = [2000, 3000, 4000, 5000, 6000, 7000];

test("who has missed more of a room than it keeps gets a fresh session, and who has not does not", () => {
  const member = (seen) => [...joinBrief(1500, 0), ...Array.from({ length: seen }, (_, i) => sees(MANY[i] + 10, i + 1))];
  assertFine([...member(2), ...lost(3100, 7100)], "gap", { said: MANY });
  assertNeedless([...member(3), ...lost(4100, 7100)], { said: MANY });
  assertNeedless([...member(2), ...lost(3100, 6900)], { said: MANY });
});

test("what was published, and never seen or acknowledged, may have been stored all the same", () => {
  const events = [...joinBrief(1500, 0), sees(2010, 1), [2500, "publish", { room: "brief", id: "x" }], ...lost(2600, 5100)];
  assertFine(events, "gap", { said: MANY.slice(0, 4) });
  assertNeedless(events.filter(([, on]) => on !== "publish"), { said: MANY.slice(0, 4) });
});

test("who has left such a room, or was never in it, has missed nothing there", () => {
  assertNeedless(lost(1100, 7100), { said: MANY });
  assertNeedless([...joinBrief(1500, 0), [1600, "leave", { room: "brief" }], [1610, "left", { room: "brief", asked: 1600 }], ...lost(1700, 7100)], { said: MANY });
});

test("who does not know where it has joined has missed at most what was not stored before it asked to", () => {
  const asks = (t) => [[t, "join", { room: "brief" }], ...lost(t + 5, 7100)];
  assertFine(asks(3500), "gap", { said: MANY });
  assertNeedless(asks(4500), { said: MANY });
});

test("what the client library kept for itself does not count as received", () => {
  const held = [3010, "saw", { room: "brief", seq: 2, id: "m2", offset: "e.2", held: true }];
  const member = [...joinBrief(1500, 0), sees(2010, 1), held];
  assertFine([...member, ...lost(3100, 6100)], "gap", { said: MANY });
});

/* ---------------------------------------------------------------------------------------------------- a contest */

test("a session that somebody else presents may be lost, once", () => {
  const contest = [[2000, "contested"], [2500, "contest_over", { outcome: "taken" }]];
  assertFine([...contest, ...lost(2600, 2700)], "contested");
  assertNeedless([...contest, ...lost(2600, 2700), ...lost(2800, 2900)]);
});

test("who got a fresh session has not harmed the one that he presented, unless its owner was on his way back", () => {
  const over = [2500, "contest_over", { outcome: "fresh" }];
  assertNeedless([[2000, "contested"], over, ...lost(2600, 2700)]);
  assertFine([[2000, "contested"], [2100, "dropped"], over, ...back(2600, 2700, false)], "contested");
  assertFine([[2000, "contested"], ...kept(2100, 2200, 2300), over, ...lost(2600, 2700)], "contested");
});

test("a contest is over for good when its owner has come back after it", () => {
  const contest = [[2000, "contested"], [2500, "contest_over", { outcome: "taken" }]];
  assertNeedless([...contest, ...kept(2400, 2600), ...lost(2700, 2800)]);
  assertFine([...contest, ...kept(2300, 2400, 2700), ...lost(2710, 2800)], "contested");
});

/* ---------------------------------------------------------------------------------------------------- reasons */

test("the broker may only name a cause that there was", () => {
  const says = (t, reason, events = []) => judge(events, { storm: [...RESTORE, [t, "refused", { reason }]], stores: STORES }).texts;
  const baseless = (reason) => [`the broker gave a session not back, and says: ${reason}`];
  for (const reason of ["restored", "unknown"]) {
    assert.deepEqual(says(4250, reason), []);
    assert.deepEqual(says(4199, reason), baseless(reason));
  }
  assert.deepEqual(says(5000, "left"), baseless("left"));
  assert.deepEqual(says(5000, "left", [[4900, "contested"]]), []);
  for (const reason of ["mismatch", "offset", "corrupt"]) assert.deepEqual(says(5000, reason), baseless(reason));
  for (const reason of ["expired", "gap", "contested"]) assert.deepEqual(says(5000, reason), []);
});
