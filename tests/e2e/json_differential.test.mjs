// proto/base/json.h takes exactly what JSON.parse takes: what it passes is forwarded verbatim to clients whose
// parser is JSON.parse. Both judge the same generated texts, valid ones and slightly spoilt ones.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

import { Random } from "./support/random.mjs";

const DRIVER = process.env.REJOIN_JSON_DRIVER;
const DEPTH = 128; // RJ_JSON_DEPTH

/** What the driver says of each text (Buffers). */
function driven(texts, ...args) {
  const input = Buffer.concat(
    texts.flatMap((text) => {
      const head = Buffer.alloc(4);
      head.writeUInt32LE(text.length);
      return [head, text];
    }),
  );
  const run = spawnSync(DRIVER, args, { input, encoding: "utf8", maxBuffer: 1 << 28 });
  assert.equal(run.status, 0, `the driver failed: ${run.stderr}`);
  return run.stdout.trimEnd().split("\n");
}

function typeOf(value) {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

/** What JSON.parse says; texts that are no UTF-8 never reach it in a client, they count as refused. */
function parsed(text) {
  try {
    return typeOf(JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(text)));
  } catch {
    return "bad_request";
  }
}

function compare(texts) {
  const buffers = texts.map((text) => Buffer.from(text));
  const verdicts = driven(buffers);
  assert.equal(verdicts.length, buffers.length);
  buffers.forEach((text, i) => {
    assert.equal(verdicts[i], parsed(text), `for ${JSON.stringify(text.toString("latin1"))}`);
  });
}

const NUMBERS = [
  "0", "-0", "1", "-1", "12345678901234567890123", "1.5", "-0.001", "1e5", "1E+5", "1e-5", "1.0e400", "0e0",
  "9007199254740993", "1e99999",
];
const SPOILT_NUMBERS = [
  "01", "-", "+1", ".5", "1.", "1.e5", "1e", "1e+", "--1", "0x10", "NaN", "Infinity", "-Infinity", "1_000", "- 1", "00",
  "-01", "1.2.3", "1e5.5", "1n", "٣",
];
const STRINGS = [
  '""', '"a"', '"\\""', '"\\\\"', '"\\/"', '"\\b\\f\\n\\r\\t"', '"\\u0000"', '"\\ud83d\\ude00"', '"\\ud800"',
  '"\\udc00\\ud800"', '"\u007f"', '"ä€😀"', '"\u2028\u2029"', '"\\u00E9"', '"\ufeff"', '"\uffff"',
];
const SPOILT_STRINGS = [
  '"', '"a', "'a'", '"\\"', '"\\x41"', '"\\u12"', '"\\u12g4"', '"\\U0041"', '"\t"', '"\n"', '"\u0000"', '"\u001f"',
  '"\\\n"', '"a""b"', '"\\v"', '"\\0"', "`a`",
];
const SPOILT_VALUES = [
  "", " ", "nul", "nulll", "True", "tru", "falsee", "undefined", "[", "]", "{", "}", "[,]", "[1,]", "[,1]", "[1 2]",
  "[1,,2]", "{,}", '{"a"}', '{"a":}', '{"a":1,}', "{a:1}", "{1:1}", '{"a" 1}', '{"a":1 "b":2}', '{"a":1,,"b":2}',
  "[1}", '{"a":1]', "1 2", "[] []", "//c\n1", "/**/1", "1//", "[1]x", "\ufeff1", "\u00a01", "1\u00a0", "\v1", "\f1",
  "\u20281", "null\u0000", "\u0000null",
];
const SPACE = ["", "", "", " ", "\n", "\t", "\r", "  \r\n\t"];

/** A valid text from the seed's grammar. */
function generate(random, depth) {
  const space = () => random.pick(SPACE);
  const inner = () => generate(random, depth - 1);
  const list = (item) => Array.from({ length: random.below(4) }, item).join(",");
  const value = () => {
    switch (random.below(depth > 0 ? 7 : 5)) {
      case 0:
        return "null";
      case 1:
        return random.pick(["true", "false"]);
      case 2:
        return random.pick(NUMBERS);
      case 3:
      case 4:
        return random.pick(STRINGS);
      case 5:
        return `[${space()}${list(inner)}${space()}]`;
      default:
        return `{${list(() => `${space()}${random.pick(STRINGS)}${space()}:${inner()}`)}${space()}}`;
    }
  };
  return space() + value() + space();
}

/** The text with a byte or two changed, removed, repeated or put in. */
function spoil(random, text) {
  let bytes = [...Buffer.from(text)];
  for (let n = 1 + random.below(2); n > 0 && bytes.length > 0; n--) {
    const at = random.below(bytes.length);
    const tokens = '{}[],:"\\0123456789.eE+-tfn \n\u0000u/\x1f\x7f';
    const byte = random.below(3) === 0 ? random.below(256) : tokens.charCodeAt(random.below(tokens.length));
    const change = random.below(4);
    if (change === 0) bytes[at] = byte;
    else if (change === 1) bytes.splice(at, 1);
    else if (change === 2) bytes.splice(at, 0, byte);
    else bytes = [...bytes.slice(0, at), ...bytes.slice(random.below(bytes.length))];
  }
  return Buffer.from(bytes);
}

test("the known corners are judged as JSON.parse judges them", () => {
  const all = [...NUMBERS, ...STRINGS, ...SPOILT_NUMBERS, ...SPOILT_STRINGS, ...SPOILT_VALUES];
  compare([...all, ...all.map((text) => `[${text}]`), ...all.map((text) => `{"k":${text}}`)]);
});

test("bytes that are no UTF-8 are refused, inside strings and outside", () => {
  const spoilt = [
    [0x80], [0xbf], [0xc0, 0x80], [0xc1, 0xbf], [0xc3], [0xe0, 0x80, 0x80], [0xe2, 0x82], [0xed, 0xa0, 0x80],
    [0xed, 0xbf, 0xbf], [0xf0, 0x80, 0x80, 0x80], [0xf0, 0x9f, 0x98], [0xf4, 0x90, 0x80, 0x80],
    [0xf5, 0x80, 0x80, 0x80], [0xfe], [0xff],
  ];
  const quoted = spoilt.map((bytes) => Buffer.from([0x22, ...bytes, 0x22]));
  compare([...spoilt.map((bytes) => Buffer.from(bytes)), ...quoted]);
});

test("generated texts pass, and spoilt ones are judged as JSON.parse judges them", () => {
  const seed = Number(process.env.REJOIN_SEED ?? 20250101);
  const random = new Random(seed);
  const good = Array.from({ length: 20000 }, () => generate(random, 1 + random.below(6)));
  compare(good);
  const spoilt = good.flatMap((text) => [spoil(random, text), spoil(random, text)]);
  const refused = spoilt.filter((text) => parsed(text) === "bad_request").length;
  assert.ok(refused > spoilt.length / 4 && refused < spoilt.length, "the spoilt texts are of both kinds");
  compare(spoilt);
});

test("what JSON.stringify writes passes", () => {
  const random = new Random(7);
  const text = () => String.fromCharCode(...Array.from({ length: random.below(12) }, () => random.below(0x10000)));
  const value = () => ({ [text()]: [text(), random.below(1 << 30) / 7, null] });
  compare(Array.from({ length: 5000 }, () => JSON.stringify(value())));
});

test("nesting is taken up to the limit and called too large beyond it", () => {
  const nested = (open, close, depth) => Buffer.from(open.repeat(depth) + "1" + close.repeat(depth));
  const verdicts = driven([
    nested("[", "]", DEPTH), nested("[", "]", DEPTH + 1), nested("[", "]", 100000), nested('{"a":', "}", DEPTH),
    nested('{"a":', "}", DEPTH + 1),
  ]);
  assert.deepEqual(verdicts, ["array", "too_large", "too_large", "object", "too_large"]);
});
