// What the stock client and the backend are told when a connection ends, and whether the client comes back, with an old
// and the newest library in every mode. All causes that Rejoin knows: reasons.test.mjs.

import assert from "node:assert/strict";

import { Backend } from "./support/backend.mjs";
import { STOCK } from "./support/client.mjs";
import { QUICK_PINGS } from "./support/cluster.mjs";
import { until } from "./support/deadline.mjs";
import { request } from "./support/raw.mjs";
import { suite } from "./support/suite.mjs";

const TWO = { gateways: 2, broker: { lease: 1000, ping: 100 }, gateway: QUICK_PINGS };
const test = suite({ gateways: 1 });

/**
 * The network breaks while a poll is held (between two polls there is no connection that could break): the client's
 * poll has begun when its last answer came, and the gateway has read it when it answers something later.
 */
async function breakNetwork({ proxy }) {
  await request(proxy.url, "/healthz");
  proxy.cut();
}

/** Ends, as [what happens, the client's word for it, the backend's, whether the client comes back by itself]. */
const ENDS = [
  ["the client disconnects", ({ client }) => client.socket.disconnect(),
    "io client disconnect", "client namespace disconnect", false],
  ["the client's engine is closed", ({ client }) => client.drop(), "forced close", "transport close", true],
  ["a backend disconnects it", ({ client, backend }) => backend.demand("disconnect", { sids: [client.id] }),
    "io server disconnect", "server namespace disconnect", false],
  ["a backend closes its connection", ({ client, backend }) =>
    backend.demand("disconnect", { sids: [client.id], close: true }),
    "io server disconnect", "server namespace disconnect", false],
  ["the network breaks", breakNetwork,
    { websocket: "transport close", polling: "transport error" },
    { websocket: "transport close", polling: "transport error" }, true],
];

for (const { name, recovers, options } of STOCK) {
  for (const [cause, act, clients, backends, returns] of ENDS) {
    test(`${name}: ${cause}`, async (scope) => {
      const [backend, proxy] = [await Backend.open(scope, { allEvents: true }), await scope.proxy()];
      const client = await scope.client({ ...options, url: proxy.url });
      await client.join("lobby");
      const { id } = client;
      const own = (kind) => backend.of(kind).filter(({ sid }) => sid === id);
      await until(() => own("open").length === 1 && !client.socket.io.engine.upgrading, "opened and upgraded");
      const said = (reasons) => reasons[client.transport] ?? reasons;
      const [expected, told] = [said(clients), said(backends)];
      await act({ client, backend, proxy });
      assert.equal(await client.dropped(), expected);
      await until(() => own("close").length === 1, () => `closed at ${backend}`);
      assert.deepEqual([own("close")[0].reason, own("close")[0].rooms], [told, ["lobby"]]);
      if (!returns) {
        assert.equal(client.socket.active, false);
        client.socket.connect(); // by hand it may, as somebody new
      }
      await client.connected(2);
      assert.equal(client.recovered ?? false, returns && recovers);
      assert.equal(client.id === id, returns && recovers);
      assert.equal(client.drops.length, 1);
    });
  }

}

// What has a cluster of its own takes its time; the old library's modes do not differ here.
for (const { name, recovers, options } of [...STOCK.filter(({ recovers }) => recovers), STOCK.at(-1)]) {
  const SILENT = { gateways: 1, gateway: { "ping-interval": 500, "ping-timeout": 2000 } };
  test.alone(`${name}: the network falls silent`, SILENT, async (scope) => {
    const [backend, proxy] = [await Backend.open(scope, { allEvents: true }), await scope.proxy()];
    // An attempt that begins before the network is back must not wait as long as this test does.
    const client = await scope.client({ ...options, url: proxy.url, timeout: 2000 });
    await until(() => !client.socket.io.engine.upgrading, "the upgrade");
    proxy.silence();
    assert.equal(await client.dropped(), "ping timeout");
    assert.equal((await backend.saw("close")).reason, "ping timeout");
    proxy.heal();
    await client.connected(2);
    assert.equal(client.recovered ?? false, recovers);
  });

  test.alone(`${name}: the gateway ends as asked, and later the other one is killed`, TWO, async (scope) => {
    const backend = await Backend.open(scope, { allEvents: true });
    const client = await scope.client(options);
    await until(() => !client.socket.io.engine.upgrading, "the upgrade");
    client.moveTo(scope.cluster.url(1));
    await scope.gateways[0].stop();
    assert.equal(await client.dropped(), "transport close");
    assert.equal((await backend.saw("close")).reason, "server shutting down");
    await client.connected(2);
    assert.equal(client.recovered ?? false, recovers);
    await scope.gateways[0].start();
    await until(() => !client.socket.io.engine.upgrading, "the upgrade");
    client.moveTo(scope.cluster.url(0));
    const isPolling = client.transport === "polling";
    await scope.gateways[1].kill();
    assert.equal(await client.dropped(2), isPolling ? "transport error" : "transport close");
    await client.connected(3);
    assert.equal(client.recovered ?? false, recovers);
    // Whoever came back before the lease was over has taken its session over; the others' end with it.
    assert.equal((await backend.saw("close", 2)).reason, recovers ? "forced close" : "transport error");
  });
}
