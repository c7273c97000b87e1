/**
 * The backplane within one process: several handlers form one server. It is also the in-memory
 * implementation against which every other backplane is checked.
 */

import {
  type Backplane,
  type BackplaneListener,
  type Envelope,
  isSameMember,
  type JoinOptions,
  type JoinReply,
  type Member,
  type MemberId,
  type OrderedMember,
  type RoomEvent,
} from "./backplane.ts";

/** Connects the handlers of one process. */
export interface MemoryBackplane {
  /** Creates the backplane of one more instance. */
  connect(): Backplane;
  /** How many rooms have a member. */
  readonly rooms: number;
}

/**
 * Creates what connects the handlers of one process, so that they form one server.
 *
 * @returns Its `connect` gives each handler a backplane of its own.
 *
 * @example Two handlers that are one server
 * ```ts
 * import { createSignalingHandler } from "@aikofy/client-db-sync";
 * import { createMemoryBackplane } from "@aikofy/client-db-sync/backplane";
 * import { assertEquals } from "@std/assert";
 *
 * const memory = createMemoryBackplane();
 * const start = () => createSignalingHandler({ authEnabled: false, backplane: memory.connect() });
 * await using first = await start();
 * await using second = await start();
 * assertEquals([first.stats().backplane, second.stats().backplane], ["up", "up"]);
 * ```
 */
export function createMemoryBackplane(): MemoryBackplane {
  const state = new MemoryState();
  return {
    connect: () => new MemoryConnection(state),
    get rooms() {
      return state.rooms.size;
    },
  };
}

/** A room, with how many members each instance has in it. */
interface MemoryRoom {
  readonly members: Map<string, OrderedMember>;
  readonly countByInstance: Map<string, number>;
  nextJoinOrder: number;
  rotation: number;
}

/** What all connections share. */
class MemoryState {
  readonly rooms = new Map<string, MemoryRoom>();
  readonly connections = new Map<string, MemoryConnection>();
  #lastInstance = 0;

  add(connection: MemoryConnection): string {
    const instance = `m${++this.#lastInstance}`;
    this.connections.set(instance, connection);
    return instance;
  }

  /** Removes an instance from every room. */
  remove(instance: string): void {
    if (!this.connections.delete(instance)) return;
    for (const [name, room] of this.rooms) {
      if (!room.countByInstance.delete(instance)) continue;
      for (const member of room.members.values()) {
        if (member.instance === instance) room.members.delete(member.id);
      }
      if (room.members.size === 0) this.rooms.delete(name);
      else this.publish(room, { kind: "instance left", room: name, instance });
    }
  }

  join(name: string, member: Member, { isReclaim, maxPeers }: JoinOptions): JoinReply {
    const room = this.rooms.get(name) ?? createRoom();
    const { instance } = member;
    const isFirstHere = !room.countByInstance.has(instance);
    const old = room.members.get(member.id);
    if (old !== undefined && !isSameMember(old, member)) {
      const isTaken = old.role !== member.role;
      if (isTaken || isReclaim && old.joinedAt > member.joinedAt) {
        if (isReclaim && !isFirstHere) this.#publishSnapshot(name, room, instance, 0, isReclaim);
        return isTaken ? "idInUse" : "outdated";
      }
    }
    if (old === undefined && !isReclaim && room.members.size >= maxPeers) return "full";
    this.rooms.set(name, room);
    const ordered = { ...member, joinOrder: old?.joinOrder ?? room.nextJoinOrder++ };
    room.members.set(member.id, ordered);
    count(room, instance, 1);
    const rotation = member.role === "consumer" ? ++room.rotation : 0;
    const joined: RoomEvent = { kind: "joined", room: name, member: ordered, rotation, isReclaim };
    this.publish(room, joined, isFirstHere ? instance : undefined);
    if (old !== undefined) count(room, old.instance, -1);
    if (isFirstHere) this.#publishSnapshot(name, room, instance, rotation, isReclaim);
    return "joined";
  }

  update(name: string, { instance, number, id, role, acceptsConsumers }: Member): void {
    const found = this.#find(name, id, { instance, number });
    if (found === undefined) return;
    const member = { ...found.member, role, acceptsConsumers };
    found.room.members.set(id, member);
    this.publish(found.room, { kind: "updated", room: name, member }, instance);
  }

  leave(name: string, id: string, memberId: MemberId): void {
    const room = this.#find(name, id, memberId)?.room;
    if (room === undefined) return;
    room.members.delete(id);
    count(room, memberId.instance, -1);
    if (room.members.size === 0) this.rooms.delete(name);
    else this.publish(room, { kind: "left", room: name, id, memberId }, memberId.instance);
  }

  /** Tells every instance that has a member in a room, except one. */
  publish({ countByInstance }: MemoryRoom, event: RoomEvent, except?: string): void {
    for (const instance of countByInstance.keys()) {
      if (instance !== except) this.#tell(instance, event);
    }
  }

  #find(
    name: string,
    id: string,
    memberId: MemberId,
  ): { room: MemoryRoom; member: OrderedMember } | undefined {
    const room = this.rooms.get(name);
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
    this.connections.get(instance)?.receive((listener) => listener.roomChanged(event));
  }
}

/** The backplane of one instance. */
class MemoryConnection implements Backplane {
  readonly #state: MemoryState;
  #listener: BackplaneListener | undefined;
  #instance = "";

  constructor(state: MemoryState) {
    this.#state = state;
  }

  start(listener: BackplaneListener): void {
    this.#listener = listener;
    this.#instance = this.#state.add(this);
    listener.up(this.#instance);
  }

  /** Calls the listener later, in order and never within a call of its own. */
  receive(act: (listener: BackplaneListener) => void): void {
    queueMicrotask(() => {
      if (this.#listener !== undefined) act(this.#listener);
    });
  }

  join(room: string, member: Member, options: JoinOptions): Promise<JoinReply> {
    return Promise.resolve(this.#state.join(room, member, options));
  }

  update(room: string, member: Member): void {
    this.#state.update(room, member);
  }

  leave(room: string, id: string, memberId: MemberId): void {
    this.#state.leave(room, id, memberId);
  }

  send(envelope: Envelope): Promise<boolean> {
    const target = this.#state.connections.get(envelope.target.instance);
    target?.receive((listener) => listener.received(envelope));
    return Promise.resolve(target !== undefined);
  }

  reportUndeliverable(envelope: Envelope): void {
    const sender = this.#state.connections.get(envelope.sender.instance);
    sender?.receive((listener) => listener.undeliverable(envelope));
  }

  authFailed(address: string): void {
    for (const [instance, connection] of this.#state.connections) {
      if (instance === this.#instance) continue;
      connection.receive((listener) => listener.authFailed(address));
    }
  }

  close(): Promise<void> {
    this.#listener = undefined;
    this.#state.remove(this.#instance);
    return Promise.resolve();
  }
}

function createRoom(): MemoryRoom {
  return { members: new Map(), countByInstance: new Map(), nextJoinOrder: 1, rotation: 0 };
}

function count({ countByInstance }: MemoryRoom, instance: string, by: number): void {
  const members = (countByInstance.get(instance) ?? 0) + by;
  if (members > 0) countByInstance.set(instance, members);
  else countByInstance.delete(instance);
}
