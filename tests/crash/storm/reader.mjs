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
// nothing is seen twice, whatever the sessions. What is pending is shown once and gets one end, unless the connection or
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
  /** `log` is a LogIndex. In rooms that `isTrimmed` says what was missed may be gone, and then it is told so. */
  constructor(name, log, isTrimmed) {
    this.name = name;
    this.isTrimmed = isTrimmed;
    this.log = log;
    this.faults = [];
    this.isOver = false;
    this.heldTwice = 0;
    this.#begin();
  }

  #rooms;
  #hasSession;
  #isContested;
  #place;
  #held;
  #pending; // id → the event that showed it
  #shown; // ids that were seen with their seq

  #begin() {
    this.#rooms = new Map();
    this.#hasSession = false;
    this.#isContested = false;
    this.#place = -1;
    this.#held = new Set();
    this.#pending = new Map();
    this.#shown = new Set();
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

  connected({ recovered }) {
    if (recovered) return;
    if (this.#hasSession && !this.#isContested && !this.#mayHaveGap()) this.#fault("I3", "got a fresh session, though its own could be restored", {});
    this.#hasSession = true;
    this.#isContested = false;
    for (const room of this.#rooms.values()) room.forget();
  }

  contested() {
    this.#isContested = true;
  }

  dropped() {
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
    const { room, seq, id, confirmed, held } = event;
    const stored = this.log.at(room, seq);
    if (stored?.id !== id) {
      this.#fault("I2", `saw ${id} as ${room} ${seq}, where the log has ${stored?.id}`, event);
      return;
    }
    if (!this.#pending.delete(id) && confirmed && !held) {
      this.#fault("I3", `was told that ${id} is stored, which was not pending`, event);
    }
    this.#shown.add(id);
    if (this.#isHeldTwice(event)) return;
    if (held) this.#held.add(id);
    const wrong = this.#room(room).see(seq);
    if (wrong) this.#fault("I3", `saw ${room} ${seq} (${id}) ${wrong}`, event);
    else if (stored.place < this.#place) this.#fault("I2", `saw ${room} ${seq} (${id}) after a later message`, event);
    this.#place = Math.max(this.#place, stored.place);
  }

  reloaded(event) {
    const { room, after, upto, messages } = event;
    let next = this.isTrimmed(room) ? Math.max(after + 1, messages[0]?.[0] ?? upto + 1) : after + 1;
    const fault = (what, seq) => this.#fault("I2", `${what} in the history of ${room}`, { ...event, seq });
    for (const [seq, id] of messages) {
      const stored = this.log.at(room, seq)?.id;
      if (seq !== next) return fault(`read ${seq} where ${next} was next`, next);
      if (id !== stored) return fault(`read ${id} as ${seq}, where the log has ${stored},`, seq);
      next++;
    }
    if (next <= upto) fault(`did not find ${next} to ${upto}`, next);
  }

  /** At the end of the storm: everything has arrived. */
  finish() {
    if (this.isOver) return;
    for (const event of this.#pending.values()) {
      this.#fault("I3", `was shown ${event.id} as pending, and never its end`, event);
    }
    for (const [name, room] of this.#rooms) {
      const head = this.log.head(name);
      if (room.state !== "in" || room.next > head) continue;
      const seq = room.next;
      this.#fault("I3", `never saw ${name} ${seq} to ${head}`, { room: name, seq, id: this.log.at(name, seq)?.id });
    }
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
