/**
 * Letters between peers of different instances. A letter either reaches its target or its sender is
 * told that nobody is there; it is never kept for later.
 */

import type { Backplane, Envelope, Letter } from "./backplane.ts";
import type { Peer } from "../rooms/peer.ts";
import { encode, peerNotFound, type SignalMessage } from "../protocol/messages.ts";
import type { SignalingRegistry } from "../rooms/registry.ts";
import { RemotePeer } from "./remote_peer.ts";
import { isSameStay, type Roster } from "./local_members.ts";

/** Sends and receives the letters of one instance. */
export class PostOffice {
  readonly #backplane: Backplane;
  readonly #registry: SignalingRegistry;
  readonly #roster: Roster;

  constructor(backplane: Backplane, registry: SignalingRegistry, roster: Roster) {
    this.#backplane = backplane;
    this.#registry = registry;
    this.#roster = roster;
  }

  /** Sends a frame to a peer elsewhere; `false` when that is known not to work. */
  send(
    room: string,
    target: RemotePeer,
    text: string,
    sender: Peer | undefined,
    type: Letter["type"],
  ): boolean {
    const entry = sender && this.#roster.of(sender);
    const { instance } = this.#roster;
    if (instance === undefined || (sender !== undefined && entry === undefined)) return false;
    this.#backplane.send({
      room,
      type,
      from: sender?.id ?? "",
      sender: { instance, number: entry?.number ?? 0 },
      to: target.id,
      target: target.stay,
      text,
    }).then((isThere) => {
      if (!isThere && sender !== undefined) tellNotFound(sender, target.id);
    });
    return true;
  }

  /** Hands a letter to its target, or gives it back. */
  receive(letter: Letter): void {
    const target = this.#roster.at(letter.target)?.peer;
    const room = this.#registry.get(letter.room);
    if (target !== undefined && room?.has(target)) {
      if (letter.type === "list") {
        target.send(letter.text);
        return;
      }
      const sender = room.find(letter.from);
      if (sender instanceof RemotePeer && isSameStay(sender.stay, letter.sender)) {
        const type = letter.type as SignalMessage["type"];
        if (room.deliver(sender, target, type, letter.text) !== "not found") return;
      }
    }
    if (letter.type !== "list") this.#backplane.giveBack(letter);
  }

  /** Tells a sender here that its letter did not arrive. */
  returned({ sender, to }: Envelope): void {
    const entry = this.#roster.at(sender);
    if (entry !== undefined) tellNotFound(entry.peer, to);
  }
}

function tellNotFound(sender: Peer, to: string): void {
  sender.send(encode(peerNotFound(to)));
}
