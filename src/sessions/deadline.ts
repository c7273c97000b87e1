/** The one timer of a session: what it does if nothing else happens in time, and for how long it waits. */

import type { Clock, Timer } from "../runtime/clock.ts";

/**
 * How long a client may stay silent before it joins by itself, in milliseconds. Clients of version 0.1
 * never register, and their URLs name no room. Later ones name one and register; a consumer does so
 * only when its app has a token, and must not become a normal peer meanwhile.
 */
export const SILENT_JOIN_MS = { urlWithoutRoom: 250, urlWithRoom: 5000 } as const;

/** A call that is made once, unless it is replaced or cleared before it is due. */
export class Deadline {
  readonly #clock: Clock;
  readonly #run: (act: () => void) => void;
  #timer: Timer | undefined;

  /** Makes its calls by `run`, which must not throw. */
  constructor(clock: Clock, run: (act: () => void) => void) {
    this.#clock = clock;
    this.#run = run;
  }

  /** Calls `act` in `delayMs` milliseconds, instead of what was set before; 0 never calls it. */
  set(delayMs: number, act: () => void): void {
    this.clear();
    if (delayMs > 0) this.#timer = this.#clock.setTimeout(() => this.#run(act), delayMs);
  }

  /** Makes no call. */
  clear(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
