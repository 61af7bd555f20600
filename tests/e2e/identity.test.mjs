// Who a message is from, where the broker takes the client's word for it (identity: claimed).

import assert from "node:assert/strict";

import { until } from "./support/deadline.mjs";
import { suite } from "./support/suite.mjs";

const test = suite({ gateways: 2, broker: { identity: "claimed" } });

test("a claimed name stands in the messages, and after a reconnect too", async (scope) => {
  const room = scope.room();
  const [ada, reader] = [await scope.client({ auth: { user: "Ada" } }), await scope.client({ gateway: 1 })];
  await ada.join(room);
  await reader.join(room);
  await ada.publish(room, 1);
  await reader.received(room, 1);
  await ada.drop();
  await ada.connected(2);
  assert.equal(ada.recovered, true);
  await ada.publish(room, 2);
  const messages = await reader.received(room, 2);
  for (const message of messages) assert.deepEqual(message.from, { user: "Ada", sid: ada.id });
  assert.deepEqual((await reader.history(room)).messages, messages);
});

test("a client without a usable name is anonymous or refused, never somebody else", async (scope) => {
  for (const user of [undefined, null, "", 5, {}, "x".repeat(129)]) {
    const client = scope.open({ auth: { user }, reconnection: false });
    await until(() => client.socket.connected || client.errors.length > 0, "an answer to the CONNECT");
    if (!client.socket.connected) continue;
    const room = scope.room();
    await client.join(room);
    await client.publish(room, 1);
    const [message] = await client.received(room, 1);
    assert.equal(message.from.user, null);
  }
});

test("a name is text of any language", async (scope) => {
  const room = scope.room();
  const client = await scope.client({ auth: { user: "Ðorđe \"小明\" 😀" } });
  await client.join(room);
  await client.publish(room, 1);
  const [message] = await client.received(room, 1);
  assert.equal(message.from.user, "Ðorđe \"小明\" 😀");
});
