/**
 * Items that are due at a time of their own: one timer for all of them, and none while there are none.
 * What is done with an item that is due, its owner decides.
 */

import type { Clock, Timer } from "./clock.ts";
import { MAX_INTEGER } from "./integer.ts";

/** How long a timer waits for a moment of the wall clock at most, in milliseconds: that may be set. */
const MAX_WALL_CLOCK_WAIT_MS = 60_000;

/** Options of {@linkcode DueQueue}. */
export interface DueQueueOptions<T> {
  readonly clock: Clock;
  /**
   * Whether items are due by the wall clock. If that is set, the queue notices within a minute.
   *
   * @default {false}
   */
  readonly usesWallClock?: boolean;
  /** Called once for an item that is due, which is in the queue no longer. Must not throw. */
  readonly onDue: (item: T) => void;
}

interface Entry<T> {
  readonly item: T;
  readonly at: number;
  /** Of two items that are due at the same moment, the one that was set first comes first. */
  readonly number: number;
  /** Its place in the heap. */
  index: number;
}

/** A binary heap by time, in which each item is found by itself, so that it can be deleted. */
export class DueQueue<T> {
  readonly #clock: Clock;
  readonly #onDue: (item: T) => void;
  readonly #usesWallClock: boolean;
  readonly #heap: Entry<T>[] = [];
  readonly #entries = new Map<T, Entry<T>>();
  #timer: { readonly at: number; readonly id: Timer } | undefined;
  #lastNumber = 0;

  constructor({ clock, usesWallClock = false, onDue }: DueQueueOptions<T>) {
    this.#clock = clock;
    this.#onDue = onDue;
    this.#usesWallClock = usesWallClock;
  }

  /** How many items there are. */
  get size(): number {
    return this.#heap.length;
  }

  /** Makes an item due in `delayMs` milliseconds, instead of when it was due before. */
  set(item: T, delayMs: number): void {
    this.#remove(item);
    const at = this.#now() + delayMs;
    const entry: Entry<T> = { item, at, number: ++this.#lastNumber, index: this.#heap.length };
    this.#entries.set(item, entry);
    this.#heap.push(entry);
    this.#moveUp(entry);
    this.#wake();
  }

  /** Removes an item; `false` if it is not there. */
  delete(item: T): boolean {
    const isDeleted = this.#remove(item);
    if (isDeleted) this.#wake();
    return isDeleted;
  }

  /** Removes every item. */
  clear(): void {
    this.#heap.length = 0;
    this.#entries.clear();
    this.#wake();
  }

  /** Sets the timer to the first item, unless it is set so; a timer that is early is left alone. */
  #wake(): void {
    const first = this.#heap[0];
    const isEarly = this.#timer !== undefined && first !== undefined && this.#timer.at <= first.at;
    if (isEarly && !this.#usesWallClock) return;
    const waitMs = first === undefined ? 0 : first.at - this.#now();
    // Of the wall clock, a moment that was ahead may be past.
    if (isEarly && waitMs > 0) return;
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer.id);
    this.#timer = undefined;
    if (first === undefined) return;
    const maxWaitMs = this.#usesWallClock ? MAX_WALL_CLOCK_WAIT_MS : MAX_INTEGER;
    const delayMs = Math.min(Math.max(waitMs, 0), maxWaitMs);
    this.#timer = { at: first.at, id: this.#clock.setTimeout(() => this.#onTimer(), delayMs) };
  }

  #onTimer(): void {
    this.#timer = undefined;
    const now = this.#now();
    // As many as there are now: an item that is due again at once waits for the next turn.
    for (let left = this.#heap.length; left > 0; left--) {
      const first = this.#heap[0];
      if (first === undefined || first.at > now) break;
      this.#remove(first.item);
      this.#onDue(first.item);
    }
    this.#wake();
  }

  #now(): number {
    return this.#usesWallClock ? this.#clock.now() : this.#clock.elapsed();
  }

  #remove(item: T): boolean {
    const entry = this.#entries.get(item);
    if (entry === undefined) return false;
    this.#entries.delete(item);
    const last = this.#heap.pop();
    if (last === undefined || last === entry) return true;
    this.#place(last, entry.index);
    this.#moveUp(last);
    this.#moveDown(last);
    return true;
  }

  #moveUp(entry: Entry<T>): void {
    while (entry.index > 0) {
      const parent = this.#heap[(entry.index - 1) >> 1];
      if (parent === undefined || !isBefore(entry, parent)) return;
      this.#swap(parent, entry);
    }
  }

  #moveDown(entry: Entry<T>): void {
    while (true) {
      const left = this.#heap[entry.index * 2 + 1];
      const right = this.#heap[entry.index * 2 + 2];
      const child = right !== undefined && left !== undefined && isBefore(right, left)
        ? right
        : left;
      if (child === undefined || !isBefore(child, entry)) return;
      this.#swap(entry, child);
    }
  }

  #swap(one: Entry<T>, other: Entry<T>): void {
    const { index } = one;
    this.#place(one, other.index);
    this.#place(other, index);
  }

  #place(entry: Entry<T>, index: number): void {
    this.#heap[index] = entry;
    entry.index = index;
  }
}

function isBefore(one: Entry<unknown>, other: Entry<unknown>): boolean {
  return one.at < other.at || one.at === other.at && one.number < other.number;
}
