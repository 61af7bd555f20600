// A TCP proxy on loopback: the network between a client and a gateway, to be cut, silenced or led elsewhere.

import net from "node:net";

export class Proxy {
  #server;
  #pairs = new Set();

  static async open(target) {
    const proxy = new Proxy(target);
    await proxy.#listen();
    return proxy;
  }

  constructor(target) {
    /** The port that new connections are led to. */
    this.target = target;
    /** Connections are refused (reset) while true. */
    this.isDown = false;
    this.isSilent = false;
    this.#server = net.createServer((client) => this.#accept(client));
  }

  get url() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  get connections() {
    return this.#pairs.size;
  }

  /** Resets every connection. */
  cut() {
    for (const { client, server } of this.#pairs) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
  }

  /** Nothing is carried any more, in neither direction, and nobody is told; new connections fare no better. */
  silence() {
    this.isSilent = true;
    for (const pair of this.#pairs) this.#mute(pair);
  }

  /** New connections work again; those that were silenced stay so. */
  heal() {
    this.isSilent = false;
  }

  /** Only the bytes from the server stop: a reader that does not read. */
  stallReader() {
    for (const { client, server } of this.#pairs) {
      server.unpipe(client);
      server.pause();
    }
  }

  resumeReader() {
    for (const { client, server } of this.#pairs) server.pipe(client);
  }

  async close() {
    for (const { client, server } of this.#pairs) {
      client.destroy();
      server.destroy();
    }
    this.#pairs.clear();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #listen() {
    return new Promise((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  #accept(client) {
    client.on("error", () => {});
    if (this.isDown) {
      client.resetAndDestroy();
      return;
    }
    const server = net.connect({ port: this.target, host: "127.0.0.1", noDelay: true });
    const pair = { client, server };
    this.#pairs.add(pair);
    server.on("error", () => {});
    client.setNoDelay(true);
    if (this.isSilent) {
      this.#mute(pair);
      return;
    }
    client.pipe(server);
    server.pipe(client);
    client.on("close", () => {
      server.destroy();
      this.#pairs.delete(pair);
    });
    server.on("close", () => {
      client.destroy();
      this.#pairs.delete(pair);
    });
  }

  #mute({ client, server }) {
    for (const socket of [client, server]) {
      socket.unpipe();
      socket.removeAllListeners("close");
      socket.removeAllListeners("end");
      socket.on("data", () => {});
      socket.resume();
    }
  }
}
