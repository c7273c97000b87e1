/**
 * Why a token is refused: the error for callers, and how the errors of `jose` become it. It verifies
 * nothing itself.
 */

import {
  JOSEAlgNotAllowed,
  JOSENotSupported,
  JWKSNoMatchingKey,
  JWSInvalid,
  JWSSignatureVerificationFailed,
  JWTClaimValidationFailed,
  JWTExpired,
  JWTInvalid,
} from "jose/errors";
import { SignalingError } from "../runtime/errors.ts";

/**
 * What is wrong with a token: its form, its signature (or the algorithm or key of it), one of its
 * claims, or nothing but its age. The signature of a token that is `expired` or wrong in its `claims` is
 * valid; an `unknown key` may be one that has been in use elsewhere since the key set here was read or
 * fetched.
 */
export type InvalidTokenReason = "expired" | "unknown key" | "malformed" | "signature" | "claims";

/** Options of {@linkcode InvalidTokenError}. */
export interface InvalidTokenErrorOptions extends ErrorOptions {
  /** What is wrong. */
  readonly reason: InvalidTokenReason;
  /** The name of the claim, where one is wrong. */
  readonly claim?: string | undefined;
}

/**
 * A token is malformed, forged, expired, or meant for another server or room.
 *
 * @example
 * ```ts
 * import { generateKeyPairJwk, InvalidTokenError, loadKeyPair, verifyToken } from "@aikofy/client-db-sync";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const { publicKey } = await loadKeyPair((await generateKeyPairJwk()).privateKeyJwk);
 * const error = await assertRejects(() => verifyToken("nonsense", publicKey), InvalidTokenError);
 * assertEquals(error.reason, "malformed");
 * ```
 */
export class InvalidTokenError extends SignalingError {
  /** Always `ERR_INVALID_TOKEN`. */
  override readonly code = "ERR_INVALID_TOKEN";
  /** What is wrong with the token. */
  readonly reason: InvalidTokenReason;
  /** The name of the claim that is wrong, if it is a claim. */
  readonly claim: string | undefined;

  /** Accepts a sentence without the token, and what is wrong. */
  constructor(message: string, { reason, claim, ...options }: InvalidTokenErrorOptions) {
    super(message, options);
    this.reason = reason;
    this.claim = claim;
  }
}

/**
 * Finds out what an error of `jose` says about a token.
 *
 * @returns `undefined` if it says nothing about the token: then something else has failed.
 */
export function toInvalidTokenError(cause: unknown): InvalidTokenError | undefined {
  if (cause instanceof InvalidTokenError) return cause;
  if (cause instanceof JWTExpired) {
    return new InvalidTokenError("The token has expired (exp)", {
      reason: "expired",
      claim: "exp",
      cause,
    });
  }
  if (cause instanceof JWTClaimValidationFailed) {
    const { claim } = cause;
    return new InvalidTokenError(describeClaim(claim, cause.reason), {
      reason: "claims",
      claim,
      cause,
    });
  }
  if (
    cause instanceof JWSSignatureVerificationFailed || cause instanceof JWKSNoMatchingKey ||
    cause instanceof JOSEAlgNotAllowed
  ) {
    const message = `The token's signature is not valid (${cause.code})`;
    return new InvalidTokenError(message, { reason: "signature", cause });
  }
  if (
    cause instanceof JWSInvalid || cause instanceof JWTInvalid || cause instanceof JOSENotSupported
  ) {
    const message = `The token is malformed (${cause.code})`;
    return new InvalidTokenError(message, { reason: "malformed", cause });
  }
  return undefined;
}

function describeClaim(claim: string, reason: string): string {
  if (reason === "missing") return `The token has no claim ${claim}`;
  if (reason === "invalid") return `The token's claim ${claim} is not of the right type`;
  switch (claim) {
    case "iss":
      return "The token is from another issuer (iss)";
    case "aud":
      return "The token is for another audience (aud)";
    case "nbf":
      return "The token is not valid yet (nbf)";
    default:
      return `The token's claim ${claim} is not valid`;
  }
}
