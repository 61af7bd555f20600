// The model of one reader: what it may see next in each room, from its join on. Pure.
//
// Its trace is a list of events in their order, of which these matter here:
//   join {room}, joined {room, seq}        asked to join; the answer, with the room's highest seq at the join
//   leave {room}, left {room}              the same for leaving
//   saw {room, seq, id, confirmed?, held?} a message, or that a pending one is stored; `held`: it came out of the client
//                                          library's own buffer
//   glimpsed {room, id, held?}             a message of an optimistic room, which is pending
//   failed {room, id}                      a pending one never was
//   connected {recovered}, dropped         a session stands (restored or fresh), is cut
//   contested                              somebody else presents its session: it may lose it, once
//   reborn                                 the user reloads the page: a new client that remembers nothing
//   died                                   the client's process was killed; nothing is expected any more
//   reloaded {room, after, upto, messages} a page of the history, [[seq, id]], read after a fresh session
//
// A room is out, joining (asked, unanswered: its messages may begin), in, or leaving (they may end). Within one life
// nothing is seen twice, whatever the sessions, unless the store has gone back to a backup: that ends all sessions, and no
// session may go on in the store that comes after. What is pending is shown once and gets one end, unless the connection or
// the membership ends before.

/** What is known of one room. `next` is 0 while any message may be the first one. */
class Membership {
  state = "out";
  next = 0;
  last = 0;

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

  join() {
    if (this.state === "out") this.next = 0;
    this.state = "joining";
  }

  joined(seq) {
    if (this.next === 0) this.next = seq + 1;
    this.state = "in";
  }

  /** The session is another one: nothing of the old one is owed. */
  forget() {
    this.state = "out";
    this.next = 0;
  }
}

export class Reader {
  /** In rooms that `isTrimmed` says what was missed may be gone, and then it is told so. */
  constructor(name, { stores, lifetimes, isTrimmed }) {
    this.name = name;
    Object.assign(this, { stores, lifetimes, isTrimmed });
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
  #isContested;
  #place;
  #held;
  #pending; // id → the event that showed it
  #shown; // ids that were seen with their seq
  #store; // of what this session has seen; undefined: nothing yet
  #since; // the last time that the session was given, or given back
  #droppedAt; // when it lost its connection; null: it has one

  #begin() {
    this.#rooms = new Map();
    this.#hasSession = false;
    this.#isContested = false;
    this.#place = -1;
    this.#held = new Set();
    this.#pending = new Map();
    this.#shown = new Set();
    this.#store = undefined;
    this.#since = 0;
    this.#droppedAt = null;
  }

  take(event) {
    this[event.on]?.(event);
  }

  join({ room }) {
    this.#room(room).join();
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

  connected({ t, recovered }) {
    this.#comeBack(t, recovered);
    this.#droppedAt = null;
  }

  #comeBack(t, recovered) {
    if (recovered) {
      this.recovered++;
      this.#since = t; // whatever ended sessions before did not end this one
      if (this.lifetimes.mustBeExpired(this.#droppedAt, t)) {
        this.#fault("I3", `got a session back that it had left ${Math.round(t - this.#droppedAt)} ms ago`, { t });
      }
      return;
    }
    if (this.#hasSession) this.#replace(t);
    this.#hasSession = true;
    this.#isContested = false;
    this.#since = t;
    this.#store = undefined;
    for (const room of this.#rooms.values()) room.forget();
  }

  contested() {
    this.#isContested = true;
  }

  /** The client library says so of each attempt to come back, too. */
  dropped({ t }) {
    this.#droppedAt ??= t;
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
    this.#enter(store, event);
    this.#shown.add(id);
    if (this.#isHeldTwice(event)) return;
    if (held) this.#held.add(id);
    const wrong = this.#room(room).see(seq);
    if (wrong) this.#fault("I3", `saw ${room} ${seq} (${id}) ${wrong}`, event);
    else if (stored.place < this.#place) this.#fault("I2", `saw ${room} ${seq} (${id}) after a later message`, event);
    this.#place = Math.max(this.#place, stored.place);
  }

  reloaded(event) {
    const wrongs = this.stores.around(event.t).map((log) => this.#misread(event, log));
    if (wrongs.includes(null)) return;
    const { what, seq } = wrongs.at(-1);
    this.#fault("I2", `${what} in the history of ${event.room}`, { ...event, seq });
  }

  /** What is wrong with a page of that log, {what, seq}, or null. */
  #misread({ room, after, upto, messages }, log) {
    let next = this.isTrimmed(room) ? Math.max(after + 1, messages[0]?.[0] ?? upto + 1) : after + 1;
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
  #replace(t) {
    const reasons = {
      restored: () => this.lifetimes.mayBeVoid(this.#since, t),
      contested: () => this.#isContested,
      gap: () => this.#mayHaveGap(),
      expired: () => this.lifetimes.mayBeExpired(this.#droppedAt, t),
    };
    const reason = Object.keys(reasons).find((one) => reasons[one]());
    if (reason === "restored") this.#forgetStore();
    if (reason) this.fresh[reason]++;
    else this.#fault("I3", "got a fresh session, though its own could be restored", { t });
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

  #mayHaveGap() {
    return [...this.#rooms].some(([name, { state }]) => state !== "out" && this.isTrimmed(name));
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
