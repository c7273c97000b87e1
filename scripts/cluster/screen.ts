// deno-lint-ignore-file no-console
/** The live table: redrawn in place on a terminal, one block after the other elsewhere. */

import type { Crowd } from "./peers.ts";
import type { Instance } from "./processes.ts";

const HEADINGS = [
  "instance",
  "port",
  "peers",
  "rooms",
  "backplane",
  "joins",
  "within",
  "across",
  "p50 across",
];

/** Draws blocks of lines. */
export class Screen {
  readonly isTerminal = Deno.stdout.isTerminal();
  #height = 0;

  draw(lines: readonly string[]): void {
    const back = this.isTerminal && this.#height > 0 ? `\x1b[${this.#height}F\x1b[J` : "";
    console.log(back + lines.join("\n") + (this.isTerminal ? "" : "\n"));
    this.#height = lines.length;
  }
}

/** The state of everything, as lines. */
export async function describe(
  instances: readonly Instance[],
  crowd: Crowd,
  seconds: number,
): Promise<string[]> {
  const healths = await Promise.all(instances.map((instance) => instance.health()));
  const rows = crowd.tallies.map((tally, n) => {
    const { peers = "-", rooms = "-", backplane = "-" } = healths[n] ?? {};
    const port = instances[n]?.port ?? "ended";
    const { joins, within, across, medianDelay: delay } = tally;
    const p50 = delay === undefined ? "-" : `${delay.toFixed(1)} ms`;
    return [n + 1, port, peers, rooms, backplane, joins, within, across, p50].map(String);
  });
  const { total, apart } = crowd.pairs();
  const met = `${total - apart.length} of ${total} pairs on different instances have met`;
  return [`${Math.round(seconds)} s: ${met}`, ...align([HEADINGS, ...rows])];
}

function align(rows: readonly string[][]): string[] {
  const widths = HEADINGS.map((_, n) => Math.max(...rows.map((row) => row[n]?.length ?? 0)));
  return rows.map((row) => row.map((cell, n) => cell.padStart(widths[n] ?? 0)).join("  "));
}
