/**
 * How many tokens and secrets are verified: a few at once, so that a burst of them leaves the process
 * time for everything else, and none for an address that has failed too often.
 */

import { newTokenCounts, type TokenCounts } from "../metrics/metrics.ts";
import { Semaphore } from "../runtime/semaphore.ts";
import type { Address } from "./address.ts";
import type { FailureCounter } from "./failure_limiter.ts";
import { type InvalidTokenError, toInvalidTokenError } from "./invalid_token.ts";

/** Verifications of one kind that run at once. */
const MAX_RUNNING = 4;

/** What the verification of a token found out. */
export type Verdict<T> =
  | { readonly kind: "valid"; readonly value: T }
  /** Nobody guessed this token, since its signature is valid: it counts against no limit. */
  | { readonly kind: "expired"; readonly error: InvalidTokenError }
  /** The same of a token that is for another room or audience, or valid too early or for too long. */
  | { readonly kind: "unfit"; readonly error: InvalidTokenError }
  /** The token may be valid by a key that is not known here yet: it counts against no limit. */
  | { readonly kind: "unverified"; readonly error: InvalidTokenError }
  | { readonly kind: "invalid"; readonly error: InvalidTokenError };

/** An attempt that was not verified, because the address has failed too often. */
export interface Throttled {
  readonly kind: "throttled";
  /** Until the address may try again. */
  readonly seconds: number;
}

/** What became of an attempt with a token. */
export type Attempt<T> = Verdict<T> | Throttled;

/** The verdict for each reason: claims are looked at only once the signature is valid. */
const KINDS = {
  expired: "expired",
  claims: "unfit",
  "unknown key": "unverified",
  malformed: "invalid",
  signature: "invalid",
} as const;

/** What a verdict is counted as. */
const RESULTS = {
  valid: "ok",
  expired: "expired",
  unfit: "invalid",
  unverified: "unknown_key",
  invalid: "invalid",
} as const;

/** Limits the verification of one kind of token or secret. */
export class VerificationLimiter {
  /** What became of the attempts. */
  readonly counts: TokenCounts;
  readonly #failures: FailureCounter;
  readonly #running = new Semaphore(MAX_RUNNING);

  /**
   * Counts failures here. Several kinds may share a counter.
   *
   * @param counts Where each attempt is counted.
   */
  constructor(failures: FailureCounter, counts: TokenCounts = newTokenCounts()) {
    this.#failures = failures;
    this.counts = counts;
  }

  /**
   * Verifies a token or secret as soon as others have finished, and counts it if it is `invalid`.
   *
   * @param address Whose it is.
   * @param verify Finds out whether it is valid. What it throws says nothing about the client: it is
   * not counted and reaches the caller.
   */
  async attempt<V extends { readonly kind: keyof typeof RESULTS }>(
    address: Address,
    verify: () => Promise<V>,
  ): Promise<V | Throttled> {
    using _permit = await this.#running.acquire();
    const seconds = this.#failures.retryAfter(address);
    if (seconds > 0) {
      this.counts.limited++;
      return { kind: "throttled", seconds };
    }
    try {
      const verdict = await verify();
      this.counts[RESULTS[verdict.kind]]++;
      if (verdict.kind === "invalid") this.#failures.add(address);
      return verdict;
    } catch (cause) {
      this.counts.failed++;
      throw cause;
    }
  }
}

/** The verdict of a function that rejects with {@linkcode InvalidTokenError} for a bad token. */
export async function verdictOf<T>(verification: Promise<T>): Promise<Verdict<T>> {
  try {
    return { kind: "valid", value: await verification };
  } catch (cause) {
    const error = toInvalidTokenError(cause);
    if (error === undefined) throw cause;
    return { kind: KINDS[error.reason], error };
  }
}
