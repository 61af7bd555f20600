// A slow reader costs itself, not the others: its queue is bounded, and what it could not take comes from the log.

import assert from "node:assert/strict";

import { until } from "./support/deadline.mjs";
import { request } from "./support/raw.mjs";
import { suite } from "./support/suite.mjs";

// A reader that does not read hears no pings either, for as long as the test takes.
const SMALL = { "queue-bytes": 65536, "send-buffer": 16384, "ping-timeout": 200000, "stuck-timeout": 200000 };
const IMPATIENT = { gateways: 1, gateway: { ...SMALL, "stuck-timeout": 1000 } };
const COUNT = 400;
const TEXT = "x".repeat(20000); // COUNT times this is far beyond what the kernel's buffers hold
const test = suite({ gateways: 1, gateway: SMALL });

const numbers = (client, room) => client.data(room).map(({ n }) => n);
const expected = Array.from({ length: COUNT }, (_, i) => i + 1);

for (const options of [{ transports: ["websocket"] }, { transports: ["polling"] }]) {
  test(`a reader over ${options.transports} that stops reading gets everything once it reads again`, async (scope) => {
    const room = scope.room();
    const proxy = await scope.proxy();
    const [writer, slow, quick] = [
      await scope.client(),
      await scope.client({ ...options, url: proxy.url }),
      await scope.client(options),
    ];
    for (const client of [writer, slow, quick]) await client.join(room);
    proxy.stallReader();
    for (const n of expected) await writer.publish(room, { n, text: TEXT });
    await quick.received(room, COUNT);
    assert.deepEqual(numbers(quick, room), expected, "the others were not held up");
    assert.ok(slow.messages(room).length < COUNT);
    proxy.resumeReader();
    await slow.received(room, COUNT);
    assert.deepEqual(numbers(slow, room), expected);
    await writer.publish(room, { n: "end" });
    await slow.received(room, COUNT + 1);
    assert.deepEqual(slow.messages(room).length, COUNT + 1);
    assert.deepEqual(slow.drops, []);
  });
}

test.alone("a reader that stays stuck is closed, and has lost nothing when it comes back", IMPATIENT, async (scope) => {
  const room = scope.room();
  const proxy = await scope.proxy();
  const [writer, stuck] = [await scope.client(), await scope.client({ transports: ["websocket"], url: proxy.url })];
  for (const client of [writer, stuck]) await client.join(room);
  proxy.stallReader();
  for (const n of expected) await writer.publish(room, { n, text: TEXT });
  await until(async () => (await writer.join(room)).members === 1, "the gateway has closed the stuck connection");
  const text = (await request(scope.cluster.url(), "/metrics")).text;
  assert.match(text, /^rejoin_gateway_clients_stuck_total 1$/m, "it is counted");
  assert.match(text, /^rejoin_gateway_clients_ended_total\{reason="forced close"\} 1$/m);
  assert.match(scope.gateways[0].log, /event=connection_closed .*why="slow reader"/, "and told in the log");
  assert.deepEqual(writer.drops, [], "nobody else is closed");
  proxy.cut();
  await stuck.connected(2);
  await stuck.received(room, COUNT);
  assert.deepEqual(numbers(stuck, room), expected);
  assert.equal(stuck.recovered, true);
});

for (const options of [{ transports: ["websocket"] }, { transports: ["polling"] }]) {
  test(`answers over ${options.transports} keep their place behind what a slow reader has to get first`, async (scope) => {
    const room = scope.room();
    const proxy = await scope.proxy();
    const [writer, slow] = [await scope.client(), await scope.client({ ...options, url: proxy.url })];
    for (const client of [writer, slow]) await client.join(room);
    const order = [];
    slow.socket.on("room:message", ({ data }) => order.push(data.n));
    proxy.stallReader();
    for (const n of expected.slice(0, COUNT / 2)) await writer.publish(room, { n, text: TEXT });
    // Asked while it is behind; the answer's own message comes before the answer, and so does all before that.
    const own = slow.publish(room, { n: "own" }).then(({ seq }) => order.push(`answer ${seq}`));
    await writer.received(room, COUNT / 2 + 1);
    for (const n of expected.slice(COUNT / 2)) await writer.publish(room, { n, text: TEXT });
    proxy.resumeReader();
    await own;
    await slow.received(room, COUNT + 1);
    const at = order.indexOf(`answer ${COUNT / 2 + 1}`);
    assert.ok(at > order.indexOf("own"), "the answer does not overtake its own message");
    const messages = order.filter((item) => typeof item === "number" || item === "own");
    assert.deepEqual(messages, [...expected.slice(0, COUNT / 2), "own", ...expected.slice(COUNT / 2)]);
    assert.deepEqual(slow.drops, []);
  });
}
