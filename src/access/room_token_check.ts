/**
 * Checks the room token that a client presents, when it connects or later: one that is known from
 * memory, any other by verifying it within the limits. What the client may do with it is decided by the
 * callers.
 */

import { CLOSE, type CloseReason } from "../protocol/messages.ts";
import type { Address } from "./address.ts";
import type { LogFields } from "../runtime/logger.ts";
import { causeOf, type RefusalLog } from "./refusal_log.ts";
import type { Revocations } from "./revocations.ts";
import { type TokenClaims, type TokenOptions, verifyToken } from "./room_tokens.ts";
import type { TokenCache } from "./token_cache.ts";
import type { VerificationKeys } from "./verification_keys.ts";
import { type Attempt, verdictOf, type VerificationLimiter } from "./verification_limiter.ts";

/** How room tokens are checked. */
export interface RoomTokenPolicy {
  readonly kind: "room token";
  readonly keys: VerificationKeys;
  readonly options: TokenOptions;
  readonly limiter: VerificationLimiter;
  readonly cache: TokenCache;
  readonly revocations: Pick<Revocations, "has">;
  /**
   * What has to be waited for before `revocations` are those of all instances, while this one starts;
   * it never rejects.
   */
  readonly revocationsKnown?: () => Promise<void> | undefined;
}

/** What a room token says, or why it is refused. */
export type RoomTokenVerdict =
  | { readonly kind: "valid"; readonly claims: TokenClaims }
  | {
    readonly kind: "refused";
    /** How a client is closed that connects with it. */
    readonly close: CloseReason;
    /** A sentence for the client. */
    readonly message: string;
    /** Why, as fields of a log line. */
    readonly detail: LogFields;
  };

/** Where failures are logged. */
type Refusals = Pick<RefusalLog, "logFailure">;

/** What a client is told whose token is revoked. */
export const REVOKED_MESSAGE = "The token has been revoked";

const EXPIRED: RoomTokenVerdict = refused(CLOSE.expiredToken, "The token has expired (exp)", {
  claim: "exp",
});

/**
 * Checks a room token; a promise, which never rejects, only where it has to be verified, or where it is
 * not known yet what is revoked.
 */
export function checkRoomToken(
  policy: RoomTokenPolicy,
  token: string,
  address: Address,
  refusals: Refusals,
): RoomTokenVerdict | Promise<RoomTokenVerdict> {
  const known = policy.cache.get(token);
  if (known === "expired") return EXPIRED;
  // Behind the cache, which knows a token as valid that has been revoked since.
  const decide = (claims: TokenClaims): RoomTokenVerdict | Promise<RoomTokenVerdict> => {
    if (!policy.revocations.has(claims)) {
      return policy.revocationsKnown?.()?.then(() => decide(claims)) ?? { kind: "valid", claims };
    }
    policy.limiter.counts.revoked++;
    return refused(CLOSE.revokedToken, REVOKED_MESSAGE, revokedDetail(claims));
  };
  if (known !== undefined) return decide(known);
  return verify(policy, token, address).then((attempt) =>
    attempt.kind === "valid" ? decide(attempt.value) : refusalFor(attempt)
  ).catch((cause) =>
    refused(
      refusals.logFailure("Verifying a token failed", cause),
      "The server failed to check the token: try again",
    )
  );
}

/** Why a revoked token is refused, as fields of a log line. */
export function revokedDetail({ jti, sub: subject }: TokenClaims): LogFields {
  return { cause: REVOKED_MESSAGE, jti, subject };
}

/** Verifies a token and remembers it, so that it is not verified again. */
async function verify(
  { limiter, cache, keys, options }: RoomTokenPolicy,
  token: string,
  address: Address,
): Promise<Attempt<TokenClaims>> {
  const attempt = await limiter.attempt(
    address,
    () => verdictOf(verifyToken(token, keys, options)),
  );
  if (attempt.kind === "valid") cache.add(token, attempt.value);
  if (attempt.kind === "expired") cache.addExpired(token);
  return attempt;
}

function refusalFor(
  attempt: Exclude<Attempt<TokenClaims>, { readonly kind: "valid" }>,
): RoomTokenVerdict {
  const detail = causeOf(attempt);
  if (attempt.kind !== "throttled") {
    const close = attempt.kind === "expired" ? CLOSE.expiredToken : CLOSE.invalidToken;
    return refused(close, attempt.error.message, detail);
  }
  const message =
    `Too many tokens from your address were invalid: try again in ${attempt.seconds} s`;
  return refused(CLOSE.tooManyFailures, message, detail);
}

function refused(close: CloseReason, message: string, detail: LogFields = {}): RoomTokenVerdict {
  return { kind: "refused", close, message, detail: { cause: message, ...detail } };
}
