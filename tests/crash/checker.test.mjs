// The checker finds each kind of planted fault, and nothing where there is none.

import assert from "node:assert/strict";
import { test } from "node:test";

import { check } from "./checker.mjs";

/** A faultless storm: two rooms of 20 messages in one log, three subscribers with two reconnects each. */
function faultless() {
  const log = Array.from({ length: 40 }, (_, i) => ({
    room: i % 2 ? "odd" : "even",
    seq: Math.floor(i / 2) + 1,
    id: `id-${i}`,
  }));
  const of = (...rooms) => log.filter(({ room }) => rooms.includes(room));
  const subscriber = (name, ...rooms) => ({
    name,
    rooms,
    seen: of(...rooms),
    connections: [{ recovered: false }, { recovered: true }, { recovered: true }],
  });
  return {
    acked: log.slice(0, 39).map((message) => ({ ...message })),
    history: { even: of("even"), odd: of("odd") },
    subscribers: [subscriber("a", "even", "odd"), subscriber("b", "even", "odd"), subscriber("c", "odd")],
  };
}

/** The faults after `plant` has changed a faultless observation. */
function planted(plant) {
  const observation = structuredClone(faultless());
  plant(observation);
  return check(observation);
}

test("a faultless storm passes", () => {
  assert.deepEqual(check(faultless()), []);
});

const PLANTED = {
  "a message dropped for one subscriber": [
    ({ subscribers: [{ seen }] }) => seen.splice(10, 1),
    /missed even 6 to 6/,
  ],
  "the last message dropped": [({ subscribers }) => subscribers[1].seen.pop(), /never saw odd 20 to 20/],
  "everything dropped": [({ subscribers }) => subscribers[2].seen.splice(0), /never saw odd 1 to 20/],
  "a message doubled at once": [
    ({ subscribers: [{ seen }] }) => seen.splice(10, 0, seen[10]),
    /a saw even 6 .* again/,
  ],
  "a message doubled much later": [({ subscribers: [{ seen }] }) => seen.push(seen[0]), /a saw even 1 .* again/],
  "two messages of a room swapped": [
    ({ subscribers: [, , { seen }] }) => ([seen[3], seen[4]] = [seen[4], seen[3]]),
    /c missed odd 4 to 4/,
  ],
  "two messages of different rooms swapped": [
    ({ subscribers: [{ seen }] }) => ([seen[10], seen[11]] = [seen[11], seen[10]]),
    /a saw odd 6 before even 6, b after it/,
  ],
  "a message of a room that was not joined": [
    ({ subscribers: [a, , { seen }] }) => seen.push(a.seen[0]),
    /c saw id-0 of even, which it has not joined/,
  ],
  "another message under a seq": [
    ({ subscribers: [{ seen }] }) => (seen[4] = { ...seen[4], id: "other" }),
    /saw other as even 3, where the history has id-4/,
  ],
  "a reconnect that was not recovered": [
    ({ subscribers }) => (subscribers[1].connections[2].recovered = false),
    /b was not recovered at reconnect 2/,
  ],
  "an acknowledged message that is lost": [
    ({ history, subscribers }) => {
      history.odd.pop();
      subscribers.forEach(({ seen }) => seen.splice(seen.findIndex(({ id }) => id === "id-39"), 1));
      history.even.pop();
      subscribers.forEach((s) => (s.seen = s.seen.filter(({ id }) => id !== "id-38")));
    },
    /even: id-38 was acknowledged as 20 and is lost/,
  ],
  "an acknowledgement with another seq": [({ acked }) => acked[7].seq++, /acknowledged as 5 and is stored as 4/],
  "a message stored twice": [
    ({ history }) => history.even.push({ seq: 21, id: "id-0" }),
    /id-0 is stored twice, as 1 and 21/,
  ],
  "a gap in the history": [({ history }) => history.even.splice(5, 1), /place 6 of the history has seq 7/],
  "a history out of order": [
    ({ history: { even } }) => ([even[5], even[6]] = [even[6], even[5]]),
    /place 6 of the history has seq 7/,
  ],
};

for (const [what, [plant, sentence]] of Object.entries(PLANTED)) {
  test(`${what} is found`, () => {
    const faults = planted(plant);
    assert.ok(faults.some((fault) => sentence.test(fault)), `${sentence} among ${JSON.stringify(faults)}`);
  });
}

test("an event that the client library kept for itself, and got again, is not held against the broker, once", () => {
  const observation = faultless();
  const [{ seen }] = observation.subscribers;
  seen.splice(10, 0, { ...seen[10], isHeld: true });
  assert.deepEqual(check(observation), []);
  seen.splice(11, 0, seen[11]);
  assert.match(check(observation).join(), /a saw even 6 .* again/);
});
