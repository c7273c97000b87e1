/**
 * The offers and answers of all rooms. It drops a second answer to an offer, because that ends a
 * working connection in the clients in the field, and it records which pairs have negotiated.
 * `Reintroductions` decides when the other pairs are told of each other again.
 */

import { Metrics } from "../metrics/metrics.ts";
import type { Clock } from "../runtime/clock.ts";
import type { SignalMessage } from "../protocol/messages.ts";
import {
  isAwaited,
  type Members,
  Participant,
  recordAnswer,
  recordOffer,
  takeAnswerBack,
} from "./pairs.ts";
import type { Peer } from "./peer.ts";
import { Reintroductions } from "./reintroductions.ts";

/** What negotiations need of a room. */
export interface Membership extends Members {
  /** Whether this peer is in the room, and not another one with its id. */
  has(peer: Peer): boolean;
}

/** Options of {@linkcode Negotiations}. */
export interface NegotiationsOptions {
  readonly clock: Clock;
  /** Milliseconds after which each normal peer is sent ids of its room again; 0 is never. */
  readonly reintroduceMs: number;
  /** Where is counted what happens; nowhere that matters when absent. */
  readonly metrics?: Metrics;
}

/** The offers and answers of all rooms. */
export class Negotiations {
  readonly #clock: Clock;
  readonly #metrics: Metrics;
  readonly #reintroductions: Reintroductions;
  readonly #participants = new Map<Peer, Participant>();
  #lastNumber = 0;
  #duplicateAnswers = 0;

  constructor({ clock, reintroduceMs, metrics = new Metrics() }: NegotiationsOptions) {
    this.#clock = clock;
    this.#metrics = metrics;
    this.#reintroductions = new Reintroductions({
      clock,
      reintroduceMs,
      metrics,
      participantOf: (peer) => this.#participants.get(peer),
    });
  }

  /** The number of answers that were dropped because their offer had been answered. */
  get duplicateAnswers(): number {
    return this.#duplicateAnswers;
  }

  /** The number of lists that were sent because a pair had not negotiated. */
  get reintroductions(): number {
    return this.#reintroductions.count;
  }

  /** The number of pairs that are kept. */
  get pairs(): number {
    let pairs = 0;
    for (const { pairCount } of this.#participants.values()) pairs += pairCount;
    return pairs;
  }

  /** Counts the pairs whose last offer has no answer, one after the other. */
  get waitingOffers(): number {
    let offers = 0;
    for (const participant of this.#participants.values()) {
      for (const [, pair] of participant.pairs()) {
        if (isAwaited(pair, true) || isAwaited(pair, false)) offers++;
      }
    }
    return offers;
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
   * Records a signal before it is relayed; `false` if it must be dropped. Where the two peers are
   * connected to two instances, both instances record all signals of the pair.
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
    this.#reintroductions.watch(keeper, now);
    if (type === "offer") return true;
    const isToKeeper = keeper === receiver;
    // Of two instances that record the pair, the one of the peer that has made the offer counts it.
    if (to.isLocal && isAwaited(pair, isToKeeper)) {
      this.#metrics.answerSeconds.observe((now - pair.at) / 1000);
    }
    if (recordAnswer(pair, isToKeeper)) return true;
    this.#duplicateAnswers++;
    return false;
  }

  /** Undoes {@linkcode onSignal} for an answer that was dropped because its target was busy. */
  onAnswerDropped(from: Peer, to: Peer): void {
    const sender = this.#participants.get(from);
    const receiver = this.#participants.get(to);
    if (sender === undefined || receiver === undefined) return;
    const now = this.#clock.elapsed();
    const keeper = keepsPair(from, to) ? sender : receiver;
    const pair = keeper.pairWith(keeper === sender ? receiver : sender, now);
    takeAnswerBack(pair, keeper === receiver);
    this.#reintroductions.watch(keeper, now);
  }

  /** Stops all reintroductions. */
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

/** Whether `a` keeps the pair: the peer of this instance does, or the smaller id if both are. */
function keepsPair(a: Peer, b: Peer): boolean {
  return a.isLocal === b.isLocal ? a.id <= b.id : a.isLocal;
}
