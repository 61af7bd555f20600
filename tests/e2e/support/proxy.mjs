// A TCP proxy on loopback: the network between a client and a gateway, to be cut, silenced or led elsewhere.

import net from "node:net";

export class Proxy {
  #server;
  #pairs = new Set();

  static async open(target) {
    const proxy = new Proxy(target);
    await proxy.listen();
    return proxy;
  }

  constructor(target) {
    /** Where new connections are led to: a port on loopback, or the path of a Unix socket. */
    this.target = target;
    /** Connections are refused (reset) while true. */
    this.isDown = false;
    this.silent = null;
    /** Called with each new pair {client, server} of sockets before anything flows. */
    this.onPair = null;
    this.#server = net.createServer((client) => this.#accept(client));
  }

  get port() {
    return this.#server.address().port;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  get connections() {
    return this.#pairs.size;
  }

  /** Resets every connection. */
  cut() {
    for (const { client, server } of this.#pairs) {
      reset(client);
      reset(server);
    }
  }

  /**
   * Nothing is carried any more towards the "client", the "server" or "both", and nobody is told; new connections
   * fare no better.
   */
  silence(towards = "both") {
    this.silent = towards;
    for (const pair of this.#pairs) this.#mute(pair);
  }

  /** New connections work again; those that were silenced stay so. */
  heal() {
    this.silent = null;
  }

  /** Only the bytes from the server stop: a reader that does not read. */
  stallReader() {
    for (const pair of this.#pairs) {
      if (pair.isMute) continue;
      pair.isStalled = true;
      pair.server.unpipe(pair.client);
      pair.server.pause();
    }
  }

  resumeReader() {
    for (const pair of this.#pairs) {
      if (pair.isStalled && !pair.isMute) pair.server.pipe(pair.client);
      pair.isStalled = false;
    }
  }

  async close() {
    for (const { client, server } of this.#pairs) {
      client.destroy();
      server.destroy();
    }
    this.#pairs.clear();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** On a free port; open() has done so. */
  listen() {
    return new Promise((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  #accept(client) {
    client.on("error", () => {});
    if (this.isDown) {
      reset(client);
      return;
    }
    const server = net.connect(this.#where());
    const pair = { client, server };
    this.#pairs.add(pair);
    server.on("error", () => {});
    client.setNoDelay(true);
    client.pipe(server);
    server.pipe(client);
    client.on("close", () => this.#end(pair, server));
    server.on("close", () => this.#end(pair, client));
    this.onPair?.(pair);
    if (this.silent) this.#mute(pair);
  }

  #where() {
    if (typeof this.target === "string") return { path: this.target };
    return { port: this.target, host: "127.0.0.1", noDelay: true };
  }

  /** One side has closed: so does the other, unless nobody is to be told. */
  #end(pair, other) {
    if (!pair.isMute) other.destroy();
    if (other.destroyed) this.#pairs.delete(pair);
  }

  /** What is read from the sides that are not heard is thrown away. */
  #mute(pair) {
    const { client, server } = pair;
    pair.isMute = true;
    if (this.silent !== "client") swallow(client, server);
    if (this.silent !== "server") swallow(server, client);
  }
}

/**
 * A Unix socket knows no reset; and one that is just being shut down takes none: Node.js then leaves it open for ever
 * (libuv's uv_tcp_close_reset refuses), and with it the process.
 */
function reset(socket) {
  if (socket.writableEnded || socket.remoteFamily === undefined) socket.destroy();
  else socket.resetAndDestroy();
}

function swallow(from, to) {
  from.unpipe(to);
  from.on("data", () => {});
  from.resume();
}
