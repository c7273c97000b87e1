/** Time as the server sees it, so that tests can run it. */

/** What a clock names a pending call by. */
export type Timer = ReturnType<typeof setTimeout> | number;

/** The time and the timers that the server uses. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Milliseconds since some moment in the past, by a clock that never goes back. */
  elapsed(): number;
  /** Calls `callback` once, `delayMs` milliseconds from now. */
  setTimeout(callback: () => void, delayMs: number): Timer;
  /** Takes back a call that has not happened yet; any other timer is ignored. */
  clearTimeout(timer: Timer): void;
}

/** The clock of the machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  setTimeout: (callback, delayMs) => setTimeout(callback, delayMs),
  clearTimeout: (timer) => clearTimeout(timer),
};
