/**
 * When the time of sessions is over: a while after what they came with has expired, by one queue for
 * all of them. If it expires for many at once their closes are spread, since most of them come back at
 * once. Which sessions are closed for it at all is decided elsewhere.
 */

import type { Clock } from "../runtime/clock.ts";
import { DueQueue } from "../runtime/due_queue.ts";

/** How long after its expiry a session is closed, in milliseconds: time to get another token. */
export const EXPIRED_CLOSE_MS = 25_000;

/** Milliseconds between two closes of sessions that are over at once: 500 in a second. */
const CLOSE_INTERVAL_MS = 2;

/** Options of {@linkcode Expiries}. */
export interface ExpiriesOptions<T> {
  readonly clock: Clock;
  /** Closes a session whose time is over. Must not throw. */
  readonly onOver: (session: T) => void;
}

/** The sessions that are closed a while after they have expired. */
export class Expiries<T> {
  readonly #clock: Clock;
  readonly #onOver: (session: T) => void;
  /** By the wall clock, as expiries are. */
  readonly #expiring: DueQueue<T>;
  /** Those whose time is over while others are being closed. */
  readonly #over: DueQueue<T>;
  /** When the last close is due, by `Clock.elapsed`. */
  #lastCloseAt = -Infinity;

  constructor({ clock, onOver }: ExpiriesOptions<T>) {
    this.#clock = clock;
    this.#onOver = onOver;
    const onDue = (session: T) => this.#spread(session);
    this.#expiring = new DueQueue({ clock, usesWallClock: true, onDue });
    this.#over = new DueQueue({ clock, onDue: onOver });
  }

  /** How many sessions are to be closed. */
  get size(): number {
    return this.#expiring.size + this.#over.size;
  }

  /** Closes a session a while after it has expired, instead of at the time that was set before. */
  set(session: T, expiresAt: number): void {
    this.#over.delete(session);
    this.#expiring.set(session, expiresAt + EXPIRED_CLOSE_MS - this.#clock.now());
  }

  /** Closes a session no more. */
  delete(session: T): void {
    this.#expiring.delete(session);
    this.#over.delete(session);
  }

  #spread(session: T): void {
    const now = this.#clock.elapsed();
    this.#lastCloseAt = Math.max(now, this.#lastCloseAt + CLOSE_INTERVAL_MS);
    if (this.#lastCloseAt === now) this.#onOver(session);
    else this.#over.set(session, this.#lastCloseAt - now);
  }
}
