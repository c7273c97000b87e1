/**
 * Which room tokens are revoked: single ones by their id, and those of a room that were issued up to
 * some time. Each entry is kept until it expires, in memory and within a bound. Who shares it with other
 * instances, and what becomes of connected clients, is decided elsewhere.
 */

import { isLongerThan, isObject, MAX_ROOM_LENGTH } from "../protocol/messages.ts";
import type { Clock } from "../runtime/clock.ts";
import type { TokenClaims } from "./room_tokens.ts";

/** Entries that are kept at most. */
export const MAX_REVOCATIONS = 100_000;

/** Maximum length of the id of a token that can be revoked, in Unicode code points. */
export const MAX_TOKEN_ID_LENGTH = 256;

/** How often entries that have expired are looked for, in milliseconds. */
const PRUNE_MS = 60_000;

/** Tokens that are revoked, until the revocation expires. */
export type Revocation =
  & {
    /** When it may be forgotten, in milliseconds since the Unix epoch. */
    readonly expiresAt: number;
  }
  & (
    | {
      readonly kind: "token";
      /** The id of the token. */
      readonly jti: string;
    }
    | {
      readonly kind: "subject";
      /** The room of the tokens. */
      readonly subject: string;
      /** The last second in which such a token was issued, since the Unix epoch. */
      readonly issuedBefore: number;
    }
  );

/** What became of a revocation: the set has changed; it said so before; or there is no room for it. */
export type RevocationOutcome = "added" | "known" | "full";

/** The revocations that one instance knows. */
export class Revocations {
  readonly #clock: Pick<Clock, "now">;
  readonly #max: number;
  /** By the id of a token, and by the room: a look-up needs no text of its own. */
  readonly #entries = {
    token: new Map<string, Revocation>(),
    subject: new Map<string, Revocation>(),
  };
  #prunedAt = 0;

  constructor(clock: Pick<Clock, "now">, max = MAX_REVOCATIONS) {
    this.#clock = clock;
    this.#max = max;
  }

  /** How many there are. */
  get size(): number {
    return this.#entries.token.size + this.#entries.subject.size;
  }

  /** Whether a token is revoked. One that does not say when it was issued cannot show that it is newer. */
  has({ jti, sub, iat = -Infinity }: Pick<TokenClaims, "jti" | "sub" | "iat">): boolean {
    const token = jti === undefined ? undefined : this.#entries.token.get(jti);
    if (token !== undefined && token.expiresAt > this.#clock.now()) return true;
    const rule = this.#entries.subject.get(sub);
    return rule?.kind === "subject" && rule.expiresAt > this.#clock.now() &&
      Math.floor(iat) <= rule.issuedBefore;
  }

  /** Adds a revocation; of two for the same the later time and the later end count. */
  add(revocation: Revocation): RevocationOutcome {
    const now = this.#clock.now();
    if (this.size >= this.#max || Math.abs(now - this.#prunedAt) >= PRUNE_MS) this.#prune(now);
    const entries = this.#entries[revocation.kind];
    const name = nameIn(revocation);
    const old = entries.get(name);
    const merged = old === undefined || old.expiresAt <= now
      ? revocation
      : mergeRevocations(old, revocation);
    if (merged === old || revocation.expiresAt <= now) return "known";
    if (old === undefined && this.size >= this.#max) return "full";
    entries.set(name, merged);
    return "added";
  }

  /** Every revocation that has not expired. */
  all(): Revocation[] {
    this.#prune(this.#clock.now());
    return [...this.#entries.token.values(), ...this.#entries.subject.values()];
  }

  #prune(now: number): void {
    this.#prunedAt = now;
    for (const entries of Object.values(this.#entries)) {
      for (const [name, { expiresAt }] of entries) if (expiresAt <= now) entries.delete(name);
    }
  }
}

/** One text for everything that is revoked together. */
export function keyOf(revocation: Revocation): string {
  return `${revocation.kind} ${nameIn(revocation)}`;
}

/** What two revocations of the same say together; the first itself if the other adds nothing. */
export function mergeRevocations(one: Revocation, other: Revocation): Revocation {
  const expiresAt = Math.max(one.expiresAt, other.expiresAt);
  const [before, otherBefore] = [one, other].map((revocation) =>
    revocation.kind === "subject" ? revocation.issuedBefore : 0
  );
  const issuedBefore = Math.max(before ?? 0, otherBefore ?? 0);
  if (expiresAt === one.expiresAt && issuedBefore === before) return one;
  return one.kind === "subject" ? { ...one, issuedBefore, expiresAt } : { ...one, expiresAt };
}

/** Checks a revocation of another instance; `undefined` for anything else. */
export function readRevocation(value: unknown): Revocation | undefined {
  if (!isObject(value)) return undefined;
  const { kind, jti, subject, issuedBefore, expiresAt } = value;
  if (!isTime(expiresAt)) return undefined;
  if (kind === "token" && isText(jti, MAX_TOKEN_ID_LENGTH)) return { kind, jti, expiresAt };
  return kind === "subject" && isText(subject, MAX_ROOM_LENGTH) && isTime(issuedBefore)
    ? { kind, subject, issuedBefore, expiresAt }
    : undefined;
}

function isText(value: unknown, maxLength: number): value is string {
  return typeof value === "string" && value !== "" && !isLongerThan(value, maxLength);
}

function isTime(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value);
}

function nameIn(revocation: Revocation): string {
  return revocation.kind === "token" ? revocation.jti : revocation.subject;
}
