/** A clock that stands still until a test moves it, from an origin of its own for each kind of time. */

import type { Clock, Timer } from "../../src/runtime/clock.ts";

const EPOCH = Date.UTC(2026, 0, 1);

export class FakeClock implements Clock {
  #elapsed = 1000;
  #lastId = 0;
  #wallShift = 0;
  readonly #calls = new Map<number, { at: number; callback: () => void }>();

  /** How many calls are pending. */
  get pending(): number {
    return this.#calls.size;
  }

  now(): number {
    return EPOCH + this.#elapsed + this.#wallShift;
  }

  elapsed(): number {
    return this.#elapsed;
  }

  setTimeout(callback: () => void, delayMs: number): number {
    this.#calls.set(++this.#lastId, { at: this.#elapsed + delayMs, callback });
    return this.#lastId;
  }

  clearTimeout(timer: Timer): void {
    this.#calls.delete(Number(timer));
  }

  /** Sets the wall clock forward, or back, as an administrator does. */
  setWall(byMs: number): void {
    this.#wallShift += byMs;
  }

  /** Moves the time on without a call, as when the process is busy; `tick` makes up for them. */
  jump(ms: number): void {
    this.#elapsed += ms;
  }

  /** Moves the time on and makes every call that falls due, in order. */
  tick(ms: number): void {
    const end = this.#elapsed + ms;
    while (true) {
      const [next] = [...this.#calls].filter(([, { at }]) => at <= end)
        .sort(([a, x], [b, y]) => x.at - y.at || a - b);
      if (next === undefined) break;
      const [id, { at, callback }] = next;
      this.#calls.delete(id);
      this.#elapsed = Math.max(this.#elapsed, at);
      callback();
    }
    this.#elapsed = end;
  }
}
