// One user of the storm: the stock client behind a network of its own (a proxy), who roams between gateways and
// transports, joins and leaves rooms, publishes under ids and repeats what is not acknowledged. It notes everything
// that it does and sees.

import { setTimeout as delay } from "node:timers/promises";

import { io } from "../../e2e/support/client.mjs";
import { now } from "./trace.mjs";

const QUICK = { reconnectionDelay: 50, reconnectionDelayMax: 500, randomizationFactor: 0.5, timeout: 3000 };
const TRANSPORTS = [["polling", "websocket"], ["websocket"], ["polling"]];
const ANSWER_MS = 3000; // without an answer for so long, a request is repeated
const AGAIN_MS = 100; // after a refusal (unavailable, busy, timeout)
const REPEATED_OF = 8; // one in so many publishes is repeated although it was acknowledged
const ASKED_OF = 4; // and one is a question to a backend
const PAGE = 200;

/** A user that is there no more, but still has its grace, is one too many. */
function usersOf(answer) {
  return Object.fromEntries((answer?.users ?? []).map(({ user, sockets }) => [user, sockets]));
}

export class Rover {
  #link;
  #socket = null;
  #isConnected = false;
  #connections = 0;
  #isQuiet = false;
  #isOver = false;
  #life = 0;
  #count = 0;
  #open = 0;
  #joined = new Set(); // rooms of this session, as far as the answers tell
  #begun = new Map(); // room → "join" or "leave": asked for in this session, and not answered yet
  #known = new Map(); // room → the highest seq seen or read, in this life
  #acked = []; // the latest of this session
  #pending = new Map(); // messages of optimistic rooms whose end it does not know yet → their rooms
  #unsaid = []; // repetitions that wait for a connection
  #session = 0;

  /**
   * `scene` is {gateways: [port], rooms: [name], roomsEach, publishMs, wanderMs}: who can be reached, what there is to
   * join, and the mean times between two publishes and between two changes of mind. `link` is the proxy before it,
   * which it closes.
   */
  constructor({ name, user, random, trace, scene, link }) {
    this.name = name;
    this.user = user;
    this.random = random;
    this.trace = trace;
    this.scene = scene;
    this.#link = link;
    this.wanted = new Set();
    while (this.wanted.size < Math.min(scene.roomsEach, scene.rooms.length)) {
      this.wanted.add(random.pick(scene.rooms));
    }
    this.#connect();
    this.#publishNowAndThen();
    this.#wanderNowAndThen();
  }

  get link() {
    return this.#link;
  }

  /** For the census, and for whoever waits until all have arrived. */
  get state() {
    const isSettled = this.#isConnected && this.#open + this.#pending.size === 0 && this.#isWhereItWants;
    return {
      name: this.name,
      user: this.user,
      sid: this.#socket.id,
      isConnected: this.#isConnected,
      connections: this.#connections,
      isSettled,
      open: this.#open,
      pending: [...this.#pending.keys()],
      rooms: Object.fromEntries([...this.#joined].map((room) => [room, this.#known.get(room) ?? 0])),
      transport: this.#socket.io.engine?.transport?.name,
    };
  }

  /** Who is in its rooms, as the broker tells it: [{room, users: {name: sockets}}]; no users without an answer. */
  presence() {
    const ask = (room) =>
      new Promise((resolve) => {
        this.#ask("room:presence", { room, limit: PAGE }, (answer) => resolve({ room, users: usersOf(answer) }));
      });
    return Promise.all([...this.#joined].map(ask));
  }

  /** Asks a backend, once; resolves with whether it was answered. */
  inquire() {
    const id = `${this.name}.${this.#life}?${++this.#count}`;
    this.#note("ask", { id });
    return new Promise((resolve) => {
      this.#ask("echo", id, (answer, asked) => {
        if (answer) this.#note("answered", { id, got: answer.id, code: answer.error?.code, ...(answer.ok && { asked }) });
        else this.#note("answered", { id, code: "no answer" });
        resolve(answer?.ok === true);
      });
    });
  }

  /** Begins nothing new; what was begun is brought to its end. */
  quiet() {
    this.#isQuiet = true;
  }

  /** A page reload: a new client, which knows nothing of the session of the old one. */
  reload() {
    this.#note("reborn");
    this.#life++;
    this.#socket.io.reconnection(false);
    this.#socket.removeAllListeners();
    this.#socket.offAny();
    this.#socket.io.engine?.close(); // in the midst of an upgrade it only waits for its end, so:
    this.#link.cut();
    this.#socket.disconnect();
    this.#isConnected = false;
    this.#forget();
    this.#known.clear();
    this.#pending.clear();
    this.#unsaid = [];
    this.#open = 0;
    this.#connect();
  }

  /**
   * Somebody else presents the same session, as a second tab might that was opened as a copy of this one. Whoever
   * is turned out comes back; a session that is fought over may end in a fresh one for either.
   */
  async meetTwin(ms) {
    const { _pid: pid, _lastOffset: offset, connected } = this.#socket;
    if (!connected || !pid) return;
    let outcome = "unknown";
    this.#note("contested");
    const url = `http://127.0.0.1:${this.random.pick(this.scene.gateways)}`;
    const auth = { user: this.user, pid, offset };
    const twin = io(url, { forceNew: true, reconnection: false, auth, transports: ["websocket"] });
    // Its library does not know that it has presented one, and never calls that recovered.
    twin.on("connect", () => (outcome = twin._pid === pid ? "taken" : "fresh"));
    await delay(ms);
    twin.disconnect();
    twin.io.engine?.close();
    this.#note("contest_over", { outcome });
  }

  /** Its own network drop. */
  drop() {
    this.#socket.io.engine?.close();
  }

  async close() {
    this.#isOver = this.#isQuiet = true;
    this.#socket.io.reconnection(false);
    this.#socket.disconnect();
    this.#socket.io.engine?.close();
    await this.#link.close();
  }

  #note(on, what) {
    this.trace.note(this.name, on, what);
  }

  #connect() {
    const transports = this.random.pick(TRANSPORTS);
    // The client library asks for it right before it asks for a session.
    const auth = (tell) => {
      if (socket === this.#socket) this.#note("presents");
      tell({ user: this.user });
    };
    const socket = io(this.#link.url, { ...QUICK, forceNew: true, transports, auth });
    this.#socket = socket;
    socket.on("connect", () => this.#onConnect());
    socket.on("disconnect", (reason) => this.#onDisconnect(reason));
    const roam = () => socket === this.#socket && this.#roam();
    socket.io.on("reconnect_error", roam);
    socket.io.on("close", roam); // also of one that was not let in
    socket.onAny((event, ...args) => this.#onEvent(event, args));
  }

  #onConnect() {
    const { id: sid, recovered } = this.#socket;
    this.#isConnected = true;
    this.#connections++;
    this.#note("connected", { sid, recovered, gateway: this.#link.target });
    if (!recovered) this.#forget();
    for (const repeat of this.#unsaid.splice(0)) repeat();
    for (const room of this.#begun.keys()) this.#carryOn(room);
    for (const room of [...this.wanted, ...this.#joined]) this.#settle(room);
  }

  /** The session that it was in is not this one. */
  #forget() {
    this.#session++;
    this.#joined.clear();
    this.#begun.clear();
    this.#acked = [];
  }

  #onDisconnect(reason) {
    this.#isConnected = false;
    this.#pending.clear();
    this.#note("dropped", { reason });
  }

  #roam() {
    this.#link.target = this.random.pick(this.scene.gateways);
    this.#socket.io.opts.transports = this.random.pick(TRANSPORTS);
  }

  #onEvent(event, [message, offset]) {
    // Events that the client library has kept for itself come out before it says that it is connected.
    const held = this.#isConnected ? {} : { held: true };
    const { room, seq, id, data, pending } = message;
    if (event === "room:message" && !String(data).startsWith(id)) this.#note("garbled", { room, seq, id, data });
    if (event === "room:message" && pending) {
      this.#pending.set(id, room);
      this.#note("glimpsed", { room, id, ...held });
    } else if (event === "room:message" || event === "room:confirmed") {
      const how = event === "room:confirmed" ? { confirmed: true } : {};
      this.#pending.delete(id);
      this.#note("saw", { room, seq, id, offset, ...how, ...held });
      this.#known.set(room, Math.max(this.#known.get(room) ?? 0, seq));
    } else if (event === "room:failed") {
      this.#pending.delete(id);
      this.#note("failed", { room, id, error: message.error?.code, ...held });
    }
  }

  /**
   * A request with a callback: an await would be overtaken by events that come in the same packet. The answer comes
   * with the time of the request.
   */
  #ask(event, body, onAnswer) {
    const life = this.#life;
    const asked = now();
    this.#socket.timeout(ANSWER_MS).emit(event, body, (error, answer) => {
      if (life === this.#life) onAnswer(error ? null : answer, asked);
    });
  }

  get #isWhereItWants() {
    return this.#begun.size === 0 && this.#joined.size === this.wanted.size;
  }

  /** The next step, if any, from where it is in a room to where it wants to be. One at a time, each to its end. */
  #settle(room) {
    if (this.#begun.has(room) || this.#joined.has(room) === this.wanted.has(room)) return;
    this.#begun.set(room, this.#joined.has(room) ? "leave" : "join");
    this.#carryOn(room);
  }

  #carryOn(room) {
    if (!this.#isConnected) return;
    if (this.#begun.get(room) === "join") this.#join(room);
    else this.#leave(room);
  }

  #join(room) {
    this.#note("join", { room });
    this.#ask("room:join", room, (answer, asked) => {
      if (!answer?.ok) return this.#again(() => this.#carryOn(room));
      this.#note("joined", { room, seq: answer.seq, members: answer.members, asked });
      this.#joined.add(room);
      this.#begun.delete(room);
      this.#catchUp(room, answer.seq);
      this.#settle(room);
    });
  }

  #leave(room) {
    this.#note("leave", { room });
    this.#ask("room:leave", room, (answer, asked) => {
      if (!answer?.ok) return this.#again(() => this.#carryOn(room));
      this.#note("left", { room, asked });
      for (const [id, where] of this.#pending) if (where === room) this.#pending.delete(id);
      this.#joined.delete(room);
      this.#begun.delete(room);
      this.#settle(room);
    });
  }

  /** Repeats what got no, or a bad, answer; after a reconnect #onConnect does. */
  #again(repeat) {
    const { engine } = this.#socket.io;
    const life = this.#life;
    setTimeout(() => {
      const isSame = life === this.#life && this.#socket.io.engine === engine;
      if (!this.#isOver && isSame && this.#isConnected) repeat();
    }, AGAIN_MS);
  }

  /** What a room that it knows has said while it was out of it. */
  #catchUp(room, head) {
    const after = this.#known.get(room) ?? head;
    this.#known.set(room, Math.max(after, head));
    if (after < head) this.#read(room, after, head);
  }

  #read(room, after, head) {
    this.#ask("room:history", { room, after, limit: PAGE }, (answer, asked) => {
      if (!answer?.ok) {
        this.#again(() => this.#joined.has(room) && this.#read(room, after, head));
        return;
      }
      const messages = answer.messages.filter(({ seq }) => seq <= head).map(({ seq, id }) => [seq, id]);
      const upto = answer.more ? messages.at(-1)[0] : head;
      this.#note("reloaded", { room, after, upto, messages, asked });
      if (upto < head) this.#read(room, upto, head);
    });
  }

  async #publishNowAndThen() {
    if (!this.scene.publishMs) return;
    for (;;) {
      await delay(this.random.below(2 * this.scene.publishMs));
      if (this.#isQuiet) return;
      if (this.random.below(ASKED_OF) === 0) this.inquire();
      else if (this.#joined.size > 0) this.#publishNext();
    }
  }

  #publishNext() {
    const again = this.#acked.length > 0 && this.random.below(REPEATED_OF) === 0;
    if (again) {
      const { room, id } = this.random.pick(this.#acked);
      if (this.#joined.has(room)) this.#publish(room, id);
      return;
    }
    const room = this.random.pick([...this.#joined]);
    this.#publish(room, `${this.name}.${this.#life}#${++this.#count}`);
  }

  /**
   * The first attempt goes into the client library at any time. Repetitions wait for a connection: an id counts
   * within its session, so they end with it.
   */
  #publish(room, id) {
    const session = this.#session;
    const attempt = () => {
      this.#note("publish", { room, id });
      this.#ask("room:publish", { room, id, data: id }, (...how) => this.#onPublished(room, id, repeat, ...how));
    };
    const repeat = () => {
      if (session !== this.#session) this.#abandon(id);
      else if (this.#isConnected) attempt();
      else this.#unsaid.push(repeat);
    };
    this.#open++;
    attempt();
  }

  #onPublished(room, id, repeat, answer, asked) {
    if (answer?.ok) {
      this.#open--;
      this.#note("acked", { room, id, seq: answer.seq, offset: answer.offset, asked });
      this.#acked = [...this.#acked.slice(-9), { room, id }];
      return;
    }
    const code = answer?.error?.code ?? "no answer";
    this.#note("unacked", { room, id, code });
    if (code === "not_joined") this.#open--;
    else this.#later(repeat);
  }

  #abandon(id) {
    this.#open--;
    this.#note("abandoned", { id });
  }

  #later(what) {
    const life = this.#life;
    setTimeout(() => !this.#isOver && life === this.#life && what(), AGAIN_MS);
  }

  async #wanderNowAndThen() {
    if (!this.scene.wanderMs) return;
    for (;;) {
      await delay(this.random.below(2 * this.scene.wanderMs));
      if (this.#isQuiet) return;
      this.#changeItsMind();
    }
  }

  #changeItsMind() {
    switch (this.random.below(8)) {
      case 0:
      case 1:
      case 2:
        this.drop();
        return;
      case 3:
        this.reload();
        return;
      default:
        this.#swapRoom();
    }
  }

  /** Leaves one room for another. */
  #swapRoom() {
    if (!this.#isWhereItWants) return;
    const old = this.random.pick([...this.wanted]);
    const next = this.random.pick(this.scene.rooms);
    if (this.wanted.has(next)) return;
    this.wanted.delete(old);
    this.wanted.add(next);
    this.#settle(old);
    this.#settle(next);
  }
}
