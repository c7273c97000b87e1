/** The one timer of a session: what it does if nothing else happens in time. */

import type { Clock, Timer } from "../runtime/clock.ts";

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
