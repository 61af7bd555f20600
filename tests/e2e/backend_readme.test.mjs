// What the README tells authors of backends, done as it is written.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";

import { until } from "./support/deadline.mjs";
import { Process } from "./support/process.mjs";
import { Messages } from "./support/protobuf.mjs";
import { suite } from "./support/suite.mjs";
import { ZmtpPeer } from "./support/zmtp.mjs";

const test = suite({ gateways: 1, broker: { lease: 1000, ping: 100 } });

const ROOT = resolve(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "../..");

const run = promisify(execFile);
const cmake = (...args) => run("cmake", args);

/** The first block of that language behind `text`. */
function block(text, language) {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const start = readme.indexOf(`\`\`\`${language}\n`, readme.indexOf(text));
  assert.ok(readme.includes(text) && start >= 0, `the README has a block of ${language} behind "${text}"`);
  return readme.slice(start + language.length + 4, readme.indexOf("\n```", start));
}

test("the server for the event hello, built by another project", async (scope) => {
  const folder = mkdtempSync(join(tmpdir(), "rejoin-readme-"));
  try {
    const program = block("A server for the event `hello`", "c");
    const project = block("A server for the event `hello`", "cmake");
    const endpoint = "ipc:///run/rejoin/backends";
    assert.ok(program.includes(endpoint) && project.includes("path/to/rejoin"));
    writeFileSync(join(folder, "greeter.c"), program.replace(endpoint, scope.cluster.endpoint("backends")));
    writeFileSync(join(folder, "CMakeLists.txt"), project.replace("path/to/rejoin", ROOT));
    await cmake("-S", folder, "-B", join(folder, "build"), "-G", "Ninja");
    await cmake("--build", join(folder, "build"));

    const greeter = new Process("greeter", join(folder, "build", "greeter"), []);
    greeter.spawn();
    try {
      const client = await scope.client();
      let answer;
      await until(async () => {
        answer = await client.ask("hello");
        return answer === "hello to you";
      }, () => `the greeting; the answer is ${JSON.stringify(answer)}`);
    } finally {
      await greeter.kill();
    }
    assert.deepEqual(greeter.faults, []);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

// "In any other language": nothing but a socket, the envelope and rejoin.proto; the numbers are the README's.
class Stranger {
  #last = 0;

  static messages = new Messages(join(ROOT, "proto/rejoin.proto"));

  constructor(path) {
    this.path = path;
    this.items = [];
  }

  // 1 and 2
  async connect() {
    this.peer?.close();
    this.peer = await ZmtpPeer.open(this.path);
    this.#listen(this.peer);
    this.say({ hello: { role: "BACKEND", id: "stranger-1", name: "stranger" } });
    const { welcome } = await this.hear("welcome");
    this.heartbeat ??= setInterval(() => this.say({ ping: { nonce: 1 } }), welcome.ping_ms); // 5
  }

  say(item) {
    const batch = Stranger.messages.encode("Batch", { items: [item] });
    this.peer.send(Buffer.concat([Buffer.from([0x52, 0x4a, 1, 0]), batch])); // "R J 1 0"
  }

  // 3
  async command(kind, body, id = ++this.#last) {
    this.say({ command: { id, [kind]: body } });
    return (await this.hear("reply", (reply) => reply.id === id)).reply;
  }

  /** Takes the first item of that kind, out of what came. */
  async hear(kind, fits = () => true) {
    const find = () => this.items.findIndex((item) => item[kind] && fits(item[kind]));
    await until(() => find() >= 0, `${kind}; there are ${JSON.stringify(this.items)}`);
    return this.items.splice(find(), 1)[0];
  }

  close() {
    clearInterval(this.heartbeat);
    this.peer.close();
  }

  async #listen(peer) {
    for (;;) {
      const frame = await peer.receive().catch(() => null);
      if (!frame || peer !== this.peer) return;
      if (frame.length === 0) continue; // the first one
      const { items } = Stranger.messages.decode("Batch", frame.subarray(4));
      for (const item of items) {
        if (item.ping) this.say({ pong: { nonce: item.ping.nonce ?? 0 } });
        else if (!item.pong) this.items.push(item);
      }
    }
  }
}

test("the steps for any other language", async (scope) => {
  const room = scope.room();
  const client = await scope.client();
  await client.join(room);
  const stranger = new Stranger(scope.cluster.endpoint("backends").replace("ipc://", ""));
  const message = { namespace: "/", targets: [{ kind: "ROOM", name: room }], data: "1", id: "first" };
  const serve = { group: "strangers", namespaces: ["/"], events: ["wave"] };
  try {
    await stranger.connect();
    const { published } = await stranger.command("publish", { message });
    assert.deepEqual(published.seqs, [1]);
    await client.received(room, 1);
    assert.ok((await stranger.command("serve", serve)).served); // 4
    const opened = await stranger.hear("opened");
    assert.equal(opened.opened.socket.sid, client.id);
    const ask = async (n) => {
      const asked = client.ask("wave", n);
      const { job } = await stranger.hear("job");
      assert.deepEqual([job.sid, job.event.name, JSON.parse(job.event.args)], [client.id, "wave", [n]]);
      await stranger.command("answer", { job: job.id, args: `["seen ${n}"]` });
      assert.equal(await asked, `seen ${n}`);
    };
    await ask(1);
    await delay(1500); // longer than the lease: the heartbeats keep the stream
    await ask(2);

    await scope.broker.kill(); // 6
    await scope.broker.start();
    await stranger.connect();
    const again = await stranger.command("publish", { message }, 1);
    assert.deepEqual([again.published.duplicate, again.published.seqs], [true, [1]]);
    assert.ok((await stranger.command("serve", serve)).served);
    await ask(3);
  } finally {
    stranger.close();
  }
});
