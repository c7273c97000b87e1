/** When a token is valid, once its signature has been verified: both kinds of tokens are alike here. */

import type { JWTPayload } from "jose";
import { InvalidTokenError } from "./invalid_token.ts";

/** How far the clock of an issuer may be ahead at most: a day. */
export const MAX_CLOCK_TOLERANCE_SECONDS = 86_400;

/**
 * Checks the times of a token whose signature is valid. `exp` is exact: the tolerance of clocks is for
 * `nbf` alone, since a client can get another token when its own has expired, but has none before.
 *
 * @param payload The claims of the token.
 * @param nowMs Milliseconds since the Unix epoch.
 * @param maxTtlSeconds The longest lifetime, from `iat`, or from now if that is earlier.
 * @returns `exp`.
 * @throws {InvalidTokenError} The token has expired, or its lifetime is not finite or too long.
 */
export function checkTimes(
  { exp, iat }: JWTPayload,
  nowMs: number,
  maxTtlSeconds = Infinity,
): number {
  const now = nowMs / 1000;
  for (const [claim, time] of [["exp", exp ?? NaN], ["iat", iat ?? now]] as const) {
    if (Number.isFinite(time)) continue;
    const message = `The token's claim ${claim} is not a finite number`;
    throw new InvalidTokenError(message, { reason: "claims", claim });
  }
  const end = exp ?? NaN;
  if (end <= now) {
    throw new InvalidTokenError("The token has expired (exp)", { reason: "expired", claim: "exp" });
  }
  if (end - Math.min(iat ?? now, now) > maxTtlSeconds) {
    const message = "The token is valid for too long (exp)";
    throw new InvalidTokenError(message, { reason: "claims", claim: "exp" });
  }
  return end;
}
