/**
 * The offers and answers between two peers of a room, for as long as they matter. One of the two keeps
 * the pair, and each peer keeps a bounded number of pairs: a pair that is forgotten too early costs a
 * needless `peer-list`, which does no harm. What follows from a pair is decided in other files.
 */

import type { Peer } from "./peer.ts";

/** Pairs that a peer keeps at most; a browser page has hardly more connections. */
const MAX_PAIRS = 128;

/** Milliseconds after its last offer until a pair is forgotten. */
export const FORGET_AFTER_MS = 90_000;

/** The number of offers of a peer that has made none; 0 means that all were answered. */
const NO_OFFER = -1;

/** What pairs need of a room. */
export interface Members {
  /** The number of peers in the room. */
  readonly size: number;
  /** The normal peers, in order of joining. */
  normals(): readonly Peer[];
}

/** The offers and answers between the peer that keeps the pair and another peer. */
export interface Pair {
  /** Offers of the keeper that were not answered; -1 before its first. */
  fromKeeper: number;
  /** Offers of the other that were not answered; -1 before its first. */
  fromOther: number;
  /** When the last offer was relayed, or an answer without an offer, by `Clock.elapsed`. */
  at: number;
  /** Whether an answer has been relayed since the last offer. */
  isAnswered: boolean;
  /** How many times the pair was reintroduced since the last offer. */
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
  /** The peer; `undefined` once it has left, so that pairs of others do not keep it in memory. */
  peer: Peer | undefined;
  /** When the first of its pairs is examined next, by `Clock.elapsed`. */
  dueAt = Infinity;
  /** When it gets its next list in turn, by `Clock.elapsed`. */
  turnAt = Infinity;
  /** The join order of the last peer in its last list in turn. */
  turnOrder = -1;
  #pairs: Map<Participant, Pair> | undefined;
  /** The other peer of the pair that is the last to go. */
  #last: Participant | undefined;

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

  /** Whether it may get lists: it is a connected normal peer of this instance. */
  get canBeTold(): boolean {
    return this.peer !== undefined && this.peer.isLocal && this.canBeNamed;
  }

  /** Whether lists may contain it: it is a connected normal peer. */
  get canBeNamed(): boolean {
    return this.role === "normal" && this.peer !== undefined && !this.peer.isClosed;
  }

  /** Whether it keeps a pair with another peer: an offer or answer was relayed since both joined. */
  hasPairWith(other: Participant): boolean {
    return this.#pairs?.has(other) ?? false;
  }

  /** The pairs that it keeps, each with the other peer. */
  pairs(): Iterable<[Participant, Pair]> {
    return this.#pairs ?? [];
  }

  /** How many pairs it keeps. */
  get pairCount(): number {
    return this.#pairs?.size ?? 0;
  }

  /** Forgets a pair. */
  forget(other: Participant): void {
    this.#pairs?.delete(other);
    if (other === this.#last) this.#last = undefined;
  }

  /** The pair with another peer, created if need be; of all its pairs it is now the last to go. */
  pairWith(other: Participant, now: number): Pair {
    const pairs = this.#pairs ??= new Map();
    const before = pairs.get(other);
    const isFresh = before !== undefined && now < before.at + FORGET_AFTER_MS;
    if (isFresh && other === this.#last) return before;
    const pair = isFresh ? before : newPair(now);
    pairs.delete(other);
    if (pairs.size === MAX_PAIRS) forgetOldest(pairs);
    pairs.set(other, pair);
    this.#last = other;
    return pair;
  }
}

function forgetOldest(pairs: Map<Participant, Pair>): void {
  for (const other of pairs.keys()) {
    pairs.delete(other);
    return;
  }
}

function newPair(at: number): Pair {
  return { fromKeeper: NO_OFFER, fromOther: NO_OFFER, at, isAnswered: false, reintroductions: 0 };
}

/** Records an offer; `isFromKeeper` says which of the two made it. */
export function recordOffer(pair: Pair, isFromKeeper: boolean, now: number): void {
  const side = isFromKeeper ? "fromKeeper" : "fromOther";
  pair[side] = Math.max(pair[side], 0) + 1;
  pair.at = now;
  pair.isAnswered = false;
  pair.reintroductions = 0;
}

/** Whether an offer is without an answer, and none has come since; `isToKeeper` as in `recordAnswer`. */
export function isAwaited(pair: Pair, isToKeeper: boolean): boolean {
  return !pair.isAnswered && pair[isToKeeper ? "fromKeeper" : "fromOther"] > 0;
}

/** Undoes `recordAnswer` for an answer that was not relayed after all. */
export function takeAnswerBack(pair: Pair, isToKeeper: boolean): void {
  const side = isToKeeper ? "fromKeeper" : "fromOther";
  if (pair[side] !== NO_OFFER) pair[side]++;
  pair.isAnswered = false;
}

/**
 * Records an answer; `isToKeeper` says which of the two made the offer.
 *
 * @returns `false` if every offer was answered before. An answer to a peer that has made no offer, as
 * far as is known, is relayed.
 */
export function recordAnswer(pair: Pair, isToKeeper: boolean): boolean {
  const side = isToKeeper ? "fromKeeper" : "fromOther";
  if (pair[side] === 0) return false;
  if (pair[side] !== NO_OFFER) pair[side]--;
  pair.isAnswered = true;
  return true;
}
