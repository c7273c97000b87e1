/**
 * Room tokens (JWTs, RFC 7519, signed with Ed25519, RFC 8037): minting and verifying them, and the
 * check of the admin secret. It knows keys and texts, no requests and no sockets.
 */

import { JOSEError } from "jose/errors";
import { decodeJwt } from "jose/jwt/decode";
import { SignJWT } from "jose/jwt/sign";
import { jwtVerify } from "jose/jwt/verify";
import { isLongerThan, MAX_ROOM_LENGTH } from "../protocol/messages.ts";

/** The `iss` of every room token. */
export const TOKEN_ISSUER = "aikofy:client-db-sync";

/** The `aud` of every room token. */
export const TOKEN_AUDIENCE = "aikofy:client-db";

/** Characters that a token has at most; a longer one is refused unread. */
export const MAX_TOKEN_LENGTH = 8192;

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
  /** Seconds since the Unix epoch at which the token was minted. */
  readonly iat?: number;
}

/** What a room token is asked for with. */
export interface IssueTokenRequest {
  /** How long the token is valid: a number and a unit, such as `"30m"`, `"24h"` or `"7d"`. */
  ttl: string;
  /**
   * The room that the token opens, 256 characters at most.
   *
   * @default {"default"}
   */
  subject?: string;
}

/** A freshly minted room token. */
export interface IssueTokenResponse {
  /** The signed JWT. */
  token: string;
  /** When it expires, ISO 8601. */
  expiresAt: string;
  /** The room it opens. */
  subject: string;
}

/** How room tokens are verified. */
export interface TokenOptions {
  /** Seconds that a token may be valid in all; any when absent. */
  maxTtlSeconds?: number | undefined;
}

/** A token was asked for with a `ttl` or `subject` that cannot be granted. */
export class TokenRequestError extends Error {
  /** The class, as error printers show it. */
  override readonly name = "TokenRequestError";
  /** Stable, for programs. */
  readonly code = "ERR_TOKEN_REQUEST";
}

/** A token is malformed, forged, expired, or meant for somebody else. */
export class InvalidTokenError extends Error {
  /** The class, as error printers show it. */
  override readonly name = "InvalidTokenError";
  /** Stable, for programs. */
  readonly code = "ERR_INVALID_TOKEN";
}

/** 9999-12-31T23:59:59Z: the last second that ISO 8601 writes with four digits for the year. */
const LATEST_EXPIRY_SECONDS = 253402300799;

/**
 * Mints a room token.
 *
 * @param privateKey The server's private key.
 * @param request How long the token lives, and for which room.
 * @param options How long it may live at most.
 * @returns The token, when it expires and its subject.
 * @throws {TokenRequestError} `ttl` is no duration with a unit or does not lie in the future or is
 * too long, or `subject` is empty or too long.
 *
 * @example
 * ```ts
 * import {
 *   generateKeyPairJwk,
 *   issueToken,
 *   loadKeyPairFromEnv,
 *   verifyToken,
 * } from "@aikofy/client-db-sync";
 * import { assertEquals } from "@std/assert";
 *
 * const { privateKeyJwk } = await generateKeyPairJwk();
 * const { privateKey, publicKey } = await loadKeyPairFromEnv(privateKeyJwk);
 * const { token } = await issueToken(privateKey, { ttl: "1h", subject: "todos" });
 * assertEquals((await verifyToken(token, publicKey)).sub, "todos");
 * ```
 */
export async function issueToken(
  privateKey: CryptoKey,
  request: IssueTokenRequest,
  options: TokenOptions = {},
): Promise<IssueTokenResponse> {
  const { ttl, subject = "default" } = request;
  if (typeof subject !== "string" || subject === "" || !subject.isWellFormed()) {
    throw new TokenRequestError("`subject` must be a non-empty string of valid Unicode");
  }
  if (isLongerThan(subject, MAX_ROOM_LENGTH)) {
    throw new TokenRequestError(`\`subject\` must have ${MAX_ROOM_LENGTH} characters at most`);
  }
  if (typeof ttl !== "string") {
    throw new TokenRequestError('`ttl` must be a string such as "30m", "24h" or "7d"');
  }
  const jwt = new SignJWT({ sub: subject })
    .setProtectedHeader({ alg: "EdDSA" })
    .setIssuer(TOKEN_ISSUER)
    .setAudience(TOKEN_AUDIENCE)
    .setIssuedAt();
  try {
    jwt.setExpirationTime(ttl);
  } catch {
    throw new TokenRequestError(
      '`ttl` must be a number and a unit, such as "30m", "24h" or "7d"',
    );
  }
  const token = await jwt.sign(privateKey);
  const { exp = NaN, iat = NaN } = decodeJwt(token);
  if (!(exp * 1000 > Date.now() && exp <= LATEST_EXPIRY_SECONDS)) {
    throw new TokenRequestError("`ttl` must end in the future, before the year 10000");
  }
  if (exp - iat > (options.maxTtlSeconds ?? Infinity)) {
    throw new TokenRequestError(`\`ttl\` must be ${options.maxTtlSeconds} seconds at most`);
  }
  return { token, expiresAt: new Date(exp * 1000).toISOString(), subject };
}

/**
 * Verifies a room token: its signature, algorithm, issuer, audience and expiry (RFC 8725, section
 * 3). Accepts `EdDSA` and its newer name `Ed25519` (RFC 9864).
 *
 * @param token The compact JWT.
 * @param publicKey The server's public key.
 * @param options How long it may be valid at most.
 * @returns What the token says.
 * @throws {InvalidTokenError} The token is not to be trusted; the message says why, never the token.
 */
export async function verifyToken(
  token: string,
  publicKey: CryptoKey,
  options: TokenOptions = {},
): Promise<TokenClaims> {
  if (token.length > MAX_TOKEN_LENGTH) throw new InvalidTokenError("The token is too long");
  try {
    const { payload } = await jwtVerify(token, publicKey, {
      algorithms: ["EdDSA", "Ed25519"],
      issuer: TOKEN_ISSUER,
      audience: TOKEN_AUDIENCE,
      requiredClaims: ["exp", "sub"],
    });
    const { sub, iss, aud, exp, iat } = payload;
    if (
      typeof sub !== "string" || sub === "" || iss === undefined || aud === undefined ||
      exp === undefined
    ) {
      throw new InvalidTokenError("The token's subject must be a non-empty string");
    }
    if (exp - (iat ?? Date.now() / 1000) > (options.maxTtlSeconds ?? Infinity)) {
      throw new InvalidTokenError("The token is valid for too long");
    }
    return { sub, iss, aud, exp, ...(iat === undefined ? {} : { iat }) };
  } catch (error) {
    if (error instanceof InvalidTokenError) throw error;
    const reason = error instanceof JOSEError ? error.code : "ERR_UNKNOWN";
    throw new InvalidTokenError(`The token is not valid (${reason})`);
  }
}

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 } as const;

/**
 * Reads a duration: a whole number and a unit, as in `"90s"`, `"30m"`, `"24h"`, `"7d"`, `"2w"`.
 *
 * @returns Seconds, more than 0.
 * @throws {TypeError} It is something else.
 */
export function parseDuration(text: string): number {
  const [, count = "", unit = ""] = /^(\d{1,9})([smhdw])$/.exec(text) ?? [];
  const seconds = Number(count) * SECONDS[unit as keyof typeof SECONDS];
  if (!(seconds > 0)) {
    throw new TypeError('A duration is a number and a unit, such as "30m", "24h" or "7d"');
  }
  return seconds;
}

/** Tells whether an HTTP header can carry a text as it is: printable ASCII, no spaces at its ends. */
export function fitsHeader(text: string): boolean {
  return /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(text);
}

/** Tells whether a text is the secret, taking as long for every text of one length. */
export type SecretCheck = (candidate: string) => Promise<boolean>;

/**
 * Creates a check that compares in constant time: both texts go through an HMAC under a random key
 * that nobody else has, and WebCrypto compares the results.
 */
export async function createSecretCheck(secret: string): Promise<SecretCheck> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const random = crypto.getRandomValues(new Uint8Array(32)); // `generateKey` takes 40 ms to load.
  const key = await crypto.subtle.importKey("raw", random, algorithm, false, ["sign", "verify"]);
  const encoder = new TextEncoder();
  const expected = await crypto.subtle.sign("HMAC", key, encoder.encode(secret));
  return (candidate) => crypto.subtle.verify("HMAC", key, expected, encoder.encode(candidate));
}
