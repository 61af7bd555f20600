// What must be true of the events that backends serve, judged from a storm's traces. Pure.
//
//   ask {id}, answered {id, got | code}           a client's question, and what came back (rover.mjs)
//   served {id, sid, start, repeated}             a backend was given it, in its start number `start` (feeder.mjs)
//
// The answer is what was asked; nobody is shown a question a second time without being told; what one instance is shown
// of one socket comes in the client's order.

/** Faults as in checker.mjs. */
export function checkServices(traces) {
  const faults = [];
  const fault = (text, event) => faults.push({ invariant: "I6", text, ...event });
  const asked = new Set();
  const first = new Map();
  const latest = new Map();
  for (const event of Object.values(traces).flat()) {
    if (event.on === "ask") asked.add(event.id);
    if (event.on === "answered" && event.got !== undefined && event.got !== event.id) {
      fault(`${event.who} asked ${event.id}, and got the answer to ${event.got}`, event);
    }
    if (event.on === "served") serve(event, { first, latest, fault });
  }
  for (const [id, event] of first) if (!asked.has(id)) fault(`${event.who} was given ${id}, which nobody has asked`, event);
  return faults;
}

function serve(event, { first, latest, fault }) {
  const { who, id, sid, start, repeated } = event;
  if (repeated) return;
  if (first.has(id)) fault(`${who} was given ${id}, which ${first.get(id).who} had, as if it were new`, event);
  first.set(id, event);
  const stream = `${who} ${start} ${sid}`;
  if (numberOf(id) < (latest.get(stream) ?? 0)) fault(`${who} was given ${id} after a later question of ${sid}`, event);
  latest.set(stream, numberOf(id));
}

/** A client numbers its questions. */
function numberOf(id) {
  return Number(id.split("?")[1]);
}
