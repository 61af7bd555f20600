// Which sessions the broker may, or must, have given up, judged from what the storm did. Pure.
//
//   run {epoch, keeps?}, voided   a run of the broker has begun, on a restored backup if `keeps` is there; all sessions
//                                 from before it are void (broker.mjs)
//   jump_clock {which, ms}        which === 0: from now on the broker's clock is so far ahead

const VOID_MS = 15000; // so long after it, or before it is noted, one may learn that his session is void
// A connection's end is noted up to so much later than the broker took it for ended, …
const EARLIER_MS = 8000;
// … and up to so much sooner, and a session was judged up to so much before its owner learns it: both together.
const SOONER_MS = 12000;

export class Lifetimes {
  #lifetimeMs;
  #runs;
  #voids;
  #jumps;

  /** `events` are the storm's. */
  constructor(events, lifetimeMs = Infinity) {
    this.#lifetimeMs = lifetimeMs;
    this.#runs = events.filter(({ on }) => on === "run").map(({ t }) => t);
    this.#voids = events.filter(({ on, keeps }) => on === "voided" || keeps !== undefined).map(({ t }) => t);
    this.#jumps = events.filter(({ on, which }) => on === "jump_clock" && which === 0);
  }

  /** Whether a session that stood at `since` may have been void at `t`. */
  mayBeVoid(since, t) {
    return this.#voids.some((at) => at >= since - VOID_MS && at <= t + VOID_MS);
  }

  /** Whether one that had no connection from `gone` on may have expired until `back`. */
  mayBeExpired(gone, back) {
    const ahead = Math.max(...this.#aheads(back - SOONER_MS, back)) - Math.min(...this.#aheads(gone - EARLIER_MS, gone + SOONER_MS));
    return back - gone + EARLIER_MS + ahead > this.#lifetimeMs;
  }

  /** Whether it must have. After a crash of the broker, a session's time begins anew. */
  mustBeExpired(gone, back) {
    if (this.#runs.some((t) => t > gone - EARLIER_MS && t < back)) return false;
    const ahead = Math.min(...this.#aheads(back - SOONER_MS, back)) - Math.max(...this.#aheads(gone - EARLIER_MS, gone + SOONER_MS));
    return back - gone - SOONER_MS + ahead > this.#lifetimeMs;
  }

  /** How far ahead the broker's clock was at any time between. */
  #aheads(from, to) {
    const before = this.#jumps.findLast(({ t }) => t <= from);
    const between = this.#jumps.filter(({ t }) => t > from && t <= to);
    return [before?.ms ?? 0, ...between.map(({ ms }) => ms)];
  }
}
