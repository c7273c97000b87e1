/**
 * The rooms of one server: builds the registry and the parts that follow its changes, and asks the
 * peer that has an id before another one takes it over too often. It leaves sockets, tokens and other
 * instances to others; takeovers among several instances are counted by their backplane.
 */

import type { Clock } from "../runtime/clock.ts";
import { Metrics } from "../metrics/metrics.ts";
import { Director } from "./director.ts";
import { mayTakeOver } from "./names.ts";
import { Negotiations } from "./negotiations.ts";
import { type Logger, silentLogger } from "../runtime/logger.ts";
import type { Peer } from "./peer.ts";
import { Takeovers, warnOfTakeovers } from "./takeovers.ts";
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
 * Adds a peer to a room; a promise where other instances are asked. A peer of this instance that is
 * `dead`, because it answers no ping, loses the id in any case.
 */
export type Join = (name: string, peer: Peer, dead?: Peer) => JoinResult | Promise<JoinResult>;

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
  const takeovers = new Takeovers(clock);
  const registry = new SignalingRegistry({
    negotiations,
    onTakeover: (room, id) => {
      if (takeovers.record(room, id)) warnOfTakeovers(logger, room, id);
    },
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
      joinUnlessHeld({ registry, takeovers, join }, name, peer),
  };
}

interface HeldIds {
  readonly registry: SignalingRegistry;
  readonly takeovers: Takeovers;
  readonly join: Join;
}

function joinUnlessHeld(
  parts: HeldIds,
  name: string,
  peer: Peer,
): JoinResult | Promise<JoinResult> {
  const { registry, takeovers, join } = parts;
  if (!takeovers.isHeld(name, peer.id)) return join(name, peer);
  const holder = registry.holderOf(name, peer);
  if (holder === undefined || !holder.isLocal || !mayTakeOver(peer, holder)) {
    return join(name, peer);
  }
  const answers = holder.answersWithin?.(PING_ANSWER_MS);
  if (answers === undefined) return registry.refuse(name, "idInUse");
  return answers.then((isAlive) => {
    if (peer.isClosed) return registry.refuse(name, "idInUse");
    // Meanwhile it may have left, and another peer may have joined.
    if (registry.holderOf(name, peer) !== holder) return joinUnlessHeld(parts, name, peer);
    return isAlive ? registry.refuse(name, "idInUse") : join(name, peer, holder);
  });
}
