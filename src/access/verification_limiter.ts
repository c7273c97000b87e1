/**
 * How many tokens and secrets are tried: a few at once, so that a burst of them leaves the process
 * time for everything else, and per address and minute only so many that do not hold.
 */

import type { Address } from "./address.ts";
import type { Clock } from "../runtime/clock.ts";

/** Attempts that run at once. */
const MAX_RUNNING = 4;

/** How long failures count. */
const WINDOW_MS = 60_000;

/** Addresses that are remembered at most; beyond, the oldest is forgotten. */
const MAX_ADDRESSES = 10_000;

/** An address has failed too often: nothing was tried. */
export class TooManyFailuresError extends Error {
  /** The class, as error printers show it. */
  override readonly name = "TooManyFailuresError";
}

interface Failures {
  count: number;
  readonly until: number;
}

/** The attempts of all addresses that failed, of whatever kind. */
export class FailureLimiter {
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

  /** Seconds until an address may try again; 0 is now. */
  retryAfter(address: Address): number {
    const failures = address === undefined ? undefined : this.#failures.get(address);
    if (failures === undefined || failures.count < this.#max) return 0;
    return Math.max(Math.ceil((failures.until - this.#clock.elapsed()) / 1000), 0);
  }

  /** Counts one that was made here. */
  add(address: Address): void {
    if (address === undefined || this.#max === Infinity) return;
    this.count(address);
    for (const listener of this.#listeners) listener(address);
  }

  /** Counts one that was made anywhere. */
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

/** Guards one kind of token or secret. */
export class VerificationLimiter {
  readonly #failures: FailureLimiter;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(failures: FailureLimiter) {
    this.#failures = failures;
  }

  /**
   * Tries a token or secret as soon as it is its turn, and counts it if it does not hold.
   *
   * @param address Whose it is.
   * @param verify Resolves, or rejects if it does not hold.
   * @throws {TooManyFailuresError} The address has failed too often by then.
   */
  async attempt<T>(address: Address, verify: () => Promise<T>): Promise<T> {
    if (this.#running < MAX_RUNNING) this.#running++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      if (this.#failures.retryAfter(address) > 0) throw new TooManyFailuresError();
      return await verify();
    } catch (error) {
      if (!(error instanceof TooManyFailuresError)) this.#failures.add(address);
      throw error;
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}
