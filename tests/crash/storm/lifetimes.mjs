// Which sessions the broker may, or must, have given up, judged from what the storm did. Pure.
//
//   spawned, ended              a run of the broker is about to begin; it is over: noted before the one, after the other
//   went_back                   between two runs: the store is that of a backup, all sessions from before it are void
//   voided                      the same, but a run has found out: sessions from before that run are void
//   jump_clock {which, ms},     which === 0: the broker's clock is about to be set so far ahead,
//   over {kind, which}          kind === "jump_clock": and has been
//
// No time is allowed for anybody's slowness: whatever happened is known to lie between two moments that were noted, and
// a session may be gone when it may be for any choice of moments between. Only how long the broker may believe in
// a connection that is none cannot be seen from outside (NOTICE_MS): that decides when a session must be gone.

// All notes are of the machine's monotonic clock, sessions expire by the broker's wall clock, in whole ms: what the
// latter may be off within a lifetime when it is slewed.
const SLEW_MS = 20;

// From when a client has noticed that its connection is lost: its gateway's pings fail (4 s), or a lease ends (2 s), and as
// much again for a busy machine. Not counted while something else was wrong between the client's gateway and the broker.
const NOTICE_MS = 12000;
const HINDRANCES = /^freeze_(broker|gateway)$|_uplink$/;

export class Lifetimes {
  #lifetimeMs;
  #spawns;
  #voids; // {endedAt, begunAt, isKnown} the end of the last run whose sessions are void, the begin of the first one without
  #hindrances; // {from, to}
  #clock; // {from, to, ms} so far ahead it may have been; two of them overlap while it was being set

  /** `events` are the storm's, in their order. */
  constructor(events, lifetimeMs = Infinity) {
    this.#lifetimeMs = lifetimeMs;
    this.#spawns = events.filter(({ on }) => on === "spawned").map(({ t }) => t);
    this.#voids = events.flatMap(({ on }, i) => (on === "went_back" || on === "voided" ? [voidAt(events, i)] : []));
    this.#hindrances = events.flatMap(({ on, t }, i) => {
      return HINDRANCES.test(on) ? [{ from: t, to: overAt(events, i) ?? Infinity }] : [];
    });
    this.#clock = clockOf(events);
  }

  /** Before this no session was void. */
  get firstVoid() {
    return Math.min(...this.#voids.map(({ begunAt }) => begunAt));
  }

  /** Whether the broker may, at some time up to `told`, have found a session void that had a connection at `alive` or later. */
  mayBeVoid(alive, told) {
    return this.#voids.some(({ endedAt, begunAt }) => alive <= endedAt && told >= begunAt);
  }

  /** Whether one that it gave before `told` must have been void when it was presented at `asked` or later. */
  mustBeVoid(told, asked) {
    return this.#voids.some(({ endedAt, begunAt, isKnown }) => isKnown && told <= endedAt && asked >= begunAt);
  }

  /** Whether a session that stood at `alive`, or later, may have expired at some time until `told`. */
  mayBeExpired(alive, told) {
    // Who was connected when the broker crashed has until the next run has been there for a lifetime, by any clock.
    const unseen = this.#spawns.filter((t) => t >= alive && t <= told).map((t) => told - t);
    const away = this.#spans(alive, told).map(([from, to]) => end(to, told) - begin(from, alive));
    return Math.max(...unseen, ...away) + SLEW_MS > this.#lifetimeMs;
  }

  /**
   * Whether one that stood at `alive`, and whose connection was lost at `gone`, must have expired when it was presented
   * between `asked` and `told`. After a crash of the broker, a session's time begins anew.
   */
  mustBeExpired({ alive, gone, asked, told }) {
    if (this.#spawns.some((t) => t >= alive && t <= told)) return false;
    const noticed = this.#noticedAt(gone);
    if (noticed >= asked) return false;
    const shortest = ([from, to]) => begin(to, asked) - end(from, noticed);
    const spans = this.#spans(alive, told).filter(([from, to]) => from.from <= noticed && to.to >= asked);
    return spans.length > 0 && Math.min(...spans.map(shortest)) - SLEW_MS > this.#lifetimeMs;
  }

  /** When the broker knew at the latest. */
  #noticedAt(gone) {
    const hindrance = this.#hindrances.find(({ from, to }) => from < gone + NOTICE_MS && to > gone);
    return hindrance ? this.#noticedAt(hindrance.to) : gone + NOTICE_MS;
  }

  /** All pairs of times of the clock, one before the other, that lie between. */
  #spans(from, to) {
    const times = this.#clock.filter((time) => time.to >= from && time.from <= to);
    return times.flatMap((one, i) => times.slice(i).map((other) => [one, other]));
  }
}

/** By the clock: the first and the last moment that lie in that time of it, and not before or behind another one. */
const begin = (time, notBefore) => Math.max(time.from, notBefore) + time.ms;
const end = (time, notAfter) => Math.min(time.to, notAfter) + time.ms;

function voidAt(events, at) {
  const isKnown = events[at].on === "went_back";
  const next = events.findIndex(({ on }, i) => i > at && on === "spawned");
  const present = events.findLastIndex(({ on }, i) => i < at && on === "spawned");
  const found = isKnown ? next : present;
  const run = found < 0 ? events.length : found;
  const endedAt = events.findLast(({ on }, i) => i < run && on === "ended")?.t ?? -Infinity;
  return { endedAt, begunAt: events[run]?.t ?? Infinity, isKnown };
}

/** When the fault with that number was over; undefined: that is not known. */
function overAt(events, at) {
  const { on: kind, which } = events[at];
  return events.find((event, i) => i > at && event.on === "over" && event.kind === kind && event.which === which)?.t;
}

function clockOf(events) {
  const times = [{ from: -Infinity, to: Infinity, ms: 0 }];
  events.forEach(({ on, which, ms, t }, i) => {
    if (on !== "jump_clock" || which !== 0) return;
    times.at(-1).to = overAt(events, i) ?? t;
    times.push({ from: t, to: Infinity, ms });
  });
  return times;
}
