/**
 * Which offers are waiting for an answer. It keeps two mistakes of shipped clients from doing harm:
 * an answer that comes twice tears a working connection down, so the second is not relayed; and a
 * peer that still holds a dead connection ignores the offer that would replace it, so it is told
 * again who is there. It knows peers as objects, never by name, and forgets them with their objects.
 */

import type { Clock, Timer } from "../runtime/clock.ts";
import { encode, type SignalMessage } from "../protocol/messages.ts";
import type { Peer } from "./peer.ts";

/** How long after an unanswered offer its pair is healed, in milliseconds: once each, then no more. */
export const REINTRODUCE_AFTER_MS = [10_000, 20_000, 40_000] as const;

/** Answers that may be owed to a peer that offers over and over. */
const MAX_UNANSWERED = 16;

/** How often waiting offers are looked at, in milliseconds. */
const SWEEP_MS = 1000;

/** A room, as far as negotiations care. */
export interface Membership {
  /** Whether this very peer is in the room. */
  has(peer: Peer): boolean;
}

interface Offer {
  readonly room: Membership;
  readonly from: Peer;
  readonly to: Peer;
  madeAt: number;
  /** How often it was made and not answered. */
  unanswered: number;
  /** How often the pair has been healed since the offer was made. */
  reintroductions: number;
}

/** The offers of all rooms. */
export class Negotiations {
  readonly #clock: Clock;
  /** The last offer of a peer to a peer. */
  readonly #offers = new WeakMap<Peer, WeakMap<Peer, Offer>>();
  /** Offers between normal peers that wait for an answer and are still to be healed. */
  readonly #unansweredOffers = new Set<Offer>();
  #timer: Timer | undefined;
  #duplicateAnswers = 0;
  #reintroductions = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Answers that were not relayed because their offer had been answered. */
  get duplicateAnswers(): number {
    return this.#duplicateAnswers;
  }

  /** Peer lists that were sent to heal a pair. */
  get reintroductions(): number {
    return this.#reintroductions;
  }

  /** Takes note of a signal and tells whether it may be relayed. */
  onLocalSignal(room: Membership, from: Peer, to: Peer, type: SignalMessage["type"]): boolean {
    if (type === "offer") this.#recordOffer(room, from, to);
    return type !== "answer" || this.#consumeAnswer(from, to);
  }

  /** Takes note of a signal from another instance, where its offers wait, and tells the same. */
  onRemoteSignal(from: Peer, to: Peer, type: SignalMessage["type"]): boolean {
    if (type === "offer") this.#cancelCounterOffer(from, to);
    return type !== "answer" || this.#consumeAnswer(from, to);
  }

  /** Stops healing. */
  close(): void {
    this.#unansweredOffers.clear();
    this.#schedule();
  }

  #recordOffer(room: Membership, from: Peer, to: Peer): void {
    this.#cancelCounterOffer(from, to);
    let offers = this.#offers.get(from);
    if (offers === undefined) this.#offers.set(from, offers = new WeakMap());
    let offer = offers.get(to);
    if (offer === undefined) {
      offers.set(to, offer = { room, from, to, madeAt: 0, unanswered: 0, reintroductions: 0 });
    }
    offer.madeAt = this.#clock.elapsed();
    offer.unanswered = Math.min(offer.unanswered + 1, MAX_UNANSWERED);
    offer.reintroductions = 0;
    if (from === to || !isNormalIn(room, from) || !isNormalIn(room, to)) return;
    this.#unansweredOffers.add(offer);
    if (this.#timer === undefined) this.#schedule();
  }

  /** An offer takes the place of one that went the other way. */
  #cancelCounterOffer(from: Peer, to: Peer): void {
    const counteroffer = this.#offers.get(to)?.get(from);
    if (counteroffer !== undefined) this.#unansweredOffers.delete(counteroffer);
  }

  /** An answer to an offer that the server never saw is relayed like anything else. */
  #consumeAnswer(from: Peer, to: Peer): boolean {
    const offer = this.#offers.get(to)?.get(from);
    if (offer === undefined) return true;
    if (offer.unanswered === 0) {
      this.#duplicateAnswers++;
      return false;
    }
    offer.unanswered--;
    this.#unansweredOffers.delete(offer);
    return true;
  }

  #sweep(): void {
    const now = this.#clock.elapsed();
    for (const offer of this.#unansweredOffers) {
      const { room, from, to } = offer;
      const dueAfter = REINTRODUCE_AFTER_MS[offer.reintroductions];
      const isPair = isNormalIn(room, from) && isNormalIn(room, to);
      if (dueAfter === undefined || !isPair) this.#unansweredOffers.delete(offer);
      else if (now - offer.madeAt >= dueAfter) this.#reintroduce(offer);
    }
    this.#schedule();
  }

  /**
   * By the clients' tie-break the smaller id ignores the offer of the larger while it holds a
   * connection for it. Once that is gone, a list that names the larger makes it offer; an id that
   * it still knows it skips.
   */
  #reintroduce(offer: Offer): void {
    const { from, to } = offer;
    const [smaller, larger] = from.id < to.id ? [from, to] : [to, from];
    offer.reintroductions++;
    this.#reintroductions++;
    smaller.send(encode({ type: "peer-list", peers: [larger.id] }));
  }

  #schedule(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#timer = this.#unansweredOffers.size === 0
      ? undefined
      : this.#clock.setTimeout(() => this.#sweep(), SWEEP_MS);
  }
}

function isNormalIn(room: Membership, peer: Peer): boolean {
  return peer.role === "normal" && room.has(peer);
}
