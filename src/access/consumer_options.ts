/**
 * How consumer tokens are to be verified, and the check of it, but for keys and algorithms: those are
 * read by what verifies, which is loaded only where consumers have tokens.
 */

import { checkInteger } from "../runtime/integer.ts";
import { checkOptionNames, checkText } from "../runtime/option_checks.ts";
import { MAX_CLOCK_TOLERANCE_SECONDS } from "./token_times.ts";

/** How consumer tokens are verified. */
export interface ConsumerAuthOptions {
  /**
   * The identity provider's public keys: base64 of the JSON of a JWK, an array of JWKs, or a
   * `{ "keys": […] }` set. Either this or `jwksUrl`.
   */
  jwks?: string;
  /**
   * Where to fetch the keys: `https`, or `http` on this machine. They are kept for ten minutes,
   * fetched again for an unknown key once in 30 seconds at most, and kept longer if a fetch fails.
   */
  jwksUrl?: string;
  /** The `iss` that a token must have; any when absent. */
  issuer?: string;
  /** The `aud` that a token must have; any when absent. */
  audience?: string;
  /**
   * The signature algorithms that are accepted: asymmetric ones alone.
   *
   * @default {["ES256", "RS256"]}
   */
  algorithms?: readonly string[];
  /** A claim, a string or an array of strings, that must contain the room; none when absent. */
  roomClaim?: string;
  /**
   * Seconds by which the provider's clock may be ahead of this one, so that `nbf` lies in the future.
   * `exp` is exact.
   *
   * @default {60}
   */
  clockToleranceSeconds?: number;
}

const NAMES: Readonly<Record<keyof ConsumerAuthOptions, true>> = {
  jwks: true,
  jwksUrl: true,
  issuer: true,
  audience: true,
  algorithms: true,
  roomClaim: true,
  clockToleranceSeconds: true,
};

/**
 * Checks what is no key and no algorithm: an option that is misspelt or empty would refuse every
 * consumer, or accept tokens of any issuer.
 *
 * @throws {TypeError} A name is not known, or a value is out of its bounds.
 */
export function checkConsumerAuth(options: ConsumerAuthOptions): void {
  checkOptionNames(options, Object.keys(NAMES), "consumerAuth");
  const { jwks, jwksUrl, issuer, audience, roomClaim, clockToleranceSeconds = 0 } = options;
  for (const [name, value] of Object.entries({ jwks, jwksUrl, issuer, audience, roomClaim })) {
    checkText(`${name} of consumerAuth`, value);
  }
  checkInteger("clockToleranceSeconds", clockToleranceSeconds, MAX_CLOCK_TOLERANCE_SECONDS);
}
