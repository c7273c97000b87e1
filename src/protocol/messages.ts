/**
 * The wire contract: every message a client may send, every message the server sends, every close
 * code, and the bounds on names. Parsing is total: it never throws and never returns a field it has
 * not checked. This file imports nothing.
 */

/** What a peer is: a `normal` peer holds a full replica, a `consumer` calls normal peers. */
export type Role = "normal" | "consumer";

/** Joins the room, or updates the role and options of a peer that has joined. */
export interface RegisterMessage {
  /** Which message this is. */
  readonly type: "register";
  /** Absent on the wire means `normal`. */
  readonly role: Role;
  /** Whether consumers may be directed to this normal peer; absent on the wire means `true`. */
  readonly serveConsumers: boolean;
  /** Consumer sessions this normal peer takes at most, if it said so. */
  readonly capacity: number | undefined;
  /** A consumer's identity token, issued by the app's own identity provider. */
  readonly token: string | undefined;
}

/** A normal peer's report of its load; absent fields leave the last report as it was. */
export interface HeartbeatMessage {
  /** Which message this is. */
  readonly type: "heartbeat";
  /** Consumer sessions in progress. */
  readonly sessions: number | undefined;
  /** Whether consumers may be directed to this peer from now on. */
  readonly serveConsumers: boolean | undefined;
  /** Consumer sessions this peer takes at most. */
  readonly capacity: number | undefined;
}

/**
 * An offer, answer or ICE candidate on its way to another peer. The payload (`sdp`, `candidate` and
 * whatever else the client sent) is opaque to the server and travels untouched; `from` and
 * `fromRole` are the server's own.
 */
export interface SignalMessage {
  /** Which of the three kinds this is. */
  readonly type: "offer" | "answer" | "ice-candidate";
  /** The `nodeId` of the peer that is meant. */
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

/** Every message that a client may send. */
export type ClientMessage = RegisterMessage | HeartbeatMessage | SignalMessage;

/** Every message that the server sends. */
export type ServerMessage =
  | { readonly type: "peer-list"; readonly peers: readonly string[] }
  | { readonly type: "server-list"; readonly servers: readonly string[] }
  | SignalMessage
  | {
    readonly type: "error";
    readonly code: "PEER_NOT_FOUND" | "PEER_BUSY";
    readonly message: string;
    readonly to: string;
  }
  | { readonly type: "error"; readonly code: "INVALID_MESSAGE"; readonly message: string }
  | { readonly type: "auth-err"; readonly status: "UNAUTHENTICATED"; readonly message: string };

/** What came instead of a {@linkcode ClientMessage}: a type from the future, or a mistake. */
export type NoMessage =
  | { readonly type: "unknown" }
  | { readonly type: "invalid"; readonly problem: string };

/** A WebSocket close code with its reason (RFC 6455, section 7.4). */
export interface CloseReason {
  /** 1000 to 1013 as registered by the RFC, 4000 and up of this protocol. */
  readonly code: number;
  /** A few words for people; clients in the field read neither. */
  readonly reason: string;
}

/** Every way in which the server closes a socket. */
export const CLOSE = {
  replaced: { code: 1000, reason: "replaced by new connection" },
  shuttingDown: { code: 1001, reason: "server shutting down" },
  messageTooBig: { code: 1009, reason: "message too big" },
  internalError: { code: 1011, reason: "internal error" },
  readsTooSlowly: { code: 1013, reason: "client reads too slowly" },
  roomFull: { code: 1013, reason: "room is full" },
  outOfMemory: { code: 1013, reason: "server is short of memory" },
  missingToken: { code: 4001, reason: "missing token" },
  missingRoom: { code: 4001, reason: "missing room" },
  registrationTimeout: { code: 4002, reason: "registration timeout" },
  invalidToken: { code: 4003, reason: "invalid or expired token" },
  wrongRoom: { code: 4003, reason: "room does not match token subject" },
  roomTooLong: { code: 4003, reason: "room is longer than 256 characters" },
  nodeIdTooLong: { code: 4003, reason: "nodeId is longer than 128 characters" },
  notAuthorized: { code: 4003, reason: "not authorized" },
  invalidConsumerToken: { code: 4003, reason: "invalid or expired consumer token" },
  consumersRefused: { code: 4003, reason: "consumer authentication is not configured" },
  nodeIdInUse: { code: 4409, reason: "nodeId already in use" },
  tooManyMessages: { code: 4429, reason: "too many messages" },
  tooManyFailures: { code: 4429, reason: "too many failed attempts" },
} as const satisfies Record<string, CloseReason>;

/** Characters (Unicode code points) that the name of a room has at most. */
export const MAX_ROOM_LENGTH = 256;

/** Characters (Unicode code points) that a `nodeId` has at most. */
export const MAX_NODE_ID_LENGTH = 128;

/** Tells whether a text has more than `max` characters, counted as Unicode code points. */
export function isLongerThan(text: string, max: number): boolean {
  if (text.length <= max) return false;
  if (text.length > max * 2) return true; // a code point takes two units at most
  return [...text].length > max;
}

/** Tells whether a text takes more than `max` bytes as UTF-8, encoding it only when in doubt. */
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

/** The text frame of a message. */
export function encode(message: ServerMessage): string {
  return JSON.stringify(message);
}

/**
 * Reads one text frame.
 *
 * @param text What the client sent.
 * @returns The message, with every field checked; `unknown` for a type this server does not know,
 * which is to be ignored; `invalid` with a sentence for the client otherwise.
 */
export function parseClientMessage(text: string): ClientMessage | NoMessage {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return invalid("The message is not JSON");
  }
  if (!isObject(value)) return invalid("The message is not a JSON object");
  switch (value["type"]) {
    case "offer":
    case "answer":
    case "ice-candidate":
      return typeof value["to"] === "string" && !isLongerThan(value["to"], MAX_NODE_ID_LENGTH)
        ? value as unknown as SignalMessage
        : invalid("`to` must be the nodeId of a peer");
    case "register":
      return parseRegister(value);
    case "heartbeat":
      return parseHeartbeat(value);
    default:
      return typeof value["type"] === "string"
        ? { type: "unknown" }
        : invalid("`type` must be a string");
  }
}

function parseRegister(value: Record<string, unknown>): RegisterMessage | NoMessage {
  const role = value["role"] ?? "normal";
  if (role !== "normal" && role !== "consumer") {
    return invalid('`role` must be "normal" or "consumer"');
  }
  const serveConsumers = value["serveConsumers"] ?? true;
  if (typeof serveConsumers !== "boolean") return invalid("`serveConsumers` must be a boolean");
  const capacity = value["capacity"] ?? undefined;
  if (!isCountOrAbsent(capacity)) return invalid("`capacity` must be a number, zero or more");
  const token = value["token"] ?? undefined;
  if (token !== undefined && typeof token !== "string") return invalid("`token` must be a string");
  return { type: "register", role, serveConsumers, capacity, token };
}

function parseHeartbeat(value: Record<string, unknown>): HeartbeatMessage | NoMessage {
  const load = value["load"] ?? {};
  if (!isObject(load)) return invalid("`load` must be an object");
  const sessions = load["sessions"] ?? undefined;
  if (!isCountOrAbsent(sessions)) return invalid("`load.sessions` must be a number, zero or more");
  const serveConsumers = value["serveConsumers"] ?? undefined;
  if (serveConsumers !== undefined && typeof serveConsumers !== "boolean") {
    return invalid("`serveConsumers` must be a boolean");
  }
  const capacity = value["capacity"] ?? undefined;
  if (!isCountOrAbsent(capacity)) return invalid("`capacity` must be a number, zero or more");
  return { type: "heartbeat", sessions, serveConsumers, capacity };
}

function invalid(problem: string): NoMessage {
  return { type: "invalid", problem };
}

/** Tells whether a value that was read from JSON is an object. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCountOrAbsent(value: unknown): value is number | undefined {
  return value === undefined ||
    (typeof value === "number" && Number.isFinite(value) && value >= 0);
}
