/**
 * Tokens as texts: which spelling of one is accepted, and how one is stored. It decodes nothing.
 */

import { InvalidTokenError } from "./invalid_token.ts";

/** Maximum length of a token; a longer one is refused unread. */
export const MAX_TOKEN_LENGTH = 8192;

/** Three parts of base64url without padding (RFC 7515, section 7.1). */
const COMPACT = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** The last characters of a part whose spare bits are 0, by its length modulo 4; none has length 1. */
const LAST_CHARACTERS = [undefined, "", "AQgw", "AEIMQUYcgkosw048"];

/**
 * Checks that a token is spelled in the one way in which it is issued. Other texts with the same
 * bytes (white space, padding, spare bits) would fill the caches of tokens.
 *
 * @throws {InvalidTokenError} It is longer than any token, or spelled in another way.
 */
export function checkSpelling(token: string): void {
  if (token.length > MAX_TOKEN_LENGTH) {
    throw new InvalidTokenError("The token is too long", { reason: "malformed" });
  }
  if (!COMPACT.test(token) || !token.split(".").every(isCanonical)) {
    throw new InvalidTokenError("The token is not three parts of base64url", {
      reason: "malformed",
    });
  }
}

function isCanonical(part: string): boolean {
  return LAST_CHARACTERS[part.length % 4]?.includes(part.slice(-1)) ?? true;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A copy of a text that keeps no other alive: a part of a text refers to the whole of it. */
export function copyText(text: string): string {
  return decoder.decode(encoder.encode(text));
}
