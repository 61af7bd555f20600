// A ZeroMQ peer (DEALER) by hand: ZMTP 3.0 with the NULL mechanism over a Unix socket, just enough to send any
// frame, also what a real library would not. https://rfc.zeromq.org/spec/23/

import { once } from "node:events";
import net from "node:net";

import { until, within } from "./deadline.mjs";

const GREETING_BYTES = 64;
const MORE = 1;
const LONG = 2;
const COMMAND = 4;

export class ZmtpPeer {
  #received = Buffer.alloc(0);

  static async open(path) {
    const peer = new ZmtpPeer(net.connect({ path }));
    await within(once(peer.socket, "connect"), `connect to ${path}`);
    await peer.#handshake();
    return peer;
  }

  constructor(socket) {
    this.socket = socket;
    socket.on("error", () => {});
    socket.on("data", (data) => (this.#received = Buffer.concat([this.#received, data])));
  }

  send(body) {
    this.#frame(0, body);
  }

  sendMultipart(bodies) {
    bodies.forEach((body, i) => this.#frame(i < bodies.length - 1 ? MORE : 0, body));
  }

  /** The next message, of one frame. */
  async receive() {
    for (;;) {
      await until(() => this.#received.length >= this.#frameEnd() || this.socket.destroyed, "a message");
      if (this.#received.length < this.#frameEnd()) throw new Error("the peer has closed the connection");
      const [flags, start, end] = [this.#received[0], this.#received[0] & LONG ? 9 : 2, this.#frameEnd()];
      const body = this.#received.subarray(start, end);
      this.#received = this.#received.subarray(end);
      if (!(flags & COMMAND)) return body;
    }
  }

  /** Ends this side and waits until the peer, who reads in order, has done so too. */
  async settled() {
    this.socket.end();
    await until(() => this.socket.destroyed || this.socket.readableEnded, "the peer ended the connection");
  }

  close() {
    this.socket.destroy();
  }

  async #handshake() {
    const greeting = Buffer.alloc(GREETING_BYTES);
    greeting[0] = 0xff;
    greeting[9] = 0x7f;
    greeting[10] = 3;
    greeting.write("NULL", 12, "latin1");
    this.socket.write(greeting);
    const property = (name, value) => {
      const head = Buffer.alloc(1 + name.length + 4);
      head[0] = name.length;
      head.write(name, 1, "latin1");
      head.writeUInt32BE(value.length, 1 + name.length);
      return Buffer.concat([head, Buffer.from(value)]);
    };
    await until(() => this.#received.length >= GREETING_BYTES, "the peer's greeting");
    const ready = [Buffer.from("\x05READY"), property("Socket-Type", "DEALER"), property("Identity", "")];
    this.#frame(COMMAND, Buffer.concat(ready));
    await until(() => this.#received.length > GREETING_BYTES, "the peer's READY");
    this.#received = this.#received.subarray(GREETING_BYTES);
  }

  /** Where the frame ends that stands first; a number too large while its length is not known. */
  #frameEnd() {
    const isLong = this.#received[0] & LONG;
    if (this.#received.length < (isLong ? 9 : 2)) return Infinity;
    return isLong ? 9 + Number(this.#received.readBigUInt64BE(1)) : 2 + this.#received[1];
  }

  #frame(flags, body) {
    const head = Buffer.alloc(body.length > 255 ? 9 : 2);
    head[0] = flags | (body.length > 255 ? LONG : 0);
    if (body.length > 255) head.writeBigUInt64BE(BigInt(body.length), 1);
    else head[1] = body.length;
    this.socket.write(Buffer.concat([head, body]));
  }
}
