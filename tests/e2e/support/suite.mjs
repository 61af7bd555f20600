// The frame of every test file: a cluster that the file's tests share (or one for a test alone), the clients and
// proxies of each test ended with it, and the processes' logs beside a failure.

import { after, test as nodeTest } from "node:test";

import { Client } from "./client.mjs";
import { Cluster } from "./cluster.mjs";
import { Proxy } from "./proxy.mjs";

const TEST_TIMEOUT_MS = 180000;

let rooms = 0;

/** What one test owns. */
class Scope {
  #owned = [];

  constructor(cluster) {
    this.cluster = cluster;
  }

  get broker() {
    return this.cluster.broker;
  }

  get gateways() {
    return this.cluster.gateways;
  }

  /** A room's name that no other test uses. */
  room(prefix = "room") {
    return `${prefix}-${++rooms}`;
  }

  /** A stock client of gateway number `gateway`, or of `url`. Not awaited. */
  open({ gateway = 0, url = this.cluster.url(gateway), ...options } = {}) {
    return this.own(new Client(url, options));
  }

  /** The same, connected. */
  async client(options) {
    const client = this.open(options);
    await client.connected();
    return client;
  }

  /** A TCP proxy before gateway number `gateway`, to cut or to black-hole. */
  async proxy(gateway = 0) {
    return this.own(await Proxy.open(this.cluster.gateways[gateway].port));
  }

  /** Closed with the test. */
  own(thing) {
    this.#owned.push(thing);
    return thing;
  }

  async close() {
    for (const thing of this.#owned.reverse()) await thing.close();
  }
}

async function run(cluster, body) {
  assertClean(cluster); // a process that has died fails what follows at once, not after many deadlines
  const scope = new Scope(cluster);
  try {
    await body(scope);
  } catch (error) {
    error.message += `\n--- logs of the processes\n${cluster.tail()}\n---`;
    error.stack = `${error.message}\n${error.stack}`;
    throw error;
  } finally {
    await scope.close();
  }
  assertClean(cluster);
}

function assertClean(cluster) {
  const { faults } = cluster;
  if (faults.length > 0) throw new Error(`${faults.join("\n")}\n--- logs\n${cluster.tail(400)}`);
}

/**
 * Returns `test(name, body)` for a file's tests; `body` gets a Scope. All of them share one cluster with these
 * `settings` ({gateways, broker, gateway}); `test.alone(name, settings, body)` has one for itself, which it may
 * kill as it likes.
 */
export function suite(settings) {
  let shared = null;
  const cluster = () => (shared ??= started(settings));

  after(async () => {
    if (!shared) return;
    const ended = await shared;
    await ended.stop();
    assertClean(ended);
  });

  const test = (name, body) => {
    nodeTest(name, { timeout: TEST_TIMEOUT_MS }, async () => run(await cluster(), body));
  };
  test.alone = (name, own, body) => {
    nodeTest(name, { timeout: TEST_TIMEOUT_MS }, async () => {
      const alone = await started(own);
      try {
        await run(alone, body);
      } finally {
        await alone.stop();
      }
      assertClean(alone);
    });
  };
  return test;
}

async function started(settings) {
  const cluster = new Cluster(settings);
  try {
    await cluster.start();
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return cluster;
}
