/** The machine's clock, whose wall time a test sets forward. Everything else goes on as it does. */

import { type Clock, systemClock } from "../../src/runtime/clock.ts";

export interface SettableClock {
  readonly clock: Clock;
  /** Sets the wall time forward. */
  forward(ms: number): void;
}

export function settableClock(): SettableClock {
  let shift = 0;
  const clock: Clock = { ...systemClock, now: () => Date.now() + shift };
  return { clock, forward: (ms) => void (shift += ms) };
}
