/** A clock that stands still until a test moves it. */

import type { Clock, Timer } from "../../src/runtime/clock.ts";

export class FakeClock implements Clock {
  #now = Date.UTC(2026, 0, 1);
  #lastId = 0;
  readonly #calls = new Map<number, { at: number; callback: () => void }>();

  /** How many calls are pending. */
  get pending(): number {
    return this.#calls.size;
  }

  now(): number {
    return this.#now;
  }

  elapsed(): number {
    return this.#now;
  }

  /** What is to be called without a delay is called at once. */
  setTimeout(callback: () => void, delayMs: number): number {
    if (delayMs === 0) {
      callback();
      return 0;
    }
    this.#calls.set(++this.#lastId, { at: this.#now + delayMs, callback });
    return this.#lastId;
  }

  clearTimeout(timer: Timer): void {
    this.#calls.delete(Number(timer));
  }

  /** Moves the time on and makes every call that falls due, in order. */
  tick(ms: number): void {
    const end = this.#now + ms;
    while (true) {
      const [next] = [...this.#calls].filter(([, { at }]) => at <= end)
        .sort(([a, x], [b, y]) => x.at - y.at || a - b);
      if (next === undefined) break;
      const [id, { at, callback }] = next;
      this.#calls.delete(id);
      this.#now = at;
      callback();
    }
    this.#now = end;
  }
}
