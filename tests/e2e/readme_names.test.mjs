// What the README calls by a name is called so: counters, reasons, codes of errors, rejoinctl's commands.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { ctl } from "./support/ctl.mjs";
import { suite } from "./support/suite.mjs";

const root = join(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "../..");
const read = (path) => readFileSync(join(root, path), "utf8");
const readme = read("README.md");

const test = suite({ gateways: 1 });

/** The strings that an X-macro list of the header gives its entries. */
const entries = (header) => [...read(header).matchAll(/^ {4}X\([A-Z_]+, "([^"]+)"/gm)].map(([, text]) => text);

test("every counter that is told of is there", async ({ cluster }) => {
  const answer = await fetch(`${cluster.url()}/metrics`);
  const { lines } = await ctl(cluster, ["stats"]);
  const stats = `${await answer.text()}\n${lines.map((line) => JSON.stringify(line)).join("\n")}`;
  const known = [...new Set(stats.match(/rejoin_(?:broker|gateway)_[a-z_]+/g))];
  // Of several in a row only the first has its whole name.
  const parts = readme.split(/\n\n|\n- /).filter((part) => /`rejoin_(?:broker|gateway)_/.test(part));
  const told = parts.flatMap((part) => [...part.matchAll(/`((?:rejoin_(?:broker|gateway))?_[a-z_]+)[`{]/g)]);
  assert.ok(known.length > 100 && told.length > 12, `${known.length} known, ${told.length} told of`);
  assert.deepEqual(told.map(([, name]) => name).filter((name) => !known.some((whole) => whole.endsWith(name))), []);
});

test("the reasons of a connection's end are those that there are", () => {
  const rows = readme.slice(readme.indexOf("| reason | causes;")).split("\n\n")[0];
  const told = [...rows.matchAll(/^\| `([a-z ]+)` \|/gm)].map(([, reason]) => reason);
  assert.deepEqual(told.sort(), entries("proto/reason.h").sort());
});

test("every code of an error that is told of is one", () => {
  const known = new Set(entries("proto/base/status.h"));
  const rows = readme.slice(readme.indexOf("| code | what it means")).split("\n\n")[0];
  const told = [...rows.matchAll(/^\| ((?:`[a-z_]+`(?:, )?)+) \|/gm)].flatMap(([, codes]) => codes.match(/[a-z_]+/g));
  assert.ok(told.length > 8, told.join(" "));
  assert.deepEqual(told.filter((code) => !known.has(code)), []);
});

test("every command of rejoinctl that is told of is one", async ({ cluster }) => {
  const told = new Set([...readme.matchAll(/rejoinctl ([a-z]+)/g)].map(([, name]) => name));
  assert.ok(told.size > 3, [...told].join(" "));
  for (const name of told) assert.equal((await ctl(cluster, [name, "--help"])).code, 0, name);
});
