/**
 * How much one client may send: a burst at once, and a rate on average, of messages and of bytes. It
 * counts; what happens when a limit is exceeded is the caller's decision.
 */

import type { Limits } from "../access/limits.ts";

/** What rounding may add to the sum of many small amounts. */
const ROUNDING = 0.0001;

/** The limits of what a client sends; `Infinity` is no limit. */
export type InboundLimits = Pick<
  Limits,
  "maxMessagesPerSecond" | "messageBurst" | "maxBytesPerSecond" | "byteBurst"
>;

/**
 * What one client has sent: two token buckets, each as one number, the moment when everything that was
 * counted so far conforms to the rate (the generic cell rate algorithm, ITU-T I.371, annex A).
 */
export class InboundRate {
  readonly #limits: InboundLimits;
  /** In milliseconds of the clock. */
  #messagesConformAt = 0;
  #bytesConformAt = 0;

  constructor(limits: InboundLimits) {
    this.#limits = limits;
  }

  /**
   * Counts a message that arrives now.
   *
   * @param now `Clock.elapsed`, in milliseconds.
   * @returns Whether the client has sent more messages than it may.
   */
  countMessage(now: number): boolean {
    const { maxMessagesPerSecond, messageBurst } = this.#limits;
    this.#messagesConformAt = Math.max(this.#messagesConformAt, now) + 1000 / maxMessagesPerSecond;
    return isExceeded(this.#messagesConformAt - now, maxMessagesPerSecond, messageBurst);
  }

  /** The same for bytes, of a message or of an answer that the client can ask for at will. */
  countBytes(bytes: number, now: number): boolean {
    const { maxBytesPerSecond, byteBurst } = this.#limits;
    this.#bytesConformAt = Math.max(this.#bytesConformAt, now) + bytes * 1000 / maxBytesPerSecond;
    return isExceeded(this.#bytesConformAt - now, maxBytesPerSecond, byteBurst);
  }
}

function isExceeded(aheadMs: number, perSecond: number, burst: number): boolean {
  return aheadMs * perSecond > (burst + ROUNDING) * 1000;
}

/** The length of a message: a lower bound of its bytes, and the same for ASCII, as almost all are. */
export function lengthOf(data: unknown): number {
  if (typeof data === "string") return data.length;
  return data instanceof ArrayBuffer ? data.byteLength : 0;
}
