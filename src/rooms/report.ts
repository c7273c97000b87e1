/**
 * What an operator is told of rooms and peers: shapes alone. Who asks, and how the answers of several
 * instances become one, is decided elsewhere.
 */

import type { Role } from "../protocol/messages.ts";

/** A room and how many peers are in it. */
export interface RoomCount {
  /** The room's name. */
  readonly room: string;
  /** Normal peers. */
  readonly normals: number;
  /** Consumers. */
  readonly consumers: number;
}

/** Signals in one direction, by type. */
export interface SignalCount {
  /** Messages of type `offer`. */
  readonly offers: number;
  /** Messages of type `answer`. */
  readonly answers: number;
  /** Messages of type `ice-candidate`. */
  readonly candidates: number;
}

/** Signals that a peer has sent. */
export interface SentCount extends SignalCount {
  /**
   * Signals that were not relayed: nobody has that name, its peer reads too slowly, or it was a second
   * answer to one offer.
   */
  readonly undelivered: number;
}

/** What a peer has exchanged with another one, as the peer's own connection has counted it. */
export interface PartnerReport {
  /** The other's `nodeId`. */
  readonly nodeId: string;
  /** What the peer has sent the other. */
  readonly sent: SentCount;
  /** What the peer was sent of the other. */
  readonly received: SignalCount;
}

/** A peer that has joined. */
export interface PeerReport {
  /** Its name in the room. */
  readonly nodeId: string;
  /** What it is in the room. */
  readonly role: Role;
  /** The instance that it is connected to. */
  readonly instance: string;
  /** The id of its connection, which every log line about it has. */
  readonly connection: string;
  /** When its connection was accepted, ISO 8601. */
  readonly connectedAt: string;
  /** When it joined the room, ISO 8601. */
  readonly joinedAt: string;
  /** When the last message came from it, ISO 8601. */
  readonly lastMessageAt: string;
  /** Its address as limits count it; `null` where the host does not say. */
  readonly address: string | null;
  /** Whether consumers may be directed to it, by its last report; `false` for a consumer. */
  readonly serveConsumers: boolean;
  /** Consumer sessions that it accepts at most, if it has set a limit. */
  readonly capacity: number | null;
  /** Consumer sessions in progress, by its last report. */
  readonly sessions: number;
  /** Bytes that wait for it because it has not read them yet. */
  readonly unreadBytes: number;
  /** Signals that it has sent since it connected. */
  readonly sent: SentCount;
  /** Signals that it was sent since it connected. */
  readonly received: SignalCount;
  /** Present where one peer was asked for: the peers that it has exchanged signals with last. */
  readonly partners?: readonly PartnerReport[];
}

/** The last refusal of a client that wanted to join under a name. */
export interface RefusalReport {
  /** The name that it asked for. */
  readonly nodeId: string;
  /** The instance that has refused it. */
  readonly instance: string;
  /** When, ISO 8601. */
  readonly at: string;
  /** The close code, or the HTTP status if it was refused before its upgrade. */
  readonly code: number;
  /** The close reason, or the message of the HTTP answer. */
  readonly reason: string;
  /** Its address as limits count it; `null` where the host does not say. */
  readonly address: string | null;
}

/** A page of the rooms of one instance, sorted by name. */
export interface InstanceRooms {
  readonly rooms: readonly RoomCount[];
  /** Whether there are further rooms behind the last one. */
  readonly hasMore: boolean;
}

/** A page of the peers of one room on one instance, sorted by name. */
export interface InstancePeers {
  readonly peers: readonly PeerReport[];
  /** Whether there are further peers behind the last one. */
  readonly hasMore: boolean;
  /** With the first page: the last refusals of names in this room. */
  readonly refusals: readonly RefusalReport[];
}

/** What one instance says of itself. */
export interface InstanceReport {
  /** Its id, for as long as it runs. */
  readonly instance: string;
  /** The version of this package. */
  readonly version: string;
  /** When it was started, ISO 8601. */
  readonly startedAt: string;
  /** Whether it stops. */
  readonly isDraining: boolean;
  /** Peers that have joined on it. */
  readonly peers: number;
  /** Rooms with a peer on it. */
  readonly rooms: number;
}

/** Which rooms are asked for. */
export interface RoomsQuestion {
  /** How their names begin. */
  readonly prefix: string;
  /** The name behind which the page begins; from the first one when absent. */
  readonly after?: string | undefined;
  /** How many at most. */
  readonly limit: number;
}

/** Which peers are asked for. */
export interface PeersQuestion {
  readonly room: string;
  /** The name behind which the page begins; from the first one when absent. */
  readonly after?: string | undefined;
  /** The names that are asked for; all when empty. */
  readonly nodeIds: readonly string[];
}

/** Who is disconnected: a peer, or everybody in a room. */
export interface DisconnectTarget {
  /** The room. */
  readonly room: string;
  /** The peer's name; every peer of the room when absent. */
  readonly nodeId?: string | undefined;
}
