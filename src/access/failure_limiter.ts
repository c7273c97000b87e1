/**
 * How often the tokens and secrets of an address were wrong: an address with too many failures in a
 * minute has to wait. What a failure is, its callers decide.
 */

import type { Clock } from "../runtime/clock.ts";
import type { Address } from "./address.ts";

/** How long failures count. */
const WINDOW_MS = 60_000;

/** Addresses that are remembered at most; then the oldest is forgotten. */
const MAX_ADDRESSES = 10_000;

interface Failures {
  count: number;
  readonly until: number;
}

/** Counts failures of one kind. */
export interface FailureCounter {
  /** Seconds until an address may try again; 0 is now. */
  retryAfter(address: Address): number;
  /** Counts a failure on this instance. */
  add(address: Address): void;
}

/** The failed attempts of all addresses. */
export class FailureLimiter implements FailureCounter {
  readonly #clock: Clock;
  readonly #max: number;
  readonly #listeners: ((address: string) => void)[] = [];
  /** By address, in order of their end. */
  readonly #failures = new Map<string, Failures>();

  /** Allows `max` failures of an address in a minute. */
  constructor(clock: Clock, max: number) {
    this.#clock = clock;
    this.#max = max;
  }

  /** Calls a listener for every failure on this instance from now on. */
  subscribe(listener: (address: string) => void): void {
    this.#listeners.push(listener);
  }

  /**
   * A counter beside this one, with the same limit: what it counts has no effect here. Listeners
   * are called for its failures, too, so that all instances know them.
   *
   * @param kind What it counts, in a word.
   */
  counterFor(kind: string): FailureCounter {
    const keyOf = (address: Address) => address && `${kind} ${address}`;
    return {
      retryAfter: (address) => this.retryAfter(keyOf(address)),
      add: (address) => this.add(keyOf(address)),
    };
  }

  retryAfter(address: Address): number {
    const failures = address === undefined ? undefined : this.#failures.get(address);
    if (failures === undefined || failures.count < this.#max) return 0;
    return Math.max(Math.ceil((failures.until - this.#clock.elapsed()) / 1000), 0);
  }

  /** Counts a failure on this instance, and calls the listeners. */
  add(address: Address): void {
    if (address === undefined || this.#max === Infinity) return;
    this.count(address);
    for (const listener of this.#listeners) listener(address);
  }

  /** Counts a failure on any instance. */
  count(address: string): void {
    const now = this.#clock.elapsed();
    for (const [old, { until }] of this.#failures) {
      if (until > now && this.#failures.size < MAX_ADDRESSES) break;
      this.#failures.delete(old);
    }
    const failures = this.#failures.get(address);
    if (failures !== undefined) failures.count++;
    else this.#failures.set(address, { count: 1, until: now + WINDOW_MS });
  }
}
