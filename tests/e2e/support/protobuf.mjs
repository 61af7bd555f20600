// The messages of a .proto file, encoded and decoded by the file itself: as much of protobuf as rejoin.proto uses.

import { readFileSync } from "node:fs";

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

const FIELD = /^\s*(repeated\s+)?([A-Za-z0-9]+)\s+([a-z0-9_]+)\s*=\s*(\d+)\s*;/;

export class Messages {
  #types = new Map(); // name → { fields: by name, byNumber }
  #values = new Map(); // of enums: name → number

  constructor(file) {
    const open = []; // the blocks around a line: names of messages; of enums and oneofs null
    const text = readFileSync(file, "utf8").replace(/\/\/.*$/gm, "").replace(/[{};]/g, "$&\n");
    for (const line of text.split("\n")) {
      const inside = open.filter(Boolean).join(".");
      const [message, field] = [line.match(/^\s*message\s+(\w+)/), line.match(FIELD)];
      const value = line.match(/^\s*([A-Z0-9_]+)\s*=\s*(\d+)\s*;/);
      if (line.includes("{")) open.push(message?.[1] ?? null);
      if (message) {
        this.#types.set(open.filter(Boolean).join("."), { fields: new Map(), byNumber: new Map() });
      } else if (field && inside) {
        const known = { isList: Boolean(field[1]), type: field[2], name: field[3], number: Number(field[4]), inside };
        this.#types.get(inside).fields.set(known.name, known);
        this.#types.get(inside).byNumber.set(known.number, known);
      } else if (value) {
        this.#values.set(value[1], Number(value[2]));
      }
      if (line.includes("}")) open.pop();
    }
    for (const { fields } of this.#types.values()) {
      for (const field of fields.values()) {
        if (this.#types.has(`${field.inside}.${field.type}`)) field.type = `${field.inside}.${field.type}`;
      }
    }
  }

  /** Texts in fields of an enum are its values' names; bytes may be given as texts. */
  encode(type, object) {
    const parts = [];
    for (const [name, given] of Object.entries(object)) {
      const field = this.#types.get(type).fields.get(name);
      if (!field) throw new Error(`${type} has no field ${name}`);
      for (const value of field.isList ? given : [given]) parts.push(...this.#field(field, value));
    }
    return Buffer.concat(parts);
  }

  /** Fields that are not there are absent, lists are never; bytes are Buffers. */
  decode(type, bytes) {
    const { fields, byNumber } = this.#types.get(type);
    const object = {};
    for (const field of fields.values()) if (field.isList) object[field.name] = [];
    let at = 0;
    const varint = () => {
      let value = 0n;
      for (let shift = 0n; ; shift += 7n) {
        const byte = bytes[at++];
        value |= BigInt(byte & 0x7f) << shift;
        if (byte < 0x80) return value;
      }
    };
    const raw = (wire) => {
      if (wire === VARINT) return varint();
      const length = wire === BYTES ? Number(varint()) : wire === FIXED64 ? 8 : wire === FIXED32 ? 4 : NaN;
      at += length;
      return bytes.subarray(at - length, at);
    };
    while (at < bytes.length) {
      const key = Number(varint());
      const [wire, field] = [key & 7, byNumber.get(key >> 3)];
      const value = raw(wire);
      if (!field) continue;
      if (!field.isList) object[field.name] = this.#value(field, value);
      else if (wire === BYTES && this.#isNumber(field)) object[field.name].push(...this.#packed(value));
      else object[field.name].push(this.#value(field, value));
    }
    return object;
  }

  #isNumber({ type }) {
    return !this.#types.has(type) && type !== "string" && type !== "bytes" && type !== "double";
  }

  #packed(bytes) {
    const numbers = [];
    for (let at = 0, value = 0n, shift = 0n; at < bytes.length; at++) {
      value |= BigInt(bytes[at] & 0x7f) << shift;
      shift += 7n;
      if (bytes[at] >= 0x80) continue;
      numbers.push(Number(value));
      [value, shift] = [0n, 0n];
    }
    return numbers;
  }

  #value(field, raw) {
    if (this.#types.has(field.type)) return this.decode(field.type, raw);
    if (field.type === "string") return raw.toString();
    if (field.type === "bytes") return Buffer.from(raw);
    if (field.type === "double") return raw.readDoubleLE();
    return field.type === "bool" ? raw !== 0n : Number(raw);
  }

  #field(field, value) {
    const head = (wire) => varintBytes(BigInt((field.number << 3) | wire));
    if (this.#isNumber(field)) {
      const number = typeof value === "string" ? this.#values.get(value) : Number(value);
      return [head(VARINT), varintBytes(BigInt(number))];
    }
    const bytes = this.#types.has(field.type) ? this.encode(field.type, value) : Buffer.from(value);
    return [head(BYTES), varintBytes(BigInt(bytes.length)), bytes];
  }
}

function varintBytes(value) {
  const bytes = [];
  for (; value >= 0x80n; value >>= 7n) bytes.push(Number(value & 0x7fn) | 0x80);
  bytes.push(Number(value));
  return Buffer.from(bytes);
}
