/**
 * Which rooms there are. A room exists from the first join to the last leave, and every join and
 * leave goes through here, so that the counts are true by construction and nobody who has to know
 * of a change misses it.
 */

import type { Negotiations } from "./negotiations.ts";
import type { Peer } from "./peer.ts";
import { type JoinOutcome, Room } from "./room.ts";

/** An attempt to join, with the room it was made on. */
export type EnterOutcome = { readonly room: Room; readonly outcome: JoinOutcome };

/** All rooms of one server. */
export class SignalingRegistry {
  readonly #negotiations: Negotiations;
  readonly #onChange: (room: Room, peer: Peer) => void;
  readonly #maxPeersPerRoom: number;
  readonly #rooms = new Map<string, Room>();
  #peers = 0;

  /** `onChange` hears of every join, leave and update, and whose it was. */
  constructor(
    negotiations: Negotiations,
    onChange: (room: Room, peer: Peer) => void,
    maxPeersPerRoom: number,
  ) {
    this.#maxPeersPerRoom = maxPeersPerRoom;
    this.#negotiations = negotiations;
    this.#onChange = onChange;
  }

  /** How many peers are in all rooms together. */
  get peers(): number {
    return this.#peers;
  }

  /** How many rooms have a peer in them. */
  get rooms(): number {
    return this.#rooms.size;
  }

  /** Lets a peer join the room of that name, which comes into being if need be. */
  join(name: string, peer: Peer): EnterOutcome {
    const room = this.#rooms.get(name) ??
      new Room(name, this.#negotiations, this.#maxPeersPerRoom);
    const outcome = room.join(peer);
    if (outcome.kind === "joined") {
      this.#peers++;
      this.#rooms.set(name, room);
    }
    if (room.has(peer)) this.#onChange(room, peer);
    return { room, outcome };
  }

  /** Says that this peer of the room changed its role or what it offers. */
  update(room: Room, peer: Peer): void {
    this.#onChange(room, peer);
  }

  /** Lets a peer leave; does nothing for one that is not, or no longer, in the room. */
  leave(room: Room, peer: Peer): void {
    if (!room.leave(peer)) return;
    this.#peers--;
    if (room.size === 0) this.#rooms.delete(room.name);
    this.#onChange(room, peer);
  }
}
