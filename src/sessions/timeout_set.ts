/** Notices what takes too long, with one timer for all and none when there is nothing to notice. */

import type { Clock, Timer } from "../runtime/clock.ts";

/** Things that should be over within some time. */
export class TimeoutSet<T> {
  readonly #clock: Clock;
  readonly #withinMs: number;
  readonly #act: (thing: T) => void;
  readonly #things = new Set<T>();
  #before: readonly T[] = [];
  #timer: Timer | undefined;

  /** Calls `act` for what is not over `withinMs` milliseconds later, or twice that at most. */
  constructor(clock: Clock, withinMs: number, act: (thing: T) => void) {
    this.#clock = clock;
    this.#withinMs = withinMs;
    this.#act = act;
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
    for (const thing of [...this.#things]) this.#act(thing);
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
    for (const thing of before) if (this.#things.has(thing)) this.#act(thing);
    this.#before = [...this.#things];
    if (this.#before.length === 0) return;
    this.#timer = this.#clock.setTimeout(() => this.#check(), this.#withinMs);
  }
}
