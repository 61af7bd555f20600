// A gateway's counters, as Prometheus would read them.

/** The value of `name`, labels and all; undefined when there is no such line. */
export async function metric(gateway, name) {
  const answer = await fetch(`${gateway.url}/metrics`);
  const lines = (await answer.text()).split("\n");
  const line = lines.find((text) => text.startsWith(`${name} `));
  return line && Number(line.slice(name.length + 1));
}
