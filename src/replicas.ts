/**
 * Keeps the rooms of this instance's peers filled with the peers elsewhere, as the backplane tells of
 * them. A room is filled while somebody of this instance is in it.
 */

import type { Backplane, RoomEvent, SeatedMember } from "./backplane.ts";
import type { Peer } from "./peer.ts";
import type { PostOffice } from "./post_office.ts";
import { encode } from "./protocol.ts";
import type { SignalingRegistry } from "./registry.ts";
import { RemotePeer } from "./remote_peer.ts";
import type { Room } from "./room.ts";
import { isSameStay, type Roster } from "./roster.ts";

/** The peers elsewhere, in the rooms of this instance. */
export class Replicas {
  readonly #backplane: Backplane;
  readonly #registry: SignalingRegistry;
  readonly #roster: Roster;
  readonly #post: PostOffice;
  /** Rooms that are known as a whole. */
  readonly #known = new Set<string>();
  /** Peers elsewhere that were known when the backplane failed, and when that was. */
  #met = new Set<string>();
  #failedAt = 0;

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

  /** Whether everybody in this room is known. */
  isKnown(room: string): boolean {
    return this.#known.has(room);
  }

  /** Takes everybody elsewhere out of every room. */
  clear(now: number): void {
    this.#known.clear();
    this.#met = new Set();
    this.#failedAt = now;
    for (const room of this.#registry.all()) {
      for (const peer of room.members()) {
        if (peer instanceof RemotePeer) this.#met.add(acquaintance(room.name, peer));
      }
      this.drop(room);
    }
  }

  /** Forgets who had met before the backplane failed. */
  forgetMeetings(): void {
    this.#met.clear();
  }

  /** Takes everybody elsewhere out of a room. */
  drop(room: Room): void {
    this.#known.delete(room.name);
    for (const peer of room.members()) if (!peer.isLocal) this.#registry.leave(room, peer);
  }

  /** Takes note of what has happened in a room; the room has to be known, or become so. */
  apply(event: RoomEvent): void {
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
        if (!(peer instanceof RemotePeer) || !isSameStay(peer.stay, member)) return;
        peer.become(member);
        return this.#registry.update(room as Room, peer);
      }
      case "left": {
        const peer = room?.find(event.id);
        if (!(peer instanceof RemotePeer) || !isSameStay(peer.stay, event.stay)) return;
        return this.#registry.leave(room as Room, peer);
      }
      case "instance left":
        for (const peer of room?.members() ?? []) {
          const isThere = peer instanceof RemotePeer && peer.stay.instance === event.instance;
          if (isThere) this.#registry.leave(room as Room, peer);
        }
    }
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
    this.#known.add(name);
    for (const member of members) this.#joined(name, member, turn, isReturning);
    const room = this.#registry.get(name);
    if (room === undefined) this.#known.delete(name);
    else if (room.locals === 0) this.drop(room);
    else room.sort();
  }

  #joined(name: string, member: SeatedMember, turn: number, isReturning: boolean): void {
    if (member.instance === this.#roster.instance) return this.#joinedHere(name, member, turn);
    const present = this.#registry.get(name)?.find(member.id);
    if (present instanceof RemotePeer && isSameStay(present.stay, member)) return;
    const peer = new RemotePeer(member, (...letter) => this.#post.send(name, ...letter));
    const { room, old } = this.#registry.admit(name, peer, member.seat);
    if (old?.isLocal) this.#replaced(old);
    if (isReturning) this.#introduce(room, peer);
  }

  #joinedHere(name: string, member: SeatedMember, turn: number): void {
    const entry = this.#roster.at(member);
    if (entry === undefined) return;
    const { settle, peer } = entry;
    peer.seat = member.seat;
    if (settle === undefined) return;
    entry.settle = undefined;
    if (peer.isGone) {
      this.#roster.delete(entry);
      return this.#backplane.leave(name, peer.id, this.#roster.stay(entry));
    }
    const { room, old } = this.#registry.admit(name, peer, member.seat);
    if (old?.isLocal) this.#replaced(old);
    settle({ room, outcome: { kind: "joined" }, turn });
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
    const hadMet = this.#met.has(acquaintance(room.name, other));
    for (const peer of room.normals()) {
      const entry = this.#roster.of(peer);
      if (entry === undefined || peer.id > other.id) continue;
      if (hadMet && entry.joinedAt <= this.#failedAt) continue;
      peer.send(encode({ type: "peer-list", peers: [other.id] }));
    }
  }
}

function acquaintance(room: string, { id, joinedAt }: RemotePeer): string {
  return JSON.stringify([room, id, joinedAt]);
}
