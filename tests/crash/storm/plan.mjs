// The schedule of a storm: which fault befalls whom, when and for how long. Pure: the seed decides, nothing else, so
// that the same seed and options give the same schedule again.

// What can happen. `on` says to whom; `ms` how long at least and at most; `weight` how often beside the others, or
// `every` that it is each so many-th fault.
export const KINDS = {
  kill_broker: { on: "broker", ms: [0, 800], weight: 5 },
  restart_broker: { on: "broker", ms: [0, 800], weight: 3 },
  freeze_broker: { on: "broker", ms: [200, 3000], weight: 3 },
  die_at_commit: { on: "broker", ms: [0, 800], weight: 3 },
  fail_at_commit: { on: "broker", ms: [0, 800], weight: 2 },
  lose_broker: { on: "broker", ms: [4000, 9000], weight: 1 }, // longer than leases and publishes wait
  lose_broker_for_long: { on: "broker", ms: [45000, 75000], every: 400 },
  back_up_broker: { on: "broker", ms: [0, 0], weight: 2 },
  restore_broker: { on: "broker", ms: [0, 800], weight: 1 },
  fill_pipes: { on: "broker", ms: [500, 5000], weight: 2 },
  kill_gateway: { on: "gateway", ms: [0, 800], weight: 5 },
  drain_gateway: { on: "gateway", ms: [0, 800], weight: 3 },
  roll_gateways: { on: "fleet", ms: [0, 800], weight: 1 },
  freeze_gateway: { on: "gateway", ms: [200, 5000], weight: 4 },
  kill_feeder: { on: "feeder", ms: [0, 500], weight: 3 },
  freeze_feeder: { on: "feeder", ms: [200, 4000], weight: 2 },
  kill_crowd: { on: "crowd", ms: [0, 200], weight: 1 },
  freeze_crowd: { on: "crowd", ms: [500, 6000], weight: 2 },
  kill_everything: { on: "everything", ms: [0, 500], weight: 1 },
  jump_clock: { on: "clock", ms: [-240000, 240000], weight: 4 },
  cut_rovers: { on: "rovers", ms: [0, 0], weight: 5 },
  down_rovers: { on: "rovers", ms: [500, 4000], weight: 3 },
  away_rovers: { on: "rovers", ms: [8000, 30000], weight: 1 }, // some of them for longer than a session lives
  hole_rovers: { on: "rovers", ms: [500, 4000], weight: 4 },
  hole_up_rovers: { on: "rovers", ms: [500, 4000], weight: 3 },
  hole_down_rovers: { on: "rovers", ms: [500, 4000], weight: 3 },
  stall_rovers: { on: "rovers", ms: [500, 6000], weight: 4 },
  twin_rovers: { on: "rovers", ms: [200, 3000], weight: 2 },
  drop_rovers: { on: "rovers", ms: [0, 0], weight: 3 },
  reload_rovers: { on: "rovers", ms: [0, 0], weight: 2 },
  cut_uplink: { on: "uplink", ms: [0, 0], weight: 3 },
  down_uplink: { on: "uplink", ms: [500, 4000], weight: 2 },
  hole_uplink: { on: "uplink", ms: [500, 4000], weight: 3 },
  hole_up_uplink: { on: "uplink", ms: [500, 4000], weight: 2 },
  hole_down_uplink: { on: "uplink", ms: [500, 4000], weight: 2 },
  stall_uplink: { on: "uplink", ms: [200, 5000], weight: 2 },
  cut_feed: { on: "feed", ms: [0, 0], weight: 2 },
  hole_feed: { on: "feed", ms: [500, 4000], weight: 2 },
  flood: { on: "room", ms: [1000, 4000], weight: 3 },
};

const LARGEST_SHARE = 4; // at most one rover in so many is hurt at once

/**
 * A list of {gapMs, kind, which, ms}: `gapMs` after the one before, `which` is an index among those of its kind, or for
 * rovers [crowd, [index]]. `scene` is {gateways, feeders, crowds, crowdSize, rooms}: how many there are of each.
 * `only` names the kinds that may happen (default: all).
 */
export function plan(random, { count, meanGapMs, scene, only = Object.keys(KINDS) }) {
  const ballot = only.flatMap((kind) => Array(KINDS[kind].weight ?? 0).fill(kind));
  const rare = only.filter((kind) => KINDS[kind].every);
  return Array.from({ length: count }, (_, i) => {
    const often = random.pick(ballot);
    const kind = rare.find((one) => (i + 1) % KINDS[one].every === 0) ?? often;
    const { on, ms } = KINDS[kind];
    return {
      gapMs: random.below(2 * meanGapMs),
      kind,
      which: choose(random, on, scene),
      ms: ms[0] + random.below(ms[1] - ms[0] + 1),
    };
  });
}

function choose(random, on, { gateways, feeders, crowds, crowdSize, rooms }) {
  switch (on) {
    case "gateway":
    case "uplink":
      return random.below(gateways);
    case "feeder":
    case "feed":
      return random.below(feeders);
    case "crowd":
    case "everything": // and one crowd
      return random.below(crowds);
    case "room":
      return random.below(rooms);
    case "clock":
      return random.below(gateways + 1); // the broker's, or a gateway's
    case "rovers":
      return [random.below(crowds), some(random, crowdSize)];
    default:
      return 0;
  }
}

/** Some of the numbers below `size`, at least one, in order. */
function some(random, size) {
  const count = 1 + random.below(Math.max(1, Math.floor(size / LARGEST_SHARE)));
  const chosen = new Set();
  while (chosen.size < count) chosen.add(random.below(size));
  return [...chosen].sort((a, b) => a - b);
}
