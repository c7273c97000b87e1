/**
 * The backplane within one process: several handlers that form one server, and the twin against which
 * every other engine is checked.
 */

import type {
  Backplane,
  BackplaneListener,
  Envelope,
  JoinOptions,
  JoinReply,
  Member,
  MemberId,
  OrderedMember,
  RoomEvent,
} from "./backplane.ts";

interface HubRoom {
  readonly members: Map<string, OrderedMember>;
  nextJoinOrder: number;
  rotation: number;
}

/** What connects the handlers of one process: give each of them a `connect()` of the same hub. */
export class MemoryHub {
  readonly #rooms = new Map<string, HubRoom>();
  readonly #instances = new Map<string, MemoryBackplane>();
  #lastInstance = 0;

  /** A backplane for one more instance. */
  connect(): Backplane {
    return new MemoryBackplane(this);
  }

  /** How many rooms have a member. */
  get rooms(): number {
    return this.#rooms.size;
  }

  /** @ignore */
  enter(backplane: MemoryBackplane): string {
    const instance = `m${++this.#lastInstance}`;
    this.#instances.set(instance, backplane);
    return instance;
  }

  /** Takes an instance out of every room. @ignore */
  exit(instance: string): void {
    if (!this.#instances.delete(instance)) return;
    for (const [name, room] of this.#rooms) {
      let isConcerned = false;
      for (const member of room.members.values()) {
        if (member.instance !== instance) continue;
        room.members.delete(member.id);
        isConcerned = true;
      }
      if (room.members.size === 0) this.#rooms.delete(name);
      else if (isConcerned) this.#tell(room, { kind: "instance left", room: name, instance });
    }
  }

  /** @ignore */
  join(name: string, member: Member, options: JoinOptions): JoinReply {
    const { isReclaim, maxPeers } = options;
    const room = this.#rooms.get(name) ?? { members: new Map(), nextJoinOrder: 1, rotation: 0 };
    const old = room.members.get(member.id);
    const { instance } = member;
    const isFirst = ![...room.members.values()].some((other) => other.instance === instance);
    if (old !== undefined && !isSameMember(old, member)) {
      const isTaken = old.role !== member.role;
      if (isTaken || isReclaim && old.joinedAt > member.joinedAt) {
        if (isReclaim && !isFirst) this.#tellRoom(name, room, instance, 0, isReclaim);
        return isTaken ? "idInUse" : "outdated";
      }
    }
    if (old === undefined && !isReclaim && room.members.size >= maxPeers) return "full";
    this.#rooms.set(name, room);
    const seated = { ...member, joinOrder: old?.joinOrder ?? room.nextJoinOrder++ };
    room.members.set(member.id, seated);
    if (member.role === "consumer") room.rotation++;
    const rotation = member.role === "consumer" ? room.rotation : 0;
    const event: RoomEvent = { kind: "joined", room: name, member: seated, rotation, isReclaim };
    this.#tell(room, event, isFirst ? instance : undefined, old?.instance);
    if (isFirst) this.#tellRoom(name, room, instance, rotation, isReclaim);
    return "joined";
  }

  /** @ignore */
  update(name: string, member: Member): void {
    const room = this.#rooms.get(name);
    const old = room?.members.get(member.id);
    if (room === undefined || old === undefined || !isSameMember(old, member)) return;
    const seated = { ...old, role: member.role, acceptsConsumers: member.acceptsConsumers };
    room.members.set(member.id, seated);
    this.#tell(room, { kind: "updated", room: name, member: seated }, member.instance);
  }

  /** @ignore */
  leave(name: string, id: string, memberId: MemberId): void {
    const room = this.#rooms.get(name);
    const old = room?.members.get(id);
    if (room === undefined || old === undefined || !isSameMember(old, memberId)) return;
    room.members.delete(id);
    if (room.members.size === 0) this.#rooms.delete(name);
    else this.#tell(room, { kind: "left", room: name, id, memberId }, memberId.instance);
  }

  /** @ignore */
  send(instance: string, act: (listener: BackplaneListener) => void): boolean {
    return this.#instances.get(instance)?.hear(act) ?? false;
  }

  /** @ignore */
  broadcast(except: string, act: (listener: BackplaneListener) => void): void {
    for (const [instance, backplane] of this.#instances) {
      if (instance !== except) backplane.hear(act);
    }
  }

  #tellRoom(
    name: string,
    room: HubRoom,
    instance: string,
    rotation: number,
    isReclaim: boolean,
  ): void {
    const members = [...room.members.values()];
    const whole: RoomEvent = { kind: "snapshot", room: name, members, rotation, isReclaim };
    this.#instances.get(instance)?.hear((listener) => listener.roomChanged(whole));
  }

  #tell(room: HubRoom, event: RoomEvent, except?: string, besides?: string): void {
    const instances = new Set([...room.members.values()].map(({ instance }) => instance));
    if (besides !== undefined) instances.add(besides);
    for (const instance of instances) {
      if (instance === except) continue;
      this.#instances.get(instance)?.hear((listener) => listener.roomChanged(event));
    }
  }
}

class MemoryBackplane implements Backplane {
  readonly #hub: MemoryHub;
  #listener: BackplaneListener | undefined;
  #instance = "";

  constructor(hub: MemoryHub) {
    this.#hub = hub;
  }

  start(listener: BackplaneListener): void {
    this.#listener = listener;
    this.#instance = this.#hub.enter(this);
    listener.up(this.#instance);
  }

  /** Lets the listener hear something, in order and never within a call of its own. */
  hear(act: (listener: BackplaneListener) => void): boolean {
    queueMicrotask(() => {
      if (this.#listener !== undefined) act(this.#listener);
    });
    return true;
  }

  join(room: string, member: Member, options: JoinOptions): Promise<JoinReply> {
    return Promise.resolve(this.#hub.join(room, member, options));
  }

  update(room: string, member: Member): void {
    this.#hub.update(room, member);
  }

  leave(room: string, id: string, memberId: MemberId): void {
    this.#hub.leave(room, id, memberId);
  }

  send(envelope: Envelope): Promise<boolean> {
    return Promise.resolve(
      this.#hub.send(envelope.target.instance, (listener) => listener.received(envelope)),
    );
  }

  reportUndeliverable(envelope: Envelope): void {
    this.#hub.send(envelope.sender.instance, (listener) => listener.undeliverable(envelope));
  }

  authFailed(address: string): void {
    this.#hub.broadcast(this.#instance, (listener) => listener.authFailed(address));
  }

  close(): Promise<void> {
    this.#listener = undefined;
    this.#hub.exit(this.#instance);
    return Promise.resolve();
  }
}

function isSameMember(a: MemberId, b: MemberId): boolean {
  return a.instance === b.instance && a.number === b.number;
}
