/**
 * A room: the peers that may see each other, in order of joining. It decides who may join, who is
 * listed and who gets a message; it does no I/O but `peer.send` and leaves sockets, tokens and time
 * to others.
 */

import { encode, type Role, type SignalMessage } from "./protocol.ts";

/** One member of a room, wherever its socket is. */
export interface Peer {
  /** The peer's `nodeId`, unique in its room. */
  readonly id: string;
  /** What the peer joined as. */
  readonly role: Role;
  /** Hands a frame to the peer; `false` when it can no longer be reached. */
  send(text: string): boolean;
  /** Ends the peer's connection because another one took its place. */
  replace(): void;
}

/** What came of an attempt to join. */
export type JoinOutcome =
  | { readonly kind: "joined" }
  | { readonly kind: "replaced"; readonly old: Peer }
  | { readonly kind: "taken" };

/** What came of a message: it was handed over, or nobody there may be signaled by that name. */
export type RelayOutcome = "sent" | "not found";

/** The peers of one room. */
export class Room {
  /** The room's name, unique in its registry. */
  readonly name: string;
  readonly #peers = new Map<string, Peer>();

  constructor(name: string) {
    this.name = name;
  }

  /** How many peers are in the room. */
  get size(): number {
    return this.#peers.size;
  }

  /**
   * Adds a peer. One of the same role that holds the name gives way, and the newcomer keeps its
   * place in the order; one of the other role does not.
   */
  join(peer: Peer): JoinOutcome {
    const old = this.#peers.get(peer.id);
    if (old !== undefined && old.role !== peer.role) return { kind: "taken" };
    this.#peers.set(peer.id, peer);
    return old === undefined ? { kind: "joined" } : { kind: "replaced", old };
  }

  /** Removes this very peer; one that has been replaced meanwhile removes nobody. */
  leave(peer: Peer): boolean {
    return this.#peers.get(peer.id) === peer && this.#peers.delete(peer.id);
  }

  /** Hands a message to the peer it names, stamped with who really sent it. */
  relay(sender: Peer, message: SignalMessage): RelayOutcome {
    const target = this.#peers.get(message.to);
    if (target === undefined) return "not found";
    if (target.role === "consumer" && sender.role === "consumer") return "not found";
    message.from = sender.id;
    message.fromRole = sender.role;
    return target.send(encode(message)) ? "sent" : "not found";
  }

  /** The other normal peers, in order of joining. */
  normalsBeside(peer: Peer): string[] {
    const ids: string[] = [];
    for (const other of this.#peers.values()) {
      if (other.role === "normal" && other !== peer) ids.push(other.id);
    }
    return ids;
  }
}
