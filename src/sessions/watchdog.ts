/**
 * The one timer that looks after all sockets of a handler: it finds clients that have stopped reading
 * and keeps those alive that the server itself was too busy to read. What is done to a socket is the
 * connection's decision.
 */

import type { Histogram } from "../metrics/histogram.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { type Phase, PHASES } from "./phases.ts";

/** A socket as a watchdog sees it. */
export interface WatchedConnection {
  /** The phase that the socket is in. */
  readonly phase: Phase;
  /** Closes the socket if its client has stopped reading. */
  closeIfStalled(): void;
  /** Keeps Deno from closing a client too early, above all because the process was too busy to read. */
  keepAlive(wasBusy: boolean): void;
}

/** A timer that is so late shows that the process was busy, in milliseconds. */
const BUSY_MS = 1000;

/** How often connections may extend their idle timeout, in milliseconds. */
const EXTEND_MS = 5000;

/** Options of {@linkcode Watchdog}. */
export interface WatchdogOptions {
  readonly clock: Clock;
  /** Milliseconds between two checks for clients that have stopped reading; 0 never checks. */
  readonly checkMs: number;
  /** Milliseconds between two looks whether the process is busy; 0 never looks. */
  readonly tickMs: number;
  readonly connections: ReadonlySet<WatchedConnection>;
  /** Where the delay of each look is counted, in seconds. */
  readonly lag?: Histogram;
}

/** Looks after the sockets of one handler. */
export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #intervalMs: number;
  #timer: Timer | undefined;
  #dueAt = 0;
  #checkAt = 0;
  #extendAt = 0;

  constructor(options: WatchdogOptions) {
    const { checkMs, tickMs } = options;
    this.#options = options;
    this.#intervalMs = Math.min(checkMs || Infinity, tickMs || Infinity);
  }

  /** Runs for as long as there are sockets. */
  start(): void {
    if (this.#timer !== undefined || this.#intervalMs === Infinity) return;
    const now = this.#options.clock.elapsed();
    this.#checkAt = now + this.#options.checkMs;
    this.#extendAt = now + EXTEND_MS;
    this.#schedule(now);
  }

  /** Looks at nothing until it is started again. */
  stop(): void {
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #schedule(now: number): void {
    this.#dueAt = now + this.#intervalMs;
    this.#timer = this.#options.clock.setTimeout(() => this.#tick(), this.#intervalMs);
  }

  #tick(): void {
    const { clock, checkMs, tickMs, connections } = this.#options;
    const now = clock.elapsed();
    this.#options.lag?.observe(Math.max(now - this.#dueAt, 0) / 1000);
    const wasBusy = tickMs > 0 && now - this.#dueAt >= BUSY_MS;
    const mustCheck = checkMs > 0 && now >= this.#checkAt;
    const mustExtend = tickMs > 0 && (wasBusy || now >= this.#extendAt);
    if (mustCheck) this.#checkAt = now + checkMs;
    if (mustExtend) this.#extendAt = now + EXTEND_MS;
    this.#schedule(now);
    if (!mustCheck && !mustExtend) return;
    for (const connection of [...connections]) {
      if (PHASES[connection.phase].isClosing) continue;
      if (mustExtend) connection.keepAlive(wasBusy);
      if (mustCheck && !wasBusy) connection.closeIfStalled();
    }
  }
}
