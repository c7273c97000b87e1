/** What a room knows of a member, wherever its socket is. */

import type {
  CloseReason,
  ParsedHeartbeat,
  ParsedRegister,
  Role,
  SignalMessage,
} from "../protocol/messages.ts";

/** What a normal peer offers consumers, as it last said. */
export interface ServingState {
  /** Whether consumers may be directed to it. */
  readonly serveConsumers: boolean;
  /** Consumer sessions it takes at most, if it said so. */
  readonly capacity: number | undefined;
  /** Consumer sessions it last reported. */
  readonly sessions: number;
  /** When its last heartbeat came, by `Clock.elapsed`, if there ever was one. */
  readonly heartbeatAt: number | undefined;
}

/** What a normal peer offers that has said nothing. */
export const DEFAULT_SERVING_STATE: ServingState = {
  serveConsumers: true,
  capacity: undefined,
  sessions: 0,
  heartbeatAt: undefined,
};

/** What a peer offers once it has registered, perhaps anew. */
export function afterRegister(service: ServingState, message: ParsedRegister): ServingState {
  const { serveConsumers, capacity } = message;
  return { ...service, serveConsumers, capacity };
}

/** What a peer offers after a heartbeat: what that does not say stays as it was. */
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
 * What became of a signal that was handed to a peer: it was sent; too much of what its sender sent
 * before still waits for the peer, so that it was dropped; or the peer can no longer be reached.
 */
export type SignalOutcome = "sent" | "busy" | "unreachable";

/** One member of a room. */
export interface Peer {
  /** The peer's `nodeId`, unique in its room. */
  readonly id: string;
  /** What the peer is in the room. */
  readonly role: Role;
  /**
   * Whom a consumer's token was issued to; empty for a normal peer, where authentication is off, and
   * for a token without subject.
   */
  readonly consumerIdentity: string;
  /** What it offers consumers. */
  readonly servingState: ServingState;
  /** Its place in the room's order of joining; the room sets it. */
  joinOrder: number;
  /** Whether it is connected to this instance. */
  readonly isLocal: boolean;
  /** Whether its connection has ended. */
  readonly isClosed: boolean;
  /** Sends a frame of the server's own; `false` when the peer can no longer be reached. */
  send(text: string): boolean;
  /**
   * Sends a signal that `sender` made. A peer of another instance is `sent` every signal; that it was
   * busy or unreachable turns out later, and the sender then gets `PEER_BUSY` or `PEER_NOT_FOUND`.
   */
  signal(text: string, sender: Peer, type: SignalMessage["type"]): SignalOutcome;
  /**
   * Asks the client for a sign of life, and tells whether one came within so many milliseconds;
   * `undefined`, or absent, where it cannot be asked.
   */
  answersWithin?(ms: number): Promise<boolean> | undefined;
  /** Closes the peer's connection; one of another instance is closed there. */
  close(reason: CloseReason): void;
}
