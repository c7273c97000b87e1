/**
 * The peer as its room sees it, wherever its socket is, and what it offers consumers. Sessions and
 * remote peers implement it.
 */

import type {
  CloseReason,
  ParsedHeartbeat,
  ParsedRegister,
  Role,
  SignalMessage,
} from "../protocol/messages.ts";

/** What a normal peer offers consumers, by its last `register` and `heartbeat`. */
export interface ServingState {
  /** Whether consumers may be directed to it. */
  readonly serveConsumers: boolean;
  /** Consumer sessions that it accepts at most, if it has set a limit. */
  readonly capacity: number | undefined;
  /** Consumer sessions in progress, by its last report. */
  readonly sessions: number;
  /** When its last heartbeat came, by `Clock.elapsed`; `undefined` before the first. */
  readonly heartbeatAt: number | undefined;
}

/** The serving state of a normal peer that has set nothing. */
export const DEFAULT_SERVING_STATE: ServingState = {
  serveConsumers: true,
  capacity: undefined,
  sessions: 0,
  heartbeatAt: undefined,
};

/** The serving state after a `register`, the first or a later one. */
export function afterRegister(service: ServingState, message: ParsedRegister): ServingState {
  const { serveConsumers, capacity } = message;
  return { ...service, serveConsumers, capacity };
}

/** The serving state after a heartbeat; fields that it does not set stay as they were. */
export function afterHeartbeat(
  service: ServingState,
  message: ParsedHeartbeat,
  now: number,
): ServingState {
  return {
    serveConsumers: message.serveConsumers ?? service.serveConsumers,
    capacity: message.capacity ?? service.capacity,
    sessions: message.sessions ?? service.sessions,
    heartbeatAt: now,
  };
}

/**
 * What became of a signal to a peer: it was sent; it was dropped because too much of its sender still
 * waits for the peer; or the peer can no longer be reached.
 */
export type SignalOutcome = "sent" | "busy" | "unreachable";

/** One member of a room. */
export interface Peer {
  /** The peer's `nodeId`, unique in its room. */
  readonly id: string;
  /** The peer's role in the room. */
  readonly role: Role;
  /**
   * The issuer and subject of a consumer's token as one text; empty for a normal peer, for a consumer
   * without a token and for a token without subject.
   */
  readonly consumerIdentity: string;
  /** What it offers consumers. */
  readonly servingState: ServingState;
  /** The peer's place in the room's order of joining; the room sets it. */
  joinOrder: number;
  /** When a peer of this instance came for its id, by `Clock.elapsed`: it may join later. */
  readonly claimedAt?: number;
  /** Whether the peer is connected to this instance. */
  readonly isLocal: boolean;
  /** Whether the peer's connection has ended. */
  readonly isClosed: boolean;
  /** Sends a frame of the server's own; `false` when the peer can no longer be reached. */
  send(text: string): boolean;
  /**
   * Sends a signal of `sender`. For a peer of another instance the outcome is always `sent`; if the
   * peer turns out to be busy or unreachable, the sender gets `PEER_BUSY` or `PEER_NOT_FOUND` later.
   */
  signal(text: string, sender: Peer, type: SignalMessage["type"]): SignalOutcome;
  /**
   * Sends the client a ping, and tells whether a frame came from it within `ms` milliseconds. Absent,
   * or `undefined`, where no ping can be sent.
   */
  answersWithin?(ms: number): Promise<boolean> | undefined;
  /** Closes the peer's connection; that of a remote peer is closed by its own instance. */
  close(reason: CloseReason): void;
}
