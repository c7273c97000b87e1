// deno-lint-ignore-file no-console
/**
 * The server that a soak is about, in a process of its own: authentication on, consumers let in by
 * token, limits that one address alone does not reach. The first line of its input is its options,
 * each further one asks for a sample, and the end of it stops the server, so that it never outlives
 * the process that started it.
 */

import {
  type Clock,
  createServer,
  generateKeyPairJwk,
  type Logger,
  type Timer,
} from "../../mod.ts";
import { linesOf, type Sample, type ServerOptions } from "./server_process.ts";

/** Errors that are kept word for word. */
const MAX_ERRORS = 5;

/** Garbage collections before a sample; what has to be finalized takes more than one. */
const COLLECTIONS = 4;

/** The machine's time, with a count of the timers that are set. */
class CountingClock implements Clock {
  readonly #timers = new Set<Timer>();

  get timers(): number {
    return this.#timers.size;
  }

  now(): number {
    return Date.now();
  }

  elapsed(): number {
    return performance.now();
  }

  setTimeout(callback: () => void, delayMs: number): Timer {
    const timer: Timer = setTimeout(() => {
      this.#timers.delete(timer);
      callback();
    }, delayMs);
    this.#timers.add(timer);
    return timer;
  }

  clearTimeout(timer: Timer): void {
    this.#timers.delete(timer);
    clearTimeout(timer);
  }
}

class ErrorCount implements Logger {
  count = 0;
  readonly first: string[] = [];

  debug(): void {}
  info(): void {}
  warn(): void {}

  error(...what: unknown[]): void {
    this.count++;
    if (this.first.length < MAX_ERRORS) this.first.push(JSON.stringify(what));
  }
}

/**
 * Collects garbage as V8 does when memory has run out: else it keeps the pages of its biggest heap
 * for the next one, 60 MiB or so, in which a leak would not be seen.
 */
async function collectGarbage(): Promise<void> {
  const { gc } = globalThis as { gc?: (options: Record<string, string>) => void };
  if (gc === undefined) throw new Error("Run with --v8-flags=--expose-gc");
  for (let n = 0; n < COLLECTIONS; n++) {
    gc({ type: "major", execution: "sync", flavor: "last-resort" });
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const lines = linesOf(Deno.stdin.readable);
const options: ServerOptions = JSON.parse((await lines.next()).value ?? "{}");
const clock = new CountingClock();
const errors = new ErrorCount();
const server = await createServer({
  ...await generateKeyPairJwk(),
  adminSecret: options.adminSecret,
  consumerAuth: { jwks: options.consumerJwks, roomClaim: options.roomClaim },
  idleTimeoutSeconds: options.idleTimeoutSeconds,
  registerTimeoutMs: options.registerTimeoutMs,
  limits: {
    maxPendingConnectionsPerIp: 0,
    maxFailedAuthPerMinute: 1_000_000, // So many that none is refused, yet all are counted.
    maxMemoryMb: 1024,
  },
  logger: errors,
  clock,
});
const { url } = await server.listen({ port: 0, host: "127.0.0.1" });
console.log(JSON.stringify({ url }));

for await (const line of lines) {
  if (line === "collect") await collectGarbage();
  const sample: Omit<Sample, "fds"> = {
    memory: Deno.memoryUsage(),
    stats: server.stats(),
    timers: clock.timers,
    errors: errors.count,
    firstErrors: errors.first,
  };
  console.log(JSON.stringify(sample));
}
await server.close({ drainMs: 0 });
