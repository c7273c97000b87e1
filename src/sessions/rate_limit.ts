/**
 * How much of something one client may send: a burst at once, and a rate on average. It counts; what
 * happens when the limit is exceeded is the caller's decision.
 */

import type { Limits } from "../access/limits.ts";

/** What rounding may add to the sum of many small amounts. */
const ROUNDING = 0.0001;

/** A token bucket as one number: the generic cell rate algorithm (ITU-T I.371, annex A). */
export class RateLimit {
  readonly #perSecond: number;
  readonly #burst: number;
  /** When everything that was counted so far conforms to the rate, in milliseconds of the clock. */
  #theoreticalArrivalTime = 0;

  /** Allows `perSecond` on average and `burst` at once; `Infinity` is no limit. */
  constructor(perSecond: number, burst: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
  }

  /**
   * Counts an amount that arrives now.
   *
   * @param now `Clock.elapsed`, in milliseconds.
   * @returns Whether the client has sent more than it may.
   */
  isExceededBy(amount: number, now: number): boolean {
    this.#theoreticalArrivalTime = Math.max(this.#theoreticalArrivalTime, now) +
      amount * 1000 / this.#perSecond;
    return (this.#theoreticalArrivalTime - now) * this.#perSecond >
      (this.#burst + ROUNDING) * 1000;
  }
}

/** The length of a message: a lower bound of its bytes, and the same for ASCII, as almost all are. */
export function lengthOf(data: unknown): number {
  if (typeof data === "string") return data.length;
  return data instanceof ArrayBuffer ? data.byteLength : 0;
}

/** How much one client may send. */
export class InboundRate {
  readonly messages: RateLimit;
  readonly bytes: RateLimit;

  constructor(limits: Limits) {
    this.messages = new RateLimit(limits.maxMessagesPerSecond, limits.messageBurst);
    this.bytes = new RateLimit(limits.maxBytesPerSecond, limits.byteBurst);
  }
}
