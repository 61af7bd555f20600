// The example programs of librejoin, as a reader would start them.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { ctlLines } from "./support/ctl.mjs";
import { until } from "./support/deadline.mjs";
import { Process } from "./support/process.mjs";
import { suite } from "./support/suite.mjs";

const test = suite({ gateways: 2, broker: { lease: 1000, ping: 100 } });

class Example extends Process {
  constructor(scope, name, args, options) {
    const endpoint = scope.cluster.endpoint("backends");
    super(name, join(process.env.REJOIN_BIN, name), ["--broker", endpoint, ...args], options);
    /** The lines that it has printed, over all its runs. */
    this.lines = [];
  }

  heard(line) {
    this.lines.push(line);
  }

  async close() {
    if (this.isRunning) await this.kill();
    if (this.faults.length > 0) throw new Error(`${this.faults.join("\n")}\n${this.tail()}`);
  }
}

function echo(scope) {
  return scope.own(new Example(scope, "example-echo", [], { ready: /^example-echo ready/m }));
}

test("example-echo acks the arguments and emits them back", async (scope) => {
  const example = echo(scope);
  await example.start();
  const client = await scope.client();
  const args = ["a", { b: [1, Buffer.from([2])] }];
  const ack = await new Promise((resolve) => client.socket.emit("echo", ...args, (...got) => resolve(got)));
  assert.deepEqual(ack, args);
  await until(() => client.events.length > 0, "the event");
  assert.equal(client.events[0].event, "echo");
  assert.deepEqual(client.events[0].args.slice(0, 2), args);
  await example.stop(); // and it ends as asked to
});

test("two of example-echo share the clients, and one that ends hands its own over", async (scope) => {
  const examples = [echo(scope), echo(scope)];
  for (const example of examples) await example.start();
  const clients = await Promise.all(Array.from({ length: 6 }, () => scope.client()));
  const round = (n) => Promise.all(clients.map(async (client) => assert.equal(await client.ask("echo", n), n)));
  await round(1);
  await examples[0].stop();
  await round(2);
  await examples[1].stop();
});

test("example-consumer goes on after kill -9 where it stopped", async (scope) => {
  const room = scope.room();
  const position = join(scope.cluster.folder, `${room}.position`);
  const args = ["--room", room, "--position", position];
  const consumer = scope.own(new Example(scope, "example-consumer", args, { isSpokenTo: true, ready: /^/ }));
  const publish = (from, to) =>
    ctlLines(scope.cluster, ["publish", room, "-"], {
      input: Array.from({ length: to - from }, (_, i) => from + i).join("\n"),
    });
  const numbers = () => consumer.lines.map((line) => Number(line.split(" ")[2]));
  await publish(0, 20);
  consumer.spawn();
  await until(() => numbers().length >= 5, "the first messages");
  await consumer.kill();
  await publish(20, 40);
  consumer.spawn();
  await until(() => numbers().at(-1) >= 30, "most of the rest");
  await consumer.kill();
  const resumed = readFileSync(position, "utf8").trim();
  assert.match(resumed, /^[\w-]+\.[\w-]+$/);
  consumer.spawn();
  await until(() => numbers().at(-1) === 39, "the last message");
  await consumer.kill();
  const seen = numbers();
  assert.deepEqual([...new Set(seen)], Array.from({ length: 40 }, (_, n) => n)); // all, in order
  assert.ok(seen.length <= 42, `at most one is repeated a kill: ${seen}`);
  consumer.spawn();
  await publish(40, 41);
  await until(() => numbers().at(-1) === 40, "the newest message");
  assert.ok(numbers().length <= seen.length + 2);
});

test("the protocol suite's backend answers as the suite expects", async (scope) => {
  const options = { ready: /^socketio-suite-backend ready$/m };
  const backend = scope.own(new Example(scope, "socketio-suite-backend", [], options));
  await backend.start();
  for (const nsp of ["/", "/custom"]) {
    const client = await scope.client({ nsp, auth: { token: "123" } });
    await until(() => client.events.length === 1, "auth");
    assert.equal(client.events[0].event, "auth");
    assert.deepEqual(client.events[0].args[0], { token: "123" });
    const args = [1, "2", { 3: [true] }, Buffer.from([4])];
    client.socket.emit("message", ...args);
    await until(() => client.events.length === 2, "message-back");
    assert.equal(client.events[1].event, "message-back");
    assert.deepEqual(client.events[1].args.slice(0, 4), args);
    const acked = new Promise((resolve) => client.socket.emit("message-with-ack", ...args, (...got) => resolve(got)));
    assert.deepEqual(await acked, args);
  }
});
