// One of several devices that hold the same session and take it from each other: the stock client, which closes its
// engine at any moment, and a diary of what its layers did, for when it is stranded.

import { Client } from "../../e2e/support/client.mjs";

const TRANSPORTS = [["polling", "websocket"], ["websocket"], ["polling"]];
const DIARY_LINES = 80;

// How long a client is deaf whose engine was closed while it opened: the stock manager (4.8) listens for "open" and
// "error" alone then, and learns of the close by this.
const CONNECT_TIMEOUT_MS = 4000;

export class Device extends Client {
  #diary = [];
  #begun = performance.now();
  #timers = new Set();

  /** `urls` are those of the gateways; `transports` are its own for good, or null: other ones each time. */
  constructor(name, urls, random, transports) {
    super(random.pick(urls), { transports: transports ?? random.pick(TRANSPORTS), timeout: CONNECT_TIMEOUT_MS });
    this.name = name;
    this.urls = urls;
    this.random = random;
    this.hasOwnTransports = transports !== null;
    const { io: manager } = this.socket;
    for (const event of ["open", "error", "close", "reconnect", "reconnect_attempt", "reconnect_error"]) {
      manager.on(event, (what) => this.#note(`manager ${event} ${what?.message ?? what ?? ""}`));
    }
    for (const event of ["connect", "disconnect", "connect_error"]) {
      this.socket.on(event, (what) => this.#note(`socket ${event} ${what?.message ?? what ?? ""} ${this.socket.id}`));
    }
    manager.on("reconnect_attempt", () => this.#roam());
    this.#watchEngine();
  }

  /** Presents what the other one knows of its session, as a copy of its page would, from its next connection on. */
  impersonate(other) {
    this.#note(`is ${other.name} from now on`);
    this.socket._pid = other.socket._pid;
    this.socket._lastOffset = other.socket._lastOffset;
  }

  /** Cuts its own connection, or the attempt at one, within `ms`. */
  closeSoon(ms) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      const { engine } = this.socket.io;
      this.#note(`closes the engine, ${engine?.readyState}${engine?.upgrading ? ", upgrading" : ""}`);
      engine?.close();
    }, this.random.below(ms));
    this.#timers.add(timer);
  }

  /** Nothing that was begun comes later. */
  calm() {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  get isConnected() {
    return this.socket.connected;
  }

  /** All that is known of it. */
  dump() {
    const { io: manager } = this.socket;
    const { engine } = manager;
    const { _readyState, _reconnecting, skipReconnect, backoff } = manager;
    const { transport } = engine ?? {};
    const state = {
      manager: { _readyState, _reconnecting, skipReconnect, attempts: backoff.attempts, uri: manager.uri },
      socket: { connected: this.socket.connected, active: this.socket.active, id: this.socket.id },
      engine: {
        readyState: engine?.readyState,
        id: engine?.id,
        upgrading: engine?.upgrading,
        unsent: engine?.writeBuffer?.length,
      },
      transport: {
        name: transport?.name,
        readyState: transport?.readyState,
        writable: transport?.writable,
        _polling: transport?._polling,
        ws: transport?.ws?.readyState,
        port: transport?.ws?._socket?.localPort,
      },
    };
    return `${this}\n${JSON.stringify(state, null, 1)}\n${this.#diary.join("\n")}`;
  }

  close() {
    this.calm();
    super.close();
  }

  #note(what) {
    const now = (performance.now() - this.#begun).toFixed(1);
    this.#diary.push(`${now} ${what}`);
    if (this.#diary.length > DIARY_LINES) this.#diary.shift();
  }

  #roam() {
    const { io: manager } = this.socket;
    this.moveTo(this.random.pick(this.urls));
    if (!this.hasOwnTransports) manager.opts.transports = this.random.pick(TRANSPORTS);
    queueMicrotask(() => this.#watchEngine()); // the attempt begins when this event is over
  }

  #watchEngine() {
    const { engine } = this.socket.io;
    if (!engine) return;
    this.#note(`engine opens, ${engine.transport?.name} to ${this.socket.io.uri}`);
    engine.on("handshake", ({ sid }) => this.#note(`engine handshake ${sid}`));
    engine.on("packet", ({ type, data }) => this.#note(`in ${type} ${String(data ?? "").slice(0, 60)}`));
    engine.on("packetCreate", ({ type, data }) => this.#note(`out ${type} ${String(data ?? "").slice(0, 60)}`));
    for (const event of ["upgrading", "upgrade", "upgradeError", "close", "error"]) {
      engine.on(event, (what) => this.#note(`engine ${event} ${what?.name ?? what?.message ?? what ?? ""}`));
    }
  }
}
