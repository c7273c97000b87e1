/**
 * A room: the peers that may see each other, in order of joining. It decides who may join, who is
 * listed and who gets a message; it does no I/O but `peer.send` and leaves sockets, tokens and time
 * to others.
 */

import type { Negotiations } from "./negotiations.ts";
import type { Peer } from "./peer.ts";
import { encode, type SignalMessage } from "./protocol.ts";

/** What came of an attempt to join. */
export type JoinOutcome =
  | { readonly kind: "joined" }
  | { readonly kind: "replaced"; readonly old: Peer }
  | { readonly kind: "taken" }
  | { readonly kind: "full" };

/**
 * What came of a message: it was handed over, there is nobody by that name whom the sender may
 * signal, or it was an answer too many.
 */
export type RelayOutcome = "sent" | "not found" | "duplicate";

/** The peers of one room. */
export class Room {
  /** The room's name, unique in its registry. */
  readonly name: string;
  readonly #negotiations: Negotiations;
  readonly #maxPeers: number;
  /** By id, in order of joining. */
  readonly #peers = new Map<string, Peer>();
  #nextSeat = 0;

  constructor(name: string, negotiations: Negotiations, maxPeers: number) {
    this.#maxPeers = maxPeers;
    this.name = name;
    this.#negotiations = negotiations;
  }

  /** How many peers are in the room. */
  get size(): number {
    return this.#peers.size;
  }

  /** Whether this very peer is in the room. */
  has(peer: Peer): boolean {
    return this.#peers.get(peer.id) === peer;
  }

  /**
   * Adds a peer. One of the same role that holds the name gives way, and the newcomer keeps its
   * place in the order; one of the other role does not.
   */
  join(peer: Peer): JoinOutcome {
    const old = this.#peers.get(peer.id);
    if (old !== undefined && old.role !== peer.role) return { kind: "taken" };
    if (old === undefined && this.#peers.size >= this.#maxPeers) return { kind: "full" };
    peer.seat = old?.seat ?? this.#nextSeat++;
    this.#peers.set(peer.id, peer);
    return old === undefined ? { kind: "joined" } : { kind: "replaced", old };
  }

  /** Removes this very peer; one that has been replaced meanwhile removes nobody. */
  leave(peer: Peer): boolean {
    return this.has(peer) && this.#peers.delete(peer.id);
  }

  /** Hands a message to the peer it names, stamped with who really sent it. */
  relay(sender: Peer, message: SignalMessage): RelayOutcome {
    const target = this.#peers.get(message.to);
    if (target === undefined) return "not found";
    if (target.role === "consumer" && sender.role === "consumer") return "not found";
    if (!this.#negotiations.allows(this, sender, target, message.type)) return "duplicate";
    message.from = sender.id;
    message.fromRole = sender.role;
    return target.send(encode(message)) ? "sent" : "not found";
  }

  /** The normal peers, in order of joining. */
  normals(): Peer[] {
    return [...this.#peers.values().filter(({ role }) => role === "normal")];
  }

  /** The ids of the other normal peers, in order of joining. */
  normalsBeside(peer: Peer): string[] {
    const ids: string[] = [];
    for (const other of this.#peers.values()) {
      if (other.role === "normal" && other !== peer) ids.push(other.id);
    }
    return ids;
  }
}
