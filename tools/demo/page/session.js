// The chat's state: rooms with their messages, and one connection that comes back by itself.
//
// What arrives after a reconnect is of two kinds: what was missed (the server replays it, in order, before
// anything new) and what is live. The page tells them apart by the server's time of a message: older than the
// reconnect means missed.

const HISTORY = 50;
const ANSWER_MS = 5000;
const AWAY_MS = 5000; // how long a dropped connection stays away: time to write something in another tab
const RETRY_MS = 1000;

class Room {
  constructor(name) {
    this.name = name;
    this.messages = []; // by seq, the room's order
    this.members = 0;
    this.unread = 0;
  }

  /** Adds a message; its place in the list, or -1 when it is there already (history and live may overlap). */
  add(message) {
    let at = this.messages.length;
    while (at > 0 && this.messages[at - 1].seq > message.seq) at--;
    if (at > 0 && this.messages[at - 1].seq === message.seq) return -1;
    this.messages.splice(at, 0, message);
    return at;
  }
}

export class Chat {
  #rooms = new Map();
  #current = null;
  #pending = new Map(); // publish id → what the view shows for it until it is stored
  #reconnectedAt = 0; // by our clock; 0: never
  #serverAhead = 0; // how far the server's clock is ahead of ours, in ms, by the latest live sign of it
  #view;
  #socket;

  constructor(io, name, view) {
    this.name = name;
    this.#view = view;
    this.#socket = io({ auth: { user: name } });
    view.showName(name);
    this.#listen();
  }

  /** Takes a room into the list and joins it. */
  add(name) {
    if (this.#rooms.has(name)) return;
    this.#rooms.set(name, new Room(name));
    if (this.#socket.connected) this.#join(name);
  }

  /** Shows a room. */
  open(name) {
    this.add(name);
    this.#current = name;
    const room = this.#rooms.get(name);
    room.unread = 0;
    this.#view.showMessages(room.messages);
    this.#showRooms();
  }

  /** Publishes until it is answered: under its id a message is stored once, however often it is sent. */
  async send(text) {
    const publish = { room: this.#current, data: { text }, id: uniqueId() };
    this.#pending.set(publish.id, this.#view.showPending(text, this.name));
    for (let answer = null; answer === null; ) {
      // No answer means that the connection was lost, or the answer: say it again.
      answer = await this.#ask("room:publish", publish);
      if (answer?.ok) this.#serverAhead = answer.ts - Date.now();
      else if (answer) this.#view.note(`Not sent: ${answer.error.message}.`, "bad");
    }
    this.#settle(publish.id);
  }

  /** Closes the connection under the client, as a lost network does; the client comes back by itself. */
  drop() {
    const manager = this.#socket.io;
    manager.reconnectionDelay(AWAY_MS).randomizationFactor(0);
    manager.once("reconnect", () => manager.reconnectionDelay(RETRY_MS).randomizationFactor(0.5));
    manager.engine.close();
  }

  #listen() {
    const socket = this.#socket;
    let wasConnected = false;
    socket.on("connect", () => {
      this.#view.showState("online");
      this.#showTransport(socket.io.engine);
      if (socket.recovered) this.#restored();
      else this.#started(wasConnected);
      wasConnected = true;
    });
    socket.on("disconnect", (reason) => {
      this.#view.showState(socket.active ? "reconnecting" : "offline");
      this.#view.note(`Connection lost (${reason}).`, "warn");
    });
    socket.on("connect_error", (error) => {
      this.#view.showState(socket.active ? "reconnecting" : "offline");
      if (!socket.active) this.#view.note(`Refused: ${error.message}`, "bad");
    });
    socket.on("room:message", (message) => this.#arrived(message));
  }

  #showTransport(engine) {
    this.#view.showTransport(engine.transport.name);
    engine.once("upgrade", (transport) => this.#view.showTransport(transport.name));
  }

  /** The session is in its rooms still, and gets what it missed there. */
  #restored() {
    this.#reconnectedAt = Date.now();
    this.#view.note("Back again: the session was recovered, and what was missed is replayed.", "good");
  }

  /** A fresh session is in no room. */
  async #started(isAgain) {
    await Promise.all([...this.#rooms.keys()].map((name) => this.#join(name)));
    if (isAgain) {
      this.#view.note("Back again, but the session could not be recovered: the latest history was loaded.", "bad");
    }
  }

  async #join(name) {
    const answer = await this.#ask("room:join", { room: name, last: HISTORY });
    const room = this.#rooms.get(name);
    if (answer === null) {
      if (this.#socket.connected) await this.#join(name); // else the next connection does it
    } else if (!answer.ok) {
      this.#view.note(`Cannot join ${name}: ${answer.error.message}.`, "bad");
      this.#rooms.delete(name);
    } else {
      room.members = answer.members;
      room.messages = [];
      for (const message of answer.messages) room.add(message);
      if (name === this.#current) this.#view.showMessages(room.messages);
    }
    this.#showRooms();
  }

  #arrived(message) {
    const isReplayed = this.#isReplayed(message);
    this.#settle(message.id);
    const room = this.#rooms.get(message.room);
    const at = room?.add({ ...message, isReplayed }) ?? -1;
    if (at < 0) return;
    if (room.name === this.#current) this.#view.insert(room.messages, at);
    else room.unread++;
    this.#showRooms();
  }

  #isReplayed({ ts }) {
    const isReplayed = this.#socket.recovered && ts - this.#serverAhead < this.#reconnectedAt;
    if (!isReplayed) this.#serverAhead = ts - Date.now();
    return isReplayed;
  }

  #settle(id) {
    this.#pending.get(id)?.remove();
    this.#pending.delete(id);
  }

  /** The answer, or null when none came in time. */
  async #ask(event, request) {
    try {
      return await this.#socket.timeout(ANSWER_MS).emitWithAck(event, request);
    } catch {
      return null;
    }
  }

  #showRooms() {
    this.#view.showRooms([...this.#rooms.values()], this.#current);
  }
}

/** randomUUID exists only where the page came over HTTPS or from this machine. */
function uniqueId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
