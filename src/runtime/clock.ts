/** The time and the timers of the server, behind an interface, so that tests can move the time. */

/** Identifies a pending call. */
export type Timer = ReturnType<typeof setTimeout> | number;

/** The time and the timers that the server uses. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Milliseconds since a fixed moment in the past, by a clock that never goes back. */
  elapsed(): number;
  /** Calls `callback` once, `delayMs` milliseconds from now. */
  setTimeout(callback: () => void, delayMs: number): Timer;
  /** Cancels a call that has not happened yet; any other timer is ignored. */
  clearTimeout(timer: Timer): void;
}

/** The clock of the machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  setTimeout: (callback, delayMs) => setTimeout(callback, delayMs),
  clearTimeout: (timer) => clearTimeout(timer),
};
