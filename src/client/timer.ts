/** Delays of the client: one call that is due, and the random delays between attempts. */

/** The longest delay of `setTimeout`, in milliseconds; a longer one would be none. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** A call that is due later, at most one at a time. */
export class Timer {
  #id: ReturnType<typeof setTimeout> | undefined;

  /** Whether a call is due. */
  get isRunning(): boolean {
    return this.#id !== undefined;
  }

  /** Calls `callback` in so many milliseconds, and no longer what was due before. */
  start(delayMs: number, callback: () => void): void {
    this.stop();
    this.#id = setTimeout(() => {
      this.#id = undefined;
      callback();
    }, Math.min(delayMs, MAX_DELAY_MS));
  }

  /** Makes no call any more. */
  stop(): void {
    clearTimeout(this.#id);
    this.#id = undefined;
  }
}

/** Bounds of delays, in milliseconds. */
export interface Backoff {
  readonly minMs: number;
  readonly maxMs: number;
}

/** A random delay whose range doubles with each failure ("full jitter"), within the bounds. */
export function backoffMs(failures: number, { minMs, maxMs }: Backoff): number {
  return Math.min(maxMs, minMs + Math.random() * Math.min(maxMs, minMs * 2 ** failures));
}
