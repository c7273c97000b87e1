/**
 * What has passed between two peers of a room, for as long as it matters. Each pair is kept once, by
 * one of the two, and each peer keeps a bounded number of pairs: what is forgotten too early costs a
 * list that tells a client nothing new. What follows from a pair is decided elsewhere.
 */

import type { Peer } from "./peer.ts";

/** Pairs that a peer keeps at most; browsers do not manage many more connections on one page. */
const MAX_PAIRS = 128;

/** Milliseconds after its last offer until a pair is forgotten. */
export const FORGET_AFTER_MS = 60_000;

/** Answers at most that a peer can owe another, which offers over and over. */
const MAX_OWED = 16;

/** What `offersOf` returns for a peer that has made no offer. */
const NO_OFFER = -1;

/** The peers of a room, as far as pairs depend on them. */
export interface Members {
  /** How many peers are in the room. */
  readonly size: number;
  /** The normal peers, in order of joining. */
  normals(): Peer[];
}

/** What has passed between the peer that keeps the pair and another. */
export interface Pair {
  /** Offers of the keeper that were not answered; -1 before its first. */
  fromKeeper: number;
  /** Offers of the other that were not answered; -1 before its first. */
  fromOther: number;
  /** When the last offer, or an answer without one, was relayed, by `Clock.elapsed`. */
  at: number;
  /** Whether an answer has been relayed since the last offer. */
  isAnswered: boolean;
  /** How often the pair was reintroduced since the last offer. */
  reintroductions: number;
}

/** A peer that has joined, and the pairs that it keeps. */
export class Participant {
  readonly room: Members;
  readonly id: string;
  readonly role: Peer["role"];
  readonly joinedAt: number;
  /** Grows with every participant: of two, the one with the greater number joined later. */
  readonly number: number;
  /** `undefined` once the peer has left, so that a pair does not keep it in memory. */
  peer: Peer | undefined;
  /** When the first of its pairs has to be looked at again, by `Clock.elapsed`. */
  dueAt = Infinity;
  /** When it is sent ids of its room in turn, by `Clock.elapsed`. */
  turnAt = Infinity;
  /** The join order of the last peer that it was told of in turn. */
  turnOrder = -1;
  readonly #pairs = new Map<Participant, Pair>();

  constructor(
    room: Members,
    peer: Peer,
    { joinedAt, number }: { joinedAt: number; number: number },
  ) {
    this.room = room;
    this.peer = peer;
    this.id = peer.id;
    this.role = peer.role;
    this.joinedAt = joinedAt;
    this.number = number;
  }

  /** Whether it can be told of others: it is a normal peer of this instance and connected. */
  get canBeTold(): boolean {
    return this.peer !== undefined && this.peer.isLocal && this.canBeNamed;
  }

  /** Whether others can be told of it: it is a normal peer and connected. */
  get canBeNamed(): boolean {
    return this.role === "normal" && this.peer !== undefined && !this.peer.isClosed;
  }

  /** Whether an offer or answer of the two was relayed that is not forgotten. */
  hasPairWith(other: Participant): boolean {
    return this.#pairs.has(other);
  }

  /** The pairs that it keeps, each with the other peer. */
  pairs(): Iterable<[Participant, Pair]> {
    return this.#pairs;
  }

  /** How many pairs it keeps. */
  get pairCount(): number {
    return this.#pairs.size;
  }

  /** Forgets a pair. */
  forget(other: Participant): void {
    this.#pairs.delete(other);
  }

  /** The pair with another peer, which from now on is the last to be forgotten. */
  pairWith(other: Participant, now: number): Pair {
    const before = this.#pairs.get(other);
    const isFresh = before !== undefined && now < before.at + FORGET_AFTER_MS;
    const pair = isFresh ? before : newPair(now);
    this.#pairs.delete(other);
    if (this.#pairs.size === MAX_PAIRS) this.#forgetOldest();
    this.#pairs.set(other, pair);
    return pair;
  }

  #forgetOldest(): void {
    for (const other of this.#pairs.keys()) {
      this.#pairs.delete(other);
      return;
    }
  }
}

function newPair(at: number): Pair {
  return { fromKeeper: NO_OFFER, fromOther: NO_OFFER, at, isAnswered: false, reintroductions: 0 };
}

/** Records an offer; `isFromKeeper` says which of the two made it. */
export function recordOffer(pair: Pair, isFromKeeper: boolean, now: number): void {
  const side = isFromKeeper ? "fromKeeper" : "fromOther";
  pair[side] = Math.min(Math.max(pair[side], 0) + 1, MAX_OWED);
  pair.at = now;
  pair.isAnswered = false;
  pair.reintroductions = 0;
}

/** Takes an answer back that `recordAnswer` has recorded, because it was not relayed. */
export function takeAnswerBack(pair: Pair, isToKeeper: boolean): void {
  const side = isToKeeper ? "fromKeeper" : "fromOther";
  if (pair[side] !== NO_OFFER) pair[side]++;
  pair.isAnswered = false;
}

/**
 * Records an answer to an offer that the keeper made, or the other; `false` if it has no offer left to
 * answer. An answer to an offer that was never seen counts as one that has.
 */
export function recordAnswer(pair: Pair, isToKeeper: boolean): boolean {
  const side = isToKeeper ? "fromKeeper" : "fromOther";
  if (pair[side] === 0) return false;
  if (pair[side] !== NO_OFFER) pair[side]--;
  pair.isAnswered = true;
  return true;
}
