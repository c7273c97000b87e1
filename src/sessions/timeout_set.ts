/** Finds the items that take too long, with one timer for all and none while there are no items. */

import type { Clock, Timer } from "../runtime/clock.ts";

/** Options of {@linkcode TimeoutSet}. */
export interface TimeoutSetOptions<T> {
  readonly clock: Clock;
  /** Milliseconds that an item may take; at most twice as long, and it is reported. */
  readonly withinMs: number;
  /** Called for an item that took too long. */
  readonly onTimeout: (item: T) => void;
}

/** Items that should be deleted within some time. */
export class TimeoutSet<T> {
  readonly #clock: Clock;
  readonly #withinMs: number;
  readonly #onTimeout: (item: T) => void;
  readonly #items = new Set<T>();
  /** The items that were there at the last check. */
  #before: readonly T[] = [];
  #timer: Timer | undefined;

  constructor({ clock, withinMs, onTimeout }: TimeoutSetOptions<T>) {
    this.#clock = clock;
    this.#withinMs = withinMs;
    this.#onTimeout = onTimeout;
  }

  /** Starts the time of an item. */
  add(item: T): void {
    this.#items.add(item);
    this.#timer ??= this.#clock.setTimeout(() => this.#check(), this.#withinMs);
  }

  /** Ends the time of an item. */
  delete(item: T): void {
    this.#items.delete(item);
    if (this.#items.size === 0) this.stop();
  }

  /** Reports every item now. */
  flush(): void {
    for (const item of [...this.#items]) this.#onTimeout(item);
  }

  /** Checks nothing until an item is added. */
  stop(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#before = [];
  }

  #check(): void {
    this.#timer = undefined;
    const before = this.#before;
    for (const item of before) if (this.#items.has(item)) this.#onTimeout(item);
    this.#before = [...this.#items];
    if (this.#before.length === 0) return;
    this.#timer = this.#clock.setTimeout(() => this.#check(), this.#withinMs);
  }
}
