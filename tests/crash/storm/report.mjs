// What a person is told of a storm: its figures, and of each broken promise everything that was seen of it.

const SHOWN_FAULTS = 12;
const TRACED_FAULTS = 4;
const AROUND_MS = 3000; // of the reader's own connection, and of the storm, before and behind
const EVENTS_SHOWN = 120;

const OWN = new Set(["connected", "dropped", "contested", "reborn", "died", "join", "joined", "leave", "left", "reloaded"]);

function line({ t, who, on, ...what }, start) {
  const at = ((t - start) / 1000).toFixed(3).padStart(9);
  return `  ${at} ${who.padEnd(14)} ${on} ${JSON.stringify(what).slice(0, 300)}`;
}

/** All events about a fault's message, what befell its reader around it, and what the storm did then. */
export function explain(fault, traces) {
  const events = Object.values(traces).flat();
  const start = events.reduce((least, { t }) => Math.min(least, t), Infinity);
  const about = events.filter(({ id, room, seq, on }) => {
    return fault.id !== undefined && (id === fault.id || (on === "saw" && room === fault.room && seq === fault.seq));
  });
  const times = [...about.map(({ t }) => t), fault.t].filter((t) => t !== undefined);
  const [from, to] = [Math.min(...times) - AROUND_MS, Math.max(...times) + AROUND_MS];
  const isNear = ({ t }) => t >= from && t <= to;
  const isHis = (event) => event.who === fault.who && (OWN.has(event.on) || event.room === fault.room);
  const around = events.filter((event) => isNear(event) && (event.who === "storm" || isHis(event)));
  const all = [...new Set([...about, ...around])].sort((a, b) => a.t - b.t);
  const shown = all.slice(0, EVENTS_SHOWN).map((event) => line(event, start));
  return [...shown, ...(all.length > EVENTS_SHOWN ? [`  … ${all.length - EVENTS_SHOWN} more`] : [])].join("\n");
}

export function reportFaults(faults, traces) {
  const lines = faults.slice(0, SHOWN_FAULTS).map(({ invariant, text }) => `${invariant}: ${text}`);
  for (const fault of faults.filter(({ t, id }) => t !== undefined || id !== undefined).slice(0, TRACED_FAULTS)) {
    lines.push(`--- ${fault.invariant}: ${fault.text}`, explain(fault, traces));
  }
  return lines.join("\n");
}

/** How often each kind of fault happened, and how many clients lost their connection from its begin until a second after. */
export function reportKinds(counts, traces) {
  const events = Object.values(traces).flat();
  const drops = events.filter(({ on }) => on === "dropped").map(({ t }) => t).sort((a, b) => a - b);
  const rows = Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1));
  return rows.map(([kind, count]) => {
    const begun = events.filter(({ who, on }) => who === "storm" && on === kind);
    const cut = begun.reduce((sum, { t, ms }) => sum + countBetween(drops, t, t + (kind === "jump_clock" ? 0 : ms) + 1000), 0);
    return `  ${kind.padEnd(18)} ${String(count).padStart(5)}   ${String(cut).padStart(7)} connections lost meanwhile`;
  }).join("\n");
}

function countBetween(sorted, from, to) {
  return sorted.filter((t) => t >= from && t <= to).length;
}
