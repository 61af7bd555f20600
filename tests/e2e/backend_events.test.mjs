// A backend serves the clients' events, with the stock client on the other side.

import assert from "node:assert/strict";

import { Backend, echoing } from "./support/backend.mjs";
import { MODES } from "./support/client.mjs";
import { ctlLines } from "./support/ctl.mjs";
import { until } from "./support/deadline.mjs";
import { suite } from "./support/suite.mjs";

const QUICK = { lease: 1000, ping: 100 };
const test = suite({ gateways: 2, broker: { namespaces: "/,/news", ...QUICK } });

for (const { name, options } of MODES) {
  test(`an event comes back as its ack, with ${name}`, async (scope) => {
    const backend = await echoing(scope);
    const client = await scope.client(options);
    const args = [1, "zwei", null, { three: [true, 3.5] }, "😀"];
    const ack = await new Promise((resolve) => client.socket.emit("echo", ...args, (...got) => resolve(got)));
    assert.deepEqual(ack, args);
    const [event] = backend.of("event");
    assert.deepEqual([event.sid, event.nsp, event.name], [client.id, "/", "echo"]);
    assert.deepEqual(event.args, args);
    assert.equal(event.wantsAck, true);
    assert.equal(event.repeated, false);
  });
}

test("binaries go both ways, in events and in acks", async (scope) => {
  const backend = await echoing(scope, { events: ["echo", "back"] });
  backend.handlers.event.back = async ({ sid, args, job }) => {
    await backend.emit({ targets: [{ kind: "socket", name: sid }] }, "back", ...args);
    backend.ack(job);
  };
  const client = await scope.client();
  const args = [Buffer.from([0, 255, 1]), { deep: [Buffer.from("x"), "text"] }];
  const ack = await new Promise((resolve) => client.socket.emit("echo", ...args, (...got) => resolve(got)));
  assert.deepEqual(ack, args);
  client.socket.emit("back", ...args);
  await until(() => client.events.length > 0, "the event came back");
  assert.equal(client.events[0].event, "back");
  assert.deepEqual(client.events[0].args.slice(0, 2), args); // the offset follows
});

test("an event without an ack is handled all the same", async (scope) => {
  const backend = await echoing(scope);
  const client = await scope.client();
  client.socket.emit("echo");
  const event = await backend.saw("event");
  assert.equal(event.wantsAck, false);
  assert.deepEqual(event.args, []);
});

test("an ack may come late, and out of order", async (scope) => {
  const backend = await Backend.open(scope, { allEvents: true });
  const client = await scope.client();
  const order = [];
  for (const n of [1, 2]) client.socket.emit("work", n, (answer) => order.push(answer));
  const second = await backend.saw("event", 2);
  await backend.ack(second.job, "two");
  await until(() => order.length === 1, "the second ack");
  await backend.ack(backend.of("event")[0].job, "one");
  await until(() => order.length === 2, "the first ack");
  assert.deepEqual(order, ["two", "one"]);
});

test("a refused event is a failed ack with the backend's code", async (scope) => {
  const backend = await Backend.open(scope, { allEvents: true });
  backend.handlers.event.buy = ({ job }) => backend.call("refuse", { job, code: "no_money", message: "poor" });
  const client = await scope.client();
  assert.deepEqual(await client.ask("buy"), { ok: false, error: { code: "no_money", message: "poor" } });
});

test("an event that nobody serves is answered no_handler", async (scope) => {
  const client = await scope.client();
  const before = await client.ask("lonely");
  assert.equal(before.error.code, "no_handler");
  await echoing(scope);
  assert.equal((await client.ask("lonely")).error.code, "no_handler");
  assert.equal(await client.ask("echo", 1), 1);
});

test("a handler that is too late gives the client a timeout, and its answer is dropped", async (scope) => {
  const backend = await Backend.open(scope, { events: ["slow", "echo"], timeout: 300 });
  backend.handlers.event.echo = ({ job, args }) => backend.ack(job, ...args);
  const client = await scope.client();
  assert.equal((await client.ask("slow")).error.code, "timeout");
  await backend.ack(backend.of("event")[0].job, "late");
  assert.equal(await client.ask("echo", "still there"), "still there");
});

test("a client's events come in its order, though there are many", async (scope) => {
  const backend = await echoing(scope, { window: 50 });
  const clients = [await scope.client(), await scope.client({ gateway: 1 })];
  const count = 300;
  const asked = clients.flatMap((client) =>
    Array.from({ length: count }, async (_, n) => assert.equal(await client.ask("echo", n), n)),
  );
  await Promise.all(asked);
  for (const client of clients) {
    const numbers = backend.of("event").filter((event) => event.sid === client.id).map((event) => event.args[0]);
    assert.deepEqual(numbers, Array.from({ length: count }, (_, n) => n));
  }
});

test("groups take different events; the first by name takes what several want", async (scope) => {
  const [alpha, beta] = [await Backend.open(scope), await Backend.open(scope)];
  await alpha.serve({ group: "alpha", events: ["a", "both"] });
  await beta.serve({ group: "beta", events: ["b", "both", "user:*"] });
  for (const [backend, name] of [[alpha, "alpha"], [beta, "beta"]]) {
    for (const event of ["a", "b", "both", "user:rename"]) {
      backend.handlers.event[event] = ({ job }) => backend.ack(job, name);
    }
  }
  const client = await scope.client();
  assert.equal(await client.ask("a"), "alpha");
  assert.equal(await client.ask("b"), "beta");
  assert.equal(await client.ask("both"), "alpha");
  assert.equal(await client.ask("user:rename"), "beta");
});

test("the instances of a group share the sockets, and each socket stays with one", async (scope) => {
  const [one, two] = [await echoing(scope, { group: "pair" }), await echoing(scope, { group: "pair" })];
  const clients = await Promise.all(Array.from({ length: 10 }, (_, i) => scope.client({ gateway: i % 2 })));
  for (let round = 0; round < 5; round++) {
    await Promise.all(clients.map(async (client) => assert.equal(await client.ask("echo", round), round)));
  }
  const sids = (backend) => new Set(backend.of("event").map((event) => event.sid));
  assert.ok(sids(one).size > 0 && sids(two).size > 0, `${sids(one).size} and ${sids(two).size}`);
  assert.equal(sids(one).size + sids(two).size, clients.length);
});

test("a backend that leaves hands its sockets over at once", async (scope) => {
  const [one, two] = [await echoing(scope, { group: "pair" }), await echoing(scope, { group: "pair" })];
  const clients = await Promise.all(Array.from({ length: 6 }, () => scope.client()));
  await Promise.all(clients.map((client) => client.ask("echo", 0)));
  await one.demand("unserve", { group: "pair" });
  await Promise.all(clients.map(async (client) => assert.equal(await client.ask("echo", 1), 1)));
  assert.equal(new Set(two.of("event").map((event) => event.sid)).size, clients.length);
  await until(() => two.of("open").length === clients.length, "the other was told of all sockets");
});

test("a namespace that only a backend names is there while it is", async (scope) => {
  const stranger = scope.open({ nsp: "/game-1", reconnection: false });
  await until(() => stranger.errors.length > 0, "the refusal");
  assert.equal(stranger.errors[0].message, "Invalid namespace");
  await echoing(scope, { group: "games", namespaces: ["/game-*"] });
  const player = await scope.client({ nsp: "/game-1" });
  assert.equal(await player.ask("echo", "hi"), "hi");
});

test("sockets open and close with Socket.IO's own reasons, their rooms still known", async (scope) => {
  const backend = await Backend.open(scope, { allEvents: true });
  const [leaver, dropper, closer] = await Promise.all([scope.client(), scope.client(), scope.client()]);
  await backend.saw("open", 3);
  await leaver.join("lobby");
  leaver.socket.disconnect();
  await dropper.drop();
  closer.socket.io.engine.transport.ws?._socket?.destroy();
  const closed = await backend.saw("close", 1);
  assert.ok(closed.sid);
  await until(() => backend.of("close").length >= 2, "two have closed");
  const reason = (client) => backend.of("close").find((item) => item.sid === client)?.reason;
  const [left] = backend.of("close").filter((item) => item.reason === "client namespace disconnect");
  assert.deepEqual(left.rooms, ["lobby"]);
  assert.equal(left.sid, backend.of("open").find((item) => item.sid === left.sid).sid);
  await dropper.connected(2);
  const reopened = await backend.saw("open", 4);
  assert.equal(reopened.recovered, true);
  assert.equal(reopened.adopted, false);
  assert.ok(["transport close", "transport error"].includes(reason(dropper.id)), reason(dropper.id));
});

test("a backend that comes later adopts the sockets that are there", async (scope) => {
  const early = await scope.client();
  const first = await Backend.open(scope, { allEvents: true });
  const client = await scope.client({ auth: { token: "t" } }); // what it gave is kept: somebody serves the namespace
  await client.join("lobby");
  await first.saw("open", 2);
  const second = await Backend.open(scope, { allEvents: true });
  const told = (who) => second.of("open").find((item) => item.sid === who.id);
  assert.equal(told(early).adopted, true);
  assert.equal(told(client).adopted, true);
  assert.deepEqual(told(client).rooms, ["lobby"]);
  assert.deepEqual(told(client).auth, { token: "t" });
});

test("a flood of one client's events is refused in part, and harms nobody else", async (scope) => {
  const backend = await Backend.open(scope, { events: ["echo", "stuck"], window: 5, timeout: 2000 });
  backend.handlers.event.echo = ({ job, args }) => backend.ack(job, ...args);
  const client = await scope.client();
  const codes = await Promise.all(Array.from({ length: 60 }, async () => (await client.ask("stuck"))?.error?.code));
  assert.ok(codes.every((code) => ["timeout", "busy", "unavailable"].includes(code)), `${[...new Set(codes)]}`);
  assert.equal(await client.ask("echo", 1), 1);
  await ctlLines(scope.cluster, ["stats"]);
});
