/**
 * Keeps the rooms of this instance's peers filled with the peers elsewhere, as the backplane tells of
 * them. A room is filled while somebody of this instance is in it.
 */

import type { Backplane, MemberId, OrderedMember, RoomEvent } from "./backplane.ts";
import { closeLoser } from "../rooms/names.ts";
import type { Peer } from "../rooms/peer.ts";
import type { MessageRouter } from "./message_router.ts";
import { encode } from "../protocol/messages.ts";
import type { SignalingRegistry } from "../rooms/registry.ts";
import { RemotePeer } from "./remote_peer.ts";
import type { Room } from "../rooms/room.ts";
import { isSameMember, type LocalMember, type LocalMembers } from "./local_members.ts";

/** The peers elsewhere, in the rooms of this instance. */
export class RemoteMembers {
  readonly #backplane: Backplane;
  readonly #registry: SignalingRegistry;
  readonly #localMembers: LocalMembers;
  readonly #router: MessageRouter;
  /** When peers elsewhere were lost sight of, because the backplane or their instance failed. */
  readonly #unreachableSince = new Map<string, number>();

  constructor(
    backplane: Backplane,
    registry: SignalingRegistry,
    localMembers: LocalMembers,
    post: MessageRouter,
  ) {
    this.#backplane = backplane;
    this.#registry = registry;
    this.#localMembers = localMembers;
    this.#router = post;
  }

  /** Takes everybody elsewhere out of every room. */
  clear(now: number): void {
    for (const room of this.#registry.all()) this.#removeUnreachable(room, now, () => true);
  }

  /** Forgets who was lost sight of. */
  forget(): void {
    this.#unreachableSince.clear();
  }

  /** Takes everybody elsewhere out of a room in which nobody is, or is about to be, from here. */
  dropIfUnused(name: string): void {
    const room = this.#registry.get(name);
    if (room === undefined || room.localCount > 0 || this.#localMembers.hasMembersIn(name)) return;
    for (const peer of room.members()) this.#registry.leave(room, peer);
  }

  /** Lets whoever has the name of an entry elsewhere have it here, too, if nobody here has it now. */
  restoreConflict({ room, conflict }: LocalMember): void {
    const isFree = conflict !== undefined &&
      this.#registry.get(room)?.find(conflict.id) === undefined;
    if (isFree) this.#joined(room, conflict, 0, false);
  }

  #removeUnreachable(room: Room, now: number, isLost: (peer: RemotePeer) => boolean): void {
    for (const peer of room.members()) {
      if (!(peer instanceof RemotePeer) || !isLost(peer)) continue;
      this.#unreachableSince.set(peerKey(room.name, peer), now);
      this.#registry.leave(room, peer);
    }
  }

  /** Takes note of what has happened in a room. */
  apply(event: RoomEvent, now: number): void {
    if (event.kind === "snapshot") return this.#applySnapshot(event);
    if (event.kind === "joined") {
      this.#joined(event.room, event.member, event.rotation, event.isReclaim);
      return;
    }
    const room = this.#registry.get(event.room);
    switch (event.kind) {
      case "updated": {
        const { member } = event;
        const peer = room?.find(member.id);
        const conflict = this.#conflictOf(peer, member);
        if (conflict !== undefined) conflict.conflict = member;
        if (!(peer instanceof RemotePeer) || !isSameMember(peer.memberId, member)) return;
        peer.update(member);
        return this.#registry.update(room as Room, peer);
      }
      case "left": {
        const peer = room?.find(event.id);
        const conflict = this.#conflictOf(peer, event.memberId);
        if (conflict !== undefined) conflict.conflict = undefined;
        if (!(peer instanceof RemotePeer) || !isSameMember(peer.memberId, event.memberId)) return;
        return this.#registry.leave(room as Room, peer);
      }
      case "instance left":
        for (const peer of room?.members() ?? []) {
          const entry = this.#localMembers.ofPeer(peer);
          if (entry?.conflict?.instance === event.instance) entry.conflict = undefined;
        }
        return room &&
          this.#removeUnreachable(
            room,
            now,
            ({ memberId }) => memberId.instance === event.instance,
          );
    }
  }

  /** The entry of a peer here whose name this stay has elsewhere. */
  #conflictOf(peer: Peer | undefined, memberId: MemberId): LocalMember | undefined {
    const entry = peer && this.#localMembers.ofPeer(peer);
    return entry?.conflict !== undefined && isSameMember(entry.conflict, memberId)
      ? entry
      : undefined;
  }

  #applySnapshot(
    { room: name, members, rotation, isReclaim }: RoomEvent & { kind: "snapshot" },
  ): void {
    const memberIds = new Map(members.map((member) => [member.id, member]));
    const before = this.#registry.get(name);
    for (const peer of before?.members() ?? []) {
      const member = memberIds.get(peer.id);
      const isThere = member !== undefined && peer instanceof RemotePeer &&
        isSameMember(peer.memberId, member);
      if (!peer.isLocal && !isThere) this.#registry.leave(before as Room, peer);
    }
    for (const member of members) this.#joined(name, member, rotation, isReclaim);
    this.#registry.get(name)?.sort();
    this.dropIfUnused(name);
  }

  #joined(name: string, member: OrderedMember, rotation: number, isReclaim: boolean): void {
    if (member.instance === this.#localMembers.instance) {
      return this.#joinedHere(name, member, rotation);
    }
    const present = this.#registry.get(name)?.find(member.id);
    if (present instanceof RemotePeer && isSameMember(present.memberId, member)) {
      present.update(member);
      return this.#registry.update(this.#registry.get(name) as Room, present);
    }
    const claim = present && this.#localMembers.ofPeer(present);
    if (claim !== undefined && !claim.isClaimed) {
      claim.conflict = member; // Whose name it is will be known once the claim is answered.
      return;
    }
    const peer = new RemotePeer(member, (...envelope) => this.#router.send(name, ...envelope));
    const { room, old } = this.#registry.place(name, peer, member.joinOrder);
    if (old?.isLocal) this.#replaced(old, peer);
    this.dropIfUnused(name);
    if (isReclaim) this.#announce(room, peer);
  }

  #joinedHere(name: string, member: OrderedMember, rotation: number): void {
    const entry = this.#localMembers.find(member);
    if (entry === undefined) { // It has gone, and has yet taken the name over.
      const room = this.#registry.get(name);
      const old = room?.find(member.id);
      if (old instanceof RemotePeer) this.#registry.leave(room as Room, old);
      return this.#backplane.leave(name, member.id, member);
    }
    const { resolveJoin, peer } = entry;
    entry.isClaimed = true;
    entry.conflict = undefined;
    peer.joinOrder = member.joinOrder;
    if (resolveJoin === undefined && this.#registry.get(name)?.has(peer)) return;
    entry.resolveJoin = undefined;
    const { room, old } = this.#registry.place(name, peer, member.joinOrder);
    if (old?.isLocal) this.#replaced(old, peer);
    if (peer.isClosed) this.#registry.leave(room, peer);
    else resolveJoin?.({ room, outcome: { kind: "joined" }, rotation });
  }

  /** Another has its name: nobody has to be told that it leaves. */
  #replaced(old: Peer, newcomer: Peer): void {
    const entry = this.#localMembers.ofPeer(old);
    if (entry !== undefined) this.#localMembers.delete(entry);
    closeLoser(old, newcomer);
  }

  /**
   * Tells peers of each other of whom one came while the backplane was down: by the clients'
   * tie-break, the one with the smaller id.
   */
  #announce(room: Room, other: RemotePeer): void {
    if (other.role !== "normal") return;
    const lostAt = this.#unreachableSince.get(peerKey(room.name, other)) ?? -Infinity;
    for (const peer of room.normals()) {
      const entry = this.#localMembers.ofPeer(peer);
      if (entry === undefined || peer.id > other.id) continue;
      if (entry.joinedAt <= lostAt) continue; // They had met.
      peer.send(encode({ type: "peer-list", peers: [other.id] }));
    }
  }
}

function peerKey(room: string, { id, joinedAt }: RemotePeer): string {
  return JSON.stringify([room, id, joinedAt]);
}
