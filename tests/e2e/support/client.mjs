// The stock client with a memory: it keeps every event, connection and drop, so that a test can say exactly what
// a client saw. Nothing of socket.io-client is replaced or reached into beyond its public objects.

import { io } from "socket.io-client";
import { io as io45 } from "socket.io-client-4.5";

import { until } from "./deadline.mjs";

export { io }; // for tests elsewhere: the package is found from this folder only

// Quick reconnects; everything else is the client's default.
const QUICK = { reconnectionDelay: 50, reconnectionDelayMax: 300, randomizationFactor: 0 };

/** The ways in which applications use the client. */
export const MODES = [
  { name: "default options", options: {} },
  { name: "WebSocket only", options: { transports: ["websocket"] } },
  { name: "polling only", options: { transports: ["polling"] } },
];

/** The newest library, and one from before sessions could be recovered (4.6), which has its own Engine.IO and ws. */
export const LIBRARIES = [
  { name: "socket.io-client 4.8", library: io, recovers: true },
  { name: "socket.io-client 4.5", library: io45, recovers: false },
];

/** Every library in every mode: {name, recovers, options}. */
export const STOCK = LIBRARIES.flatMap(({ name, library, recovers }) =>
  MODES.map((mode) => ({ name: `${name}, ${mode.name}`, recovers, options: { library, ...mode.options } })),
);

export class Client {
  /** `options` are socket.io-client's, `nsp` for the namespace and `library` for another one's `io`. */
  constructor(url, { nsp = "/", library = io, ...options } = {}) {
    /** Every event: {event, args}, the arguments as listeners get them. */
    this.events = [];
    /** Every connection: {sid, pid, recovered}. */
    this.connections = [];
    /** The reasons of every drop. */
    this.drops = [];
    /** Every refused connection, as Error objects. */
    this.errors = [];
    this.socket = library(url + (nsp === "/" ? "" : nsp), { ...QUICK, forceNew: true, ...options });
    const { socket } = this;
    socket.on("connect", () =>
      this.connections.push({ sid: socket.id, pid: socket._pid, recovered: socket.recovered }),
    );
    socket.on("disconnect", (reason) => this.drops.push(reason));
    socket.on("connect_error", (error) => this.errors.push(error));
    socket.onAny((event, ...args) => this.events.push({ event, args }));
  }

  get id() {
    return this.socket.id;
  }

  get transport() {
    return this.socket.io.engine.transport.name;
  }

  get recovered() {
    return this.socket.recovered;
  }

  /** The envelopes of all messages got, or of one room's, under the event's name. */
  messages(room, event = "room:message") {
    return this.events
      .filter((item) => item.event === event && (room === undefined || item.args[0].room === room))
      .map((item) => item.args[0]);
  }

  /** The `data` of a room's messages, in the order of their arrival. */
  data(room, event) {
    return this.messages(room, event).map((message) => message.data);
  }

  /** What has become of the client, for failures. */
  toString() {
    const { engine, _readyState: manager } = this.socket.io;
    const counts = `${this.connections.length} connections, ${this.events.length} events`;
    const ends = `drops [${this.drops}], errors [${this.errors.map((error) => error.message)}]`;
    const transport = `${engine?.transport?.name} ${engine?.transport?.readyState}`;
    return `client ${this.id}: ${counts}, ${ends}, manager ${manager}, engine ${engine?.readyState}, ${transport}`;
  }

  /** Waits for connection number `count` (the first is 1), and that it stands. */
  async connected(count = 1) {
    await until(
      () => this.connections.length >= count && this.socket.connected,
      () => `connection ${count} of ${this}`,
    );
    return this.connections.at(-1);
  }

  async dropped(count = 1) {
    await until(() => this.drops.length >= count, () => `drop ${count} of ${this}`);
    return this.drops.at(-1);
  }

  /** Waits until `count` messages of the room are there; as long as more of them come, it may take any time. */
  async received(room, count, event) {
    const got = () => this.messages(room, event).length;
    for (let had = got(); had < count; had = got()) {
      await until(() => got() > had, () => `${count} messages in ${room}; got ${had} by ${this}`);
    }
    return this.messages(room, event);
  }

  /** Emits and resolves with the ack, whatever it says. */
  async ask(event, ...args) {
    return new Promise((resolve, reject) => {
      this.socket.timeout(30000).emit(event, ...args, (error, answer) => (error ? reject(error) : resolve(answer)));
    });
  }

  /** The same for a request that must succeed. */
  async demand(event, ...args) {
    const answer = await this.ask(event, ...args);
    if (answer?.ok !== true) throw new Error(`${event} failed: ${JSON.stringify(answer)}`);
    return answer;
  }

  async join(room, options) {
    return this.demand("room:join", options ? { room, ...options } : room);
  }

  async leave(room) {
    return this.demand("room:leave", room);
  }

  async publish(room, data, options = {}) {
    return this.demand("room:publish", { room, data, ...options });
  }

  async history(room, options = {}) {
    return this.demand("room:history", { room, ...options });
  }

  /**
   * The client's own network drop; it comes back by itself. Not in the midst of an upgrade: there the stock client
   * (4.8.4) can put an event that it has just decoded back for after the reconnect without counting its offset, and
   * so sees that event twice.
   */
  async drop() {
    const { engine } = this.socket.io;
    await until(() => !engine.upgrading, "the upgrade is done");
    engine.close();
  }

  /** Where the next connection goes. */
  moveTo(url) {
    this.socket.io.uri = url;
  }

  close() {
    this.socket.io.reconnection(false);
    this.socket.disconnect();
    this.socket.io.engine?.close();
  }
}
