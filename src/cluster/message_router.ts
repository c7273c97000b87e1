/**
 * Envelopes between peers of different instances. An envelope either reaches its target or its sender
 * is told that the target is not there; none is kept for later.
 */

import { type Backplane, type Envelope, type EnvelopeHeader, isSameMember } from "./backplane.ts";
import type { Peer } from "../rooms/peer.ts";
import { encode, peerNotFound, type SignalMessage } from "../protocol/messages.ts";
import type { SignalingRegistry } from "../rooms/registry.ts";
import { RemotePeer } from "./remote_peer.ts";
import type { LocalMembers } from "./local_members.ts";

/** Sends and receives the envelopes of one instance. */
export class MessageRouter {
  readonly #backplane: Backplane;
  readonly #registry: SignalingRegistry;
  readonly #localMembers: LocalMembers;

  constructor(backplane: Backplane, registry: SignalingRegistry, localMembers: LocalMembers) {
    this.#backplane = backplane;
    this.#registry = registry;
    this.#localMembers = localMembers;
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
    this.#backplane.send({
      room,
      type,
      from: sender?.id ?? "",
      sender: { instance, number: local?.number ?? 0 },
      to: target.id,
      target: target.memberId,
      text,
    }).then((isThere) => {
      if (!isThere && sender !== undefined) tellNotFound(sender, target.id);
    });
    return true;
  }

  /** Passes an envelope to its target, or reports it as undeliverable. */
  receive(envelope: Envelope): void {
    const target = this.#localMembers.find(envelope.target)?.peer;
    const room = this.#registry.get(envelope.room);
    if (target !== undefined && room?.has(target)) {
      if (envelope.type === "list") {
        target.send(envelope.text);
        return;
      }
      const sender = room.find(envelope.from);
      if (sender instanceof RemotePeer && isSameMember(sender.memberId, envelope.sender)) {
        const type = envelope.type as SignalMessage["type"];
        if (room.deliver(sender, target, type, envelope.text) !== "not found") return;
      }
    }
    if (envelope.type !== "list") this.#backplane.reportUndeliverable(envelope);
  }

  /** Tells a sender of this instance that its envelope did not arrive. */
  undeliverable({ sender, to }: EnvelopeHeader): void {
    const local = this.#localMembers.find(sender);
    if (local !== undefined) tellNotFound(local.peer, to);
  }
}

function tellNotFound(sender: Peer, to: string): void {
  sender.send(encode(peerNotFound(to)));
}
