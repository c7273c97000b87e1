/**
 * The rooms of the in-memory backplane: the members of each, and what every change publishes. When an
 * instance receives what was published is left to its connection.
 */

import {
  type AuditReply,
  type BackplaneListener,
  isSameMember,
  type JoinOptions,
  type JoinReply,
  type Member,
  type MemberId,
  type OrderedMember,
  type RoomEvent,
  type RoomView,
  summarize,
} from "./backplane.ts";
import { mayTakeOver } from "../rooms/names.ts";
import { exceededLimit } from "../rooms/room.ts";
import { Takeovers } from "../rooms/takeovers.ts";
import type { Clock } from "../runtime/clock.ts";

/** A room, with how many members each instance has in it. */
interface MemoryRoom {
  readonly members: Map<string, OrderedMember>;
  readonly countByInstance: Map<string, number>;
  nextJoinOrder: number;
  rotation: number;
}

/** What receives events for one instance. */
interface Receiver {
  /** Calls the listener later, in order and never within a call of its own. */
  receive(act: (listener: BackplaneListener) => void): void;
}

/** The rooms of one server, and the connections of its instances. */
export class MemoryRooms<Connection extends Receiver> {
  readonly connections = new Map<string, Connection>();
  readonly #rooms = new Map<string, MemoryRoom>();
  readonly #roomsByInstance = new Map<string, Set<string>>();
  readonly #takeovers: Takeovers;
  #lastInstance = 0;

  constructor(clock: Clock) {
    this.#takeovers = new Takeovers(clock);
  }

  /** How many rooms have a member. */
  get size(): number {
    return this.#rooms.size;
  }

  /** Adds an instance and returns its name. */
  add(connection: Connection): string {
    const instance = `m${++this.#lastInstance}`;
    this.connections.set(instance, connection);
    return instance;
  }

  /** Removes an instance from every room. */
  remove(instance: string): void {
    if (!this.connections.delete(instance)) return;
    for (const name of this.#roomsByInstance.get(instance) ?? []) {
      const room = this.#rooms.get(name);
      if (room === undefined) continue;
      for (const member of room.members.values()) {
        if (member.instance === instance) room.members.delete(member.id);
      }
      room.countByInstance.delete(instance);
      if (room.members.size === 0) this.#rooms.delete(name);
      else this.#publish(room, { kind: "instance left", room: name, instance });
    }
    this.#roomsByInstance.delete(instance);
  }

  /** Claims a name, as `Backplane.join` describes. */
  join(name: string, member: Member, { mode, limits, joinOrder, dead }: JoinOptions): JoinReply {
    const room = this.#rooms.get(name) ?? createRoom();
    const { instance } = member;
    const isReclaim = mode === "reclaim" || mode === "restore";
    const needsSnapshot = mode !== "restore" && !room.countByInstance.has(instance);
    const old = room.members.get(member.id);
    let isTakeover = false;
    if (old !== undefined && !isSameMember(old, member)) {
      const isTaken = !mayTakeOver(member, old);
      const isLater = isReclaim && old.joinedAt > member.joinedAt;
      const isOutdated = old.role === member.role && (mode === "restore" || isLater);
      if (isTaken || isOutdated) {
        if (isReclaim && !needsSnapshot) this.#publishSnapshot(name, room, instance, 0, isReclaim);
        return isTaken ? "idInUse" : "outdated";
      }
      const isDead = dead !== undefined && isSameMember(old, dead);
      isTakeover = mode === "join" && old.role === member.role && !isDead;
      if (isTakeover && this.#takeovers.isHeld(name, member.id)) {
        return { keptBy: { instance: old.instance, number: old.number } };
      }
    }
    const limit = isReclaim ? undefined : exceededLimit(room.members, member, limits);
    if (limit !== undefined) return limit;
    this.#rooms.set(name, room);
    const ordered = { ...member, joinOrder: old?.joinOrder ?? joinOrder ?? room.nextJoinOrder };
    room.nextJoinOrder = Math.max(room.nextJoinOrder, ordered.joinOrder + 1);
    room.members.set(member.id, ordered);
    this.#count(name, room, instance, 1);
    const rotation = member.role === "consumer" ? ++room.rotation : 0;
    const joined: RoomEvent = { kind: "joined", room: name, member: ordered, rotation, isReclaim };
    this.#publish(room, joined, needsSnapshot ? instance : undefined);
    if (old !== undefined) this.#count(name, room, old.instance, -1);
    if (needsSnapshot) this.#publishSnapshot(name, room, instance, rotation, isReclaim);
    const isNews = isTakeover && this.#takeovers.record(name, member.id);
    return isNews ? "joined and kept" : "joined";
  }

  /** Changes a member, unless another one has the name by now. */
  update(name: string, changed: Member): void {
    const { id, instance } = changed;
    const found = this.#find(name, id, changed);
    if (found === undefined) return;
    const { joinedAt, joinOrder } = found.member;
    const member = { ...changed, joinedAt, joinOrder };
    found.room.members.set(id, member);
    this.#publish(found.room, { kind: "updated", room: name, member }, instance);
  }

  /** Removes a member, unless another one has the name by now. */
  leave(name: string, id: string, memberId: MemberId): void {
    const room = this.#find(name, id, memberId)?.room;
    if (room === undefined) return;
    room.members.delete(id);
    this.#count(name, room, memberId.instance, -1);
    if (room.members.size === 0) this.#rooms.delete(name);
    else this.#publish(room, { kind: "left", room: name, id, memberId }, memberId.instance);
  }

  /** Compares rooms with what an instance has in them, as `Backplane.audit` describes. */
  audit(instance: string, views: readonly RoomView[]): AuditReply {
    const missing: { room: string; number: number }[] = [];
    let removed = 0;
    for (const { room: name, members, others } of views) {
      const listed = new Set(members.map(({ number }) => number));
      for (const member of this.#rooms.get(name)?.members.values() ?? []) {
        if (member.instance !== instance || listed.has(member.number)) continue;
        this.leave(name, member.id, member);
        removed++;
      }
      const room = this.#rooms.get(name);
      for (const { id, number, isRequired } of members) {
        if (isRequired && room?.members.has(id) !== true) missing.push({ room: name, number });
      }
      if (others === undefined) continue;
      const stored = [...room?.members.values() ?? []].filter((other) =>
        other.instance !== instance
      );
      if (summarize(stored) === others) continue;
      this.#publishSnapshot(name, room ?? createRoom(), instance, 0, true);
    }
    for (const room of new Set(missing.map(({ room }) => room))) {
      for (const other of this.connections.keys()) {
        if (other !== instance) this.#call(other, (listener) => listener.membersLost(room));
      }
    }
    const listed = [...this.#roomsByInstance.get(instance) ?? []];
    this.#call(instance, (listener) => listener.roomsListed(listed));
    return { missing, removed };
  }

  /** Tells every instance that has a member in a room, except one. */
  #publish({ countByInstance }: MemoryRoom, event: RoomEvent, except?: string): void {
    for (const instance of countByInstance.keys()) {
      if (instance !== except) this.#tell(instance, event);
    }
  }

  #find(
    name: string,
    id: string,
    memberId: MemberId,
  ): { room: MemoryRoom; member: OrderedMember } | undefined {
    const room = this.#rooms.get(name);
    const member = room?.members.get(id);
    const isFound = room !== undefined && member !== undefined && isSameMember(member, memberId);
    return isFound ? { room, member } : undefined;
  }

  #publishSnapshot(
    room: string,
    { members: byId }: MemoryRoom,
    instance: string,
    rotation: number,
    isReclaim: boolean,
  ): void {
    const members = [...byId.values()].sort((a, b) => a.joinOrder - b.joinOrder);
    this.#tell(instance, { kind: "snapshot", room, members, rotation, isReclaim });
  }

  #tell(instance: string, event: RoomEvent): void {
    this.#call(instance, (listener) => listener.roomChanged(event));
  }

  #call(instance: string, act: (listener: BackplaneListener) => void): void {
    this.connections.get(instance)?.receive(act);
  }

  /** Changes the number of members that an instance has in a room. */
  #count(name: string, { countByInstance }: MemoryRoom, instance: string, by: number): void {
    const members = (countByInstance.get(instance) ?? 0) + by;
    const rooms = this.#roomsByInstance.get(instance) ?? new Set();
    if (members > 0) {
      countByInstance.set(instance, members);
      this.#roomsByInstance.set(instance, rooms.add(name));
    } else {
      countByInstance.delete(instance);
      rooms.delete(name);
    }
  }
}

function createRoom(): MemoryRoom {
  return { members: new Map(), countByInstance: new Map(), nextJoinOrder: 1, rotation: 0 };
}
