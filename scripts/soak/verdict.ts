/** What is left of a soak when everybody has gone, next to what there was before. */

import { until } from "../../tests/helpers/patience.ts";
import type { Sample, ServerProcess } from "./server_process.ts";
import { sleep } from "./world.ts";

/** How long the last sockets may take to go, in milliseconds. */
const SETTLE_MS = 15_000;

/** How often memory is measured at most; what counts is the least. */
const MEASUREMENTS = 8;

/** Milliseconds between two measurements. */
const APART_MS = 300;

/** What JavaScript holds may have grown by a tenth. */
const HEAP_FACTOR = 1.1;

/**
 * What a warm-up of a few seconds leaves to be compiled, in bytes: V8 was seen to add 1.4 MiB of
 * code to a heap of 6 MiB in a soak as short as that, and next to nothing once it is warm.
 */
const COLD_BYTES = 2_097_152;

/**
 * The process may have grown by a quarter: with a heap that stays as it is, soaks of some minutes end
 * up to 14 MiB above a baseline of 85 MiB, which is what the system's allocator makes of it.
 */
const RSS_FACTOR = 1.25;

/** The figures of a server that nobody is connected to. */
export interface Figures {
  /** Bytes that JavaScript holds, in its heap and outside of it. */
  readonly heap: number;
  /** Bytes that the process has. */
  readonly rss: number;
  readonly fds: number;
  readonly timers: number;
}

/** One thing that has to hold. */
export interface Check {
  readonly what: string;
  readonly isOk: boolean;
}

/** Whether nobody is there, and nothing of anybody. */
function isEmpty({ stats }: Sample): boolean {
  return stats.peers + stats.rooms + stats.pending + stats.closing + stats.neverOpened === 0;
}

/** Waits until nobody is connected; the checks tell who still is. */
export async function settle(server: ServerProcess): Promise<void> {
  await until("nobody to be connected", async () => {
    await sleep(100);
    return isEmpty(await server.sample(false));
  }, SETTLE_MS).catch(() => {});
}

/** Measures, with garbage collected, until it is enough, and takes the least of each figure. */
export async function measure(
  server: ServerProcess,
  isEnough: (figures: Figures) => boolean = () => false,
): Promise<Figures> {
  let least: Figures = { heap: Infinity, rss: Infinity, fds: Infinity, timers: Infinity };
  for (let n = 0; n < MEASUREMENTS && !isEnough(least); n++) {
    if (n > 0) await sleep(APART_MS);
    const { memory, fds, timers } = await server.sample(true);
    least = {
      heap: Math.min(least.heap, memory.heapUsed + memory.external),
      rss: Math.min(least.rss, memory.rss),
      fds: Math.min(least.fds, fds ?? 0),
      timers: Math.min(least.timers, timers),
    };
  }
  return least;
}

/** Whether memory, descriptors and timers are back at what they were. */
export function isBack(before: Figures, after: Figures, isWarm: boolean): boolean {
  return compare(before, after, isWarm).every(({ isOk }) => isOk);
}

/** Everything that has to hold of the server in the end. */
export function check(before: Figures, after: Figures, isWarm: boolean, last: Sample): Check[] {
  const { stats, errors, firstErrors } = last;
  const left = `${stats.peers} peers, ${stats.rooms} rooms, ${stats.pending} pending, ` +
    `${stats.closing} closing, ${stats.neverOpened} lost left`;
  return [
    ...compare(before, after, isWarm),
    { what: left, isOk: isEmpty(last) },
    { what: [`${errors} errors logged`, ...firstErrors].join("\n  "), isOk: errors === 0 },
  ];
}

function compare(before: Figures, after: Figures, isWarm: boolean): Check[] {
  const most = {
    heap: before.heap * HEAP_FACTOR + (isWarm ? 0 : COLD_BYTES),
    rss: before.rss * RSS_FACTOR,
  };
  const memory = (["heap", "rss"] as const).map((name) => ({
    what: `${name} ${megabytes(before[name])} before, ${megabytes(after[name])} after ` +
      `(${percent(before[name], after[name])}), ${megabytes(most[name])} at most`,
    isOk: after[name] <= most[name],
  }));
  const counts = (["fds", "timers"] as const).map((name) => ({
    what: `${name} ${before[name]} before, ${after[name]} after`,
    isOk: after[name] <= before[name],
  }));
  return [...memory, ...counts];
}

/** Bytes for people. */
export function megabytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MiB`;
}

function percent(before: number, after: number): string {
  const change = (after / before - 1) * 100;
  return `${change < 0 ? "" : "+"}${change.toFixed(1)} %`;
}
