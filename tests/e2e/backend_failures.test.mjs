// Backends and the broker die or fall silent while clients' events flow: every client is answered, and no event is
// handled twice unless the second handler is told so.

import assert from "node:assert/strict";

import { Backend } from "./support/backend.mjs";
import { until } from "./support/deadline.mjs";
import { suite } from "./support/suite.mjs";

const LEASE_MS = 1000;
const SETTINGS = { gateways: 2, broker: { lease: LEASE_MS, ping: 100 } };
const test = suite(SETTINGS);

/** Clients that emit `work` without pause, each event with a number of its own, and count the answers. */
class Load {
  constructor(clients) {
    this.clients = clients;
    this.isOver = false;
    this.asked = 0;
    this.answers = new Map(); // number → the answer
  }

  start() {
    this.runs = this.clients.map((client) => this.#run(client));
    return this;
  }

  /** Waits until `count` further events are answered. */
  async answered(count) {
    const wanted = this.answers.size + count;
    await until(() => this.answers.size >= wanted, () => `${wanted} answers; there are ${this.answers.size}`);
  }

  /** No further events; waits for the answers of those on their way. */
  async end() {
    this.isOver = true;
    await Promise.all(this.runs);
    assert.equal(this.answers.size, this.asked);
  }

  /** The codes of those that failed. */
  get failures() {
    return [...this.answers.values()].filter((answer) => answer?.error).map((answer) => answer.error.code);
  }

  // A few at a time, so that some are with the backend whenever it dies.
  async #run(client) {
    const lane = async () => {
      while (!this.isOver) {
        const number = ++this.asked;
        const answer = await client.ask("work", number);
        assert.ok(answer?.error || answer === number, `${number} was answered ${JSON.stringify(answer)}`);
        this.answers.set(number, answer);
      }
    };
    await Promise.all([lane(), lane(), lane()]);
  }
}

/** An instance that takes its time, so that jobs are in work whenever it dies. */
async function worker(scope, options = {}) {
  const backend = await Backend.open(scope, { group: "workers", events: ["work"], ...options });
  backend.handlers.event.work = ({ job, args }) => setTimeout(() => backend.ack(job, args[0]).catch(() => {}), 5);
  return backend;
}

async function loaded(scope, count = 6) {
  const clients = await Promise.all(Array.from({ length: count }, (_, i) => scope.client({ gateway: i % 2 })));
  return new Load(clients).start();
}

/** Of all the times that an event was shown to a backend, at most one may be without `repeated`. */
function assertOnceUnlessTold(backends) {
  const shown = new Map();
  for (const backend of backends) {
    for (const { args, repeated } of backend.of("event")) {
      const times = shown.get(args[0]) ?? [];
      shown.set(args[0], [...times, repeated]);
    }
  }
  for (const [number, times] of shown) {
    assert.ok(times.filter((repeated) => !repeated).length <= 1, `event ${number} was shown as ${times}`);
  }
  return [...shown.values()].filter((times) => times.length > 1).length;
}

/** Kills the process behind a backend, which the scope then need not stop. */
async function kill(backend) {
  await backend.kill();
}

test.alone("kill -9 of a backend under load: its events go to the others", SETTINGS, async (scope) => {
  const backends = [await worker(scope), await worker(scope)];
  const load = await loaded(scope);
  await load.answered(200);
  await kill(backends[0]);
  await load.answered(500);
  await load.end();
  assert.deepEqual(load.failures, []);
  assertOnceUnlessTold(backends);
  assert.ok(backends[1].of("event").some(({ repeated }) => repeated), "some were in work at the dead one");
});

test.alone("kill -9 of the only backend under load: its successor answers what waits", SETTINGS, async (scope) => {
  const first = await worker(scope);
  const load = await loaded(scope);
  await load.answered(100);
  await kill(first);
  const second = await worker(scope);
  await load.answered(300);
  await load.end();
  assert.deepEqual(load.failures, []);
  assertOnceUnlessTold([first, second]);
});

test.alone("a group whose lost events fail: clients are told, nothing is repeated", SETTINGS, async (scope) => {
  const backends = [await worker(scope, { failsLost: true }), await worker(scope, { failsLost: true })];
  const load = await loaded(scope);
  await load.answered(200);
  await kill(backends[0]);
  await load.answered(500);
  await load.end();
  assert.ok(load.failures.length > 0, "what was with the dead one failed");
  assert.ok(load.failures.every((code) => code === "unavailable"), `${load.failures}`);
  assert.ok(!backends[1].of("event").some(({ repeated }) => repeated));
});

test.alone("a backend that is stopped for a lease is replaced, and comes back", SETTINGS, async (scope) => {
  const backends = [await worker(scope), await worker(scope)];
  const load = await loaded(scope);
  await load.answered(200);
  backends[0].freeze();
  const taken = () => new Set(backends[1].of("open").map(({ sid }) => sid)).size;
  await until(() => taken() === load.clients.length, "the other has taken all sockets over");
  await load.answered(200);
  const stopped = backends[0].seen.length;
  backends[0].thaw();
  await load.answered(200);
  await load.end();
  assert.deepEqual(load.failures, []);
  assertOnceUnlessTold(backends);
  await until(() => backends[0].of("started").length >= 2, "the stopped one serves again");
  assert.ok(backends[0].seen.slice(stopped).some((item) => item.on === "close"), "it was told that its sockets went");
});

test.alone("a backend that is stopped for less than the lease keeps its sockets", SETTINGS, async (scope) => {
  const backends = [await worker(scope), await worker(scope)];
  const load = await loaded(scope);
  await load.answered(200);
  backends[0].freeze();
  await load.answered(20);
  backends[0].thaw();
  await load.answered(300);
  await load.end();
  assert.deepEqual(load.failures, []);
  assertOnceUnlessTold(backends);
});

test.alone("kill -9 of the broker under load: clients stay, every event is answered", SETTINGS, async (scope) => {
  const backends = [await worker(scope), await worker(scope)];
  const load = await loaded(scope);
  await load.answered(200);
  await scope.broker.kill();
  const told = backends.map((backend) => backend.of("open").length);
  await scope.broker.start();
  await load.answered(300);
  await load.end();
  assert.deepEqual(load.failures, []);
  assertOnceUnlessTold(backends);
  const since = backends.flatMap((backend, i) => backend.of("open").slice(told[i]));
  assert.ok(since.every((opened) => opened.adopted), "nobody has connected anew");
  for (const client of load.clients) assert.equal(client.connections.length, 1);
});

test.alone("kill -9 of the broker and of a backend at once", SETTINGS, async (scope) => {
  const backends = [await worker(scope), await worker(scope)];
  const load = await loaded(scope);
  await load.answered(200);
  await Promise.all([scope.broker.kill(), kill(backends[0])]);
  await scope.broker.start();
  await load.answered(300);
  await load.end();
  assertOnceUnlessTold(backends);
  const allowed = ["unavailable", "timeout"];
  assert.ok(load.failures.every((code) => allowed.includes(code)), `${load.failures}`);
});

test("a flood from one backend starves neither clients nor the other backends", async (scope) => {
  const [flooder, server, room] = [await Backend.open(scope), await worker(scope, { group: "calm" }), scope.room()];
  const [client, member] = [await scope.client(), await scope.client({ gateway: 1 })];
  await member.join(room);
  const total = 8000;
  let stored = 0;
  const data = "x".repeat(500);
  const flood = Array.from({ length: total }, () => flooder.demand("publish", { room, data }).then(() => stored++));
  await until(() => stored > 0, "the flood has begun");
  for (let n = 0; n < 10; n++) assert.equal(await client.ask("work", n), n);
  assert.ok(stored < total, "the clients did not have to wait for its end");
  await Promise.all(flood);
  await member.received(room, total);
  assert.equal(server.of("event").length, 10);
});

test.alone("a backend's emits and answers survive the broker's death, each once", SETTINGS, async (scope) => {
  const [backend, room] = [await Backend.open(scope), scope.room()];
  const client = await scope.client();
  await client.join(room);
  const numbers = Array.from({ length: 300 }, (_, n) => n);
  const emits = numbers.map((n) => backend.demand("publish", { room, data: n }));
  await Promise.race(emits);
  await scope.broker.kill();
  await scope.broker.start();
  const answers = await Promise.all(emits);
  assert.deepEqual(answers.map(({ seq }) => seq), numbers.map((n) => n + 1));
  await client.received(room, numbers.length);
  assert.deepEqual(client.data(room), numbers);
});
