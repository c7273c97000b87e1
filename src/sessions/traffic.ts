/**
 * How many signals a peer has sent and received, in all and for each of the peers that it has exchanged
 * some with last. Counted on the path of a message: two numbers are changed in place. Nothing here
 * grows with pairs.
 */

import type { SignalMessage } from "../protocol/messages.ts";
import type { SignalOutcome } from "../rooms/peer.ts";
import type { RelayOutcome } from "../rooms/room.ts";
import type { PartnerReport, SentCount, SignalCount } from "../rooms/report.ts";

/** Other peers that are counted apart at most; then the one that was longest without a signal goes. */
export const MAX_PARTNERS = 16;

/** Signals with one other peer, or with all that are not counted apart any more. */
class Exchange {
  readonly nodeId: string;
  sentOffers = 0;
  sentAnswers = 0;
  sentCandidates = 0;
  undelivered = 0;
  receivedOffers = 0;
  receivedAnswers = 0;
  receivedCandidates = 0;

  constructor(nodeId: string) {
    this.nodeId = nodeId;
  }

  get sent(): SentCount {
    const { sentOffers: offers, sentAnswers: answers, sentCandidates: candidates } = this;
    return { offers, answers, candidates, undelivered: this.undelivered };
  }

  get received(): SignalCount {
    const { receivedOffers, receivedAnswers, receivedCandidates } = this;
    return { offers: receivedOffers, answers: receivedAnswers, candidates: receivedCandidates };
  }

  add(other: Exchange): void {
    this.sentOffers += other.sentOffers;
    this.sentAnswers += other.sentAnswers;
    this.sentCandidates += other.sentCandidates;
    this.undelivered += other.undelivered;
    this.receivedOffers += other.receivedOffers;
    this.receivedAnswers += other.receivedAnswers;
    this.receivedCandidates += other.receivedCandidates;
  }
}

// Types differ in length: comparing that costs less than comparing text that was just parsed.
const OFFER = "offer".length;
const CANDIDATE = "ice-candidate".length;

/** The signals of one peer. */
export class Traffic {
  /** What was exchanged with peers that are not counted apart any more. */
  #others: Exchange | undefined;
  /** By name, the one with the last signal at the end. */
  #partners: Map<string, Exchange> | undefined;
  #last: Exchange | undefined;

  /** Counts a signal that the peer has sent. */
  sentTo(nodeId: string, type: SignalMessage["type"], outcome: RelayOutcome): void {
    const partner = this.#with(nodeId);
    if (outcome !== "sent") partner.undelivered++;
    else if (type.length === CANDIDATE) partner.sentCandidates++;
    else if (type.length === OFFER) partner.sentOffers++;
    else partner.sentAnswers++;
  }

  /** Counts a signal to the peer if it was sent, and returns what became of it. */
  receivedFrom(
    nodeId: string,
    type: SignalMessage["type"],
    outcome: SignalOutcome = "sent",
  ): SignalOutcome {
    if (outcome !== "sent") return outcome;
    const partner = this.#with(nodeId);
    if (type.length === CANDIDATE) partner.receivedCandidates++;
    else if (type.length === OFFER) partner.receivedOffers++;
    else partner.receivedAnswers++;
    return outcome;
  }

  /** Everything that the peer has sent and was sent. */
  total(): { readonly sent: SentCount; readonly received: SignalCount } {
    const total = new Exchange("");
    if (this.#others !== undefined) total.add(this.#others);
    for (const partner of this.#partners?.values() ?? []) total.add(partner);
    const { sent, received } = total;
    return { sent, received };
  }

  /** What was exchanged with the last partners, or with one; the one with the last signal first. */
  partners(nodeId?: string): PartnerReport[] {
    const all = [...this.#partners?.values() ?? []].reverse();
    const found = nodeId === undefined ? all : all.filter((one) => one.nodeId === nodeId);
    return found.map(({ nodeId, sent, received }) => ({ nodeId, sent, received }));
  }

  #with(nodeId: string): Exchange {
    const last = this.#last;
    return last !== undefined && last.nodeId === nodeId ? last : this.#switchTo(nodeId);
  }

  #switchTo(nodeId: string): Exchange {
    const partners = this.#partners ??= new Map();
    const exchange = partners.get(nodeId) ?? new Exchange(nodeId);
    partners.delete(nodeId);
    if (partners.size === MAX_PARTNERS) {
      for (const oldest of partners.values()) {
        (this.#others ??= new Exchange("")).add(oldest);
        partners.delete(oldest.nodeId);
        break;
      }
    }
    partners.set(nodeId, exchange);
    return this.#last = exchange;
  }
}
