/**
 * Room tokens that were verified, so that clients which come back do not cost a verification each. A
 * token is remembered whole: any other text, even one with the same signature, is verified.
 */

import type { TokenClaims } from "./room_tokens.ts";
import type { Clock } from "../runtime/clock.ts";

/** Tokens that are remembered; beyond, the one that came first is forgotten. */
const MAX_TOKENS = 10_000;

/** What verified tokens say, until they expire. */
export class TokenCache {
  readonly #clock: Clock;
  readonly #tokens = new Map<string, TokenClaims>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What a token says, if it was verified and has not expired since. */
  get(token: string): TokenClaims | undefined {
    const claims = this.#tokens.get(token);
    if (claims === undefined || this.#clock.now() < claims.exp * 1000) return claims;
    this.#tokens.delete(token);
    return undefined;
  }

  /** Remembers a token that was verified. */
  add(token: string, claims: TokenClaims): void {
    if (this.#tokens.size >= MAX_TOKENS) {
      for (const oldest of this.#tokens.keys()) {
        this.#tokens.delete(oldest);
        break;
      }
    }
    this.#tokens.set(token, claims);
  }
}
