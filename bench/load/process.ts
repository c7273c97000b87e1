/** What the kernel says of a process: its CPU time and its resident memory. */

/** A tick of `/proc/PID/stat`, 100 of which make a second on every Linux that Deno runs on. */
const TICK_MS = 10;

/** Milliseconds of user and system time of all threads, ended ones too. */
export function cpuMs(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** Resident kilobytes. */
export function residentKb(pid: number): number {
  const [, kb] = /^VmRSS:\s+(\d+)/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`)) ?? [];
  return Number(kb);
}

/** What the server and the generator have done in a while, in milliseconds. */
export interface Usage {
  readonly wallMs: number;
  /** CPU. */
  readonly serverMs: number;
  /** CPU. */
  readonly generatorMs: number;
}

/** Starts to measure the server and this process; the function returned ends it. */
export function measure(serverPid: number): () => Usage {
  const startedAt = performance.now();
  const server = cpuMs(serverPid);
  const generator = cpuMs(Deno.pid);
  return () => ({
    wallMs: performance.now() - startedAt,
    serverMs: cpuMs(serverPid) - server,
    generatorMs: cpuMs(Deno.pid) - generator,
  });
}
