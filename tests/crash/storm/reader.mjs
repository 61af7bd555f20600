// The model of one reader: what it may see next in each room, from its join on. Pure.
//
// Its trace is a list of events in their order, of which these matter here:
//   join {room}, joined {room, seq}        asked to join; the answer, with the room's highest seq at the join
//   leave {room}, left {room}              the same for leaving
//   saw {room, seq, id, confirmed?, held?} a message, or that a pending one is stored; `held`: it came out of the client
//                                          library's own buffer, which does not count it among what it has got
//   glimpsed {room, id, held?}             a message of an optimistic room, which is pending
//   failed {room, id}                      a pending one never was
//   presents                               it is about to ask for a session, or for its own
//   connected {recovered}, dropped         a session stands (restored or fresh), is cut
//   contested, contest_over {outcome}      somebody else presents its session: it may lose it, once; in the end he has
//                                          "taken" it, or got a "fresh" one, or it is "unknown"
//   reborn                                 the user reloads the page: a new client that remembers nothing
//   died                                   the client's process was killed; nothing is expected any more
//   reloaded {room, after, upto, messages} a page of the history, [[seq, id]], read after a fresh session
//
// What is answered by the broker (joined, left, reloaded, acked, answered) carries `asked`: when it was asked for.
//
// A room is out, joining (asked, unanswered: its messages may begin), in, or leaving (they may end). Within one life
// nothing is seen twice, whatever the sessions, unless the store has gone back to a backup: that ends all sessions, and no
// session may go on in the store that comes after. What is pending is shown once and gets one end, unless the connection or
// the membership ends before.
//
// For a session that is not given back there must be a cause. When it was that the broker judged is not known, nor
// when it last knew of a connection; but both lie between moments that are: the session was there when something was
// asked that the broker then answered, and when a message was published that came; and it was given, or not, between
// `presents` and `connected`. What is possible at no moment between is a fault, however small the difference.

/** What is known of one room. `next` is 0 while any message may be the first one. */
class Membership {
  state = "out";
  next = 0;
  last = 0;
  sure = 0; // up to here nothing can be missed

  /** The sentence that says what is wrong with seeing `seq` now, or null. */
  see(seq) {
    if (this.state === "out") return "of a room that it is not in";
    if (seq <= this.last || (this.next > 0 && seq < this.next)) {
      return `again, or late: ${this.next || this.last + 1} was next`;
    }
    const isGap = this.next > 0 && seq > this.next;
    const missed = isGap ? `and missed ${this.next} to ${seq - 1}` : null;
    this.last = seq;
    this.next = seq + 1;
    return missed;
  }

  /** `head` is where the room was at least. */
  join(head) {
    if (this.state === "out") {
      this.next = 0;
      this.sure = head;
    }
    this.state = "joining";
  }

  joined(seq) {
    if (this.next === 0) {
      this.next = seq + 1;
      this.sure = seq;
    }
    this.state = "in";
  }

  /** The session is another one: nothing of the old one is owed. */
  forget() {
    this.state = "out";
    this.next = 0;
  }
}

export class Reader {
  /** Of a room `keptOf(room)` messages are kept; when what was missed is gone, it is told so. */
  constructor(name, { stores, lifetimes, keptOf }) {
    this.name = name;
    Object.assign(this, { stores, lifetimes, keptOf });
    this.faults = [];
    this.isOver = false;
    this.heldTwice = 0;
    /** How often it got its session back, and why it did not. */
    this.recovered = 0;
    this.fresh = { restored: 0, expired: 0, contested: 0, gap: 0 };
    this.#begin();
  }

  #rooms;
  #hasSession;
  #contest; // {since, overAt}: somebody else presents, or has presented, its session; or null
  #place;
  #held;
  #pending; // id → the event that showed it
  #shown; // ids that were seen with their seq
  #store; // of what this session has seen; undefined: nothing yet
  #presentedAt; // when it asked for the session last
  #toldAt; // and that it was given, or given back
  #aliveAt; // the session had a connection then, or later
  #droppedAt; // when it lost its connection; null: it has one
  #triedAt; // and when it has last tried in vain to come back: the broker may have let it in

  #begin() {
    this.#rooms = new Map();
    this.#hasSession = false;
    this.#contest = null;
    this.#place = -1;
    this.#held = new Set();
    this.#pending = new Map();
    this.#shown = new Set();
    this.#store = undefined;
    this.#presentedAt = 0;
    this.#toldAt = 0;
    this.#aliveAt = 0;
    this.#droppedAt = null;
    this.#triedAt = 0;
  }

  take(event) {
    if (event.asked !== undefined) this.#live(event.asked);
    this[event.on]?.(event);
  }

  join({ t, room }) {
    this.#room(room).join(this.#isKept(room) ? 0 : this.stores.leastHead(room, t));
  }

  joined({ room, seq }) {
    this.#room(room).joined(seq);
  }

  leave({ room }) {
    this.#room(room).state = "leaving";
  }

  left({ room }) {
    this.#room(room).forget();
    for (const [id, event] of this.#pending) if (event.room === room) this.#pending.delete(id);
  }

  presents({ t }) {
    this.#triedAt = Math.max(this.#triedAt, this.#presentedAt);
    this.#presentedAt = t;
  }

  connected({ t, recovered }) {
    const given = { asked: this.#presentedAt, told: t };
    if (recovered) this.#comeBack(given);
    else this.#beginAnew(given);
    this.#toldAt = given.told;
    this.#live(given.asked); // whatever ended sessions before did not end this one
    this.#droppedAt = null;
  }

  #comeBack({ asked, told }) {
    const [alive, gone] = [this.#aliveAt, Math.max(this.#droppedAt ?? told, this.#triedAt)];
    this.recovered++;
    if (this.lifetimes.mustBeExpired({ alive, gone, asked, told })) {
      this.#fault("I3", `got a session back that it had left ${Math.round(told - gone)} ms ago`, { t: told });
    }
    if (this.lifetimes.mustBeVoid(this.#toldAt, asked)) {
      this.#fault("I3", "got a session back that it had before the store went back", { t: told });
    }
    if (asked >= this.#contest?.overAt) this.#contest = null;
  }

  #beginAnew(given) {
    if (this.#hasSession) this.#replace(given);
    this.#hasSession = true;
    this.#contest = null;
    this.#aliveAt = 0;
    this.#store = undefined;
    for (const room of this.#rooms.values()) room.forget();
  }

  contested({ t }) {
    this.#contest = { since: t, overAt: Infinity };
  }

  /** Who got a fresh session has not touched this one, unless its owner was just coming back himself. */
  contest_over({ t, outcome }) {
    if (!this.#contest) return;
    this.#contest.overAt = t;
    const isAway = this.#droppedAt !== null || this.#presentedAt >= this.#contest.since;
    if (outcome === "fresh" && !isAway) this.#contest = null;
  }

  /** The client library says so of each attempt to come back, too. */
  dropped({ t }) {
    this.#droppedAt ??= t;
    this.#triedAt = t;
    this.#pending.clear();
  }

  reborn() {
    this.#begin();
  }

  died() {
    this.isOver = true;
  }

  glimpsed(event) {
    const { room, id, held } = event;
    if (held) return; // of a connection that is gone
    if (this.#room(room).state === "out") this.#fault("I3", `was shown ${id}, pending in a room that it is not in`, event);
    else if (this.#pending.has(id)) this.#fault("I3", `was shown ${id} as pending twice`, event);
    else if (this.#shown.has(id)) this.#fault("I3", `was shown ${id} as pending, which it has seen already`, event);
    this.#pending.set(id, event);
  }

  failed(event) {
    const { id, held } = event;
    if (!this.#pending.delete(id) && !held) this.#fault("I3", `was told that ${id} has failed, which was not pending`, event);
  }

  saw(event) {
    const { room, seq, id, confirmed, held, offset } = event;
    const store = this.stores.of(offset);
    const stored = store === undefined ? undefined : this.stores.index(store).at(room, seq);
    if (stored?.id !== id) {
      this.#fault("I2", `saw ${id} as ${room} ${seq}, where the log has ${stored?.id}`, event);
      return;
    }
    if (!this.#pending.delete(id) && confirmed && !held) {
      this.#fault("I3", `was told that ${id} is stored, which was not pending`, event);
    }
    this.#live(this.stores.publishedAt(id));
    this.#enter(store, event);
    this.#shown.add(id);
    if (!held) this.#room(room).sure = Math.max(this.#room(room).sure, seq);
    if (this.#isHeldTwice(event)) return;
    if (held) this.#held.add(id);
    const wrong = this.#room(room).see(seq);
    if (wrong) this.#fault("I3", `saw ${room} ${seq} (${id}) ${wrong}`, event);
    else if (stored.place < this.#place) this.#fault("I2", `saw ${room} ${seq} (${id}) after a later message`, event);
    this.#place = Math.max(this.#place, stored.place);
  }

  reloaded(event) {
    const wrongs = this.stores.during(event.asked, event.t).map((log) => this.#misread(event, log));
    if (wrongs.includes(null)) return;
    const { what, seq } = wrongs.at(-1) ?? { what: "read something while there was nobody to answer,", seq: event.after };
    this.#fault("I2", `${what} in the history of ${event.room}`, { ...event, seq });
  }

  /** What is wrong with a page of that log, {what, seq}, or null. */
  #misread({ room, after, upto, messages }, log) {
    let next = !this.#isKept(room) ? Math.max(after + 1, messages[0]?.[0] ?? upto + 1) : after + 1;
    for (const [seq, id] of messages) {
      const stored = log.at(room, seq)?.id;
      if (seq !== next) return { what: `read ${seq} where ${next} was next`, seq: next };
      if (id !== stored) return { what: `read ${id} as ${seq}, where the log has ${stored},`, seq };
      next++;
    }
    return next <= upto ? { what: `did not find ${next} to ${upto}`, seq: next } : null;
  }

  /** At the end of the storm: everything has arrived. */
  finish() {
    if (this.isOver) return;
    for (const event of this.#pending.values()) {
      this.#fault("I3", `was shown ${event.id} as pending, and never its end`, event);
    }
    const log = this.stores.index(this.stores.last);
    for (const [name, room] of this.#rooms) {
      const [head, seq] = [log.head(name), room.next];
      if (room.state !== "in" || seq === head + 1) continue;
      const what = seq > head ? `waits for ${name} ${seq}, where the log is at ${head}` : `never saw ${name} ${seq} to ${head}`;
      this.#fault("I3", what, { room: name, seq, id: log.at(name, seq)?.id });
    }
  }

  /** Its session is another one now, for a reason, or it is a fault. */
  #replace({ told }) {
    const reasons = {
      restored: () => this.lifetimes.mayBeVoid(this.#aliveAt, told),
      contested: () => this.#contest !== null,
      gap: () => this.#mayHaveGap(told),
      expired: () => this.lifetimes.mayBeExpired(this.#aliveAt, told),
    };
    const reason = Object.keys(reasons).find((one) => reasons[one]());
    if (reason === "restored") this.#forgetStore();
    if (reason) this.fresh[reason]++;
    else this.#fault("I3", "got a fresh session, though its own could be restored", { t: told });
  }

  /** Seqs and ids may come anew. */
  #forgetStore() {
    this.#rooms.clear();
    this.#shown.clear();
  }

  /** It sees something of that store. */
  #enter(store, event) {
    if (this.#store === store) return;
    const isTold = this.#store === undefined;
    if (!isTold) this.#fault("I3", `saw ${event.id} in the session that it had before the store went back`, event);
    this.#store = store;
    this.#place = -1;
    this.#held.clear();
  }

  /**
   * socket.io-client (4.8) keeps an event that it decodes while its connection closes until after the reconnect,
   * and does not count its offset; the server has to send it again. That doubling is the client's own.
   */
  #isHeldTwice({ id, held }) {
    if (held || !this.#held.delete(id)) return false;
    this.heldTwice++;
    return true;
  }

  #mayHaveGap(told) {
    const isGone = (name, { sure }) => this.stores.mostHead(name, this.#aliveAt, told) - this.keptOf(name) > sure;
    return [...this.#rooms].some(([name, room]) => room.state !== "out" && isGone(name, room));
  }

  #isKept(room) {
    return this.keptOf(room) === Infinity;
  }

  #live(at) {
    this.#aliveAt = Math.max(this.#aliveAt, at);
  }

  #room(name) {
    let room = this.#rooms.get(name);
    if (!room) this.#rooms.set(name, (room = new Membership()));
    return room;
  }

  #fault(invariant, what, { t, room, seq, id }) {
    this.faults.push({ invariant, text: `${this.name} ${what}`, who: this.name, t, room, seq, id });
  }
}
