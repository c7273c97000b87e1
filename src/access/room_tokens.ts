/**
 * Room tokens (JWTs, RFC 7519, signed with Ed25519, RFC 8037): issuing and verifying them. It knows
 * keys and texts, no requests and no sockets.
 */

import type { JWTVerifyOptions, JWTVerifyResult } from "jose";
import { JWSSignatureVerificationFailed } from "jose/errors";
import { SignJWT } from "jose/jwt/sign";
import { jwtVerify } from "jose/jwt/verify";
import { isLongerThan, MAX_NODE_ID_LENGTH, MAX_ROOM_LENGTH } from "../protocol/messages.ts";
import { type Clock, systemClock } from "../runtime/clock.ts";
import { DEFAULTS } from "../runtime/defaults.ts";
import { SignalingError } from "../runtime/errors.ts";
import { checkOptionNames } from "../runtime/option_checks.ts";
import { parseSignedDuration } from "./duration.ts";
import { InvalidTokenError, toInvalidTokenError } from "./invalid_token.ts";
import { keyIdOf } from "./key_id.ts";
import { checkSpelling } from "./token_text.ts";
import { checkTimes } from "./token_times.ts";
import type { VerificationKeys } from "./verification_keys.ts";

/** The `iss` of every room token. */
export const TOKEN_ISSUER = "aikofy:client-db-sync";

/** The `aud` of every room token. */
export const TOKEN_AUDIENCE = "aikofy:client-db";

/** What a room token says. */
export interface TokenClaims {
  /** The room that the token opens. */
  readonly sub: string;
  /** Always {@linkcode TOKEN_ISSUER}. */
  readonly iss: string;
  /** Always, or among others, {@linkcode TOKEN_AUDIENCE}. */
  readonly aud: string | readonly string[];
  /** Seconds since the Unix epoch from which on the token is refused. */
  readonly exp: number;
  /** Seconds since the Unix epoch at which the token was issued. */
  readonly iat?: number;
  /** The token's own id, by which it can be revoked. */
  readonly jti?: string;
  /** The only name that the token opens the room under; any when absent. */
  readonly nodeId?: string;
}

/** What a room token is requested with. */
export interface IssueTokenRequest {
  /** How long the token is valid: a number and a unit, such as `"30m"`, `"24h"` or `"7 days"`. */
  ttl: string;
  /**
   * The room that the token opens, 256 characters at most.
   *
   * @default {"default"}
   */
  subject?: string;
  /** The only name that the token opens the room under, 128 characters at most; any when absent. */
  nodeId?: string;
}

/** A newly issued room token. */
export interface IssueTokenResponse {
  /** The signed JWT. */
  token: string;
  /** When it expires, ISO 8601. */
  expiresAt: string;
  /** The room it opens. */
  subject: string;
  /** Its own id: 128 random bits, base64url. */
  jti: string;
  /** The only name that it opens the room under, where one was asked for. */
  nodeId?: string;
}

/** Options of {@linkcode issueToken} and {@linkcode verifyToken}. */
export interface TokenOptions {
  /**
   * The id of the private key for the header of an issued token, 256 characters at most; verifying
   * ignores it. When absent, the thumbprint (RFC 7638) of a key that `loadKeyPair` has loaded or that
   * can be exported; a token of any other key names none.
   */
  kid?: string | undefined;
  /** The longest lifetime of a token, in seconds; unlimited when absent. */
  maxTtlSeconds?: number | undefined;
  /**
   * Seconds by which the clock of the issuer may be ahead of this one, so that `nbf` lies in the
   * future. `exp` is exact.
   *
   * @default {60}
   */
  clockToleranceSeconds?: number | undefined;
  /** The time; that of the machine when absent. */
  clock?: Pick<Clock, "now"> | undefined;
}

/**
 * A token was requested with a `ttl`, `subject` or `nodeId` that is not possible; the message says which.
 *
 * @example
 * ```ts
 * import { generateKeyPairJwk, issueToken, loadKeyPair, TokenRequestError } from "@aikofy/client-db-sync";
 * import { assertRejects } from "@std/assert";
 *
 * const { privateKey } = await loadKeyPair((await generateKeyPairJwk()).privateKeyJwk);
 * await assertRejects(() => issueToken(privateKey, { ttl: "soon" }), TokenRequestError);
 * ```
 */
export class TokenRequestError extends SignalingError {
  /** Always `ERR_TOKEN_REQUEST`. */
  override readonly code = "ERR_TOKEN_REQUEST";
}

/** 9999-12-31T23:59:59Z: the last second that ISO 8601 writes with four digits for the year. */
const LATEST_EXPIRY_SECONDS = 253402300799;

const REQUEST_NAMES: readonly (keyof IssueTokenRequest)[] = ["ttl", "subject", "nodeId"];

/** Characters that the id of a key may have. */
const MAX_KEY_ID_LENGTH = 256;

/**
 * Issues a room token.
 *
 * @param privateKey The server's private key.
 * @param request How long the token is valid, and for which room.
 * @param options The longest lifetime, the id of the key, and the time.
 * @returns The token, its id, when it expires and what it opens.
 * @throws {TokenRequestError} `ttl` is no duration with a unit, does not end in the future or is too
 * long, or `subject`, `nodeId` or the option `kid` is empty or too long.
 * @throws {TypeError} The request has a property of another name: a token for `room` would open another.
 *
 * @example
 * ```ts
 * import { generateKeyPairJwk, issueToken, loadKeyPair, verifyToken } from "@aikofy/client-db-sync";
 * import { assertEquals } from "@std/assert";
 *
 * const { privateKeyJwk } = await generateKeyPairJwk();
 * const { privateKey, publicKey } = await loadKeyPair(privateKeyJwk);
 * const { token } = await issueToken(privateKey, { ttl: "1h", subject: "todos" });
 * assertEquals((await verifyToken(token, publicKey)).sub, "todos");
 * ```
 */
export async function issueToken(
  privateKey: CryptoKey,
  request: IssueTokenRequest,
  options: TokenOptions = {},
): Promise<IssueTokenResponse> {
  const { clock = systemClock, maxTtlSeconds = Infinity } = options;
  const kid = options.kid === undefined
    ? await keyIdOf(privateKey)
    : checkName("kid", options.kid, MAX_KEY_ID_LENGTH);
  checkOptionNames(request, REQUEST_NAMES, "the token request");
  const { subject: asked = "default", nodeId } = request;
  const subject = checkName("subject", asked, MAX_ROOM_LENGTH);
  const bound = nodeId === undefined
    ? {}
    : { nodeId: checkName("nodeId", nodeId, MAX_NODE_ID_LENGTH) };
  const lifetime = readTtl(request.ttl);
  const iat = Math.floor(clock.now() / 1000);
  const exp = iat + lifetime;
  if (!(lifetime > 0 && exp <= LATEST_EXPIRY_SECONDS)) {
    throw new TokenRequestError("`ttl` must end in the future, before the year 10000");
  }
  if (lifetime > maxTtlSeconds) {
    throw new TokenRequestError(`\`ttl\` must be ${maxTtlSeconds} seconds at most`);
  }
  const jti = randomId();
  const token = await new SignJWT({ sub: subject, ...bound })
    .setProtectedHeader({ alg: "EdDSA", ...(kid === undefined ? {} : { kid }), typ: "JWT" })
    .setIssuer(TOKEN_ISSUER)
    .setAudience(TOKEN_AUDIENCE)
    .setIssuedAt(iat)
    .setExpirationTime(exp)
    .setJti(jti)
    .sign(privateKey);
  return { token, expiresAt: new Date(exp * 1000).toISOString(), subject, jti, ...bound };
}

/** 128 random bits, base64url. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

function checkName(field: string, value: unknown, maxLength: number): string {
  if (typeof value !== "string" || value === "" || !value.isWellFormed()) {
    throw new TokenRequestError(`\`${field}\` must be a non-empty string of valid Unicode`);
  }
  if (isLongerThan(value, maxLength)) {
    throw new TokenRequestError(`\`${field}\` must have ${maxLength} characters at most`);
  }
  return value;
}

function readTtl(ttl: unknown): number {
  if (typeof ttl !== "string") {
    throw new TokenRequestError('`ttl` must be a string such as "30m", "24h" or "7d"');
  }
  try {
    return parseSignedDuration(ttl);
  } catch (cause) {
    const message = '`ttl` must be a number and a unit, such as "30m", "24h" or "7d"';
    throw new TokenRequestError(message, { cause });
  }
}

/**
 * Verifies a room token: its signature, algorithm, issuer, audience and expiry (RFC 8725, section
 * 3). Accepts `EdDSA` and its newer name `Ed25519` (RFC 9864).
 *
 * @param token The compact JWT.
 * @param keys The server's public key, or several: of these the one that the token names (`kid`), or
 * each in turn, 4 at most, if it names none. A single `CryptoKey` verifies whatever the token names.
 * @param options The longest lifetime, and the time.
 * @returns What the token says.
 * @throws {InvalidTokenError} The token is not valid; `reason` and the message say why, never the
 * token.
 *
 * @example
 * ```ts
 * import { generateKeyPairJwk, InvalidTokenError, issueToken, loadKeyPair, verifyToken } from "@aikofy/client-db-sync";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const { privateKeyJwk } = await generateKeyPairJwk();
 * const { privateKey, publicKey } = await loadKeyPair(privateKeyJwk);
 * const { token } = await issueToken(privateKey, { ttl: "1h", subject: "todos" });
 *
 * const { sub, exp } = await verifyToken(token, publicKey);
 * assertEquals(sub, "todos");
 *
 * const later = { now: () => exp * 1000 };
 * const error = await assertRejects(
 *   () => verifyToken(token, publicKey, { clock: later }),
 *   InvalidTokenError,
 * );
 * assertEquals(error.reason, "expired");
 * ```
 */
export async function verifyToken(
  token: string,
  keys: CryptoKey | VerificationKeys,
  options: TokenOptions = {},
): Promise<TokenClaims> {
  const {
    clock = systemClock,
    clockToleranceSeconds = DEFAULTS.clockToleranceSeconds,
    maxTtlSeconds,
  } = options;
  checkSpelling(token);
  const now = clock.now();
  const { payload } = await verifySignature(token, keys, {
    algorithms: ["EdDSA", "Ed25519"],
    issuer: TOKEN_ISSUER,
    audience: TOKEN_AUDIENCE,
    requiredClaims: ["exp", "sub"],
    currentDate: new Date(now),
    clockTolerance: clockToleranceSeconds,
  }).catch((cause) => {
    throw toInvalidTokenError(cause) ?? cause;
  });
  const exp = checkTimes(payload, now, maxTtlSeconds);
  const { sub, iss, aud, iat, jti, nodeId } = payload;
  if (typeof sub !== "string" || sub === "" || iss === undefined || aud === undefined) {
    const message = "The token's subject must be a non-empty string (sub)";
    throw new InvalidTokenError(message, { reason: "claims", claim: "sub" });
  }
  if (nodeId !== undefined && (typeof nodeId !== "string" || nodeId === "")) {
    const message = "The token's nodeId must be a non-empty string (nodeId)";
    throw new InvalidTokenError(message, { reason: "claims", claim: "nodeId" });
  }
  return {
    sub,
    iss,
    aud,
    exp,
    ...(iat === undefined ? {} : { iat }),
    ...(jti === undefined ? {} : { jti }),
    ...(nodeId === undefined ? {} : { nodeId }),
  };
}

/** Verifies with the key that a token names, or with each that it may be signed with, in turn. */
async function verifySignature(
  token: string,
  keys: CryptoKey | VerificationKeys,
  options: JWTVerifyOptions,
): Promise<JWTVerifyResult> {
  if (!("find" in keys)) return await jwtVerify(token, keys, options);
  for (let tries = 0;; tries++) {
    let isLast = true;
    // It is called once the algorithm in the header has been accepted.
    const keyOf = ({ kid }: { readonly kid?: unknown }): CryptoKey => {
      if (kid !== undefined && typeof kid !== "string") {
        const message = "The token's key id must be a string (kid)";
        throw new InvalidTokenError(message, { reason: "malformed" });
      }
      const candidates = keys.find(kid);
      isLast = tries + 1 >= candidates.length;
      const key = candidates[tries];
      if (key !== undefined) return key;
      const message = "The token names a key that is not known here (kid)";
      throw new InvalidTokenError(message, { reason: "unknown key" });
    };
    try {
      return await jwtVerify(token, keyOf, options);
    } catch (error) {
      if (isLast || !(error instanceof JWSSignatureVerificationFailed)) throw error;
    }
  }
}
