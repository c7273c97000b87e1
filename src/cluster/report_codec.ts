/**
 * Checks the questions of an operator and their answers, as they come from another instance. What they
 * mean is decided elsewhere.
 */

import { isObject } from "../protocol/messages.ts";
import type {
  DisconnectTarget,
  InstancePeers,
  InstanceReport,
  InstanceRooms,
  PartnerReport,
  PeerReport,
  PeersQuestion,
  RefusalReport,
  RoomCount,
  RoomsQuestion,
  SentCount,
  SignalCount,
} from "../rooms/report.ts";

type Check = (value: unknown) => boolean;

/** A check for each field of a shape. */
type Shape<T> = { readonly [K in keyof T]-?: Check };

const isText: Check = (value) => typeof value === "string";
const isTextOrNull: Check = (value) => value === null || isText(value);
const isBoolean: Check = (value) => typeof value === "boolean";
const isTime: Check = (value) => typeof value === "string" && !Number.isNaN(Date.parse(value));
const isRole: Check = (value) => value === "normal" || value === "consumer";
const optional = (check: Check): Check => (value) => value === undefined || check(value);

/** Whether a value is a whole number, zero or more. */
export function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** What clients report of themselves may be a fraction. */
const isAmount: Check = (value) =>
  typeof value === "number" && Number.isFinite(value) && value >= 0;

const SIGNALS: Shape<SignalCount> = { offers: isCount, answers: isCount, candidates: isCount };
const SENT: Shape<SentCount> = { ...SIGNALS, undelivered: isCount };
const isSignals: Check = (value) => fits(value, SIGNALS);
const isSent: Check = (value) => fits(value, SENT);

const ROOM: Shape<RoomCount> = { room: isText, normals: isCount, consumers: isCount };
const PARTNER: Shape<PartnerReport> = { nodeId: isText, sent: isSent, received: isSignals };
const REFUSAL: Shape<RefusalReport> = {
  nodeId: isText,
  instance: isText,
  at: isTime,
  code: isCount,
  reason: isText,
  address: isTextOrNull,
};
const PEER: Shape<PeerReport> = {
  nodeId: isText,
  role: isRole,
  instance: isText,
  connection: isText,
  connectedAt: isTime,
  joinedAt: isTime,
  lastMessageAt: isTime,
  address: isTextOrNull,
  serveConsumers: isBoolean,
  capacity: (value) => value === null || isAmount(value),
  sessions: isAmount,
  unreadBytes: isCount,
  sent: isSent,
  received: isSignals,
  partners: optional((value) => isListOf(value, PARTNER)),
};
const ROOMS: Shape<InstanceRooms> = {
  rooms: (value) => isListOf(value, ROOM),
  hasMore: isBoolean,
};
const PEERS: Shape<InstancePeers> = {
  peers: (value) => isListOf(value, PEER),
  hasMore: isBoolean,
  refusals: (value) => isListOf(value, REFUSAL),
};
const INSTANCE: Shape<InstanceReport> = {
  instance: isText,
  version: isText,
  startedAt: isTime,
  isDraining: isBoolean,
  peers: isCount,
  rooms: isCount,
};
const ROOMS_QUESTION: Shape<RoomsQuestion> = {
  prefix: isText,
  after: optional(isText),
  limit: isCount,
};
const PEERS_QUESTION: Shape<PeersQuestion> = {
  room: isText,
  after: optional(isText),
  nodeIds: (value) => Array.isArray(value) && value.every(isText),
};
const TARGET: Shape<DisconnectTarget> = { room: isText, nodeId: optional(isText) };

/** Reads the rooms of an instance; `undefined` for anything else. */
export function readInstanceRooms(value: unknown): InstanceRooms | undefined {
  return fits(value, ROOMS) ? value : undefined;
}

/** Reads the peers of an instance; `undefined` for anything else. */
export function readInstancePeers(value: unknown): InstancePeers | undefined {
  return fits(value, PEERS) ? value : undefined;
}

/** Reads what an instance says of itself; `undefined` for anything else. */
export function readInstanceReport(value: unknown): InstanceReport | undefined {
  return fits(value, INSTANCE) ? value : undefined;
}

/** Reads which rooms are asked for; `undefined` for anything else. */
export function readRoomsQuestion(value: unknown): RoomsQuestion | undefined {
  return fits(value, ROOMS_QUESTION) ? value : undefined;
}

/** Reads which peers are asked for; `undefined` for anything else. */
export function readPeersQuestion(value: unknown): PeersQuestion | undefined {
  return fits(value, PEERS_QUESTION) ? value : undefined;
}

/** Reads who is disconnected; `undefined` for anything else. */
export function readDisconnectTarget(value: unknown): DisconnectTarget | undefined {
  return fits(value, TARGET) ? value : undefined;
}

function fits<T extends object>(value: unknown, shape: Shape<T>): value is T {
  return isObject(value) &&
    Object.entries<Check>(shape).every(([name, check]) => check(value[name]));
}

function isListOf<T extends object>(value: unknown, shape: Shape<T>): boolean {
  return Array.isArray(value) && value.every((item) => fits(item, shape));
}
