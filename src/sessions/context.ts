/** What all sessions of one handler share, and what one session is made of. */

import type { Address } from "../access/address.ts";
import type { Admission, ConsumerAuthorizer } from "../access/admission.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Connections } from "./connections.ts";
import type { Deadlines } from "./deadlines.ts";
import type { Director } from "../rooms/director.ts";
import type { Limits } from "../access/limits.ts";
import type { AuthKind, Metrics } from "../metrics/metrics.ts";
import type { IcePushes } from "./ice_pushes.ts";
import type { Logger } from "../runtime/logger.ts";
import type { RefusalLog } from "../access/refusal_log.ts";
import type { Peer } from "../rooms/peer.ts";
import type { JoinResult, SignalingRegistry } from "../rooms/registry.ts";
import type { Refreshes } from "./refreshes.ts";

/** What a session needs of a WebSocket. */
export interface SocketLike {
  /** As in the HTML standard: 1 is open. */
  readonly readyState: number;
  /** Bytes that were sent but are not written to the connection yet. */
  readonly bufferedAmount: number;
  /** Queues a text frame. */
  send(text: string): void;
  /** Starts the closing handshake. */
  close(code: number, reason: string): void;
}

/** What all sessions of a handler share. */
export interface SessionContext {
  readonly registry: SignalingRegistry;
  /** Adds a peer to a room; a promise only where other instances have to be asked. */
  readonly join: (room: string, peer: Peer) => JoinResult | Promise<JoinResult>;
  /** Withdraws the join of a peer that disconnected before the promise of `join` was settled. */
  readonly cancelJoin: (peer: Peer) => void;
  readonly director: Director;
  readonly connections: Connections;
  readonly deadlines: Deadlines;
  readonly authorizeConsumer: ConsumerAuthorizer;
  readonly refreshes: Refreshes;
  /** Checks an admission again that was settled before, and may have been revoked since. */
  readonly recheck: (admission: Admission) => Admission;
  readonly icePushes: IcePushes;
  readonly refusals: Pick<RefusalLog, "refused" | "closed">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: Limits;
  readonly metrics: Metrics;
  /** What normal peers show in order to join. */
  readonly auth: AuthKind;
  /** Milliseconds within which a client that cannot join as a normal peer must register; 0 is no limit. */
  readonly registerTimeoutMs: number;
  /** Seconds without a frame after which a client counts as dead; 0 is never. */
  readonly idleTimeoutSeconds: number;
  /** Whether the server stops, so that a socket that opens now is closed at once. */
  readonly isClosing: () => boolean;
}

/** Options of `Session`. */
export interface SessionOptions {
  readonly socket: SocketLike;
  /** Who the client is, or why it is refused; a promise must not reject. */
  readonly admission: Admission | Promise<Admission>;
  /** Whether the client's URL names a room. */
  readonly namesRoom: boolean;
  readonly context: SessionContext;
  /** The client's address. */
  readonly address: Address;
}
