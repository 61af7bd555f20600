// A planted bug on the wire between a gateway and a client, to prove that the storm sees what really happens:
//
//   drop, double   one message on a WebSocket is lost, or comes twice
//   hush           a client whose session is another one is given the old name of it, so that it is not told
//   forget         soon after a restore of the broker a client that has a session since then does not get it back
//   hurry          a client that comes back in the second half of its session's lifetime does not get it back
//
// For the last two the saboteur cuts the client off, and forges the name whenever it then presents that session.

const HEADER_BYTES = 2;
const KEY_BYTES = 4;
const MEDIUM = 126; // the length stands in the next two bytes
const PATIENCE = 3; // messages that pass before the first one is meddled with
const MARK = '"room:message"';
const PID = /"pid":"([\w-]{22})"/;

const SILENT_MS = 200; // before it is cut off; the storm cannot end meanwhile, since the client cannot settle
const AWAY_MS = 15500; // where a session lives for 30 s

/** Whole frames of what has come, and the rest. A server's frames are not masked. RFC 6455, 5.2 */
export function splitFrames(bytes) {
  const frames = [];
  let at = 0;
  while (bytes.length - at >= HEADER_BYTES) {
    const short = bytes[at + 1] & 0x7f;
    if (short > MEDIUM) throw new Error("a frame too long for a saboteur");
    const head = short === MEDIUM ? HEADER_BYTES + 2 : HEADER_BYTES;
    if (bytes.length - at < head) break;
    const end = at + head + (short === MEDIUM ? bytes.readUInt16BE(at + HEADER_BYTES) : short);
    if (end > bytes.length) break;
    frames.push(bytes.subarray(at, end));
    at = end;
  }
  return { frames, rest: bytes.subarray(at) };
}

/** This name of a session is made another one, in place: in plain text, or in a client's frame. */
export function forge(bytes, name) {
  forgeText(bytes, name);
  forgeFrame(bytes, name);
}

function forgeText(bytes, name) {
  const at = bytes.indexOf(name, 0, "latin1");
  if (at >= 0) bytes.subarray(at, at + name.length).reverse();
}

/** A client's frames are masked: four bytes before the text, over and over. */
function forgeFrame(bytes, name) {
  const isMasked = bytes.length > HEADER_BYTES && (bytes[1] & 0x80) !== 0;
  const short = bytes[1] & 0x7f;
  if (!isMasked || short > MEDIUM) return;
  const head = short === MEDIUM ? HEADER_BYTES + 2 : HEADER_BYTES;
  const [key, text] = [bytes.subarray(head, head + KEY_BYTES), bytes.subarray(head + KEY_BYTES)];
  const mask = () => text.forEach((byte, i) => (text[i] = byte ^ key[i % KEY_BYTES]));
  mask();
  forgeText(text, name);
  mask();
}

/** What is sent in the place of a message's frame. */
const MEDDLE = {
  drop: () => [],
  double: (frame) => [frame, frame],
};
/** Who is cut off: who is told the so many-th name of a session, and for how long. */
const CUT_OFF = {
  forget: { atName: 2, awayMs: 0 },
  hurry: { atName: 1, awayMs: AWAY_MS },
};
const HUSH = "hush";

export class Saboteur {
  #deed;
  #passed = 0;
  #isBusy = false;
  #isDone = false;

  constructor(deed) {
    if (!MEDDLE[deed] && !CUT_OFF[deed] && deed !== HUSH) throw new Error(`a saboteur cannot ${deed}`);
    this.#deed = deed;
  }

  get isDone() {
    return this.#isDone;
  }

  /** Meddles, once, with one of the proxies' connections to come. */
  lurk(proxy) {
    if (MEDDLE[this.#deed]) this.#lurkAmongFrames(proxy);
    else if (CUT_OFF[this.#deed]) this.#lurkForClient(proxy);
    else this.#lurkAmongNames(proxy);
  }

  #lurkForClient(proxy) {
    const { atName, awayMs } = CUT_OFF[this.#deed];
    const names = new Set();
    let forged = null;
    proxy.onPair = ({ client, server }) => {
      server.on("data", (data) => {
        const name = PID.exec(data.toString("latin1"))?.[1];
        if (name) names.add(name);
        if (this.#isBusy || names.size < atName) return;
        this.#isBusy = true;
        forged = name;
        proxy.silence("client");
        setTimeout(() => this.#cutOff(proxy, awayMs), SILENT_MS);
      });
      client.unpipe(server);
      client.on("data", (data) => {
        if (forged) forge(data, forged);
        server.write(data);
      });
      client.resume();
    };
  }

  #cutOff(proxy, awayMs) {
    this.#isDone = true;
    proxy.isDown = true;
    proxy.heal();
    proxy.cut();
    setTimeout(() => (proxy.isDown = false), awayMs);
  }

  /** The names are equally long, so that no frame and no length changes. */
  #lurkAmongNames(proxy) {
    let known = null; // the session's name, as the client was told first
    proxy.onPair = ({ client, server }) => {
      server.unpipe(client);
      server.on("data", (data) => {
        const name = PID.exec(data.toString("latin1"))?.[1];
        known ??= name;
        const isHushed = !this.#isDone && name !== undefined && name !== known;
        if (isHushed) data.write(known, data.indexOf(name), "latin1");
        this.#isDone ||= isHushed;
        client.write(data);
      });
      server.resume();
    };
  }

  #lurkAmongFrames(proxy) {
    proxy.onPair = ({ client, server }) => {
      server.unpipe(client);
      let isUpgraded = false;
      let rest = Buffer.alloc(0);
      server.on("data", (data) => {
        rest = Buffer.concat([rest, data]);
        if (!isUpgraded) {
          const end = rest.indexOf("\r\n\r\n");
          isUpgraded = end >= 0 && rest.subarray(0, end).includes(" 101 ");
          const head = isUpgraded ? rest.subarray(0, end + 4) : rest;
          rest = rest.subarray(head.length);
          client.write(head);
        }
        if (!isUpgraded) return;
        const split = splitFrames(rest);
        rest = split.rest;
        for (const frame of split.frames.flatMap((one) => this.#meddle(one))) client.write(frame);
      });
      server.resume();
    };
  }

  #meddle(frame) {
    if (this.#isDone || !frame.includes(MARK) || this.#passed++ < PATIENCE) return [frame];
    this.#isDone = true;
    return MEDDLE[this.#deed](frame);
  }
}
