// A planted bug on the wire between a gateway and a client, to prove that the storm sees what really happens: it drops
// or doubles one message on a WebSocket, or gives one client whose session is another one the old name of it, so
// that it is not told.

const HEADER_BYTES = 2;
const MEDIUM = 126; // the length stands in the next two bytes
const PATIENCE = 3; // messages that pass before the first one is meddled with
const MARK = '"room:message"';

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

const PID = /"pid":"([\w-]{22})"/;

/** What is sent in the place of a message's frame. */
const DEEDS = {
  drop: () => [],
  double: (frame) => [frame, frame],
};
const HUSH = "hush";

export class Saboteur {
  #deed;
  #passed = 0;
  #isDone = false;

  /** `deed` is "drop", "double" or "hush". */
  constructor(deed) {
    if (!DEEDS[deed] && deed !== HUSH) throw new Error(`a saboteur cannot ${deed}`);
    this.#deed = DEEDS[deed];
  }

  /** Meddles with one message of the proxy's connections to come. */
  lurk(proxy) {
    if (this.#deed) this.#lurkAmongFrames(proxy);
    else this.#lurkAmongNames(proxy);
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
    return this.#deed(frame);
  }
}
