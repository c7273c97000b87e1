/**
 * The offers and answers of all rooms. It drops an answer to an offer that has been answered, because
 * such an answer ends a working connection of the clients in the field, and it knows which pairs of
 * peers have negotiated. When a pair that has not is told of each other again is decided by
 * `Reintroductions`.
 */

import type { Clock } from "../runtime/clock.ts";
import type { SignalMessage } from "../protocol/messages.ts";
import { type Members, Participant, recordAnswer, recordOffer, takeAnswerBack } from "./pairs.ts";
import type { Peer } from "./peer.ts";
import { Reintroductions } from "./reintroductions.ts";

/** A room, as far as negotiations depend on it. */
export interface Membership extends Members {
  /** Whether this very peer is in the room. */
  has(peer: Peer): boolean;
}

/** Options of {@linkcode Negotiations}. */
export interface NegotiationsOptions {
  readonly clock: Clock;
  /** Milliseconds after which each normal peer is sent ids of its room again; 0 is never. */
  readonly reintroduceMs: number;
}

/** The offers and answers of all rooms. */
export class Negotiations {
  readonly #clock: Clock;
  readonly #reintroductions: Reintroductions;
  readonly #participants = new Map<Peer, Participant>();
  #lastNumber = 0;
  #duplicateAnswers = 0;

  constructor({ clock, reintroduceMs }: NegotiationsOptions) {
    this.#clock = clock;
    this.#reintroductions = new Reintroductions({
      clock,
      reintroduceMs,
      participantOf: (peer) => this.#participants.get(peer),
    });
  }

  /** Answers that were not relayed because their offer had been answered. */
  get duplicateAnswers(): number {
    return this.#duplicateAnswers;
  }

  /** Peer lists that were sent because a pair had not negotiated. */
  get reintroductions(): number {
    return this.#reintroductions.count;
  }

  /** Pairs of peers of which an offer or answer is remembered. */
  get pairs(): number {
    let pairs = 0;
    for (const { pairCount } of this.#participants.values()) pairs += pairCount;
    return pairs;
  }

  /** Records that a peer joined, left or changed its role. */
  changed(room: Membership, peer: Peer): void {
    const participant = this.#participants.get(peer);
    const isThere = room.has(peer);
    if (participant !== undefined && isThere && participant.role === peer.role) return;
    if (participant !== undefined) this.#remove(peer, participant);
    if (isThere) this.#add(room, peer);
  }

  /**
   * Records a signal that is to be relayed, and tells whether it may be. Both instances of a pair that
   * is on two see all of its signals.
   */
  onSignal(from: Peer, to: Peer, type: SignalMessage["type"]): boolean {
    if (type === "ice-candidate") return true;
    const sender = this.#participants.get(from);
    const receiver = this.#participants.get(to);
    if (sender === undefined || receiver === undefined) return true;
    const now = this.#clock.elapsed();
    const keeper = keepsPair(from, to) ? sender : receiver;
    const pair = keeper.pairWith(keeper === sender ? receiver : sender, now);
    if (type === "offer") recordOffer(pair, keeper === sender, now);
    this.#reintroductions.watch(keeper);
    if (type === "offer" || recordAnswer(pair, keeper === receiver)) return true;
    this.#duplicateAnswers++;
    return false;
  }

  /** Takes back what {@linkcode onSignal} recorded of an answer that its target was too busy for. */
  onAnswerDropped(from: Peer, to: Peer): void {
    const sender = this.#participants.get(from);
    const receiver = this.#participants.get(to);
    if (sender === undefined || receiver === undefined) return;
    const keeper = keepsPair(from, to) ? sender : receiver;
    const pair = keeper.pairWith(keeper === sender ? receiver : sender, this.#clock.elapsed());
    takeAnswerBack(pair, keeper === receiver);
    this.#reintroductions.watch(keeper);
  }

  /** Stops every reintroduction. */
  close(): void {
    this.#reintroductions.close();
  }

  #add(room: Membership, peer: Peer): void {
    const number = ++this.#lastNumber;
    const participant = new Participant(room, peer, { joinedAt: this.#clock.elapsed(), number });
    this.#participants.set(peer, participant);
    this.#reintroductions.joined(participant);
  }

  #remove(peer: Peer, participant: Participant): void {
    this.#participants.delete(peer);
    this.#reintroductions.left(participant);
    participant.peer = undefined;
  }
}

/** Whether `a` keeps the pair of both: the smaller id does, unless only the other is connected here. */
function keepsPair(a: Peer, b: Peer): boolean {
  return a.isLocal === b.isLocal ? a.id <= b.id : a.isLocal;
}
