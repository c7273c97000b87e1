/**
 * A peer of another instance: what is sent to it travels over the backplane. For its room it is a peer
 * like any other.
 */

import type {
  EnvelopeHeader,
  Member,
  MemberId,
  OrderedMember,
  SummarizedMember,
} from "./backplane.ts";
import {
  DEFAULT_SERVING_STATE,
  type Peer,
  type ServingState,
  type SignalOutcome,
} from "../rooms/peer.ts";
import type { Role, SignalMessage } from "../protocol/messages.ts";

/** Sends a frame to a peer of another instance; `false` when it cannot be reached. */
export type SendToPeer = (
  target: RemotePeer,
  text: string,
  sender: Peer | undefined,
  type: EnvelopeHeader["type"],
) => boolean;

/** One membership of a peer of another instance. */
export class RemotePeer implements Peer {
  readonly id: string;
  readonly isLocal = false;
  readonly isClosed = false;
  readonly memberId: MemberId;
  readonly joinedAt: number;
  joinOrder: number;
  role: Role = "normal";
  consumerIdentity = "";
  servingState: ServingState = DEFAULT_SERVING_STATE;
  readonly #send: SendToPeer;

  constructor(member: OrderedMember, send: SendToPeer) {
    this.id = member.id;
    this.memberId = { instance: member.instance, number: member.number };
    this.joinedAt = member.joinedAt;
    this.joinOrder = member.joinOrder;
    this.#send = send;
    this.update(member);
  }

  /** Applies what its own instance reports: only that one knows whether the peer is healthy. */
  update({ role, acceptsConsumers, consumerIdentity }: Member): void {
    this.role = role;
    this.consumerIdentity = consumerIdentity;
    this.servingState = { ...DEFAULT_SERVING_STATE, serveConsumers: acceptsConsumers };
  }

  /** What a summary of the room says of it. */
  summarized(): SummarizedMember {
    const { memberId: { number }, role, joinedAt, servingState } = this;
    return { number, role, joinedAt, acceptsConsumers: servingState.serveConsumers };
  }

  send(text: string): boolean {
    return this.#send(this, text, undefined, "list");
  }

  signal(text: string, sender: Peer, type: SignalMessage["type"]): SignalOutcome {
    return this.#send(this, text, sender, type) ? "sent" : "unreachable";
  }

  /** Its own instance closes it. */
  close(): void {}
}
