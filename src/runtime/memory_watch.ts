/**
 * Watches the memory of the process, because Deno has no limit for a message that arrives in
 * fragments: its memory cannot be refused, only noticed.
 */

import type { Clock, Timer } from "./clock.ts";

/** Bytes of a megabyte, as settings and log lines count them. */
export const MEGABYTE = 1_048_576;

/** How often the memory is read, in milliseconds. */
const READ_MS = 1000;

/** What a watch reports. */
export interface MemoryEvents {
  /** The process uses more than the limit: called every second; `isFirst` is true the first time. */
  exceeded(residentBytes: number, isFirst: boolean): void;
  /** The process is within the limit again. */
  recovered(residentBytes: number): void;
  /** The memory could not be read, or a callback threw: called once, until that works again. */
  failed?(cause: unknown): void;
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
  #hasFailed = false;
  #isClosed = false;

  constructor({ clock, maxBytes, events, read = readResident }: MemoryWatchOptions) {
    this.#clock = clock;
    this.#maxBytes = maxBytes;
    this.#events = events;
    this.#read = read;
  }

  /** Starts to watch, at the first connection: a server without connections needs no watch. */
  start(): void {
    if (this.#timer === undefined && this.#maxBytes < Infinity && !this.#isClosed) this.#schedule();
  }

  /** Whether the process used more than the limit when its memory was last read. */
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
    try {
      this.#compare(this.#read());
      this.#hasFailed = false;
    } catch (cause) {
      if (!this.#hasFailed) this.#events.failed?.(cause);
      this.#hasFailed = true;
    } finally {
      if (!this.#isClosed) this.#schedule();
    }
  }

  #compare(bytes: number): void {
    const wasExceeded = this.#isExceeded;
    this.#isExceeded = bytes > this.#maxBytes;
    if (this.#isExceeded) this.#events.exceeded(bytes, !wasExceeded);
    else if (wasExceeded) this.#events.recovered(bytes);
  }
}

function readResident(): number {
  return Deno.memoryUsage().rss;
}
