/** Notices what takes too long, with one timer for all and none when there is nothing to notice. */

import type { Clock, Timer } from "../runtime/clock.ts";

/** Options of {@linkcode TimeoutSet}. */
export interface TimeoutSetOptions<T> {
  readonly clock: Clock;
  /** Milliseconds that a thing may take; it is noticed after twice that at most. */
  readonly withinMs: number;
  /** Called for a thing that took too long. */
  readonly onTimeout: (thing: T) => void;
}

/** Things that should be over within some time. */
export class TimeoutSet<T> {
  readonly #clock: Clock;
  readonly #withinMs: number;
  readonly #onTimeout: (thing: T) => void;
  readonly #things = new Set<T>();
  #before: readonly T[] = [];
  #timer: Timer | undefined;

  constructor({ clock, withinMs, onTimeout }: TimeoutSetOptions<T>) {
    this.#clock = clock;
    this.#withinMs = withinMs;
    this.#onTimeout = onTimeout;
  }

  /** Starts to wait for something. */
  add(thing: T): void {
    this.#things.add(thing);
    this.#timer ??= this.#clock.setTimeout(() => this.#check(), this.#withinMs);
  }

  /** Takes note that something is over. */
  delete(thing: T): void {
    this.#things.delete(thing);
    if (this.#things.size === 0) this.stop();
  }

  /** Acts on everything there is, now. */
  flush(): void {
    for (const thing of [...this.#things]) this.#onTimeout(thing);
  }

  /** Looks no more, until something is added. */
  stop(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#before = [];
  }

  #check(): void {
    this.#timer = undefined;
    const before = this.#before;
    for (const thing of before) if (this.#things.has(thing)) this.#onTimeout(thing);
    this.#before = [...this.#things];
    if (this.#before.length === 0) return;
    this.#timer = this.#clock.setTimeout(() => this.#check(), this.#withinMs);
  }
}
