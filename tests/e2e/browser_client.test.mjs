// The stock client in a real browser, out of the gateway's own bundle, on pages of another origin: what only a browser
// does to it.

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

import { Backend, echoing } from "./support/backend.mjs";
import { site, useBrowser } from "./support/browser.mjs";
import { until, within } from "./support/deadline.mjs";
import { suite } from "./support/suite.mjs";

const DIST = fileURLToPath(new URL("./node_modules/socket.io-client/dist", import.meta.url));
const [friend, stranger] = [await site(), await site()];
const GATEWAY = { "client-dir": DIST, "cors-origins": friend, "cors-credentials": "on" };
const test = suite({ gateways: 1, gateway: GATEWAY });
const browser = useBrowser();

/** A tab with a page of `origin` that has loaded the library from the gateway. */
class Tab {
  static async open(scope, { origin = friend, bundle = "socket.io.min.js" } = {}) {
    const context = await browser().newContext();
    const tab = scope.own(new Tab(scope, context, await context.newPage(), bundle));
    await tab.page.goto(origin);
    await tab.load();
    return tab;
  }

  constructor(scope, context, page, bundle) {
    Object.assign(this, { scope, context, page, bundle });
    this.errors = [];
    page.on("pageerror", (error) => this.errors.push(String(error)));
  }

  async load() {
    await this.page.addScriptTag({ url: `${this.scope.cluster.url()}/socket.io/${this.bundle}` });
  }

  /** Makes `socket` on the page, and `seen`: what has become of it. Not awaited. */
  async connect(options = {}) {
    await this.page.evaluate(
      ([url, given]) => {
        const seen = (window.seen = { connects: [], drops: [], errors: [], events: [], transports: [] });
        const socket = (window.socket = io(url, { reconnectionDelay: 50, reconnectionDelayMax: 200, ...given }));
        seen.transports.push(socket.io.engine.transport.name);
        socket.io.engine.on("upgrade", (transport) => seen.transports.push(transport.name));
        socket.on("connect", () => seen.connects.push({ sid: socket.id, recovered: socket.recovered }));
        socket.on("disconnect", (reason) => seen.drops.push(reason));
        socket.on("connect_error", (error) => seen.errors.push(error.message));
        socket.onAny((event, ...args) => seen.events.push([event, ...args]));
      },
      [this.scope.cluster.url(), options],
    );
  }

  seen() {
    return this.page.evaluate(() => window.seen);
  }

  async saw(what, test) {
    let seen;
    await until(async () => test((seen = await this.seen())), () => `${what}; ${JSON.stringify(seen)}`);
    return seen;
  }

  async connected(count = 1) {
    return this.saw(`connection ${count}`, ({ connects }) => connects.length >= count);
  }

  async upgraded() {
    return this.saw("the upgrade", ({ connects, transports }) => connects.length > 0 && transports.length === 2);
  }

  /** The `data` of the messages that have come. */
  async data() {
    const { events } = await this.seen();
    return events.filter(([event]) => event === "room:message").map(([, message]) => message.data);
  }

  async ask(event, ...args) {
    return this.page.evaluate(([name, given]) => socket.timeout(20000).emitWithAck(name, ...given), [event, args]);
  }

  async close() {
    await this.context.close();
    assert.deepEqual(this.errors, []);
  }
}

for (const bundle of ["socket.io.js", "socket.io.min.js"]) {
  test(`a page of another origin loads ${bundle}, polls and upgrades, with credentials and a header`, async (scope) => {
    const backend = await echoing(scope, { allEvents: true });
    const tab = await Tab.open(scope, { bundle });
    await tab.connect({ withCredentials: true, extraHeaders: { "x-app": "seven" } });
    const { connects, transports } = await tab.upgraded();
    assert.deepEqual(transports, ["polling", "websocket"]);
    assert.deepEqual(await tab.ask("echo", { a: ["ä", 1] }), { a: ["ä", 1] });
    const { handshake } = await backend.sawOf("open", connects[0].sid);
    assert.deepEqual([handshake.headers.origin, handshake.headers["x-app"]], [friend, "seven"]);
  });
}

test("the ES module bundle works, too", async (scope) => {
  await echoing(scope);
  const tab = await Tab.open(scope);
  const url = scope.cluster.url();
  const answer = await tab.page.evaluate(async (gateway) => {
    const { io } = await import(`${gateway}/socket.io/socket.io.esm.min.js`);
    const socket = io(gateway);
    const echo = await socket.timeout(20000).emitWithAck("echo", "module");
    socket.disconnect();
    return echo;
  }, url);
  assert.equal(answer, "module");
});

for (const transports of [["polling"], ["websocket"]]) {
  test(`a page of an origin that is not listed gets nothing over ${transports}`, async (scope) => {
    const backend = await Backend.open(scope, { allEvents: true });
    const tab = await Tab.open(scope, { origin: stranger });
    await tab.connect({ transports });
    const { errors, connects } = await tab.saw("two refusals", ({ errors }) => errors.length >= 2);
    assert.deepEqual(connects, []);
    assert.equal(errors[0], transports[0] === "polling" ? "xhr poll error" : "websocket error");
    const isNew = ({ adopted }) => !adopted; // the tab of the test before may still be leaving
    assert.deepEqual(backend.of("open").filter(isNew), []);
  });

  test(`what only browsers have for binary goes over ${transports}`, async (scope) => {
    await echoing(scope);
    const tab = await Tab.open(scope);
    await tab.connect({ transports });
    const hex = await tab.page.evaluate(async () => {
      const bytes = Uint8Array.from({ length: 300 }, (_, n) => n);
      const kinds = [
        bytes, bytes.buffer, bytes.subarray(5, 9), new DataView(bytes.buffer, 2, 3), new Float32Array([1.5]),
        new Blob([bytes, "text"]), new File(["ä"], "name.txt"), new Blob([]),
      ];
      const hexOf = (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16)).join(" ");
      const sent = (kind) => new Blob([kind]).arrayBuffer();
      const pairs = [];
      for (const kind of kinds) {
        const back = await socket.timeout(20000).emitWithAck("echo", kind);
        if (!(back instanceof ArrayBuffer)) throw new Error(`${kind} came back as ${back}`);
        pairs.push([hexOf(await sent(kind)), hexOf(back)]);
      }
      return pairs;
    });
    assert.equal(hex.length, 8);
    for (const [sent, got] of hex) assert.equal(got, sent);
  });

  test(`a browser that goes offline and online again has missed nothing over ${transports}`, async (scope) => {
    const [room, publisher, tab] = [scope.room(), await scope.client(), await Tab.open(scope)];
    await tab.connect({ transports });
    await tab.connected();
    await tab.ask("room:join", room);
    await publisher.join(room);
    await publisher.publish(room, 1);
    await tab.saw("the first message", ({ events }) => events.length === 1);
    await tab.context.setOffline(true);
    const { drops } = await tab.saw("the drop", ({ drops }) => drops.length > 0);
    assert.equal(drops[0], "transport close");
    for (const n of [2, 3, 4]) await publisher.publish(room, n);
    await tab.saw("vain attempts", ({ errors }) => errors.length > 0);
    await tab.context.setOffline(false);
    const { connects } = await tab.connected(2);
    assert.deepEqual(connects[1], { sid: connects[0].sid, recovered: true });
    await tab.saw("all messages", ({ events }) => events.length >= 4);
    assert.deepEqual(await tab.data(), [1, 2, 3, 4]);
  });
}

const QUICK = { gateways: 1, gateway: { ...GATEWAY, "ping-interval": 300, "ping-timeout": 1200 } };
test.alone("a tab that is frozen is given up, and has missed nothing when it wakes", QUICK, async (scope) => {
  const [backend, room] = [await Backend.open(scope, { allEvents: true }), scope.room()];
  const [publisher, tab] = [await scope.client(), await Tab.open(scope)];
  await tab.connect();
  const { connects: [{ sid }] } = await tab.upgraded();
  await tab.ask("room:join", room);
  await publisher.join(room);
  await publisher.publish(room, 1);
  await tab.saw("the first message", ({ events }) => events.length === 1);
  // A headless browser freezes no tab for being hidden, so the debugger does: no timer and no message is handled.
  const devtools = await tab.context.newCDPSession(tab.page);
  const paused = new Promise((resolve) => devtools.once("Debugger.paused", resolve));
  await devtools.send("Debugger.enable");
  await devtools.send("Debugger.pause");
  await within(paused, "the tab is frozen");
  const isClosed = () => backend.of("close").find((item) => item.sid === sid);
  await until(isClosed, "the gateway gave it up");
  assert.deepEqual([isClosed().reason, isClosed().rooms], ["ping timeout", [room]]);
  for (const n of [2, 3, 4]) await publisher.publish(room, n);
  await devtools.send("Debugger.resume");
  const { connects } = await tab.connected(2);
  assert.deepEqual(connects[1], { sid, recovered: true });
  await tab.saw("all messages", ({ events }) => events.length >= 4);
  assert.deepEqual(await tab.data(), [1, 2, 3, 4]);
});

test("a page that is loaded again and has kept its pid and offset gets what it missed", async (scope) => {
  // The smaller bundle has other names for what the library keeps to itself.
  const tab = await Tab.open(scope, { bundle: "socket.io.js" });
  const [room, publisher] = [scope.room(), await scope.client()];
  await tab.connect();
  const { connects: [{ sid }] } = await tab.upgraded();
  await tab.ask("room:join", room);
  await publisher.join(room);
  await publisher.publish(room, 1);
  await tab.saw("the first message", ({ events }) => events.length === 1);
  const auth = await tab.page.evaluate(() => ({ pid: socket._pid, offset: seen.events[0].at(-1) }));
  await tab.page.reload();
  for (const n of [2, 3]) await publisher.publish(room, n);
  await tab.load();
  await tab.connect({ auth });
  const { connects } = await tab.connected();
  assert.equal(connects[0].sid, sid);
  await tab.saw("what was missed", ({ events }) => events.length >= 2);
  await publisher.publish(room, 4);
  await tab.saw("what is new", ({ events }) => events.length >= 3);
  assert.deepEqual(await tab.data(), [2, 3, 4]);
});
