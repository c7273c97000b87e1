/**
 * What this instance answers an operator, and the other instances that ask for one: about its own peers
 * alone. Answers are bounded, because they travel over the backplane. How they become one is decided in
 * `operator.ts`.
 */

import type { LastRefusals } from "../access/last_refusals.ts";
import { CLOSE } from "../protocol/messages.ts";
import type { SignalingRegistry } from "../rooms/registry.ts";
import type {
  DisconnectTarget,
  InstancePeers,
  InstanceReport,
  InstanceRooms,
  PeerReport,
  PeersQuestion,
  RefusalReport,
  RoomCount,
  RoomsQuestion,
} from "../rooms/report.ts";
import type { Room } from "../rooms/room.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Connections } from "../sessions/connections.ts";
import { reportOf } from "../sessions/report.ts";
import { Session } from "../sessions/session.ts";
import { smallest } from "./smallest.ts";

/** Characters of JSON in one answer; a text between instances may have 262,144. */
const MAX_CHARACTERS = { rooms: 240_000, peers: 200_000, refusals: 40_000 } as const;

/** Options of {@linkcode LocalAnswers}. */
export interface LocalAnswersOptions {
  /** The id of this instance. */
  readonly instance: string;
  /** The version of this package. */
  readonly version: string;
  readonly registry: SignalingRegistry;
  readonly connections: Connections;
  readonly refusals: Pick<LastRefusals, "of">;
  readonly isClosing: () => boolean;
  readonly clock: Clock;
  /** When this instance started, by `Clock.elapsed`. */
  readonly startedAt: number;
  readonly logger: Logger;
}

/** The answers of one instance. */
export class LocalAnswers {
  readonly #options: LocalAnswersOptions;

  constructor(options: LocalAnswersOptions) {
    this.#options = options;
  }

  /** What this instance is. */
  info(): InstanceReport {
    const { instance, version, registry, isClosing, clock, startedAt } = this.#options;
    const startTime = clock.now() - Math.round(clock.elapsed() - startedAt);
    const { peers, rooms } = registry;
    return {
      instance,
      version,
      startedAt: new Date(startTime).toISOString(),
      isDraining: isClosing(),
      peers,
      rooms,
    };
  }

  /** A page of the rooms that have peers here, of those that are asked for. */
  rooms(
    { prefix, after, limit }: RoomsQuestion,
    isAsked: (room: string) => boolean = () => true,
  ): InstanceRooms {
    const { registry } = this.#options;
    const matching = registry.names().filter((name) =>
      name.startsWith(prefix) && (after === undefined || name > after) && isAsked(name)
    );
    // One more than asked for tells whether there are more.
    const names = smallest(matching, limit + 1);
    const counts = names.slice(0, limit).map((name) => countPeers(registry.get(name), name));
    const rooms = takeWithin(MAX_CHARACTERS.rooms, counts);
    return { rooms, hasMore: rooms.length < names.length };
  }

  /** A page of the peers of a room that are connected here. */
  peers({ room, after, nodeIds }: PeersQuestion): InstancePeers {
    const { instance, registry, clock, refusals } = this.#options;
    const sessions = localSessions(registry.get(room))
      .filter(({ id }) => nodeIds.length === 0 || nodeIds.includes(id))
      .filter(({ id }) => after === undefined || id > after)
      .sort((a, b) => a.id < b.id ? -1 : 1);
    const reports = sessions.values().map((session): PeerReport => ({
      ...reportOf(session, { instance, clock }),
      ...partnersOf(session, nodeIds),
    }));
    const peers = takeWithin(MAX_CHARACTERS.peers, reports);
    const refused = after !== undefined ? [] : refusals.of(room)
      .filter(({ nodeId }) => nodeIds.length === 0 || nodeIds.includes(nodeId))
      .map(({ nodeId, at, code, reason, address = null }): RefusalReport => (
        { nodeId, instance, at: new Date(at).toISOString(), code, reason, address }
      ));
    return {
      peers,
      hasMore: peers.length < sessions.length,
      refusals: takeWithin(MAX_CHARACTERS.refusals, refused),
    };
  }

  /** Disconnects peers that are connected here, and connections that are about to become such peers. */
  disconnect({ room, nodeId }: DisconnectTarget): number {
    const { connections, logger } = this.#options;
    const disconnected = connections.closeWhere(
      ({ identity }) =>
        identity?.room === room && (nodeId === undefined || identity.nodeId === nodeId),
      CLOSE.disconnected,
    );
    logger.info("Peers disconnected by the operator", { room, nodeId, disconnected });
    return disconnected;
  }
}

function countPeers(room: Room | undefined, name: string): RoomCount {
  let consumers = 0;
  const sessions = localSessions(room);
  for (const { role } of sessions) if (role === "consumer") consumers++;
  return { room: name, normals: sessions.length - consumers, consumers };
}

function localSessions(room: Room | undefined): Session[] {
  return room?.members().filter((peer) => peer instanceof Session) ?? [];
}

/** One name that was asked for: all of its partners; two: what each has exchanged with the other. */
function partnersOf(session: Session, [first, second]: readonly string[]): Partial<PeerReport> {
  if (first === undefined) return {};
  const other = second === undefined ? undefined : session.id === first ? second : first;
  return { partners: session.traffic.partners(other) };
}

/** As many items as fit into a text; one in any case, so that every page makes progress. */
function takeWithin<T>(maxCharacters: number, items: Iterable<T>): T[] {
  const taken: T[] = [];
  let characters = 0;
  for (const item of items) {
    characters += JSON.stringify(item).length + 1;
    if (characters > maxCharacters && taken.length > 0) break;
    taken.push(item);
  }
  return taken;
}
