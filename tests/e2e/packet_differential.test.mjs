// The gateway's codecs against those of npm (engine.io-parser, socket.io-parser): packets made at random are read and
// written by both, valid ones and slightly spoilt ones. Where they differ, the difference stands below with its reason.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

import { decodePacket, decodePayload, encodePayload } from "engine.io-parser";
import { Decoder, Encoder, PacketType } from "socket.io-parser";

import { Random } from "./support/random.mjs";

const DRIVER = process.env.REJOIN_PACKET_DRIVER;
const SEED = Number(process.env.REJOIN_SEED ?? 20261121);
const RESET = { kind: "R", bytes: Buffer.alloc(0) };

/** What the driver says of each record {kind, bytes}. */
function driven(records) {
  const input = Buffer.concat(
    records.flatMap(({ kind, bytes }) => {
      const head = Buffer.alloc(5);
      head.write(kind, "latin1");
      head.writeUInt32LE(bytes.length, 1);
      return [head, bytes];
    }),
  );
  const run = spawnSync(DRIVER, { input, encoding: "utf8", maxBuffer: 1 << 29 });
  assert.equal(run.status, 0, `the driver failed: ${run.stderr}`);
  const lines = run.stdout.trimEnd().split("\n");
  assert.equal(lines.length, records.length);
  return lines.map((line) => JSON.parse(line));
}

const text = (string) => ({ kind: "T", bytes: Buffer.from(string) });
const binary = (bytes) => ({ kind: "B", bytes });
const unhex = (hex) => Buffer.from(hex, "hex");

// ------------------------------------------------------------------------------------------------ values

const NAMESPACES = ["/", "/", "/", "/chat", "/a/b?x=1", "/ä😀", "/1", "/{}"];
const EVENTS = ["a", "message", "room:publish", "", " ", "ä😀", "1", '"', "\\", "\u2028", "-", "__proto__", "toString"];
const STRINGS = [...EVENTS, "\u0000", "\ud800", "connect", "[", "]", "{}", ",", "a\nb", "\u007f"];
const NUMBERS = [0, -1, 1.5, 1e21, 1e-7, 9007199254740991, -0];

function value(random, depth, binaries) {
  switch (random.below(depth > 0 ? 9 : 6)) {
    case 0:
      return null;
    case 1:
      return random.below(2) === 0;
    case 2:
      return random.pick(NUMBERS);
    case 3:
    case 4:
      return random.pick(STRINGS);
    case 5:
      return binaries && random.below(2) === 0
        ? Buffer.from(Array.from({ length: random.below(20) }, () => random.below(256)))
        : random.below(1000);
    case 6:
    case 7:
      return Array.from({ length: random.below(4) }, () => value(random, depth - 1, binaries));
    default:
      return Object.fromEntries(
        Array.from({ length: random.below(4) }, () => [`k${random.below(9)}`, value(random, depth - 1, binaries)]),
      );
  }
}

function packet(random, binaries) {
  const args = Array.from({ length: random.below(4) }, () => value(random, random.below(4), binaries));
  const nsp = random.pick(NAMESPACES);
  const id = random.pick([0, 1, 7, 12345, 2 ** 53 - 1]);
  switch (random.below(8)) {
    case 0:
      return { type: PacketType.CONNECT, nsp, data: random.pick([undefined, {}, { token: "ä" }]) };
    case 1:
      return { type: PacketType.DISCONNECT, nsp };
    case 2:
    case 3:
      return { type: PacketType.ACK, nsp, id, data: args };
    case 4:
    case 5:
      return { type: PacketType.EVENT, nsp, id, data: [random.pick(EVENTS), ...args] };
    default:
      return { type: PacketType.EVENT, nsp, data: [random.pick([...EVENTS, 1, 2.5]), ...args] };
  }
}

// ------------------------------------------------------------------------------------------------ Socket.IO

/** The messages of a packet, as npm writes them. */
const encoded = (packet) => new Encoder().encode(packet);
const recorded = (messages) => messages.map((m) => (typeof m === "string" ? text(m) : binary(m)));

/** What npm's decoder makes of messages: a packet, "waiting" or "refused". */
function read(messages) {
  const decoder = new Decoder();
  let found = "waiting";
  decoder.on("decoded", (packet) => (found = packet));
  try {
    for (const message of messages) decoder.add(message);
  } catch {
    return "refused";
  } finally {
    decoder.destroy();
  }
  return found;
}

/** The value with its placeholders replaced. */
function filled(data, attachments) {
  if (Array.isArray(data)) return data.map((one) => filled(one, attachments));
  if (data === null || typeof data !== "object") return data;
  if (data._placeholder === true) return attachments[data.num];
  const entries = Object.entries(data).map(([key, one]) => [key, filled(one, attachments)]);
  return entries.reduce((object, [key, one]) => Object.defineProperty(object, key, { value: one, enumerable: true, configurable: true, writable: true }), {});
}

/** A packet of the driver's in npm's shape. */
function shaped(line) {
  const data = line.data === "" ? undefined : JSON.parse(unhex(line.data).toString());
  const packet = { type: line.type, nsp: line.nsp, data: filled(data, line.attachments.map(unhex)) };
  if (line.id !== undefined) packet.id = line.id;
  return packet;
}

const plain = ({ type, nsp, id, data }) => ({ type, nsp, data, ...(id === undefined ? {} : { id }) });

/** The packets, each on a connection of its own, and the driver's line for the last message of each. */
function drivenPackets(lists) {
  const lines = driven(lists.flatMap((messages) => [RESET, ...recorded(messages)]));
  let at = -1;
  return lists.map((messages) => lines[(at += 1 + messages.length)]);
}

function compareValid(binaries) {
  const random = new Random(SEED);
  const lists = Array.from({ length: 10000 }, () => encoded(packet(random, binaries)));
  const lines = drivenPackets(lists);
  lists.forEach((messages, i) => {
    const said = JSON.stringify(messages[0]);
    assert.equal(lines[i].status, "ok", said);
    assert.deepEqual(shaped(lines[i]), plain(read(messages)), said);
    if (lines[i].again === "") return; // a connect, a disconnect, or an event whose name is a number
    const again = [unhex(lines[i].again).toString(), ...messages.slice(1)];
    // An acknowledged event loses its id on the way: the gateway's own events have none.
    const { id, ...rest } = plain(read(messages));
    const expected = rest.type === PacketType.ACK ? { ...rest, id } : rest;
    assert.deepEqual(plain(read(again)), expected, said);
  });
}

test("what npm writes is read alike, and what is written again is read alike by npm", () => compareValid(false));
test("the same with attachments", () => compareValid(true));

/** Why we refuse what npm's parser takes. Each says whether it explains the messages. */
const STRICTER = [
  ["only servers send CONNECT_ERROR", ([head]) => head[0] === "4"],
  ["an ack without an id answers nothing", ([head], theirs) => theirs.type === PacketType.ACK && theirs.id === undefined],
  // npm counts a packet without payload as valid and its server then fails on it, or ignores it.
  ["an event needs a name, and an ack an array", (_, theirs) => theirs.data === undefined && theirs.type !== PacketType.CONNECT && theirs.type !== PacketType.DISCONNECT],
  // npm's Number() takes "1e1", " 1", "0x1", "+1" and "1.0" as a count.
  ["a number of attachments has digits only", ([head]) => /^[56](?!\d{1,6}-)/.test(head)],
  ["an id is at most 2^53 - 1, in 16 digits", (_, theirs) => theirs.id > 2 ** 53 - 1 || !Number.isInteger(theirs.id)],
  ["an id of more than 16 digits is none, leading zeros or not", ([head]) => /\d{17}/.test(head)],
  // npm's Number() makes 0 of white space: at the front it is a CONNECT, later an id of 0 or a part of one.
  ["white space is no digit, and JSON knows four kinds of it", ([head]) => /^\s|^\d(\d*-)?(\/[^,]*,)?[\d\s]*\s/.test(head)],
  // npm throws later, or hands the placeholder to the application as it stands.
  ["a placeholder has an attachment", ([head]) => head.includes("_placeholder")],
];

/** npm's Number(" ") is 0, so white space counts as a digit of an id: JSON behind a space has the id 0 there, none here. */
const SPACE_BEFORE_JSON = /^\d(\d*-)?(\/[^,]*,)?\d*[\s\u00a0\ufeff]/;

/** What we take but npm's parser refuses: nothing. */

function spoil(random, string) {
  let chars = [...string];
  for (let n = 1 + random.below(2); n > 0 && chars.length > 0; n--) {
    const at = random.below(Math.min(chars.length, random.below(3) === 0 ? chars.length : 12));
    const char = random.pick([..."0123456789-/,[]{}\":\\ abe_\u0000\u2028ä"]);
    const change = random.below(4);
    if (change === 0) chars[at] = char;
    else if (change === 1) chars.splice(at, 1);
    else if (change === 2) chars.splice(at, 0, char);
    else chars = chars.slice(0, at);
  }
  return chars.join("");
}

test("spoilt packets are refused by both, or the reason is known", () => {
  const random = new Random(SEED + 1);
  const lists = Array.from({ length: 20000 }, () => {
    const [head, ...attachments] = encoded(packet(random, random.below(4) === 0));
    // Without its attachments, too: what is made of the head alone would be hidden by what follows it.
    return [spoil(random, head), ...(random.below(2) === 0 ? attachments : [])];
  }).filter(([head]) => head !== "");
  const lines = drivenPackets(lists);
  const used = new Map();
  let refused = 0;
  lists.forEach((messages, i) => {
    const said = `${JSON.stringify(messages[0])} with ${messages.length - 1} attachments: ours ${JSON.stringify(lines[i])}`;
    const theirs = read(messages);
    const ours = lines[i].status === "ok" ? shaped(lines[i]) : lines[i].status === "waiting" ? "waiting" : "refused";
    refused += theirs === "refused" ? 1 : 0;
    const same = typeof theirs === "string" ? theirs === ours : ours !== "waiting" && ours !== "refused";
    if (!same) {
      assert.equal(ours, "refused", `only refusals may differ: ${said}`);
      // A packet that waits for attachments has been read as far as its head.
      const head = typeof theirs === "string" ? headOf(messages[0]) : theirs;
      const reason = STRICTER.find(([, explains]) => explains(messages, head));
      assert.ok(reason, `not on the list: ${said}`);
      used.set(reason[0], (used.get(reason[0]) ?? 0) + 1);
    } else if (typeof theirs !== "string") {
      if (SPACE_BEFORE_JSON.test(messages[0])) theirs.id = ours.id;
      assert.deepEqual(plain(ours), plain(theirs), said);
    }
  });
  assert.ok(refused > lists.length / 4 && refused < lists.length, "the spoilt packets are of both kinds");
  console.log(`# stricter than npm, of ${lists.length}:`, Object.fromEntries(used));
});

/** What npm reads out of the text of a packet whose attachments are still to come. */
function headOf(string) {
  return new Decoder().decodeString(string);
}

// ------------------------------------------------------------------------------------------------ Engine.IO

const TYPES = ["open", "close", "ping", "pong", "message", "upgrade", "noop"];

function payload(random) {
  const packets = Array.from({ length: 1 + random.below(5) }, () =>
    random.below(3) === 0
      ? { type: "message", data: Buffer.from(Array.from({ length: random.below(10) }, () => random.below(256))) }
      : { type: random.pick(TYPES), data: random.pick(["", "probe", "ä😀", '2["a"]', "\u2028", "b"]) },
  );
  let body;
  encodePayload(packets, (encoded) => (body = encoded));
  return body;
}

const shapedPackets = (line) =>
  line.packets.map(({ type, binary, data }) => ({
    type: TYPES[type],
    data: binary ? unhex(data) : unhex(data).toString(),
  }));
const theirPackets = (body) => decodePayload(body, "nodebuffer").map(({ type, data }) => ({ type, data: data ?? "" }));

test("polling payloads are read and written alike", () => {
  const random = new Random(SEED + 2);
  const bodies = Array.from({ length: 10000 }, () => payload(random));
  const lines = driven(bodies.map((body) => ({ kind: "P", bytes: Buffer.from(body) })));
  bodies.forEach((body, i) => {
    assert.equal(lines[i].status, "ok", JSON.stringify(body));
    assert.deepEqual(shapedPackets(lines[i]), theirPackets(body), JSON.stringify(body));
    assert.equal(unhex(lines[i].again).toString(), body);
  });
});

test("text messages of a WebSocket are read alike, base64 among them", () => {
  const random = new Random(SEED + 4);
  const texts = Array.from({ length: 10000 }, () => payload(random).split("\x1e")[0]);
  const lines = driven(texts.map((message) => ({ kind: "M", bytes: Buffer.from(message) })));
  texts.forEach((message, i) => {
    const { type, data } = decodePacket(message, "nodebuffer");
    assert.equal(lines[i].status, "ok", JSON.stringify(message));
    assert.deepEqual(shapedPackets(lines[i]), [{ type, data: data ?? "" }], JSON.stringify(message));
  });
  const binaries = lines.filter(({ packets: [one] }) => one.binary).length;
  assert.ok(binaries > 1000, `${binaries} binary ones`);
});

test("spoilt payloads are refused by both, but for base64 that is none", () => {
  const random = new Random(SEED + 3);
  const bodies = Array.from({ length: 20000 }, () => spoil(random, payload(random)));
  const lines = driven(bodies.map((body) => ({ kind: "P", bytes: Buffer.from(body) })));
  let refused = 0;
  bodies.forEach((body, i) => {
    const said = JSON.stringify(body);
    const theirs = theirPackets(body);
    const isRefused = theirs.at(-1).type === "error";
    refused += isRefused ? 1 : 0;
    if (isRefused) {
      assert.notEqual(lines[i].status, "ok", said);
    } else if (lines[i].status === "ok") {
      assert.deepEqual(shapedPackets(lines[i]), theirs, said);
    } else {
      // Node drops what is no base64 digit and whatever follows padding; we refuse it instead of passing on other bytes
      // than were sent.
      const isBase64 = (part) => /^[A-Za-z0-9+/_-]*={0,2}$/.test(part) && part.replace(/=+$/, "").length % 4 !== 1 && (!part.includes("=") || part.length % 4 === 0);
      assert.ok(body.split("\x1e").some((part) => part[0] === "b" && !isBase64(part.slice(1))), `not explained: ${said}`);
    }
  });
  assert.ok(refused > bodies.length / 20 && refused < bodies.length, "the spoilt payloads are of both kinds");
});
