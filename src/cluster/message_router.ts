/**
 * Envelopes between peers of different instances. An envelope either reaches its target or its sender
 * is told that the target is not there; none is kept for later.
 */

import {
  type Backplane,
  type Envelope,
  type EnvelopeHeader,
  isSameMember,
  type SendOutcome,
  type UndeliverableReason,
} from "./backplane.ts";
import type { Peer } from "../rooms/peer.ts";
import { encode, peerBusy, peerNotFound } from "../protocol/messages.ts";
import { Metrics } from "../metrics/metrics.ts";
import { failureFields, type Logger } from "../runtime/logger.ts";
import type { SignalingRegistry } from "../rooms/registry.ts";
import { RemotePeer } from "./remote_peer.ts";
import type { LocalMembers } from "./local_members.ts";

/** Options of {@linkcode MessageRouter}. */
export interface MessageRouterOptions {
  readonly backplane: Backplane;
  readonly registry: SignalingRegistry;
  readonly localMembers: LocalMembers;
  readonly logger: Logger;
  /** Where is counted what has arrived; nowhere that matters when absent. */
  readonly metrics?: Metrics;
}

/** Sends and receives the envelopes of one instance. */
export class MessageRouter {
  readonly #backplane: Backplane;
  readonly #registry: SignalingRegistry;
  readonly #localMembers: LocalMembers;
  readonly #logger: Logger;
  readonly #letters: Metrics["letters"];

  constructor(
    { backplane, registry, localMembers, logger, metrics = new Metrics() }: MessageRouterOptions,
  ) {
    this.#letters = metrics.letters;
    this.#backplane = backplane;
    this.#registry = registry;
    this.#localMembers = localMembers;
    this.#logger = logger;
  }

  /** Sends a frame to a peer of another instance; `false` when that is known not to work. */
  send(
    room: string,
    target: RemotePeer,
    text: string,
    sender: Peer | undefined,
    type: Envelope["type"],
  ): boolean {
    const local = sender && this.#localMembers.ofPeer(sender);
    const { instance } = this.#localMembers;
    if (instance === undefined || (sender !== undefined && local === undefined)) return false;
    this.#send({
      room,
      type,
      from: sender?.id ?? "",
      sender: { instance, number: local?.number ?? 0 },
      to: target.id,
      target: target.memberId,
      text,
    }, sender);
    return true;
  }

  /** Sends an envelope. A backplane that rejects or throws has not reached the target. */
  async #send(envelope: Envelope, sender: Peer | undefined): Promise<void> {
    let outcome: SendOutcome;
    try {
      outcome = await this.#backplane.send(envelope);
    } catch (cause) {
      this.#logger.debug("The backplane failed to send", failureFields(cause));
      outcome = "not found";
    }
    if (outcome !== "sent" && sender !== undefined) report(sender, envelope.to, outcome);
  }

  /** Passes an envelope to its target, or reports it as undeliverable. */
  receive(envelope: Envelope): void {
    const target = this.#localMembers.find(envelope.target)?.peer;
    const room = this.#registry.get(envelope.room);
    if (target === undefined || room === undefined || !room.has(target)) {
      return this.#reportUndeliverable(envelope, "not found");
    }
    const { type, text } = envelope;
    if (type === "list") {
      target.send(text);
      return;
    }
    const sender = room.find(envelope.from);
    if (!(sender instanceof RemotePeer) || !isSameMember(sender.memberId, envelope.sender)) {
      return this.#reportUndeliverable(envelope, "not found");
    }
    const outcome = room.deliver(sender, target, type, text);
    if (outcome === "sent") this.#letters.delivered++;
    if (outcome === "duplicate") this.#letters.duplicate++;
    if (outcome === "busy" || outcome === "not found") this.#reportUndeliverable(envelope, outcome);
  }

  /** Tells a sender of this instance that its envelope did not arrive. */
  undeliverable({ room, from, sender, to }: EnvelopeHeader, reason: UndeliverableReason): void {
    const local = this.#localMembers.find(sender);
    if (local?.room === room && local.peer.id === from) report(local.peer, to, reason);
  }

  #reportUndeliverable({ text: _, ...header }: Envelope, reason: UndeliverableReason): void {
    if (header.type === "list") return;
    this.#letters[reason === "busy" ? "busy" : "not_found"]++;
    this.#backplane.reportUndeliverable(header, reason);
  }
}

function report(sender: Peer, to: string, reason: UndeliverableReason): void {
  sender.send(encode(reason === "busy" ? peerBusy(to) : peerNotFound(to)));
}
