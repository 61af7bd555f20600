// The schedule of a storm can be repeated, and hits only what is there.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Random } from "../../e2e/support/random.mjs";
import { KINDS, plan } from "./plan.mjs";

const scene = { gateways: 3, feeders: 2, crowds: 4, crowdSize: 50, rooms: 50 };
const schedule = (seed, options = {}) => plan(new Random(seed), { count: 2000, meanGapMs: 500, scene, ...options });

test("the same seed gives the same schedule, another seed another one", () => {
  assert.deepEqual(schedule(1), schedule(1));
  assert.notDeepEqual(schedule(1), schedule(2));
});

test("a longer storm begins like a shorter one", () => {
  assert.deepEqual(schedule(3, { count: 100 }), schedule(3).slice(0, 100));
});

test("every kind happens, to somebody who is there, for as long as it may", () => {
  const counts = { gateway: 3, uplink: 3, feeder: 2, feed: 2, crowd: 4, room: 50, clock: 4, broker: 1, everything: 4, fleet: 1 };
  const seen = new Set();
  for (const { kind, which, ms, gapMs } of schedule(4)) {
    const { on, ms: [least, most] } = KINDS[kind];
    seen.add(kind);
    assert.ok(ms >= least && ms <= most && gapMs >= 0 && gapMs < 1000, kind);
    if (on !== "rovers") {
      assert.ok(which >= 0 && which < counts[on], kind);
      continue;
    }
    const [crowd, rovers] = which;
    assert.ok(crowd >= 0 && crowd < 4 && rovers.length > 0 && rovers.length <= 50 / 4, kind);
    assert.ok(rovers.every((rover) => rover >= 0 && rover < 50) && new Set(rovers).size === rovers.length, kind);
  }
  assert.deepEqual([...seen].sort(), Object.keys(KINDS).sort());
});

test("the rarest kinds come at their own times", () => {
  const long = schedule(6).flatMap(({ kind }, i) => (kind === "lose_broker_for_long" ? [i + 1] : []));
  assert.deepEqual(long, [400, 800, 1200, 1600, 2000]);
});

test("only what is asked for happens", () => {
  const kinds = new Set(schedule(5, { only: ["cut_rovers", "kill_broker"] }).map(({ kind }) => kind));
  assert.deepEqual([...kinds].sort(), ["cut_rovers", "kill_broker"]);
});
