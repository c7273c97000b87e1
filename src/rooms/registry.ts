/**
 * The rooms of one server by name. A room exists from its first join to its last leave. Every join and
 * leave goes through the registry, so that its counts are correct, every listener gets every change and
 * a peer that is replaced is closed; what a join means for a room is decided there.
 */

import type { Role } from "../protocol/messages.ts";
import { closeLoser, type JoinRefusal } from "./names.ts";
import type { Peer } from "./peer.ts";
import { type JoinOutcome, Room, type RoomOptions } from "./room.ts";

/** What came of an attempt to join, and the room. */
export interface JoinResult {
  readonly room: Room;
  readonly outcome: JoinOutcome;
  /** How many consumers have joined the room on all instances, where they are counted for all. */
  readonly rotation?: number;
}

/** Called with a room that has changed and the peer that joined, left or changed. */
export type ChangeListener = (room: Room, peer: Peer) => void;

/** Options of {@linkcode SignalingRegistry}. */
export interface RegistryOptions extends RoomOptions {
  /** Called for a peer that joins under the id of one of its role that is still connected. */
  readonly onTakeover?: (room: string, id: string) => void;
}

/** All rooms of one server. */
export class SignalingRegistry {
  readonly #roomOptions: RoomOptions;
  readonly #onTakeover: RegistryOptions["onTakeover"];
  #listeners: readonly ChangeListener[] = [];
  readonly #rooms = new Map<string, Room>();
  #peers = 0;

  constructor(options: RegistryOptions) {
    this.#roomOptions = options;
    this.#onTakeover = options.onTakeover;
  }

  /** Calls a listener for every join, leave, replacement and update, until what it returns is called. */
  subscribe(listener: ChangeListener): () => void {
    this.#listeners = [...this.#listeners, listener];
    return () => this.#listeners = this.#listeners.filter((other) => other !== listener);
  }

  /** The number of peers of this instance in all rooms together. */
  get peers(): number {
    return this.#peers;
  }

  /** Counts the peers of this instance by role, one after the other. */
  peersByRole(): Record<Role, number> {
    const peers = { normal: 0, consumer: 0 };
    for (const room of this.#rooms.values()) {
      for (const { isLocal, role } of room.members()) if (isLocal) peers[role]++;
    }
    return peers;
  }

  /** The number of rooms; each has a peer of this instance. */
  get rooms(): number {
    return this.#rooms.size;
  }

  /** The room of that name, if it has a peer. */
  get(name: string): Room | undefined {
    return this.#rooms.get(name);
  }

  /** The name of every room there is. */
  names(): IteratorObject<string> {
    return this.#rooms.keys();
  }

  /** Every room there is. */
  all(): Room[] {
    return [...this.#rooms.values()];
  }

  /** The connected peer here that has the id of this newcomer, and its role. */
  holderOf(name: string, { id, role }: Peer): Peer | undefined {
    const holder = this.#rooms.get(name)?.find(id);
    return holder?.role === role && !holder.isClosed ? holder : undefined;
  }

  /** Whether a peer here that came for the id later than this newcomer has it: the newcomer waited. */
  isOvertaken(name: string, peer: Peer): boolean {
    const { claimedAt = 0 } = this.holderOf(name, peer) ?? {};
    return claimedAt > (peer.claimedAt ?? 0);
  }

  /** Adds a peer to the room of that name, and creates the room if there is none; see `Room.join`. */
  join(name: string, peer: Peer): JoinResult {
    const room = this.#roomOf(name);
    const outcome = room.join(peer);
    if (outcome.kind === "joined") this.#peers++;
    const old = outcome.kind === "replaced" ? outcome.old : undefined;
    if (old !== undefined && !old.isClosed && old.role === peer.role) {
      this.#onTakeover?.(name, peer.id);
    }
    if (room.has(peer)) this.#entered(room, peer, old);
    return { room, outcome };
  }

  /**
   * Adds a peer whose join the backplane has accepted, and replaces the peer with its id; takeovers are
   * counted by the backplane.
   */
  place(name: string, peer: Peer, joinOrder: number): Room {
    const room = this.#roomOf(name);
    const old = room.place(peer, joinOrder);
    this.#peers += Number(peer.isLocal) - Number(old?.isLocal ?? false);
    this.#entered(room, peer, old);
    return room;
  }

  /** The result of a join that is refused for this reason. */
  refuse(name: string, kind: JoinRefusal): JoinResult {
    return { room: this.#roomOf(name), outcome: { kind } };
  }

  /** Tells every listener that a peer of the room has changed its role or serving state. */
  update(room: Room, peer: Peer): void {
    room.onRoleChange();
    this.#onChange(room, peer);
  }

  /** Removes a peer from its room; does nothing for a peer that is not in it, or was replaced. */
  leave(room: Room, peer: Peer): void {
    if (!room.leave(peer)) return;
    this.#peers -= Number(peer.isLocal);
    if (room.size === 0) this.#rooms.delete(room.name);
    this.#onChange(room, peer);
  }

  #onChange(room: Room, peer: Peer): void {
    for (const listener of this.#listeners) listener(room, peer);
  }

  #roomOf(name: string): Room {
    return this.#rooms.get(name) ?? new Room(name, this.#roomOptions);
  }

  #entered(room: Room, peer: Peer, old: Peer | undefined): void {
    this.#rooms.set(room.name, room);
    if (old !== undefined) this.#onChange(room, old);
    this.#onChange(room, peer);
    // Here and not by the newcomer, which may be replaced itself before it learns that it has joined.
    if (old !== undefined && old !== peer) closeLoser(old, peer);
  }
}
