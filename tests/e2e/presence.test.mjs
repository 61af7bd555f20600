// Presence: who is in a room, told once for each user and not for each tab, and the same after every fault.

import assert from "node:assert/strict";

import { MODES } from "./support/client.mjs";
import { ctl, ctlLines } from "./support/ctl.mjs";
import { until } from "./support/deadline.mjs";
import { suite } from "./support/suite.mjs";

const GRACE_MS = 3000; // a busy machine needs some of it for a reconnect
const SETTINGS = { identity: "claimed", "presence-rules": "room*", "presence-grace": GRACE_MS };
const SHORT_LEASE = { ...SETTINGS, lease: 3000, ping: 200, "presence-grace": 2000 };
const test = suite({ gateways: 2, broker: SETTINGS });

let users = 0;
const newUser = (name) => `${name}-${++users}`;

/** Events are volatile: they go to sockets that can take them at that moment, as a WebSocket nearly always can. */
const watcher = async (scope, room, options = {}) => {
  const user = newUser("watcher");
  const client = await scope.client({ transports: ["websocket"], auth: { user }, ...options });
  client.user = user;
  await client.join(room);
  await until(() => told(client, room).includes(`${user} join`), () => `its own join at ${client}`);
  return client;
};

const told = (client, room) => client.messages(room, "room:presence").map(({ user, state }) => `${user} ${state}`);

const toldOf = (client, room, user) => told(client, room).filter((event) => event.startsWith(`${user} `));

async function list(client, room) {
  const answer = await client.demand("room:presence", room);
  return Object.fromEntries(answer.users.map(({ user, sockets, state }) => [user, `${sockets} ${state}`]));
}

async function untilListed(client, room, expected) {
  let got;
  await until(
    async () => {
      got = await list(client, room);
      return JSON.stringify(Object.entries(got).sort()) === JSON.stringify(Object.entries(expected).sort());
    },
    () => `${JSON.stringify(expected)}; listed ${JSON.stringify(got)}`,
  );
}

for (const { name, options } of MODES) {
  test(`with ${name} two tabs are one user, who leaves with the last`, async (scope) => {
    const room = scope.room();
    const ann = newUser("ann");
    const watch = await watcher(scope, room);
    const tabs = [
      await scope.client({ ...options, auth: { user: ann } }),
      await scope.client({ ...options, gateway: 1, auth: { user: ann } }),
    ];
    for (const tab of tabs) await tab.join(room);
    await until(() => toldOf(watch, room, ann).length > 0, "the join");
    assert.deepEqual(await list(tabs[1], room), { [ann]: "2 online", [watch.user]: "1 online" });
    tabs[0].socket.disconnect(); // says so: no grace for this tab, but another is there
    await untilListed(watch, room, { [ann]: "1 online", [watch.user]: "1 online" });
    await tabs[1].leave(room);
    await until(() => toldOf(watch, room, ann).length > 1, "the leave");
    assert.deepEqual(toldOf(watch, room, ann), [`${ann} join`, `${ann} leave`]);
    assert.deepEqual(await list(watch, room), { [watch.user]: "1 online" });
  });
}

test("a reconnect within the grace is not told, a longer absence is", async (scope) => {
  const room = scope.room();
  const [ann, bob] = [newUser("ann"), newUser("bob")];
  const watch = await watcher(scope, room);
  const [stays, goes] = [await scope.client({ auth: { user: ann } }), await scope.client({ auth: { user: bob } })];
  await stays.join(room);
  await goes.join(room);
  await until(() => toldOf(watch, room, bob).length > 0, "the joins");
  const { since } = (await watch.demand("room:presence", room)).users.find(({ user }) => user === ann);
  stays.moveTo(scope.cluster.url(1));
  await stays.drop();
  await stays.connected(2);
  goes.socket.io.reconnection(false);
  await goes.drop();
  await until(() => toldOf(watch, room, bob).length > 1, "the leave of who stayed away");
  // Whoever dropped first and was not told of by now has not left.
  assert.deepEqual(toldOf(watch, room, ann), [`${ann} join`]);
  const entry = (await watch.demand("room:presence", room)).users.find(({ user }) => user === ann);
  assert.deepEqual([entry.since, entry.state], [since, "online"]);
});

test("only members may ask, in pages, and are told of bad arguments", async (scope) => {
  const room = scope.room();
  const names = Array.from({ length: 5 }, (_, i) => `p${i}-${newUser("page")}`);
  const clients = [];
  for (const user of names) clients.push(await scope.client({ auth: { user } }));
  for (const client of clients) await client.join(room);
  const nobody = await scope.client();
  assert.equal((await nobody.ask("room:presence", room)).error.code, "not_joined");
  await nobody.join(room);
  assert.equal((await nobody.ask("room:presence", { room, limit: 0 })).error.code, "bad_request");
  assert.equal((await nobody.ask("room:presence")).error.code, "bad_request");
  const first = await nobody.demand("room:presence", { room, limit: 2 });
  assert.deepEqual([first.count, first.sockets, first.anonymous, first.more], [5, 6, 1, true]);
  const rest = await nobody.demand("room:presence", { room, after: first.users[1].user });
  assert.deepEqual([...first.users, ...rest.users].map(({ user }) => user), names);
  assert.equal(rest.more, false);
});

test("rejoinctl lists rooms, namespaces and users", async (scope) => {
  const room = scope.room();
  const ann = newUser("ann");
  const client = await scope.client({ auth: { user: ann } });
  await client.join(room);
  const [line] = await ctlLines(scope.cluster, ["presence", room]);
  assert.deepEqual({ ...line, since: 0 }, { user: ann, sockets: 1, since: 0, state: "online" });
  assert.ok(Math.abs(line.since - Date.now()) < 60000);
  assert.ok((await ctlLines(scope.cluster, ["presence"])).some(({ user }) => user === ann));
  assert.deepEqual(await ctlLines(scope.cluster, ["presence", "--count", room]), [
    { users: 1, reconnecting: 0, sockets: 1, anonymous: 0 },
  ]);
  const [here] = await ctlLines(scope.cluster, ["presence", "--user", ann]);
  assert.deepEqual([here.state, here.sockets, here.list[0].sid, here.list[0].rooms], ["online", 1, client.id, [room]]);
  client.socket.disconnect();
  let gone;
  await until(async () => {
    [gone] = await ctlLines(scope.cluster, ["presence", "--user", ann]);
    return gone.state === "offline";
  }, "the user is offline");
  assert.ok(Math.abs(gone.seen - Date.now()) < 60000);
  assert.equal((await ctlLines(scope.cluster, ["presence", "--user", newUser("never")]))[0].seen, null);
  assert.equal((await ctl(scope.cluster, ["presence", room, "--user", ann])).code, 2);
});

test.alone("kill -9 of a gateway: who comes back has never left, who does not has", { gateways: 2, broker: SHORT_LEASE }, async (scope) => {
  const room = scope.room();
  const watch = await watcher(scope, room);
  const [ann, bob] = [newUser("ann"), newUser("bob")];
  const [back, lost] = [
    await scope.client({ gateway: 1, auth: { user: ann } }),
    await scope.client({ gateway: 1, auth: { user: bob }, reconnection: false }),
  ];
  await back.join(room);
  await lost.join(room);
  await until(() => toldOf(watch, room, bob).length > 0, "the joins");
  back.moveTo(scope.cluster.url(0));
  await scope.gateways[1].kill();
  await back.connected(2);
  await until(() => toldOf(watch, room, bob).length > 1, "the leave");
  assert.deepEqual(toldOf(watch, room, bob), [`${bob} join`, `${bob} leave`]);
  assert.deepEqual(toldOf(watch, room, ann), [`${ann} join`]);
  assert.deepEqual(await list(watch, room), { [ann]: "1 online", [watch.user]: "1 online" });
});

test.alone("kill -9 of the broker: nobody flaps, and who left meanwhile has left", { gateways: 2, broker: SHORT_LEASE }, async (scope) => {
  const room = scope.room();
  const watch = await watcher(scope, room);
  const names = Array.from({ length: 6 }, () => newUser("user"));
  const clients = [];
  for (const [i, user] of names.entries()) clients.push(await scope.client({ gateway: i % 2, auth: { user } }));
  for (const client of clients) await client.join(room);
  await until(() => told(watch, room).length >= 7, "the joins");
  await scope.broker.kill();
  clients[0].close();
  clients[1].moveTo(scope.cluster.url(0));
  await clients[1].drop();
  await scope.broker.start();
  await clients[1].connected(2);
  await until(() => toldOf(watch, room, names[0]).length > 1, "the leave of who closed while the broker was away");
  const late = await scope.client({ auth: { user: newUser("late") } });
  await late.join(room);
  await until(() => told(watch, room).at(-1).startsWith("late"), "the newcomer");
  for (const user of names.slice(1)) assert.deepEqual(toldOf(watch, room, user), [`${user} join`]);
  assert.equal(Object.keys(await list(watch, room)).length, 7);
});

test.alone("a gateway that froze for longer than its lease comes back with its users", { gateways: 2, broker: SHORT_LEASE }, async (scope) => {
  const room = scope.room();
  const watch = await watcher(scope, room);
  const ann = newUser("ann");
  const client = await scope.client({ gateway: 1, auth: { user: ann } });
  await client.join(room);
  await until(() => toldOf(watch, room, ann).length > 0, "the join");
  scope.gateways[1].freeze();
  await until(() => toldOf(watch, room, ann).length > 1, "the leave");
  assert.deepEqual(await list(watch, room), { [watch.user]: "1 online" });
  scope.gateways[1].thaw();
  await untilListed(watch, room, { [ann]: "1 online", [watch.user]: "1 online" });
  await until(() => toldOf(watch, room, ann).length > 2, "the second join");
  assert.deepEqual(toldOf(watch, room, ann), [`${ann} join`, `${ann} leave`, `${ann} join`]);
});

test.alone("a rolling restart of the gateways is told to nobody", { gateways: 2, broker: SHORT_LEASE }, async (scope) => {
  const room = scope.room();
  const names = Array.from({ length: 10 }, () => newUser("user"));
  const clients = [];
  for (const [i, user] of names.entries()) {
    const client = await scope.client({ gateway: i % 2, transports: ["websocket"], auth: { user } });
    await client.join(room);
    clients.push(client);
  }
  // Each is moved twice; what it was told before it was moved must not have been a leaving.
  for (const [i, gateway] of scope.gateways.entries()) {
    const moved = clients.filter((client) => client.socket.io.uri.startsWith(gateway.url));
    for (const client of moved) client.moveTo(scope.cluster.url(1 - i));
    const connections = moved.map((client) => client.connections.length);
    await gateway.stop();
    await Promise.all(moved.map((client, n) => client.connected(connections[n] + 1)));
    await gateway.start();
    await gateway.untilLinked();
  }
  const last = newUser("last");
  const late = await scope.client({ auth: { user: last }, transports: ["websocket"] });
  await late.join(room);
  late.socket.disconnect();
  for (const client of clients) {
    await until(() => toldOf(client, room, last).length === 2, () => `the last one's leave at ${client}`);
    const left = told(client, room).filter((event) => event.endsWith(" leave"));
    assert.deepEqual(left, [`${last} leave`]);
  }
  assert.deepEqual(await list(clients[0], room), Object.fromEntries(names.map((user) => [user, "1 online"])));
});
