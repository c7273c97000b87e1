/**
 * Letters between peers of different instances. A letter either reaches its target or its sender is
 * told that nobody is there; it is never kept for later.
 */

import type { Backplane, Envelope, EnvelopeHeader } from "./backplane.ts";
import type { Peer } from "../rooms/peer.ts";
import { encode, peerNotFound, type SignalMessage } from "../protocol/messages.ts";
import type { SignalingRegistry } from "../rooms/registry.ts";
import { RemotePeer } from "./remote_peer.ts";
import { isSameMember, type LocalMembers } from "./local_members.ts";

/** Sends and receives the letters of one instance. */
export class MessageRouter {
  readonly #backplane: Backplane;
  readonly #registry: SignalingRegistry;
  readonly #localMembers: LocalMembers;

  constructor(backplane: Backplane, registry: SignalingRegistry, localMembers: LocalMembers) {
    this.#backplane = backplane;
    this.#registry = registry;
    this.#localMembers = localMembers;
  }

  /** Sends a frame to a peer elsewhere; `false` when that is known not to work. */
  send(
    room: string,
    target: RemotePeer,
    text: string,
    sender: Peer | undefined,
    type: Envelope["type"],
  ): boolean {
    const entry = sender && this.#localMembers.ofPeer(sender);
    const { instance } = this.#localMembers;
    if (instance === undefined || (sender !== undefined && entry === undefined)) return false;
    this.#backplane.send({
      room,
      type,
      from: sender?.id ?? "",
      sender: { instance, number: entry?.number ?? 0 },
      to: target.id,
      target: target.memberId,
      text,
    }).then((isThere) => {
      if (!isThere && sender !== undefined) tellNotFound(sender, target.id);
    });
    return true;
  }

  /** Hands a letter to its target, or gives it back. */
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

  /** Tells a sender here that its letter did not arrive. */
  undeliverable({ sender, to }: EnvelopeHeader): void {
    const entry = this.#localMembers.find(sender);
    if (entry !== undefined) tellNotFound(entry.peer, to);
  }
}

function tellNotFound(sender: Peer, to: string): void {
  sender.send(encode(peerNotFound(to)));
}
