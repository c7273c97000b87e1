/**
 * Writes metrics as text in the format of Prometheus, version 0.0.4. What they are is not its concern.
 */

import type { Family, Labels } from "./family.ts";

/** The media type of the text; Prometheus 3 refuses another. */
export const PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** The text of these metrics. */
export function toPrometheus(families: readonly Family[]): string {
  return families.map((family) => {
    const { name, help, kind } = family;
    const head = `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${kind}\n`;
    return head + linesOf(family).join("");
  }).join("");
}

function linesOf(family: Family): string[] {
  const { name } = family;
  if (family.kind !== "histogram") {
    return family.samples.map(({ labels, value }) => line(name, labels, value));
  }
  return family.samples.flatMap(({ labels, histogram: { bounds, counts, sum } }) => {
    let below = 0;
    const buckets = counts.map((count, index) => {
      below += count;
      const bound = bounds[index];
      const le = bound === undefined ? "+Inf" : String(bound);
      return line(`${name}_bucket`, { ...labels, le }, below);
    });
    return [...buckets, line(`${name}_sum`, labels, sum), line(`${name}_count`, labels, below)];
  });
}

function line(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`);
  const list = pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
  return `${name}${list} ${value}\n`;
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}
