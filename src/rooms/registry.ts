/**
 * Which rooms there are. A room exists from the first join to the last leave, and every join and
 * leave goes through here, so that the counts are true by construction and nobody who has to know
 * of a change misses it.
 */

import type { JoinRefusal } from "./names.ts";
import type { Negotiations } from "./negotiations.ts";
import type { Peer } from "./peer.ts";
import type { Takeovers } from "./takeovers.ts";
import { type JoinOutcome, Room, type RoomLimits, type RoomOptions } from "./room.ts";

/** An attempt to join, with the room it was made on. */
export interface JoinResult {
  readonly room: Room;
  readonly outcome: JoinOutcome;
  /** Whose turn it is to serve, where that is counted for all instances. */
  readonly rotation?: number;
}

/** Receives the room that has changed, and the peer whose join, leave or update it was. */
export type ChangeListener = (room: Room, peer: Peer) => void;

/** Options of {@linkcode SignalingRegistry}. */
export interface RegistryOptions {
  /** The offers and answers of all rooms. */
  readonly negotiations: Negotiations;
  /** Counts the ids that a peer takes over from another; nobody does when absent. */
  readonly takeovers?: Takeovers;
  readonly limits: RoomLimits;
}

/** All rooms of one server. */
export class SignalingRegistry {
  readonly #roomOptions: RoomOptions;
  readonly #takeovers: Takeovers | undefined;
  readonly #listeners: ChangeListener[] = [];
  readonly #rooms = new Map<string, Room>();
  #peers = 0;

  constructor(options: RegistryOptions) {
    this.#roomOptions = options;
    this.#takeovers = options.takeovers;
  }

  /** Calls a listener for every join, leave, replacement and update from now on. */
  subscribe(listener: ChangeListener): void {
    this.#listeners.push(listener);
  }

  /** How many peers of this instance are in all rooms together. */
  get peers(): number {
    return this.#peers;
  }

  /** How many rooms have a peer of this instance in them. */
  get rooms(): number {
    return this.#rooms.size;
  }

  /** The room of that name, if anybody is in it. */
  get(name: string): Room | undefined {
    return this.#rooms.get(name);
  }

  /** Every room there is. */
  all(): Room[] {
    return [...this.#rooms.values()];
  }

  /** The peer that keeps its id against this newcomer, because the id was taken over too often. */
  holderAgainst(name: string, { id, role }: Peer): Peer | undefined {
    if (!this.#takeovers?.isHeld(name, id)) return undefined;
    const holder = this.#rooms.get(name)?.find(id);
    return holder?.role === role && !holder.isClosed ? holder : undefined;
  }

  /** Lets a peer join the room of that name, which comes into being if need be. */
  join(name: string, peer: Peer): JoinResult {
    const room = this.#roomOf(name);
    const outcome = room.join(peer);
    if (outcome.kind === "joined") this.#peers++;
    const old = outcome.kind === "replaced" ? outcome.old : undefined;
    if (room.has(peer)) this.#entered(room, peer, old);
    return { room, outcome };
  }

  /** Lets a peer join that may, and takes the place of whoever has its name. */
  place(name: string, peer: Peer, joinOrder: number): { room: Room; old: Peer | undefined } {
    const room = this.#roomOf(name);
    const old = room.place(peer, joinOrder);
    this.#peers += Number(peer.isLocal) - Number(old?.isLocal ?? false);
    this.#entered(room, peer, old);
    return { room, old };
  }

  /** What a peer is told that may not join. */
  refuse(name: string, kind: JoinRefusal): JoinResult {
    return { room: this.#roomOf(name), outcome: { kind } };
  }

  /** Says that this peer of the room changed its role or what it offers. */
  update(room: Room, peer: Peer): void {
    this.#onChange(room, peer);
  }

  /** Lets a peer leave; does nothing for one that is not, or no longer, in the room. */
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
    if (old !== undefined && !old.isClosed && old.role === peer.role) {
      this.#takeovers?.record(room.name, peer.id);
    }
    if (old !== undefined) this.#onChange(room, old);
    this.#onChange(room, peer);
  }
}
