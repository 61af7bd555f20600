// The upgrade from polling to WebSocket in the midst of traffic: not a packet is lost, doubled or reordered, in neither
// direction, whatever becomes of the WebSocket.

import assert from "node:assert/strict";
import http from "node:http";
import net from "node:net";

import { Backend, echoing } from "./support/backend.mjs";
import { LIBRARIES } from "./support/client.mjs";
import { until } from "./support/deadline.mjs";
import { suite } from "./support/suite.mjs";

const COUNT = 200;
const test = suite({ gateways: 1 });

const numbers = Array.from({ length: COUNT }, (_, n) => n);

/** Numbers of every size and kind, so that payloads hold many packets, one, or a part of what waits. */
function args(n) {
  if (n % 10 === 3) return [n, Buffer.alloc((n * 97) % 5000, n)];
  if (n % 10 === 7) return [n, "€".repeat((n * 131) % 9000)];
  return [n];
}

/** A backend that hears `say`; done with each at once, or it would get no more than its window. */
async function listening(scope) {
  const backend = await echoing(scope, { allEvents: true });
  backend.handlers.event.say = ({ job }) => backend.ack(job);
  return backend;
}

/** Emits all numbers over some ticks, beginning before the client is connected. */
async function talk(client, event) {
  for (const n of numbers) {
    client.socket.emit(event, ...args(n));
    if (n % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

for (const { name, library } of LIBRARIES) {
  test(`${name}: what a client says around its upgrade arrives once, in order and whole`, async (scope) => {
    const backend = await listening(scope);
    const clients = Array.from({ length: 8 }, () => scope.open({ library }));
    await Promise.all(clients.map((client) => talk(client, "say")));
    await until(() => clients.every((client) => client.transport === "websocket"), "all upgraded");
    await backend.saw("event", clients.length * COUNT);
    for (const client of clients) {
      const said = backend.of("event").filter(({ sid }) => sid === client.id);
      assert.deepEqual(said.map((event) => event.args), numbers.map(args));
      assert.deepEqual(client.drops, []);
    }
  });

  test(`${name}: what comes for a client around its upgrade arrives once, in order and whole`, async (scope) => {
    const backend = await Backend.open(scope, { allEvents: true });
    backend.handlers.open = async ({ sid }) => {
      const to = { targets: [{ kind: "socket", name: sid }] };
      for (const n of numbers) backend.emit(to, "hear", ...args(n));
    };
    const clients = Array.from({ length: 8 }, () => scope.open({ library }));
    const heard = (client) => client.events.filter(({ event }) => event === "hear");
    await until(() => clients.every((client) => heard(client).length >= COUNT), "all messages");
    await until(() => clients.every((client) => client.transport === "websocket"), "all upgraded");
    for (const client of clients) {
      assert.deepEqual(heard(client).map((item) => item.args.slice(0, -1)), numbers.map(args)); // but the offset
      assert.deepEqual(client.drops, []);
    }
  });

  test(`${name}: every question asked around the upgrade gets its own answer`, async (scope) => {
    await echoing(scope);
    const client = scope.open({ library });
    const answers = await Promise.all(numbers.map((n) => client.ask("echo", n)));
    assert.deepEqual(answers, numbers);
    await until(() => client.transport === "websocket", "the upgrade");
    assert.deepEqual(client.drops, []);
  });
}

/** A proxy for HTTP that treats WebSockets as networks do that do not know them. */
async function meddler(scope, onUpgrade) {
  const { port } = scope.gateways[0];
  const server = http.createServer((request, response) => {
    const { method, url, headers } = request;
    const onward = http.request({ host: "127.0.0.1", port, method, path: url, headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    response.on("close", () => onward.destroy());
    request.pipe(onward);
  });
  const held = new Set();
  server.on("connection", (socket) => held.add(socket.on("close", () => held.delete(socket))));
  let upgrades = 0;
  server.on("upgrade", (request, socket, head) => {
    upgrades++;
    socket.on("error", () => {});
    onUpgrade(socket, () => {
      const lines = [`GET ${request.url} HTTP/1.1`];
      for (let i = 0; i < request.rawHeaders.length; i += 2) {
        lines.push(`${request.rawHeaders[i]}: ${request.rawHeaders[i + 1]}`);
      }
      const onward = net.connect({ host: "127.0.0.1", port });
      onward.on("error", () => {});
      onward.write(`${lines.join("\r\n")}\r\n\r\n`);
      onward.write(head);
      socket.on("close", () => onward.destroy());
      return onward;
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  scope.own({
    async close() {
      for (const socket of held) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  });
  return { url: `http://127.0.0.1:${server.address().port}`, upgrades: () => upgrades };
}

const OBSTACLES = {
  "refuses WebSockets": (socket) => socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"),
  "cuts them at once": (socket) => socket.destroy(),
  "lets only the handshake through": (socket, connect) => {
    const onward = connect();
    onward.pipe(socket); // what the client sends is swallowed: its probe gets no answer
    socket.resume();
  },
};

for (const [what, onUpgrade] of Object.entries(OBSTACLES)) {
  test(`behind a network that ${what} clients stay on polling and miss nothing`, async (scope) => {
    const backend = await listening(scope);
    const { url, upgrades } = await meddler(scope, onUpgrade);
    const client = scope.open({ url });
    await talk(client, "say");
    await backend.saw("event", COUNT);
    await until(() => upgrades() > 0, "it has tried");
    assert.deepEqual(backend.of("event").map((event) => event.args), numbers.map(args));
    assert.equal(await client.ask("echo", 1), 1);
    assert.equal(client.transport, "polling");
    assert.deepEqual(client.drops, []);
  });
}

test("a client that begins with WebSocket falls back to polling where there is none", async (scope) => {
  await echoing(scope);
  const { url } = await meddler(scope, OBSTACLES["refuses WebSockets"]);
  const client = await scope.client({ url, transports: ["websocket", "polling"], tryAllTransports: true });
  assert.equal(client.transport, "polling");
  assert.equal(await client.ask("echo", 1), 1);
});

test("upgrade: false stays on polling, rememberUpgrade comes back on WebSocket at once", async (scope) => {
  await echoing(scope);
  const [staying, remembering] = [await scope.client({ upgrade: false }), scope.open({ rememberUpgrade: true })];
  const first = [];
  remembering.socket.io.on("open", () => first.push(remembering.transport));
  await until(() => remembering.transport === "websocket", "the upgrade");
  await remembering.connected();
  await remembering.drop();
  await remembering.connected(2);
  assert.deepEqual(first, ["polling", "websocket"]);
  assert.equal(remembering.recovered, true);
  assert.equal(await remembering.ask("echo", 1), 1);
  assert.equal(await staying.ask("echo", 1), 1);
  assert.equal(staying.transport, "polling");
});
