/**
 * The wire contract: every message that a client may send, every message that the server sends, every
 * close code, and the bounds on names. Reading what a client sends is `parse.ts`. This file imports
 * nothing.
 */

/** What a peer is: a `normal` peer has a full replica, a `consumer` calls normal peers. */
export type Role = "normal" | "consumer";

/** What a client writes to join its room, or to update the role and options of a peer that has joined. */
export interface RegisterMessage {
  /** The kind of message. */
  readonly type: "register";
  /** Informative: the client's `nodeId` is the one in its URL. */
  readonly nodeId?: string | undefined;
  /**
   * The role to join in.
   *
   * @default {"normal"}
   */
  readonly role?: Role | undefined;
  /**
   * Whether the director may name this normal peer to consumers.
   *
   * @default {true}
   */
  readonly serveConsumers?: boolean | undefined;
  /** Consumer sessions that this normal peer accepts at most; any number when absent. */
  readonly capacity?: number | undefined;
  /** A consumer's identity token, issued by the app's own identity provider. */
  readonly token?: string | undefined;
  /**
   * Whether this normal peer is told when its room token expires, and will send another one by then. It
   * is closed 25 seconds after the expiry if it does not.
   *
   * @default {false}
   */
  readonly refresh?: boolean | undefined;
  /**
   * Whether the client is sent ICE servers, before its list and again before they expire.
   *
   * @default {false}
   */
  readonly iceServers?: boolean | undefined;
  /** The version of this protocol that the client speaks; the server ignores it. */
  readonly protocolVersion?: number | undefined;
}

/** What a normal peer that has asked for it writes to stay on a new room token. */
export interface RefreshMessage {
  /** The kind of message. */
  readonly type: "refresh";
  /** A token that opens the peer's room under its `nodeId`. */
  readonly token: string;
}

/** What a normal peer writes to report its load. An absent field leaves the last report as it was. */
export interface HeartbeatMessage {
  /** The kind of message. */
  readonly type: "heartbeat";
  /** `sessions`: consumer sessions in progress. */
  readonly load?: { readonly sessions?: number | undefined } | undefined;
  /** Whether the director may name this peer to consumers from now on. */
  readonly serveConsumers?: boolean | undefined;
  /** Consumer sessions that this peer accepts at most. */
  readonly capacity?: number | undefined;
}

/**
 * An offer, answer or ICE candidate on its way to another peer. The payload (`sdp`, `candidate` and
 * whatever else the client sent) is opaque to the server and travels untouched; `from` and
 * `fromRole` are the server's own.
 */
export interface SignalMessage {
  /** The kind of signal. */
  readonly type: "offer" | "answer" | "ice-candidate";
  /** The `nodeId` of the peer that the message is for. */
  readonly to: string;
  /** The sender's `nodeId`; what a client writes here is overwritten. */
  readonly from?: string;
  /** The sender's role; what a client writes here is overwritten. */
  readonly fromRole?: Role;
  /** The session description of an offer or answer. */
  readonly sdp?: unknown;
  /** The candidate of an `ice-candidate`. */
  readonly candidate?: unknown;
}

/** A {@linkcode SignalMessage} as its target receives it. */
export interface RelayedSignal extends SignalMessage {
  /** The sender's `nodeId`. */
  readonly from: string;
  /** The sender's role. */
  readonly fromRole: Role;
}

/** Every message that a client may send. */
export type ClientMessage = RegisterMessage | HeartbeatMessage | RefreshMessage | SignalMessage;

/** Every message that the server sends. */
export type ServerMessage =
  | { readonly type: "peer-list"; readonly peers: readonly string[] }
  | { readonly type: "server-list"; readonly servers: readonly string[] }
  | RelayedSignal
  | {
    readonly type: "error";
    readonly code: "PEER_NOT_FOUND" | "PEER_BUSY";
    readonly message: string;
    readonly to: string;
  }
  | {
    readonly type: "error";
    readonly code: "INVALID_MESSAGE" | "INVALID_TOKEN";
    readonly message: string;
  }
  | {
    readonly type: "token";
    /** When the client's authorization expires, ISO 8601; `null` if a host has given no time. */
    readonly expiresAt: string | null;
  }
  | {
    readonly type: "ice-servers";
    /** As `new RTCPeerConnection({ iceServers })` accepts them. */
    readonly iceServers: readonly {
      readonly urls: string | readonly string[];
      readonly username?: string;
      readonly credential?: string;
    }[];
    /** When they should have been replaced by newer ones, ISO 8601. */
    readonly expiresAt: string;
  }
  | { readonly type: "auth-err"; readonly status: "UNAUTHENTICATED"; readonly message: string };

/** A {@linkcode RegisterMessage} with every field checked and every default filled in. */
export interface ParsedRegister {
  readonly type: "register";
  readonly role: Role;
  readonly serveConsumers: boolean;
  readonly capacity: number | undefined;
  readonly token: string | undefined;
  readonly refresh: boolean;
  readonly iceServers: boolean;
}

/** A {@linkcode RefreshMessage}; a `token` that is no string is `undefined`. */
export interface ParsedRefresh {
  readonly type: "refresh";
  readonly token: string | undefined;
}

/** A {@linkcode HeartbeatMessage} with every field checked; `undefined` leaves the last report as it was. */
export interface ParsedHeartbeat {
  readonly type: "heartbeat";
  readonly sessions: number | undefined;
  readonly serveConsumers: boolean | undefined;
  readonly capacity: number | undefined;
}

/** A frame that is no {@linkcode ClientMessage}: of a type from the future, or a mistake. */
export type UnusableMessage =
  | { readonly type: "unknown" }
  | { readonly type: "invalid"; readonly problem: string };

/** What the parser makes of a text frame. */
export type ParsedMessage =
  | ParsedRegister
  | ParsedHeartbeat
  | ParsedRefresh
  | SignalMessage
  | UnusableMessage;

/** A WebSocket close code with its reason (RFC 6455, section 7.4). */
export interface CloseReason {
  /** 1000 to 1013 as registered by the RFC, 4000 and up of this protocol. */
  readonly code: number;
  /** A few words for people, 123 bytes at most; clients in the field read neither. */
  readonly reason: string;
  /** The HTTP status that says the same to a client that is refused before its upgrade. */
  readonly status: number;
}

/**
 * Every way in which the server closes a socket: above each entry, when the server sends it, and
 * whether the client should come back. To come back means with a growing, random delay; to stop means
 * that another attempt with the same URL would fail in the same way.
 */
export const CLOSE = {
  /** Another socket joined under the same id. Stop: two that come back replace each other for ever. */
  replaced: { code: 1000, reason: "replaced by new connection", status: 409 },
  /** The server stops. Come back. */
  shuttingDown: { code: 1001, reason: "server shutting down", status: 503 },
  /** One message was longer than the limit, or too much waited for a verdict. Stop. */
  messageTooBig: { code: 1009, reason: "message too big", status: 413 },
  /** A failure of the server's own. Come back. */
  internalError: { code: 1011, reason: "internal error", status: 500 },
  /** The client has stopped reading. Come back. */
  readsTooSlowly: { code: 1013, reason: "client reads too slowly", status: 503 },
  /** The room has as many peers of this role as it may. Come back. */
  roomFull: { code: 1013, reason: "room is full", status: 503 },
  /** The room has as many consumers of this issuer and subject as it may. Come back. */
  identityFull: { code: 1013, reason: "too many consumers of one identity", status: 503 },
  /** The process is short of memory and the socket had not joined. Come back. */
  outOfMemory: { code: 1013, reason: "server is short of memory", status: 503 },
  /** The identity provider's keys cannot be had, so that no consumer can be verified. Come back. */
  keySetUnavailable: { code: 1013, reason: "identity provider is not available", status: 503 },
  /** The URL has no token, or a client without one registered as a normal peer. Stop. */
  missingToken: { code: 4001, reason: "missing token", status: 401 },
  /** The URL of a client without a token names no room. Stop. */
  missingRoom: { code: 4001, reason: "missing room", status: 401 },
  /** The client did not register in time, or no verdict on its token came. Come back. */
  registrationTimeout: { code: 4002, reason: "registration timeout", status: 403 },
  /** The room token is malformed or forged. Come back once, with a new token. */
  invalidToken: { code: 4003, reason: "invalid or expired token", status: 401 },
  /** The room token has expired, its signature is valid; clients see no difference. */
  expiredToken: { code: 4003, reason: "invalid or expired token", status: 401 },
  /** The room token has been revoked. Stop. */
  revokedToken: { code: 4003, reason: "token revoked", status: 401 },
  /** The room in the URL is not the token's. Stop. */
  wrongRoom: { code: 4003, reason: "room does not match token subject", status: 403 },
  /** The nodeId in the URL is not the one that the token is bound to. Stop. */
  wrongNodeId: { code: 4003, reason: "nodeId does not match token", status: 403 },
  /** The room's name is too long. Stop. */
  roomTooLong: { code: 4003, reason: "room is longer than 256 characters", status: 403 },
  /** The nodeId is too long. Stop. */
  nodeIdTooLong: { code: 4003, reason: "nodeId is longer than 128 characters", status: 403 },
  /** The host's `authorize` refused the request. Come back once, with other credentials. */
  notAuthorized: { code: 4003, reason: "not authorized", status: 403 },
  /** The consumer token is missing, malformed or forged. Come back once, with a new token. */
  invalidConsumerToken: { code: 4003, reason: "invalid or expired consumer token", status: 401 },
  /** The consumer token has expired, its signature is valid; clients see no difference. */
  expiredConsumerToken: { code: 4003, reason: "invalid or expired consumer token", status: 401 },
  /** A consumer registered where authentication is on and no consumer key is configured. Stop. */
  consumersRefused: {
    code: 4003,
    reason: "consumer authentication is not configured",
    status: 403,
  },
  /** What a connected client came with has expired, and it has sent no newer one. Come back with a new token. */
  tokenExpired: { code: 4401, reason: "token expired", status: 401 },
  /** The token that a connected client came with has been revoked. Stop. */
  tokenRevoked: { code: 4403, reason: "token revoked", status: 403 },
  /** The operator has closed the connection. Stop; the server does not keep out who comes back. */
  disconnected: { code: 4403, reason: "disconnected by the operator", status: 403 },
  /** A peer that keeps the id has joined under it. Stop, or come back under another id. */
  nodeIdInUse: { code: 4409, reason: "nodeId already in use", status: 409 },
  /** The client sent more messages than it may. Come back. */
  tooManyMessages: { code: 4429, reason: "too many messages", status: 429 },
  /** The client sent more bytes than it may. Come back. */
  tooManyBytes: { code: 4429, reason: "too many bytes", status: 429 },
  /** Too many tokens from the client's address were invalid. Come back. */
  tooManyFailures: { code: 4429, reason: "too many failed attempts", status: 429 },
} as const satisfies Record<string, CloseReason>;

/** Maximum length of a room's name, in Unicode code points. */
export const MAX_ROOM_LENGTH = 256;

/** Maximum length of a `nodeId`, in Unicode code points. */
export const MAX_NODE_ID_LENGTH = 128;

/** Whether a text has more than `max` characters, counted as Unicode code points. */
export function isLongerThan(text: string, max: number): boolean {
  if (text.length <= max) return false;
  if (text.length > max * 2) return true; // a code point takes two units at most
  return [...text].length > max;
}

/** Whether a text has more than `max` bytes as UTF-8; it is encoded only when its length leaves doubt. */
export function isOverBytes(text: string, max: number): boolean {
  if (text.length > max) return true;
  if (text.length * 3 <= max) return false;
  return new TextEncoder().encode(text).byteLength > max;
}

/** The error for a signal to a peer that is not in the room. */
export function peerNotFound(to: string): ServerMessage {
  return { type: "error", code: "PEER_NOT_FOUND", message: `Peer ${to} is not connected`, to };
}

/** The error for a signal that was dropped because its sender sends faster than the peer reads. */
export function peerBusy(to: string): ServerMessage {
  const message = `Peer ${to} has not read what you sent it before`;
  return { type: "error", code: "PEER_BUSY", message, to };
}

/** The error for a message that the server cannot use; `problem` is a sentence for the client. */
export function invalidMessage(problem: string): ServerMessage {
  return { type: "error", code: "INVALID_MESSAGE", message: problem };
}

/** The error for a token that is not accepted in place of the old one; `problem` as above. */
export function invalidToken(problem: string): ServerMessage {
  return { type: "error", code: "INVALID_TOKEN", message: problem };
}

/** The text frame of a message. */
export function encode(message: ServerMessage): string {
  return JSON.stringify(message);
}

/** Whether a value that was parsed from JSON is an object, not an array and not `null`. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
