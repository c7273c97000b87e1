/**
 * What an operator may ask for, as the library and the HTTP routes take it, and how that is checked. It
 * finds no answers.
 */

import {
  isLongerThan,
  isObject,
  MAX_NODE_ID_LENGTH,
  MAX_ROOM_LENGTH,
} from "../protocol/messages.ts";
import type {
  DisconnectTarget,
  InstanceReport,
  PeerReport,
  PeersQuestion,
  RefusalReport,
  RoomCount,
  RoomsQuestion,
  SentCount,
  SignalCount,
} from "../rooms/report.ts";
import { AdminRequestError } from "./request_error.ts";

/** Which rooms to list. */
export interface RoomsRequest {
  /** How the names of the rooms begin; any by default. */
  prefix?: string | undefined;
  /**
   * Rooms on one page at most, from 1 to 1000.
   *
   * @default {100}
   */
  limit?: number | undefined;
  /** The cursor of the page before; the first page when absent. */
  cursor?: string | undefined;
}

/** A page of rooms. */
export interface RoomsPage {
  /** The rooms, sorted by name (by UTF-16 code units), each with its peers on all instances. */
  readonly rooms: readonly RoomCount[];
  /** The cursor of the next page; `null` if this is the last one. A page may have less than `limit`. */
  readonly cursor: string | null;
  /** Present if an instance has not answered within a second, so that its peers are missing. */
  readonly partial?: true;
}

/** Which peers to list. */
export interface PeersRequest {
  /** The room. */
  room: string;
  /** The name of one peer; all when absent. */
  nodeId?: string | undefined;
  /** The name of another one: what the two have exchanged is reported, too. Needs `nodeId`. */
  with?: string | undefined;
}

/** The signals from one peer to another, as both ends have counted them. */
export interface PairReport {
  /** The name of the sender. */
  readonly from: string;
  /** The name of the other peer. */
  readonly to: string;
  /** What the sender's connection has counted; `null` if there is none, or nothing is remembered. */
  readonly sent: SentCount | null;
  /** What the other's connection has counted; `null` as above. */
  readonly received: SignalCount | null;
}

/** The peers of a room. */
export interface PeersAnswer {
  /** The peers on all instances, in order of joining. */
  readonly peers: readonly PeerReport[];
  /** Who was refused lately that asked for this room, the last one first. */
  readonly refusals: readonly RefusalReport[];
  /** Present where two names were asked for: both directions. */
  readonly pair?: readonly PairReport[];
  /** Present if an instance has not answered within a second, so that its peers are missing. */
  readonly partial?: true;
}

/** Whom to disconnect. */
export interface DisconnectRequest {
  /** The room. */
  room: string;
  /** The name of one peer; everybody in the room when absent. */
  nodeId?: string | undefined;
}

/** Who was disconnected. */
export interface DisconnectAnswer {
  /** How many connections were closed, on all instances. */
  readonly disconnected: number;
  /** Present if an instance has not answered within a second. */
  readonly partial?: true;
}

/** Every instance that has answered. */
export interface InstancesAnswer {
  /** The instances, this one first. */
  readonly instances: readonly InstanceReport[];
  /** Present if an instance has not answered within a second. */
  readonly partial?: true;
}

/** Rooms on a page. */
const LIMIT = { default: 100, max: 1000 } as const;

/** What a cursor begins with: one of another version is not valid. */
const CURSOR_VERSION = "1.";

/** Longer than the cursor of any name of a room. */
const MAX_CURSOR_LENGTH = 8192;

/**
 * Checks which rooms are asked for.
 *
 * @throws {AdminRequestError} It is not possible.
 */
export function checkRoomsRequest(request: RoomsRequest): RoomsQuestion {
  checkFields(request, ["prefix", "limit", "cursor"]);
  const { prefix = "", limit = LIMIT.default, cursor } = request;
  if (typeof limit !== "number" || !Number.isInteger(limit) || limit < 1 || limit > LIMIT.max) {
    throw new AdminRequestError(`\`limit\` must be a whole number from 1 to ${LIMIT.max}`);
  }
  const question = { prefix: checkText("prefix", prefix, MAX_ROOM_LENGTH), limit };
  return cursor === undefined ? question : { ...question, after: readCursor(cursor) };
}

/**
 * Checks which peers are asked for.
 *
 * @throws {AdminRequestError} It is not possible.
 */
export function checkPeersRequest(request: PeersRequest): PeersQuestion {
  checkFields(request, ["room", "nodeId", "with"]);
  const { nodeId, with: other } = request;
  const room = checkName("room", request.room, MAX_ROOM_LENGTH);
  if (nodeId === undefined) {
    if (other !== undefined) throw new AdminRequestError("`with` needs `nodeId`");
    return { room, nodeIds: [] };
  }
  const nodeIds = [checkName("nodeId", nodeId, MAX_NODE_ID_LENGTH)];
  if (other !== undefined) {
    if (other === nodeId) throw new AdminRequestError("`with` must be another name than `nodeId`");
    nodeIds.push(checkName("with", other, MAX_NODE_ID_LENGTH));
  }
  return { room, nodeIds };
}

/**
 * Checks who is to be disconnected.
 *
 * @throws {AdminRequestError} It is not possible.
 */
export function checkDisconnectRequest(request: object): DisconnectTarget {
  checkFields(request, ["room", "nodeId"]);
  const { room: name, nodeId }: { room?: unknown; nodeId?: unknown } = request;
  const room = checkName("room", name, MAX_ROOM_LENGTH);
  return nodeId === undefined
    ? { room }
    : { room, nodeId: checkName("nodeId", nodeId, MAX_NODE_ID_LENGTH) };
}

/** The cursor of the page behind this room. */
export function cursorAfter(room: string): string {
  // As JSON, because a host may name a room with half a surrogate pair, which UTF-8 cannot encode.
  const bytes = new TextEncoder().encode(JSON.stringify(room));
  return CURSOR_VERSION + bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

function readCursor(cursor: unknown): string {
  if (typeof cursor === "string" && cursor.length <= MAX_CURSOR_LENGTH) {
    const name = decodeCursor(cursor);
    if (typeof name === "string" && cursorAfter(name) === cursor) return name;
  }
  throw new AdminRequestError("`cursor` must be the cursor of an earlier answer, or absent");
}

function decodeCursor(cursor: string): unknown {
  try {
    const encoded = cursor.slice(CURSOR_VERSION.length);
    const bytes = Uint8Array.fromBase64(encoded, { alphabet: "base64url" });
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

/** A field that is not known may be a name that was meant as another: without it, more would match. */
function checkFields(request: unknown, known: readonly string[]): void {
  if (!isObject(request)) throw new AdminRequestError("The request must be an object");
  const unknown = Object.keys(request).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const names = known.map((name) => `\`${name}\``).join(", ");
  throw new AdminRequestError(`There is no field ${shorten(unknown)}: there are ${names}`);
}

function checkName(field: string, value: unknown, maxLength: number): string {
  if (value === undefined || value === "") {
    throw new AdminRequestError(`\`${field}\` is missing or empty`);
  }
  return checkText(field, value, maxLength);
}

function checkText(field: string, value: unknown, maxLength: number): string {
  if (typeof value !== "string" || !value.isWellFormed()) {
    throw new AdminRequestError(`\`${field}\` must be a string of valid Unicode`);
  }
  if (isLongerThan(value, maxLength)) {
    throw new AdminRequestError(`\`${field}\` must have ${maxLength} characters at most`);
  }
  return value;
}

/** A name, short enough for a sentence. */
function shorten(name: string): string {
  return JSON.stringify(name.length > 40 ? `${name.slice(0, 40)}…` : name);
}
