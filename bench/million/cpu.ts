/**
 * The CPU time of processes as the kernel counts it. `/proc/PID/stat` counts in steps of 10 ms, which
 * is too coarse for what is nearly idle: the nanoseconds of its threads are summed instead.
 */

import { cpuMs } from "../load/process.ts";

/** The steps of `/proc/PID/stat`. */
const TICK_MS = 10;

interface Sample {
  readonly ms: number;
  /** Nanoseconds, by thread. */
  readonly threads: ReadonlyMap<string, number>;
}

function sample(pid: number): Sample {
  const threads = new Map<string, number>();
  for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
    try {
      const [spent = "0"] = Deno.readTextFileSync(`/proc/${pid}/task/${name}/schedstat`).split(" ");
      threads.set(name, Number(spent));
    } catch {
      // The thread has just ended.
    }
  }
  return { ms: cpuMs(pid), threads };
}

/** Starts to measure; the function returned gives the microseconds of each process since then. */
export function measureCpu(pids: readonly number[]): () => number[] {
  const before = pids.map((pid) => ({ pid, start: sample(pid) }));
  return () =>
    before.map(({ pid, start }) => {
      const end = sample(pid);
      let ns = 0;
      for (const [thread, now] of end.threads) ns += now - (start.threads.get(thread) ?? 0);
      // A thread that has ended since had idled before, but that is not certain.
      return Math.max(ns / 1000, (end.ms - start.ms - 2 * TICK_MS) * 1000);
    });
}
