/**
 * The peers of other instances in the rooms of this one: adds and removes them as the backplane
 * reports them. A room has them only while a peer of this instance is in it or is about to join.
 */

import {
  type Backplane,
  isSameMember,
  type MemberId,
  type OrderedMember,
  type RoomEvent,
} from "./backplane.ts";
import { closeLoser } from "../rooms/names.ts";
import type { Peer } from "../rooms/peer.ts";
import type { MessageRouter } from "./message_router.ts";
import { encode } from "../protocol/messages.ts";
import type { SignalingRegistry } from "../rooms/registry.ts";
import { RemotePeer } from "./remote_peer.ts";
import type { Room } from "../rooms/room.ts";
import type { LocalMember, LocalMembers } from "./local_members.ts";

type Snapshot = RoomEvent & { kind: "snapshot" };

/** Options of {@linkcode RemoteMembers}. */
export interface RemoteMembersOptions {
  readonly backplane: Backplane;
  readonly registry: SignalingRegistry;
  readonly localMembers: LocalMembers;
  readonly router: MessageRouter;
  /** Called with a room of which the backplane has lost a member of this instance. */
  readonly onLost: (room: string) => void;
  /** Which rooms the backplane is for; all when absent. */
  readonly owns?: (room: string) => boolean;
}

/** The peers of other instances in the rooms of this one. */
export class RemoteMembers {
  readonly #backplane: Backplane;
  readonly #registry: SignalingRegistry;
  readonly #localMembers: LocalMembers;
  readonly #router: MessageRouter;
  readonly #onLost: (room: string) => void;
  readonly #owns: (room: string) => boolean;
  /** Since when peers cannot be reached, because the backplane or their instance has failed. */
  readonly #unreachableSince = new Map<string, number>();

  constructor(options: RemoteMembersOptions) {
    this.#backplane = options.backplane;
    this.#registry = options.registry;
    this.#localMembers = options.localMembers;
    this.#router = options.router;
    this.#onLost = options.onLost;
    this.#owns = options.owns ?? (() => true);
  }

  /** Removes every remote peer from these rooms, by default from every room of the backplane. */
  clear(now: number, isCleared = this.#owns): void {
    for (const room of this.#registry.all()) {
      if (isCleared(room.name)) this.#removeUnreachable(room, now, () => true);
    }
  }

  /** Forgets which peers have become unreachable. */
  forget(): void {
    this.#unreachableSince.clear();
  }

  /** Removes the remote peers of a room in which no peer of this instance is or is about to be. */
  dropIfUnused(name: string): void {
    const room = this.#registry.get(name);
    if (room === undefined || room.localCount > 0 || this.#localMembers.hasMembersIn(name)) return;
    for (const peer of room.members()) this.#registry.leave(room, peer);
  }

  /** Adds the remote member whose name a local member claimed in vain, unless the name is in use. */
  restoreConflict({ room, claim }: LocalMember): void {
    if (claim.kind !== "pending" || claim.conflict === undefined) return;
    const { conflict } = claim;
    const isFree = this.#registry.get(room)?.find(conflict.id) === undefined;
    if (isFree) this.#joined(room, conflict, 0, false);
  }

  /** Applies what has happened in a room. `now` is in milliseconds since the Unix epoch. */
  apply(event: RoomEvent, now: number): void {
    switch (event.kind) {
      case "snapshot":
        return this.#applySnapshot(event, now);
      case "joined":
        return this.#joined(event.room, event.member, event.rotation, event.isReclaim);
      case "updated":
        return this.#updated(event.room, event.member);
      case "left":
        return this.#left(event.room, event.id, event.memberId);
      case "instance left":
        return this.#instanceLeft(event.room, event.instance, now);
    }
  }

  #applySnapshot(snapshot: Snapshot, now: number): void {
    const { room: name, members, rotation, isReclaim } = snapshot;
    const byId = new Map(members.map((member) => [member.id, member]));
    const room = this.#registry.get(name);
    if (room !== undefined) {
      const isMissing = ({ id, memberId }: RemotePeer) => {
        const member = byId.get(id);
        return member === undefined || !isSameMember(memberId, member);
      };
      if (isReclaim) this.#removeUnreachable(room, now, isMissing); // They may be about to come back.
      else this.#remove(room, isMissing);
    }
    for (const member of members) this.#joined(name, member, rotation, isReclaim);
    this.#registry.get(name)?.sort();
    for (const { claim, peer } of this.#localMembers.inRoom(name)) {
      if (claim.kind === "held" && !byId.has(peer.id)) this.#onLost(name);
    }
    this.dropIfUnused(name);
  }

  #joined(name: string, member: OrderedMember, rotation: number, isReclaim: boolean): void {
    if (member.instance === this.#localMembers.instance) {
      return this.#joinedHere(name, member, rotation);
    }
    if (this.#updateRemote(name, member)) return;
    const present = this.#registry.get(name)?.find(member.id);
    const claimed = present && this.#localMembers.ofPeer(present);
    if (claimed?.claim.kind === "pending") {
      claimed.claim = { ...claimed.claim, conflict: member }; // The answer decides who has the name.
      return;
    }
    const peer = new RemotePeer(member, (...signal) => this.#router.send(name, ...signal));
    const room = this.#place(name, peer, member.joinOrder);
    this.dropIfUnused(name);
    if (isReclaim) this.#announce(room, peer);
  }

  #joinedHere(name: string, member: OrderedMember, rotation: number): void {
    const local = this.#localMembers.find(member);
    if (local === undefined) {
      // The peer disconnected while its claim was in flight, but the backplane recorded it: undo that.
      this.#removeReplaced(name, member);
      return this.#backplane.leave(name, member.id, member);
    }
    const { claim, peer } = local;
    // No event of a backplane, but perhaps of somebody else who can publish there.
    if (local.room !== name || peer.id !== member.id) return;
    const answer = claim.kind === "pending" ? claim.answer : undefined;
    local.claim = { kind: "held" };
    peer.joinOrder = member.joinOrder;
    if (answer === undefined && this.#registry.get(name)?.has(peer)) return;
    const room = this.#place(name, peer, member.joinOrder);
    if (peer.isClosed) this.#registry.leave(room, peer);
    else answer?.resolve({ room, outcome: { kind: "joined" }, rotation });
  }

  /** Removes the peer whose name was taken over by one that has disconnected since. */
  #removeReplaced(name: string, { id, role }: OrderedMember): void {
    const room = this.#registry.get(name);
    const old = room?.find(id);
    if (room === undefined || old === undefined) return;
    const local = this.#localMembers.ofPeer(old);
    if (local?.claim.kind === "pending") return; // The answer decides whether it keeps the name.
    if (local !== undefined) this.#localMembers.delete(local);
    this.#registry.leave(room, old);
    closeLoser(old, { role, consumerIdentity: "" });
    this.dropIfUnused(name);
  }

  #updated(name: string, member: OrderedMember): void {
    const local = this.#findConflict(name, member);
    if (local?.claim.kind === "pending") local.claim = { ...local.claim, conflict: member };
    this.#updateRemote(name, member);
  }

  #left(name: string, id: string, { instance, number }: MemberId): void {
    const member = { id, instance, number };
    const local = this.#findConflict(name, member);
    if (local?.claim.kind === "pending") local.claim = { ...local.claim, conflict: undefined };
    const remote = this.#findRemote(name, member);
    if (remote !== undefined) this.#registry.leave(remote.room, remote.peer);
  }

  #instanceLeft(name: string, instance: string, now: number): void {
    const room = this.#registry.get(name);
    if (room === undefined) return;
    for (const peer of room.members()) {
      const local = this.#localMembers.ofPeer(peer);
      if (local?.claim.kind !== "pending" || local.claim.conflict?.instance !== instance) continue;
      local.claim = { ...local.claim, conflict: undefined };
    }
    this.#removeUnreachable(room, now, ({ memberId }) => memberId.instance === instance);
  }

  /** Updates a remote peer; `false` when that very peer is not in the room. */
  #updateRemote(name: string, member: OrderedMember): boolean {
    const remote = this.#findRemote(name, member);
    if (remote === undefined) return false;
    remote.peer.update(member);
    this.#registry.update(remote.room, remote.peer);
    return true;
  }

  /** The remote peer that is this very member. */
  #findRemote(
    name: string,
    member: MemberId & { readonly id: string },
  ): { room: Room; peer: RemotePeer } | undefined {
    const room = this.#registry.get(name);
    const peer = room?.find(member.id);
    if (room === undefined || !(peer instanceof RemotePeer)) return undefined;
    return isSameMember(peer.memberId, member) ? { room, peer } : undefined;
  }

  /** The local member whose pending claim conflicts with this very remote member. */
  #findConflict(
    name: string,
    member: MemberId & { readonly id: string },
  ): LocalMember | undefined {
    const peer = this.#registry.get(name)?.find(member.id);
    const local = peer && this.#localMembers.ofPeer(peer);
    const conflict = local?.claim.kind === "pending" ? local.claim.conflict : undefined;
    return conflict !== undefined && isSameMember(conflict, member) ? local : undefined;
  }

  #removeUnreachable(
    room: Room,
    now: number,
    isUnreachable: (peer: RemotePeer) => boolean,
  ): void {
    for (const peer of room.members()) {
      if (!(peer instanceof RemotePeer) || !isUnreachable(peer)) continue;
      this.#unreachableSince.set(peerKey(room.name, peer), now);
    }
    this.#remove(room, isUnreachable);
  }

  #remove(room: Room, isRemoved: (peer: RemotePeer) => boolean): void {
    for (const peer of room.members()) {
      if (peer instanceof RemotePeer && isRemoved(peer)) this.#registry.leave(room, peer);
    }
  }

  /** Adds a peer in place of the local peer that had its name: the backplane knows of both. */
  #place(name: string, peer: Peer, joinOrder: number): Room {
    const old = this.#registry.get(name)?.find(peer.id);
    const replaced = old && old !== peer ? this.#localMembers.ofPeer(old) : undefined;
    if (replaced !== undefined) this.#localMembers.delete(replaced);
    return this.#registry.place(name, peer, joinOrder);
  }

  /**
   * Introduces a remote peer to the local peers that could not meet it while the backplane was down:
   * by the clients' tie-break, the one with the smaller id is told.
   */
  #announce(room: Room, other: RemotePeer): void {
    if (other.role !== "normal") return;
    const lostAt = this.#unreachableSince.get(peerKey(room.name, other)) ?? -Infinity;
    for (const peer of room.normals()) {
      const local = this.#localMembers.ofPeer(peer);
      if (local === undefined || peer.id > other.id) continue;
      if (local.joinedAt <= lostAt) continue; // They had met.
      peer.send(encode({ type: "peer-list", peers: [other.id] }));
    }
  }
}

function peerKey(room: string, { id, joinedAt }: RemotePeer): string {
  return JSON.stringify([room, id, joinedAt]);
}
