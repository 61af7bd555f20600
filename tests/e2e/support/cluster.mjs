// A broker with its gateways, in a folder of their own under the temporary one, on loopback and free ports.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Process } from "./process.mjs";
import { until } from "./deadline.mjs";

/**
 * Settings for tests that cut connections at any moment. When a WebSocket dies in the midst of the upgrade, the
 * stock client stays with its paused polling and notices only by the missing pings (engine.io-client 6.6); with
 * the default intervals that takes it 45 seconds.
 */
export const QUICK_PINGS = { "ping-interval": 1000, "ping-timeout": 3000 };

const MAX_IPC_PATH = 100; // sockaddr_un takes 107 bytes; the socket's own name is added to the folder's

/** A fresh folder whose path is short enough for an ipc endpoint. */
export function temporaryFolder() {
  const base = tmpdir().length > MAX_IPC_PATH - 40 ? "/tmp" : tmpdir();
  return mkdtempSync(join(base, "rejoin-"));
}

function binaries() {
  const folder = process.env.REJOIN_BIN;
  if (!folder) throw new Error("REJOIN_BIN is not set: the folder that holds rejoin-broker and rejoin-gateway");
  return folder;
}

/** {"max-data": 5, recovery: "off"} → ["--max-data", "5", "--recovery", "off"] */
function flags(settings) {
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
}

export class Gateway extends Process {
  constructor(index, cluster, settings) {
    super(`gateway ${index}`, join(binaries(), "rejoin-gateway"), [], {
      ready: /^rejoin-gateway ready listen=\S+:(\d+)/m,
    });
    this.cluster = cluster;
    this.settings = settings;
    this.port = 0;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  spawn() {
    this.args = flags({
      listen: `127.0.0.1:${this.port}`,
      broker: this.cluster.endpoint("gateways"),
      ...this.settings,
    });
    super.spawn();
  }

  /** Waits for the listener; the port found at the first start is kept for every later one. */
  async untilReady(timeoutMs) {
    const match = await super.untilReady(timeoutMs);
    this.port = Number(match[1]);
    return match;
  }

  /** Waits until the gateway says that it can serve: its broker has answered. */
  async untilLinked(timeoutMs = this.patienceMs) {
    const isReady = async () => {
      const answer = await fetch(`${this.url}/readyz`).catch(() => null);
      await answer?.arrayBuffer();
      return answer?.status === 200;
    };
    await until(isReady, () => `${this.name} linked to its broker\n${this.tail()}`, timeoutMs);
  }
}

export class Cluster {
  constructor({ gateways = 1, broker = {}, gateway = {} } = {}) {
    const file = join(binaries(), "rejoin-broker");
    this.folder = temporaryFolder();
    this.broker = new Process(
      "broker",
      file,
      flags({
        data: join(this.folder, "data"),
        gateways: this.endpoint("gateways"),
        backends: this.endpoint("backends"),
        ...broker,
      }),
      { ready: /^rejoin-broker ready .*$/m },
    );
    this.gateways = Array.from({ length: gateways }, (_, index) => new Gateway(index, this, gateway));
  }

  /** `which` is "gateways" or "backends". */
  endpoint(which) {
    return `ipc://${this.folder}/${which}.ipc`;
  }

  get processes() {
    return [...this.gateways, this.broker];
  }

  url(index = 0) {
    return this.gateways[index].url;
  }

  async start() {
    await this.broker.start();
    await Promise.all(this.gateways.map((gateway) => gateway.start()));
    await Promise.all(this.gateways.map((gateway) => gateway.untilLinked()));
  }

  /** Ends everything and removes the folder. */
  async stop() {
    await Promise.all(this.gateways.map((gateway) => gateway.stop()));
    await this.broker.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** What went wrong with the processes so far. */
  get faults() {
    return this.processes.flatMap((process) => process.faults);
  }

  tail(lines) {
    return this.processes.map((process) => process.tail(lines)).join("\n");
  }
}
