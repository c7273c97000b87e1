/** What the process uses, by the names that every Prometheus client gives them. */

import { type Family, only } from "./family.ts";

const MICROSECONDS = 1_000_000;

/** The metrics of the process, and the heap under a name with this prefix. */
export function processFamilies(prefix: string): readonly Family[] {
  const { rss, heapUsed } = Deno.memoryUsage();
  return [
    {
      kind: "gauge",
      name: "process_resident_memory_bytes",
      otelName: "process.memory.usage",
      help: "Resident memory size in bytes",
      samples: only(rss),
    },
    {
      kind: "gauge",
      name: "process_start_time_seconds",
      help: "Start time of the process since the Unix epoch in seconds",
      samples: only(performance.timeOrigin / 1000),
    },
    {
      kind: "gauge",
      name: `${prefix}heap_bytes`,
      help: "Bytes of the JavaScript heap in use",
      samples: only(heapUsed),
    },
    ...cpuFamilies(),
  ];
}

/** The CPU time; nothing where the runtime does not tell it: Deno 2.9 has no type for it yet. */
function cpuFamilies(): readonly Family[] {
  const cpuUsage: unknown = Reflect.get(Deno, "cpuUsage");
  if (typeof cpuUsage !== "function") return [];
  const { user, system } = cpuUsage();
  return [{
    kind: "counter",
    name: "process_cpu_seconds_total",
    otelName: "process.cpu.time",
    help: "Total user and system CPU time spent in seconds",
    samples: only((user + system) / MICROSECONDS),
  }];
}
