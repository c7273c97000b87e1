/**
 * What a caller asks to revoke, and how that is checked. It keeps nothing.
 */

import { isLongerThan, MAX_ROOM_LENGTH } from "../protocol/messages.ts";
import { SignalingError } from "../runtime/errors.ts";
import { MAX_TOKEN_ID_LENGTH, type Revocation } from "./revocations.ts";

/** What is revoked: one token by its id, or the tokens of a room up to some time. */
export interface RevokeRequest {
  /** The id (`jti`) of the token. */
  jti?: string | undefined;
  /** Instead: the room whose tokens are revoked. */
  subject?: string | undefined;
  /**
   * With `subject`: tokens that were issued up to and in this second are revoked, and those that do not
   * say when they were issued. ISO 8601 with a time zone, or `"now"`.
   */
  issuedBefore?: string | undefined;
  /**
   * Until when the revocation is kept, ISO 8601 with a time zone: no such token may be valid any more by
   * then. By default the longest lifetime of a token from now on (`maxTokenTtl`), else 30 days.
   */
  expiresAt?: string | undefined;
}

/** What became of a revocation. */
export interface RevokeResponse {
  /** Connections that were closed because of it, on all instances. */
  disconnected: number;
  /** Present if an instance has not said how many it has closed. */
  partial?: true;
}

/**
 * A revocation was requested that is not possible; the message says why.
 *
 * @example
 * ```ts
 * import { createSignalingHandler, generateKeyPairJwk, RevokeRequestError } from "@aikofy/client-db-sync";
 * import { assertRejects } from "@std/assert";
 *
 * await using signaling = await createSignalingHandler(await generateKeyPairJwk());
 * await assertRejects(() => signaling.revoke({ subject: "todos" }), RevokeRequestError);
 * ```
 */
export class RevokeRequestError extends SignalingError {
  /** Always `ERR_REVOKE_REQUEST`. */
  override readonly code = "ERR_REVOKE_REQUEST";
}

/** How long a revocation is kept where the lifetime of tokens is not limited, in seconds: 30 days. */
export const DEFAULT_REVOCATION_SECONDS = 30 * 86_400;

/** How far `issuedBefore` may be ahead, since the clock of the caller may be, in milliseconds. */
const MAX_AHEAD_MS = 60_000;

/** ISO 8601: a day, or a time with a time zone. */
const TIME =
  /^(\d{4})-(\d\d)-(\d\d)(?:(T(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:[.,]\d+)?)?)(?:Z|([+-](?:[01]\d|2[0-3])):?([0-5]\d)))?$/;

/**
 * Checks what a caller asks to revoke.
 *
 * @param maxTtlSeconds How long a token may be valid, if that is limited.
 * @throws {RevokeRequestError} It is not possible.
 */
export function readRevokeRequest(
  { jti, subject, issuedBefore, expiresAt }: RevokeRequest,
  now: number,
  maxTtlSeconds = DEFAULT_REVOCATION_SECONDS,
): Revocation {
  const end = expiresAt === undefined
    ? now + maxTtlSeconds * 1000
    : readTime("expiresAt", expiresAt);
  if (end <= now) throw new RevokeRequestError("`expiresAt` must be in the future");
  if (jti !== undefined && subject !== undefined) {
    throw new RevokeRequestError("Give `jti` or `subject`, not both");
  }
  if (jti !== undefined) {
    if (issuedBefore !== undefined) {
      throw new RevokeRequestError("`issuedBefore` goes with `subject`, not with `jti`");
    }
    return { kind: "token", jti: checkText("jti", jti, MAX_TOKEN_ID_LENGTH), expiresAt: end };
  }
  if (subject === undefined) {
    throw new RevokeRequestError(
      "Say what is revoked: `jti`, the id of a token, or `subject`, a room, with `issuedBefore`",
    );
  }
  return {
    kind: "subject",
    subject: checkText("subject", subject, MAX_ROOM_LENGTH),
    issuedBefore: readIssuedBefore(issuedBefore, now),
    expiresAt: end,
  };
}

function readIssuedBefore(text: string | undefined, now: number): number {
  if (text === undefined) {
    throw new RevokeRequestError(
      '`subject` needs `issuedBefore`: "now", or a time such as "2026-01-31T12:00:00Z"',
    );
  }
  const time = text === "now" ? now : readTime("issuedBefore", text);
  if (time > now + MAX_AHEAD_MS) {
    const message = "`issuedBefore` must not be in the future: later tokens would be revoked, too";
    throw new RevokeRequestError(message);
  }
  return Math.floor(time / 1000);
}

/** Milliseconds of a time with a time zone, or of the begin of a day in UTC. */
function readTime(field: string, text: unknown): number {
  const [, year, month, day, clock = "T00:00", hours, minutes] = typeof text === "string"
    ? TIME.exec(text) ?? []
    : [];
  // `Date` takes the 31st of February for the 3rd of March.
  const isDay = new Date(`${year}-${month}-${day}T00:00:00Z`).getUTCDate() === Number(day);
  const zone = hours === undefined ? "Z" : `${hours}:${minutes}`;
  const time = Date.parse(`${year}-${month}-${day}${clock.replace(",", ".")}${zone}`);
  if (!isDay || Number.isNaN(time)) {
    throw new RevokeRequestError(
      `\`${field}\` must be a time of ISO 8601 with a time zone, such as "2026-01-31T12:00:00Z"`,
    );
  }
  return time;
}

function checkText(field: string, value: unknown, maxLength: number): string {
  if (typeof value !== "string" || value === "" || !value.isWellFormed()) {
    throw new RevokeRequestError(`\`${field}\` must be a non-empty string of valid Unicode`);
  }
  if (isLongerThan(value, maxLength)) {
    throw new RevokeRequestError(`\`${field}\` must have ${maxLength} characters at most`);
  }
  return value;
}
