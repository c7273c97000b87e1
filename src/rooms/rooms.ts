/**
 * The rooms of one server: builds the registry and the parts that follow its changes, and asks the
 * peer that has an id before another one takes it over too often. It leaves sockets, tokens and other
 * instances to others.
 */

import type { Clock } from "../runtime/clock.ts";
import { Metrics } from "../metrics/metrics.ts";
import { Director } from "./director.ts";
import { Negotiations } from "./negotiations.ts";
import { type Logger, silentLogger } from "../runtime/logger.ts";
import type { Peer } from "./peer.ts";
import { Takeovers } from "./takeovers.ts";
import type { RoomLimits } from "./room.ts";
import { type JoinResult, SignalingRegistry } from "./registry.ts";

/** The parts of the rooms. */
export interface Rooms {
  readonly registry: SignalingRegistry;
  readonly negotiations: Negotiations;
  readonly director: Director;
  /**
   * Calls `join`, by default the registry's, unless the peer's id was taken over too often and the peer
   * that has it still answers: then the outcome is `idInUse`. A promise where that peer is asked.
   */
  readonly join: (
    name: string,
    peer: Peer,
    join?: Join,
  ) => JoinResult | Promise<JoinResult>;
}

/**
 * Adds a peer to a room; a promise where other instances are asked. Where the id is `kept`, a peer of
 * another instance that has it keeps it as well, if it still answers.
 */
export type Join = (
  name: string,
  peer: Peer,
  kept?: KeptId,
) => JoinResult | Promise<JoinResult>;

/** An id that was taken over too often, so that the peer that has it keeps it. */
export interface KeptId {
  /** The peer of this instance that has it, if that answers no ping: it loses the id. */
  readonly dead?: Peer;
}

/** Milliseconds within which the peer that has an id has to answer a ping, else it loses the id. */
export const PING_ANSWER_MS = 2000;

/** Options of {@linkcode createRooms}; a limit that is absent is `Infinity`. */
export interface RoomsOptions extends Partial<RoomLimits> {
  readonly clock: Clock;
  /** Where ids are reported that peers take over from each other; silent when absent. */
  readonly logger?: Logger;
  /** Milliseconds after which each normal peer is sent ids of its room again; 0, the default, never. */
  readonly reintroduceMs?: number;
  /** Where is counted what happens; nowhere that matters when absent. */
  readonly metrics?: Metrics;
}

/** Creates a registry without rooms, and the parts that follow its changes. */
export function createRooms({
  clock,
  logger = silentLogger,
  maxPeersPerRoom = Infinity,
  maxConsumersPerRoom = Infinity,
  maxConsumersPerIdentity = Infinity,
  reintroduceMs = 0,
  metrics = new Metrics(),
}: RoomsOptions): Rooms {
  const limits = { maxPeersPerRoom, maxConsumersPerRoom, maxConsumersPerIdentity };
  const negotiations = new Negotiations({ clock, reintroduceMs, metrics });
  const director = new Director(clock, metrics);
  const registry = new SignalingRegistry({
    negotiations,
    takeovers: new Takeovers({ clock, logger }),
    signals: metrics.signals,
    limits,
  });
  registry.subscribe((room, peer) => {
    negotiations.changed(room, peer);
    director.changed(room, peer);
  });
  return {
    registry,
    negotiations,
    director,
    join: (name, peer, join = (room, newcomer) => registry.join(room, newcomer)) =>
      joinUnlessHeld(registry, name, peer, join),
  };
}

function joinUnlessHeld(
  registry: SignalingRegistry,
  name: string,
  peer: Peer,
  join: Join,
): JoinResult | Promise<JoinResult> {
  if (!registry.isHeld(name, peer.id)) return join(name, peer);
  const holder = registry.holderOf(name, peer);
  // A peer of another instance may have the id, also in a room that this instance does not know.
  if (holder === undefined || !holder.isLocal) return join(name, peer, {});
  const answers = holder.answersWithin?.(PING_ANSWER_MS);
  if (answers === undefined) return registry.refuse(name, "idInUse");
  return answers.then((isAlive) => {
    if (peer.isClosed) return registry.refuse(name, "idInUse");
    // Meanwhile it may have left, and another peer may have joined.
    if (registry.holderOf(name, peer) !== holder) return joinUnlessHeld(registry, name, peer, join);
    return isAlive ? registry.refuse(name, "idInUse") : join(name, peer, { dead: holder });
  });
}
