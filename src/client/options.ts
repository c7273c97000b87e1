/**
 * What an application says to a client and what it is told: options, states, events, and the error
 * with which it ends a client. How they are used is in `client.ts`.
 */

import type { Role } from "../protocol/messages.ts";
import type {
  ChannelInit,
  Configuration,
  DataChannel,
  IceServer,
  PeerConnection,
  PeerConnectionConstructor,
} from "./dom.ts";
import type { TypedEventTarget } from "./events.ts";

/**
 * Why a token is asked for: before each connection, before the current one expires, or once after
 * the server has refused one (4003, 4401).
 */
export type TokenReason = "connect" | "expiring" | "refused";

/** A function that returns a token. Whoever throws a {@linkcode StopError} in it ends the client. */
export type TokenSource = (reason: TokenReason) => string | Promise<string>;

/** Options of `SignalingClient`. */
export interface SignalingClientOptions {
  /** The address of the server's `/signal`, such as `wss://signal.example.com/signal`. */
  readonly url: string | URL;
  /** The room. With authentication it is the subject of the room token. */
  readonly room: string;
  /**
   * This client's name in its room. Never let two tabs share one.
   *
   * @default 32 random hexadecimal digits
   */
  readonly nodeId?: string;
  /**
   * `normal` connects to every normal of the room; `consumer` connects to one normal at a time, which
   * the server proposes, and to the next if that one fails.
   *
   * @default {"normal"}
   */
  readonly role?: Role;
  /** Whether the server may propose this normal to consumers. @default {true} */
  readonly serveConsumers?: boolean;
  /** Consumers that this normal serves at most, for the server's proposals. */
  readonly capacity?: number;
  /** Returns a room token. Without it none is sent, as for a server without authentication. */
  readonly getToken?: TokenSource;
  /** Returns a token of your identity provider, for a consumer. */
  readonly getConsumerToken?: TokenSource;
  /**
   * Where the room token is sent. A subprotocol is in no URL, so in no log.
   *
   * @default {"subprotocol"}
   */
  readonly tokenIn?: "subprotocol" | "query";
  /** The least and the greatest delay between two connections. @default 500 ms and 20 s */
  readonly reconnect?: { readonly minMs?: number; readonly maxMs?: number };
  /** The configuration of each connection. The server's ICE servers come before those in it. */
  readonly rtc?: Configuration;
  /** Another `RTCPeerConnection` than the global one, where there is none. */
  readonly RTCPeerConnection?: PeerConnectionConstructor;
  /** Closes the client when it is aborted. */
  readonly signal?: AbortSignal;
}

/**
 * What a client does: it has no socket and will connect later (`waiting`), it connects
 * (`connecting`), it is in its room (`joined`), or it has ended for good (`stopped`).
 */
export type SignalingState = "connecting" | "joined" | "waiting" | "stopped";

/** A change of state, and why. */
export interface StateChange {
  /** The new state. */
  readonly state: SignalingState;
  /** The close code of the socket, if that is why: 1006 if there was no answer. */
  readonly code?: number;
  /** The reason that the server gave with the close code. */
  readonly reason?: string;
  /** Milliseconds until the next attempt; `waiting` without it is until the page is shown again. */
  readonly retryInMs?: number;
  /** What a token source has thrown, or why the `signal` was aborted, if that is why. */
  readonly error?: unknown;
}

/** A message that was sent or received; those with tokens are not shown. */
export interface MessageDetail {
  /** Whether this client sent it. */
  readonly sent: boolean;
  /** The message, as the protocol describes it. */
  readonly message: Readonly<Record<string, unknown>>;
}

/** The events of `SignalingClient`. */
export interface SignalingEventMap {
  /** The state has changed. */
  state: CustomEvent<StateChange>;
  /** There is a new peer: add listeners and open channels at once, before the first offer. */
  peer: CustomEvent<Peer>;
  /** The server has sent ICE servers; all connections have them. */
  iceservers: CustomEvent<readonly IceServer[]>;
  /** A message was sent or received: for a log. */
  message: CustomEvent<MessageDetail>;
}

/** The events of {@linkcode Peer}. */
export interface PeerEventMap {
  /** The peer has opened a channel by `openChannel`. */
  channel: CustomEvent<DataChannel>;
  /** The state of the connection has changed. */
  state: CustomEvent<PeerConnection["connectionState"]>;
  /** The browser refused a description; the client tries again by itself. */
  error: CustomEvent<unknown>;
  /** The connection has ended for good. A later one with this id is another `Peer`. */
  close: Event;
}

/** A connection with another client of the room. */
export interface Peer extends TypedEventTarget<PeerEventMap> {
  /** The `nodeId` of the other. */
  readonly id: string;
  /** The role of the other. */
  readonly role: Role;
  /** The connection. The client negotiates it: do not call its methods for descriptions. */
  readonly connection: PeerConnection;
  /**
   * The channel that both sides have from the start, ordered and reliable. Either side ends the
   * connection by closing it.
   */
  readonly channel: DataChannel;
  /** Opens a further channel. The other side gets it by the event `channel`. */
  openChannel(label: string, init?: ChannelInit): DataChannel;
  /** Looks for a new path to the peer. The client does so by itself when it loses the old one. */
  restartIce(): void;
  /** Ends the connection. */
  close(): void;
}

/**
 * Ends the client when a token source throws it: the user has signed out, say, so that no further
 * attempt makes sense. After any other error the client tries again.
 *
 * @example
 * ```ts
 * import { StopError } from "@aikofy/client-db-sync/client";
 *
 * async function getToken(): Promise<string> {
 *   const response = await fetch("/api/room-token", { method: "POST" });
 *   if (response.status === 401) throw new StopError("signed out");
 *   return await response.text();
 * }
 * ```
 */
export class StopError extends Error {
  /** Always `StopError`. */
  override readonly name = "StopError";
}
