/**
 * The rooms of one server: the registry with what acts on its changes. It wires parts and decides
 * nothing; sockets, tokens and other instances are left to others.
 */

import type { Clock } from "../runtime/clock.ts";
import { Director } from "./director.ts";
import { Negotiations } from "./negotiations.ts";
import type { RoomLimits } from "./room.ts";
import { SignalingRegistry } from "./registry.ts";

/** The parts that rooms are made of. */
export interface Rooms {
  readonly registry: SignalingRegistry;
  readonly negotiations: Negotiations;
  readonly director: Director;
}

/** Options of {@linkcode createRooms}; a limit that is absent is `Infinity`. */
export interface RoomsOptions extends Partial<RoomLimits> {
  readonly clock: Clock;
  /** Milliseconds after which each normal peer is sent ids of its room again; 0, the default, never. */
  readonly reintroduceMs?: number;
}

/** Creates a registry without rooms, whose changes the others follow. */
export function createRooms({
  clock,
  maxPeersPerRoom = Infinity,
  maxConsumersPerRoom = Infinity,
  maxConsumersPerIdentity = Infinity,
  reintroduceMs = 0,
}: RoomsOptions): Rooms {
  const limits = { maxPeersPerRoom, maxConsumersPerRoom, maxConsumersPerIdentity };
  const negotiations = new Negotiations({ clock, reintroduceMs });
  const director = new Director(clock);
  const registry = new SignalingRegistry({ negotiations, limits });
  registry.subscribe((room, peer) => {
    negotiations.changed(room, peer);
    director.changed(room, peer);
  });
  return { registry, negotiations, director };
}
