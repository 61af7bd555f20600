// Read cursors: what users have read, what is unread on all their devices, and receipts to the others.

import assert from "node:assert/strict";

import { MODES } from "./support/client.mjs";
import { ctlLines } from "./support/ctl.mjs";
import { until } from "./support/deadline.mjs";
import { suite } from "./support/suite.mjs";

const CLAIMED = { identity: "claimed" };
const test = suite({ gateways: 2, broker: CLAIMED });

let users = 0;
const newUser = () => `user-${++users}`;

const receipts = (client, room) => client.messages(room, "room:read");

async function fill(client, room, count) {
  for (let n = 1; n <= count; n++) await client.publish(room, n);
}

for (const { name, options } of MODES) {
  test(`with ${name} a read is counted, told to the others, and known on another device`, async (scope) => {
    const [room, ann, bob] = [scope.room(), newUser(), newUser()];
    const phone = await scope.client({ ...options, auth: { user: ann } });
    const laptop = await scope.client({ ...options, gateway: 1, auth: { user: ann } });
    const other = await scope.client({ ...options, gateway: 1, auth: { user: bob } });
    await phone.join(room);
    await other.join(room);
    await fill(other, room, 5);
    assert.deepEqual(await phone.demand("room:unread"), { ok: true, rooms: [{ room, unread: 5, seq: 0 }] });
    assert.deepEqual(await phone.demand("room:read", { room, seq: 3 }), { ok: true, unread: 2, seq: 3 });
    assert.deepEqual(await laptop.demand("room:unread"), { ok: true, rooms: [{ room, unread: 2, seq: 3 }] });
    await until(() => receipts(other, room).length > 0, () => `the receipt at ${other}`);
    assert.deepEqual(receipts(other, room), [{ room, user: ann, seq: 3 }]);
    // Backwards there is nothing to do; no seq means all, and so does one that is too high.
    assert.deepEqual(await phone.demand("room:read", { room, seq: 1 }), { ok: true, unread: 2, seq: 3 });
    assert.deepEqual(await phone.demand("room:read", room), { ok: true, unread: 0, seq: 5 });
    assert.deepEqual(await other.demand("room:read", { room, seq: 1e9 }), { ok: true, unread: 0, seq: 5 });
    await until(() => receipts(other, room).some(({ user, seq }) => user === ann && seq === 5), "the newest receipt");
    assert.equal(receipts(other, room).filter(({ user }) => user === ann).length, 2);
  });
}

test("an anonymous client has no cursor, and an impostor no receipt", async (scope) => {
  const room = scope.room();
  const [nobody, ann] = [await scope.client(), await scope.client({ auth: { user: newUser() } })];
  await nobody.join(room);
  for (const [event, argument] of [["room:read", { room, seq: 1 }], ["room:unread"]]) {
    const { ok, error } = await nobody.ask(event, ...(argument ? [argument] : []));
    assert.deepEqual([ok, error.code], [false, "no_user"]);
  }
  assert.equal((await ann.ask("room:read", { room, seq: 1 })).error.code, "not_joined");
  assert.equal((await ann.ask("room:read", { room, seq: -1 })).error.code, "bad_request");
  assert.equal((await ann.ask("room:read", { room, seq: 1, forget: true })).error.code, "bad_request");
  for (const event of ["room:read", "room:confirmed", "room:failed", "room:presence"])
    assert.equal((await nobody.ask("room:publish", { room, event, data: 1 })).error.code, "bad_request");
});

test("a room that was left stays until it is forgotten", async (scope) => {
  const [room, user] = [scope.room(), newUser()];
  const client = await scope.client({ auth: { user } });
  await client.join(room);
  await fill(client, room, 2);
  await client.demand("room:read", { room, seq: 1 });
  await client.leave(room);
  assert.deepEqual((await client.demand("room:unread")).rooms, [{ room, unread: 1, seq: 1 }]);
  assert.deepEqual(await ctlLines(scope.cluster, ["unread", user]), [{ room, unread: 1, seq: 1 }]);
  await client.demand("room:read", { room, forget: true });
  assert.deepEqual((await client.demand("room:unread")).rooms, []);
  assert.deepEqual(await ctlLines(scope.cluster, ["unread", user]), []);
});

test("who leaves on one device goes on reading on another, and loses nothing", async (scope) => {
  const [room, user] = [scope.room(), newUser()];
  const [phone, laptop] = [await scope.client({ auth: { user } }), await scope.client({ gateway: 1, auth: { user } })];
  await phone.join(room);
  await laptop.join(room);
  await fill(laptop, room, 4);
  // A socket is in a room, as ever; the cursor is the user's. What was said before the leave counts.
  const [read] = await Promise.all([phone.demand("room:read", { room, seq: 2 }), phone.leave(room)]);
  assert.deepEqual(read, { ok: true, unread: 2, seq: 2 });
  assert.equal((await phone.ask("room:read", { room, seq: 4 })).error.code, "not_joined");
  assert.deepEqual(await laptop.demand("room:read", { room, seq: 3 }), { ok: true, unread: 1, seq: 3 });
  assert.deepEqual((await phone.demand("room:unread")).rooms, [{ room, unread: 1, seq: 3 }]);
  await laptop.leave(room);
  await phone.join(room);
  assert.deepEqual(await phone.demand("room:read", room), { ok: true, unread: 0, seq: 4 });
});

test.alone("reads that were answered are there after kill -9 of the broker", { broker: CLAIMED }, async (scope) => {
  const user = newUser();
  const rooms = Array.from({ length: 20 }, () => scope.room());
  const client = await scope.client({ auth: { user } });
  for (const room of rooms) {
    await client.join(room);
    await fill(client, room, 2);
  }
  const reads = rooms.map((room, i) => client.demand("room:read", { room, seq: 1 + (i % 2) }));
  const killed = Promise.all(reads.slice(0, 10)).then(() => scope.broker.kill());
  await killed;
  await scope.broker.start();
  await Promise.all(reads); // those that were not answered are repeated
  const expected = rooms.map((room, i) => ({ room, unread: 1 - (i % 2), seq: 1 + (i % 2) }));
  const byRoom = (a, b) => rooms.indexOf(a.room) - rooms.indexOf(b.room);
  assert.deepEqual((await client.demand("room:unread")).rooms.sort(byRoom), expected);
  // And without a socket of the user's, from the cursors alone.
  client.close();
  assert.deepEqual((await ctlLines(scope.cluster, ["unread", user])).sort(byRoom), expected);
});
