/**
 * Tokens that were verified, so that a client which comes back does not cost a verification: valid room
 * tokens, and tokens of both kinds that have expired and whose signature is valid. The key is the whole
 * token: any other text, even with the same signature, is verified.
 */

import { newTokenCounts, type TokenCounts } from "../metrics/metrics.ts";
import type { Clock } from "../runtime/clock.ts";
import type { TokenClaims } from "./room_tokens.ts";
import { copyText } from "./token_text.ts";

/** Tokens of each kind that are remembered; then the oldest is forgotten. */
const MAX_TOKENS = 10_000;

/** Tokens whose signature is valid and that have expired. */
export class ExpiredTokens {
  readonly #tokens = new Set<string>();
  readonly #counts: TokenCounts;

  /** Creates an empty set, which counts here what it knows. */
  constructor(counts: TokenCounts = newTokenCounts()) {
    this.#counts = counts;
  }

  /** Whether a token that a client has presented is known to have expired. */
  has(token: string): boolean {
    const isKnown = this.#tokens.has(token);
    if (isKnown) this.#counts.expired++;
    return isKnown;
  }

  /** Remembers a token that has expired. */
  add(token: string): void {
    makeRoom(this.#tokens);
    this.#tokens.add(copyText(token));
  }
}

/** What verified room tokens say, until they expire, and which have expired. */
export class TokenCache {
  readonly #clock: Clock;
  readonly #tokens = new Map<string, TokenClaims>();
  readonly #expired: ExpiredTokens;
  readonly #counts: TokenCounts;

  /** Creates an empty cache, which counts here what it knows. */
  constructor(clock: Clock, counts: TokenCounts = newTokenCounts()) {
    this.#clock = clock;
    this.#counts = counts;
    this.#expired = new ExpiredTokens(counts);
  }

  /** What a token says, or that it has expired; `undefined` if it is not known. */
  get(token: string): TokenClaims | "expired" | undefined {
    const claims = this.#tokens.get(token);
    if (claims === undefined) return this.#expired.has(token) ? "expired" : undefined;
    if (this.#clock.now() < claims.exp * 1000) {
      this.#counts.cached++;
      return claims;
    }
    this.#counts.expired++;
    this.#tokens.delete(token);
    this.#expired.add(token);
    return "expired";
  }

  /** Remembers a token that is valid. */
  add(token: string, claims: TokenClaims): void {
    makeRoom(this.#tokens);
    this.#tokens.set(copyText(token), claims);
  }

  /** Remembers a token whose signature is valid and that has expired. */
  addExpired(token: string): void {
    this.#expired.add(token);
  }
}

/** Forgets the oldest entry of a collection that is full. */
function makeRoom(
  collection: { readonly size: number; keys(): Iterable<string>; delete(key: string): boolean },
): void {
  if (collection.size < MAX_TOKENS) return;
  for (const oldest of collection.keys()) {
    collection.delete(oldest);
    return;
  }
}
