// What must be true after a storm, judged from what was seen. Pure: no clients, no clocks, no files.
//
// An observation is
//   acked        [{room, id, seq}]                     every publish that was acknowledged
//   history      {room: [{seq, id}]}                   each room's whole history afterwards, as it was paged
//   subscribers  [{name, rooms, seen: [{room, seq, id, isHeld?}], connections: [{recovered}]}]
//                                                      each from before the first publish, in order of arrival;
//                                                      `isHeld`: out of the client library's own buffer
// A fault is one sentence.

/** Every way in which the observation breaks the promises P1 to P4; empty when they hold. */
export function check({ acked, history, subscribers: all }) {
  const subscribers = all.map((one) => ({ ...one, seen: withoutHeldTwice(one.seen) }));
  return [
    ...Object.entries(history).flatMap(([room, messages]) => checkHistory(room, messages)),
    ...checkAcked(acked, history),
    ...subscribers.flatMap((subscriber) => [
      ...checkSeen(subscriber, history),
      ...checkRecovered(subscriber),
    ]),
    ...checkOneOrder(subscribers),
  ];
}

/**
 * socket.io-client (4.8) keeps an event that it decodes while its connection closes until after the reconnect, and does
 * not count its offset; the server has to send it again. That doubling is the client's own.
 */
function withoutHeldTwice(seen) {
  const held = new Set();
  return seen.filter(({ id, isHeld }) => {
    if (!isHeld) return !held.delete(id);
    held.add(id);
    return true;
  });
}

/** seq runs 1, 2, 3 …, and no id stands twice. */
function checkHistory(room, messages) {
  const faults = [];
  const ids = new Map();
  messages.forEach(({ seq, id }, i) => {
    if (seq !== i + 1) faults.push(`${room}: place ${i + 1} of the history has seq ${seq}`);
    if (ids.has(id)) faults.push(`${room}: ${id} is stored twice, as ${ids.get(id)} and ${seq}`);
    ids.set(id, seq);
  });
  return faults;
}

/** What was acknowledged is in the history, under the seq that was told. */
function checkAcked(acked, history) {
  const stored = new Map(
    Object.entries(history).map(([room, messages]) => [room, new Map(messages.map(({ id, seq }) => [id, seq]))]),
  );
  return acked.flatMap(({ room, id, seq }) => {
    const found = stored.get(room)?.get(id);
    if (found === undefined) return [`${room}: ${id} was acknowledged as ${seq} and is lost`];
    return found === seq ? [] : [`${room}: ${id} was acknowledged as ${seq} and is stored as ${found}`];
  });
}

/** A subscriber saw each message of its rooms once, in their order, with nothing between. */
function checkSeen({ name, rooms, seen }, history) {
  const faults = [];
  const next = new Map(rooms.map((room) => [room, 1]));
  for (const { room, seq, id } of seen) {
    const wanted = next.get(room);
    if (wanted === undefined) {
      faults.push(`${name} saw ${id} of ${room}, which it has not joined`);
      continue;
    }
    if (seq < wanted) faults.push(`${name} saw ${room} ${seq} (${id}) again, or late: ${wanted} was next`);
    if (seq > wanted) faults.push(`${name} missed ${room} ${wanted} to ${seq - 1}: ${seq} came next`);
    const stored = history[room]?.[seq - 1];
    if (stored?.id !== id) faults.push(`${name} saw ${id} as ${room} ${seq}, where the history has ${stored?.id}`);
    next.set(room, Math.max(wanted, seq + 1));
  }
  for (const room of rooms) {
    const last = history[room]?.length ?? 0;
    if (next.get(room) <= last) faults.push(`${name} never saw ${room} ${next.get(room)} to ${last}`);
  }
  return faults;
}

function checkRecovered({ name, connections }) {
  return connections
    .slice(1)
    .flatMap(({ recovered }, i) => (recovered ? [] : [`${name} was not recovered at reconnect ${i + 1}`]));
}

/** Any two subscribers saw the messages that both have in the same order, over all rooms: there is one log. */
function checkOneOrder(subscribers) {
  const faults = [];
  const orders = subscribers.map(({ seen }) => new Map(seen.map(({ room, seq }, i) => [`${room} ${seq}`, i])));
  for (let a = 0; a < subscribers.length; a++) {
    for (let b = a + 1; b < subscribers.length; b++) {
      const [one, other] = [subscribers[a].name, subscribers[b].name];
      const broken = firstInversion([...orders[a].keys()], orders[b]);
      if (broken) faults.push(`${one} saw ${broken[0]} before ${broken[1]}, ${other} after it`);
    }
  }
  return faults;
}

/** The first neighbours among the common ones that stand in `keys` the other way round than in `order`. */
function firstInversion(keys, order) {
  let last = null;
  for (const key of keys) {
    const place = order.get(key);
    if (place === undefined) continue;
    if (last !== null && place < order.get(last)) return [last, key];
    last = key;
  }
  return null;
}
