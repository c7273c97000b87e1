/**
 * Watches the memory of the process. Deno has no bound for a message that arrives in fragments, so
 * what cannot be refused has to be noticed.
 */

import type { Clock, Timer } from "./clock.ts";

/** Bytes of a megabyte, as settings and log lines count them. */
export const MEGABYTE = 1_048_576;

/** How often the memory is read, in milliseconds. */
const READ_MS = 1000;

/** What a watch has to say. */
export interface MemoryEvents {
  /** The process has more than it may: every second for as long as it has, the first time as news. */
  exceeded(residentBytes: number, isFirst: boolean): void;
  /** It is back within its bounds. */
  recovered(residentBytes: number): void;
}

/** Options of {@linkcode MemoryWatch}. */
export interface MemoryWatchOptions {
  readonly clock: Clock;
  /** Resident bytes that the process may have; `Infinity` is no limit. */
  readonly maxBytes: number;
  readonly events: MemoryEvents;
  /** Reads the resident bytes of the process. */
  readonly read?: () => number;
}

/** A watch over the memory of the process. */
export class MemoryWatch {
  readonly #clock: Clock;
  readonly #maxBytes: number;
  readonly #events: MemoryEvents;
  readonly #read: () => number;
  #timer: Timer | undefined;
  #isExceeded = false;
  #isClosed = false;

  constructor({ clock, maxBytes, events, read = readResident }: MemoryWatchOptions) {
    this.#clock = clock;
    this.#maxBytes = maxBytes;
    this.#events = events;
    this.#read = read;
  }

  /** Watches from the first call on: a server that nobody has connected to needs no watch. */
  start(): void {
    if (this.#timer === undefined && this.#maxBytes < Infinity && !this.#isClosed) this.#schedule();
  }

  /** Whether the process had more than it may at the last look. */
  get isExceeded(): boolean {
    return this.#isExceeded;
  }

  /** Stops watching. */
  close(): void {
    this.#isClosed = true;
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
  }

  #schedule(): void {
    this.#timer = this.#clock.setTimeout(() => this.#check(), READ_MS);
  }

  #check(): void {
    const bytes = this.#read();
    const wasExceeded = this.#isExceeded;
    this.#isExceeded = bytes > this.#maxBytes;
    if (this.#isExceeded) this.#events.exceeded(bytes, !wasExceeded);
    else if (wasExceeded) this.#events.recovered(bytes);
    this.#schedule();
  }
}

function readResident(): number {
  return Deno.memoryUsage().rss;
}
