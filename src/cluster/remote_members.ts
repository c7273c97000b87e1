/**
 * Keeps the rooms of this instance's peers filled with the peers elsewhere, as the backplane tells of
 * them. A room is filled while somebody of this instance is in it.
 */

import type { Backplane, RoomEvent, SeatedMember, Stay } from "./backplane.ts";
import type { Peer } from "../rooms/peer.ts";
import type { PostOffice } from "./message_router.ts";
import { encode } from "../protocol/messages.ts";
import type { SignalingRegistry } from "../rooms/registry.ts";
import { RemotePeer } from "./remote_peer.ts";
import type { Room } from "../rooms/room.ts";
import { type Entry, isSameStay, type Roster } from "./local_members.ts";

/** The peers elsewhere, in the rooms of this instance. */
export class Replicas {
  readonly #backplane: Backplane;
  readonly #registry: SignalingRegistry;
  readonly #roster: Roster;
  readonly #post: PostOffice;
  /** When peers elsewhere were lost sight of, because the backplane or their instance failed. */
  readonly #lostAt = new Map<string, number>();

  constructor(
    backplane: Backplane,
    registry: SignalingRegistry,
    roster: Roster,
    post: PostOffice,
  ) {
    this.#backplane = backplane;
    this.#registry = registry;
    this.#roster = roster;
    this.#post = post;
  }

  /** Takes everybody elsewhere out of every room. */
  clear(now: number): void {
    for (const room of this.#registry.all()) this.#lose(room, now, () => true);
  }

  /** Forgets who was lost sight of. */
  forget(): void {
    this.#lostAt.clear();
  }

  /** Takes everybody elsewhere out of a room in which nobody is, or is about to be, from here. */
  dropIfUnused(name: string): void {
    const room = this.#registry.get(name);
    if (room === undefined || room.locals > 0 || this.#roster.isConcernedWith(name)) return;
    for (const peer of room.members()) this.#registry.leave(room, peer);
  }

  /** Lets whoever has the name of an entry elsewhere have it here, too, if nobody here has it now. */
  giveWay({ room, rival }: Entry): void {
    const isFree = rival !== undefined && this.#registry.get(room)?.find(rival.id) === undefined;
    if (isFree) this.#joined(room, rival, 0, false);
  }

  #lose(room: Room, now: number, isLost: (peer: RemotePeer) => boolean): void {
    for (const peer of room.members()) {
      if (!(peer instanceof RemotePeer) || !isLost(peer)) continue;
      this.#lostAt.set(acquaintance(room.name, peer), now);
      this.#registry.leave(room, peer);
    }
  }

  /** Takes note of what has happened in a room. */
  apply(event: RoomEvent, now: number): void {
    if (event.type === "room") return this.#learn(event);
    if (event.type === "joined") {
      this.#joined(event.room, event.member, event.turn, event.isReturning);
      return;
    }
    const room = this.#registry.get(event.room);
    switch (event.type) {
      case "updated": {
        const { member } = event;
        const peer = room?.find(member.id);
        const rival = this.#rivalOf(peer, member);
        if (rival !== undefined) rival.rival = member;
        if (!(peer instanceof RemotePeer) || !isSameStay(peer.stay, member)) return;
        peer.become(member);
        return this.#registry.update(room as Room, peer);
      }
      case "left": {
        const peer = room?.find(event.id);
        const rival = this.#rivalOf(peer, event.stay);
        if (rival !== undefined) rival.rival = undefined;
        if (!(peer instanceof RemotePeer) || !isSameStay(peer.stay, event.stay)) return;
        return this.#registry.leave(room as Room, peer);
      }
      case "instance left":
        for (const peer of room?.members() ?? []) {
          const entry = this.#roster.of(peer);
          if (entry?.rival?.instance === event.instance) entry.rival = undefined;
        }
        return room && this.#lose(room, now, ({ stay }) => stay.instance === event.instance);
    }
  }

  /** The entry of a peer here whose name this stay has elsewhere. */
  #rivalOf(peer: Peer | undefined, stay: Stay): Entry | undefined {
    const entry = peer && this.#roster.of(peer);
    return entry?.rival !== undefined && isSameStay(entry.rival, stay) ? entry : undefined;
  }

  #learn({ room: name, members, turn, isReturning }: RoomEvent & { type: "room" }): void {
    const stays = new Map(members.map((member) => [member.id, member]));
    const before = this.#registry.get(name);
    for (const peer of before?.members() ?? []) {
      const member = stays.get(peer.id);
      const isThere = member !== undefined && peer instanceof RemotePeer &&
        isSameStay(peer.stay, member);
      if (!peer.isLocal && !isThere) this.#registry.leave(before as Room, peer);
    }
    for (const member of members) this.#joined(name, member, turn, isReturning);
    this.#registry.get(name)?.sort();
    this.dropIfUnused(name);
  }

  #joined(name: string, member: SeatedMember, turn: number, isReturning: boolean): void {
    if (member.instance === this.#roster.instance) return this.#joinedHere(name, member, turn);
    const present = this.#registry.get(name)?.find(member.id);
    if (present instanceof RemotePeer && isSameStay(present.stay, member)) {
      present.become(member);
      return this.#registry.update(this.#registry.get(name) as Room, present);
    }
    const claim = present && this.#roster.of(present);
    if (claim !== undefined && !claim.isClaimed) {
      claim.rival = member; // Whose name it is will be known once the claim is answered.
      return;
    }
    const peer = new RemotePeer(member, (...letter) => this.#post.send(name, ...letter));
    const { room, old } = this.#registry.admit(name, peer, member.seat);
    if (old?.isLocal) this.#replaced(old);
    this.dropIfUnused(name);
    if (isReturning) this.#introduce(room, peer);
  }

  #joinedHere(name: string, member: SeatedMember, turn: number): void {
    const entry = this.#roster.at(member);
    if (entry === undefined) { // It has gone, and has yet taken the name over.
      const room = this.#registry.get(name);
      const old = room?.find(member.id);
      if (old instanceof RemotePeer) this.#registry.leave(room as Room, old);
      return this.#backplane.leave(name, member.id, member);
    }
    const { settle, peer } = entry;
    entry.isClaimed = true;
    entry.rival = undefined;
    peer.seat = member.seat;
    if (settle === undefined && this.#registry.get(name)?.has(peer)) return;
    entry.settle = undefined;
    const { room, old } = this.#registry.admit(name, peer, member.seat);
    if (old?.isLocal) this.#replaced(old);
    if (peer.isGone) this.#registry.leave(room, peer);
    else settle?.({ room, outcome: { kind: "joined" }, turn });
  }

  /** Another has its name: nobody has to be told that it leaves. */
  #replaced(old: Peer): void {
    const entry = this.#roster.of(old);
    if (entry !== undefined) this.#roster.delete(entry);
    old.replace();
  }

  /**
   * Tells peers of each other of whom one came while the backplane was down: by the clients'
   * tie-break, the one with the smaller id.
   */
  #introduce(room: Room, other: RemotePeer): void {
    if (other.role !== "normal") return;
    const lostAt = this.#lostAt.get(acquaintance(room.name, other)) ?? -Infinity;
    for (const peer of room.normals()) {
      const entry = this.#roster.of(peer);
      if (entry === undefined || peer.id > other.id) continue;
      if (entry.joinedAt <= lostAt) continue; // They had met.
      peer.send(encode({ type: "peer-list", peers: [other.id] }));
    }
  }
}

function acquaintance(room: string, { id, joinedAt }: RemotePeer): string {
  return JSON.stringify([room, id, joinedAt]);
}
