/**
 * The rooms of one server: the registry with what acts on its changes. It wires parts and decides
 * nothing; sockets, tokens and other instances are left to others.
 */

import type { Clock } from "../runtime/clock.ts";
import { Director } from "./director.ts";
import { Negotiations } from "./negotiations.ts";
import { SignalingRegistry } from "./registry.ts";

/** The parts that rooms are made of. */
export interface Rooms {
  readonly registry: SignalingRegistry;
  readonly negotiations: Negotiations;
  readonly director: Director;
}

/** Options of {@linkcode createRooms}. */
export interface RoomsOptions {
  readonly clock: Clock;
  /** Peers in one room at most; `Infinity` is no limit. */
  readonly maxPeersPerRoom: number;
}

/** Creates a registry without rooms, whose changes the director follows. */
export function createRooms({ clock, maxPeersPerRoom }: RoomsOptions): Rooms {
  const negotiations = new Negotiations(clock);
  const director = new Director(clock);
  const registry = new SignalingRegistry({ negotiations, maxPeersPerRoom });
  registry.subscribe((room, peer) => director.changed(room, peer));
  return { registry, negotiations, director };
}
