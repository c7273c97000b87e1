/**
 * The type names of the npm package of the same name (versions 0.1 to 2.1), so that a port changes
 * its import and nothing else. New programs use the names on the right.
 */

import type { ConsumerAuthOptions } from "../access/consumer_tokens.ts";
import type { TokenClaims } from "../access/room_tokens.ts";
import type { ClientMessage, Role, ServerMessage, SignalMessage } from "../protocol/messages.ts";
import type { SignalingHandlerOptions, SignalingStats } from "./handler_options.ts";
import type { ServerOptions } from "./server.ts";

/** The npm package's name for {@linkcode ServerOptions}. */
export type ServerConfig = ServerOptions;

/** The npm package's name for {@linkcode SignalingHandlerOptions}. */
export type SignalingHandlerConfig = SignalingHandlerOptions;

/** The npm package's name for {@linkcode SignalingStats}. */
export type SignalingHandlerStats = SignalingStats;

/** The npm package's name for {@linkcode ConsumerAuthOptions}. */
export type ConsumerAuthConfig = ConsumerAuthOptions;

/** The npm package's name for {@linkcode TokenClaims}. */
export type TokenPayload = TokenClaims;

/** The npm package's name for {@linkcode Role}. */
export type ClientRole = Role;

/** The npm package's name for every message, in either direction. */
export type SignalingMessage = ClientMessage | ServerMessage;

/** The ids of the other normal peers of the room. */
export type PeerListMessage = Extract<ServerMessage, { type: "peer-list" }>;

/** The ids of the normal peers that a consumer may call. */
export type ServerListMessage = Extract<ServerMessage, { type: "server-list" }>;

/** What a consumer is sent before it is closed, when its token is not accepted. */
export type AuthErrMessage = Extract<ServerMessage, { type: "auth-err" }>;

/** A {@linkcode SignalMessage} that offers a connection. */
export type OfferMessage = SignalMessage & { readonly type: "offer" };

/** A {@linkcode SignalMessage} that answers an offer. */
export type AnswerMessage = SignalMessage & { readonly type: "answer" };

/** A {@linkcode SignalMessage} that carries an ICE candidate. */
export type IceCandidateMessage = SignalMessage & { readonly type: "ice-candidate" };
