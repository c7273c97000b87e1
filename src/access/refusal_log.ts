/**
 * What the log says about clients that are refused: why their token is not valid, in a few lines a
 * minute for each address, and failures that are not theirs.
 */

import { CLOSE, type CloseReason } from "../protocol/messages.ts";
import type { Clock } from "../runtime/clock.ts";
import { failureFields, type Logger } from "../runtime/logger.ts";
import type { Address } from "./address.ts";
import { KeySetError } from "./fetched_keys.ts";
import type { TokenClaims } from "./room_tokens.ts";
import type { Attempt } from "./verification_limiter.ts";

/** Lines about one address in a minute. */
const MAX_LINES = 5;

const WINDOW_MS = 60_000;

/** Addresses that are counted at once; the lines about others are left out. */
const MAX_ADDRESSES = 1000;

/** Options of {@linkcode RefusalLog}. */
export interface RefusalLogOptions {
  readonly clock: Pick<Clock, "elapsed">;
  readonly logger: Logger;
}

/** Logs refusals, and says with which code they close. */
export class RefusalLog {
  readonly #clock: Pick<Clock, "elapsed">;
  readonly #logger: Logger;
  readonly #lines = new Map<Address, number>();
  #windowEnd = 0;

  /** Logs here. */
  constructor({ clock, logger }: RefusalLogOptions) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /**
   * Logs why an attempt with a token failed.
   *
   * @param message What happened: a fixed text.
   * @param attempt What became of the attempt.
   * @param address Whose it was.
   */
  log(message: string, attempt: Attempt<unknown>, address: Address): void {
    if (attempt.kind === "valid" || !this.#mayLog(address)) return;
    if (attempt.kind === "throttled") {
      const cause = `Too many failed attempts: not verified for ${attempt.seconds} s`;
      return this.#logger.info(message, { cause, address });
    }
    const { reason, claim, message: cause } = attempt.error;
    this.#logger.info(message, { reason, claim, cause, address });
  }

  /** Logs that a token was refused because it is revoked. */
  logRevoked({ jti, sub }: Pick<TokenClaims, "jti" | "sub">, address: Address): void {
    if (!this.#mayLog(address)) return;
    this.#logger.info("Room token refused", { reason: "revoked", jti, subject: sub, address });
  }

  /** Logs a failure of ours, of the host or of the identity provider, and says how to close. */
  logFailure(message: string, cause: unknown): CloseReason {
    const isOfProvider = cause instanceof KeySetError;
    this.#logger.error(message, failureFields(isOfProvider ? cause.cause ?? cause : cause));
    return isOfProvider ? CLOSE.keySetUnavailable : CLOSE.internalError;
  }

  #mayLog(address: Address): boolean {
    const now = this.#clock.elapsed();
    if (now >= this.#windowEnd) {
      this.#lines.clear();
      this.#windowEnd = now + WINDOW_MS;
    }
    const lines = this.#lines.get(address) ?? 0;
    if (lines >= MAX_LINES || (lines === 0 && this.#lines.size >= MAX_ADDRESSES)) return false;
    this.#lines.set(address, lines + 1);
    return true;
  }
}
