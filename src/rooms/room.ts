/**
 * A room: the peers that may see each other, in order of joining. It decides which peers may join,
 * which are listed and which get a signal. Its only I/O is `peer.signal`; it leaves sockets, tokens
 * and time to others.
 */

import { countsOf, Metrics, type SignalCounts } from "../metrics/metrics.ts";
import type { Negotiations } from "./negotiations.ts";
import { type JoinRefusal, mayTakeOver } from "./names.ts";
import type { Peer } from "./peer.ts";
import type { SignalMessage } from "../protocol/messages.ts";
import { withSender } from "../protocol/with_sender.ts";

/** What came of an attempt to join. */
export type JoinOutcome =
  | { readonly kind: "joined" }
  | { readonly kind: "replaced"; readonly old: Peer }
  | { readonly kind: JoinRefusal };

/** How many peers a room may have; `Infinity` is no limit. */
export interface RoomLimits {
  /** Normal peers. */
  readonly maxPeersPerRoom: number;
  /** Consumers. */
  readonly maxConsumersPerRoom: number;
  /** Consumers of one identity, where it is known. */
  readonly maxConsumersPerIdentity: number;
}

/**
 * What came of a signal: it was sent; it was dropped because too much of its sender still waits for
 * its target; the room has no peer of that id which the sender may signal; or it was a second answer to
 * one offer, which is dropped without an error.
 */
export type RelayOutcome = "sent" | "busy" | "not found" | "duplicate";

/** What the limits of a room count. */
export type LimitedMember = Pick<Peer, "id" | "role" | "consumerIdentity">;

/** Options of {@linkcode Room}. */
export interface RoomOptions {
  /** The offers and answers of all rooms. */
  readonly negotiations: Negotiations;
  readonly limits: RoomLimits;
  /** Where signals are counted; nowhere that matters when absent. */
  readonly signals?: SignalCounts;
}

/** The peers of one room. */
export class Room {
  /** The room's name, unique in its registry. */
  readonly name: string;
  readonly #negotiations: Negotiations;
  readonly #limits: RoomLimits;
  readonly #signals: SignalCounts;
  /** By id, in order of joining. */
  readonly #peers = new Map<string, Peer>();
  /** The normal peers, until one joins or leaves or changes its role. */
  #normals: readonly Peer[] | undefined;
  #nextJoinOrder = 0;
  #localCount = 0;

  constructor(name: string, { negotiations, limits, signals }: RoomOptions) {
    this.#limits = limits;
    this.name = name;
    this.#negotiations = negotiations;
    this.#signals = signals ?? new Metrics().signals;
  }

  /** The number of peers in the room. */
  get size(): number {
    return this.#peers.size;
  }

  /** The number of peers in the room that are connected to this instance. */
  get localCount(): number {
    return this.#localCount;
  }

  /** The peer with this id. */
  find(id: string): Peer | undefined {
    return this.#peers.get(id);
  }

  /** All peers, in order of joining. */
  members(): Peer[] {
    return [...this.#peers.values()];
  }

  /** Whether this peer is in the room, and not another one with its id. */
  has(peer: Peer): boolean {
    return this.#peers.get(peer.id) === peer;
  }

  /**
   * Adds a peer. Where its id is in use, `mayTakeOver` decides which peer keeps it. A newcomer that
   * takes it over gets the place in the order as well, and the registry closes the old peer.
   */
  join(peer: Peer): JoinOutcome {
    const old = this.#peers.get(peer.id);
    if (old !== undefined && !mayTakeOver(peer, old)) return { kind: "idInUse" };
    const limit = this.exceededLimit(peer);
    if (limit !== undefined) return { kind: limit };
    this.place(peer, old?.joinOrder ?? this.#nextJoinOrder);
    return old === undefined ? { kind: "joined" } : { kind: "replaced", old };
  }

  /** The limit that the room would exceed if this peer took the place of the one with its id. */
  exceededLimit(peer: Peer): "full" | "identityFull" | undefined {
    return exceededLimit(this.#peers, peer, this.#limits);
  }

  /** Adds a peer at this place in the order; returns the peer that had its id. */
  place(peer: Peer, joinOrder: number): Peer | undefined {
    const old = this.#peers.get(peer.id);
    peer.joinOrder = joinOrder;
    this.#nextJoinOrder = Math.max(this.#nextJoinOrder, joinOrder + 1);
    this.#peers.set(peer.id, peer);
    this.#normals = undefined;
    this.#localCount += Number(peer.isLocal) - Number(old?.isLocal ?? false);
    return old;
  }

  /** Removes a peer; `false` if it is not in the room, or was replaced by another with its id. */
  leave(peer: Peer): boolean {
    if (!this.has(peer)) return false;
    this.#localCount -= Number(peer.isLocal);
    this.#normals = undefined;
    return this.#peers.delete(peer.id);
  }

  /** Sorts the peers by their join order. */
  sort(): void {
    const peers = this.members().sort((a, b) => a.joinOrder - b.joinOrder);
    this.#peers.clear();
    for (const peer of peers) this.#peers.set(peer.id, peer);
    this.#normals = undefined;
  }

  /** Has to be called when a peer of the room has changed its role. */
  onRoleChange(): void {
    this.#normals = undefined;
  }

  /**
   * Relays a signal to the peer that it names. `text` is what the message was parsed from; in what the
   * target gets, `from` and `fromRole` are those of `sender`, whatever the text contains.
   */
  relay(sender: Peer, message: SignalMessage, text: string): RelayOutcome {
    const target = this.#peers.get(message.to);
    const counts = countsOf(this.#signals, message.type);
    if (target === undefined || target.role === "consumer" && sender.role === "consumer") {
      counts.not_found++;
      return "not found";
    }
    if (!this.#negotiations.onSignal(sender, target, message.type)) {
      counts.duplicate++;
      return "duplicate";
    }
    const stamped = withSender(text, sender.id, sender.role);
    const outcome = this.#hand(target, stamped, sender, message.type);
    if (outcome === "busy") counts.busy++;
    else if (outcome !== "sent") counts.not_found++;
    else if (target.isLocal) counts.local++;
    else counts.remote++;
    return outcome;
  }

  /** Sends a frame that a peer of another instance has relayed, by the same rules. */
  deliver(sender: Peer, target: Peer, type: SignalMessage["type"], text: string): RelayOutcome {
    if (target.role === "consumer" && sender.role === "consumer") return "not found";
    if (!this.#negotiations.onSignal(sender, target, type)) return "duplicate";
    return this.#hand(target, text, sender, type);
  }

  #hand(target: Peer, text: string, sender: Peer, type: SignalMessage["type"]): RelayOutcome {
    const outcome = target.signal(text, sender, type);
    if (outcome === "busy" && type === "answer") this.#negotiations.onAnswerDropped(sender, target);
    return outcome === "unreachable" ? "not found" : outcome;
  }

  /** The normal peers, in order of joining. */
  normals(): readonly Peer[] {
    return this.#normals ??= [...this.#peers.values().filter(({ role }) => role === "normal")];
  }

  /** The ids of the other normal peers, in order of joining. */
  otherNormalIds(peer: Peer): string[] {
    const ids: string[] = [];
    for (const other of this.#peers.values()) {
      if (other.role === "normal" && other !== peer) ids.push(other.id);
    }
    return ids;
  }
}

/**
 * The limit that a room would exceed if a newcomer took the place of the member with its id.
 *
 * @param members The members of the room, by id.
 */
export function exceededLimit(
  members: ReadonlyMap<string, LimitedMember>,
  { id, role, consumerIdentity }: LimitedMember,
  { maxPeersPerRoom, maxConsumersPerRoom, maxConsumersPerIdentity }: RoomLimits,
): "full" | "identityFull" | undefined {
  const maxPeers = role === "normal" ? maxPeersPerRoom : maxConsumersPerRoom;
  const maxOfIdentity = role === "normal" ? Infinity : maxConsumersPerIdentity;
  // Most rooms have fewer members than any limit: none has to be counted.
  if (members.size < Math.min(maxPeers, maxOfIdentity)) return undefined;
  const isIdentified = consumerIdentity !== "";
  let peers = 0;
  let ofIdentity = 0;
  for (const other of members.values()) {
    if (other.role !== role || other.id === id) continue;
    peers++;
    if (isIdentified && other.consumerIdentity === consumerIdentity) ofIdentity++;
  }
  if (peers >= maxPeers) return "full";
  return ofIdentity >= maxOfIdentity ? "identityFull" : undefined;
}
