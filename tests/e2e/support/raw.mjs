// Engine.IO by hand, for what the stock client never does. Protocol: Engine.IO v4, Socket.IO v5.

import { once } from "node:events";
import http from "node:http";

import { WebSocket } from "ws";

import { until, within } from "./deadline.mjs";

const PATH = "/socket.io/?EIO=4";

/** One HTTP request: {status, type, headers, text}. */
export async function request(url, path, { method = "GET", body, headers = {} } = {}) {
  const target = new URL(url);
  return within(
    new Promise((resolve, reject) => {
      // The path goes out as it is: no client library tidies it up.
      const options = { host: target.hostname, port: target.port, path, method, headers, agent: false };
      const sent = http.request(options, (answer) => {
        const chunks = [];
        answer.on("data", (chunk) => chunks.push(chunk));
        answer.on("error", reject);
        answer.on("end", () =>
          resolve({
            status: answer.statusCode,
            type: answer.headers["content-type"],
            headers: answer.headers,
            text: Buffer.concat(chunks).toString("utf8"),
          }),
        );
      });
      sent.on("error", reject);
      sent.end(body);
    }),
    `an answer to ${method} ${path}`,
  );
}

/** A long-polling session, from its handshake on. */
export class Polling {
  static async open(url) {
    const polling = new Polling(url);
    const answer = await request(url, `${PATH}&transport=polling`);
    if (answer.status !== 200) throw new Error(`handshake: ${answer.status} ${answer.text}`);
    polling.handshakeAnswer = answer;
    polling.handshake = JSON.parse(answer.text.slice(1));
    return polling;
  }

  constructor(url) {
    this.url = url;
  }

  get path() {
    return `${PATH}&transport=polling&sid=${this.handshake.sid}`;
  }

  poll() {
    return request(this.url, this.path);
  }

  post(body, headers = { "content-type": "text/plain;charset=UTF-8" }) {
    return request(this.url, this.path, { method: "POST", body, headers });
  }
}

/** A WebSocket of which every packet is kept. */
export class RawSocket {
  #at = 0;

  static async open(url, options) {
    const raw = RawSocket.connect(url, options);
    await within(once(raw.ws, "open"), "WebSocket open");
    return raw;
  }

  /** Not awaited: it may be refused. `sid` names the polling session to upgrade. */
  static connect(url, { sid } = {}) {
    const path = `${PATH}&transport=websocket${sid ? `&sid=${sid}` : ""}`;
    return new RawSocket(url.replace("http", "ws") + path);
  }

  constructor(url) {
    /** Packets: strings, or Buffers for binary ones. */
    this.packets = [];
    this.closed = null;
    this.ws = new WebSocket(url, { perMessageDeflate: false });
    this.ws.on("message", (data, isBinary) => this.packets.push(isBinary ? data : data.toString()));
    this.ws.on("close", (code) => (this.closed = { code }));
    this.ws.on("error", () => {});
  }

  send(data) {
    this.ws.send(data);
  }

  /** Puts bytes on the connection, past all framing. */
  sendBytes(bytes) {
    this.ws._socket.write(Buffer.from(bytes));
  }

  /** Waits for a packet that `matches` (a prefix, or a function) and returns it. */
  async packet(matches) {
    const test = typeof matches === "string" ? (packet) => packet.toString().startsWith(matches) : matches;
    return until(
      () => this.packets.find(test),
      () => `packet ${matches}; got ${this.packets}, closed: ${JSON.stringify(this.closed)}`,
    );
  }

  /** The packet behind the one that the last next() gave. */
  async next() {
    await until(
      () => this.packets.length > this.#at,
      () => `packet ${this.#at}; got ${this.packets}, closed: ${JSON.stringify(this.closed)}`,
    );
    return this.packets[this.#at++];
  }

  /** Waits for this packet past those that next() has given; only heartbeats may stand before it. */
  async nextIs(expected) {
    for (;;) {
      const packet = await this.next();
      if (packet === expected) return;
      if (packet !== "2") throw new Error(`${packet} instead of ${expected}`);
    }
  }

  /** next() goes on behind all that has come. */
  skip() {
    this.#at = this.packets.length;
  }

  /** Engine.IO's and Socket.IO's handshakes done; returns the session {sid, pid}. */
  async join(nsp = "", auth = "") {
    await this.packet("0");
    this.send(`40${nsp ? `${nsp},` : ""}${auth}`);
    const answer = await this.packet("40");
    this.#at = this.packets.indexOf(answer) + 1;
    return JSON.parse(answer.slice(answer.indexOf("{")));
  }

  async untilClosed() {
    await until(() => this.closed, "the WebSocket closed");
    return this.closed.code;
  }

  close() {
    this.ws.terminate();
  }
}
