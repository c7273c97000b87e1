/**
 * The form in which members, room events and envelopes travel through Redis: JSON arrays that begin
 * with their kind. The scripts write the same kinds.
 */

import type {
  Envelope,
  EnvelopeHeader,
  Member,
  OrderedMember,
  RoomEvent,
  UndeliverableReason,
} from "../backplane.ts";
import type { Role } from "../../protocol/messages.ts";

/** The kinds of messages. */
export const MESSAGE_KIND = {
  joined: "joined",
  snapshot: "snapshot",
  updated: "updated",
  left: "left",
  instanceLeft: "instance left",
  envelope: "envelope",
  undeliverable: "undeliverable",
  membersLost: "members lost",
  authFailed: "auth failed",
  post: "post",
  barrier: "barrier",
  ping: "ping",
  mark: "mark",
  markReached: "mark reached",
  heartbeat: "heartbeat",
} as const;

/** What was read from a channel. */
export type RedisMessage =
  | {
    readonly kind: "heartbeat";
    /** When the instance sent it, by its own `Clock.elapsed`. */
    readonly sentAt: number;
  }
  | { readonly kind: "room event"; readonly event: RoomEvent }
  | {
    readonly kind: "envelope";
    readonly envelope: Envelope;
    /** Heartbeats of the target's instance that the sender's knew of when it sent this. */
    readonly heartbeats: number;
  }
  | {
    readonly kind: "undeliverable";
    readonly envelope: EnvelopeHeader;
    readonly reason: UndeliverableReason;
  }
  | { readonly kind: "members lost"; readonly room: string; readonly from: string }
  | { readonly kind: "auth failed"; readonly address: string; readonly from: string }
  | { readonly kind: "barrier"; readonly id: number }
  | { readonly kind: "post"; readonly text: string; readonly from: string }
  | { readonly kind: "mark" | "mark reached"; readonly from: string; readonly position: number };

/** What is published to learn whether an instance still subscribes to its channel. */
export const PING = JSON.stringify([MESSAGE_KIND.ping]);

/** The parts of a member as the scripts take them. */
export function encodeMember(member: Member): string[] {
  const { instance, number, role, acceptsConsumers, joinedAt, consumerIdentity } = member;
  const accepts = acceptsConsumers ? "1" : "0";
  return [instance, String(number), role, accepts, String(joinedAt), consumerIdentity];
}

/**
 * An envelope: a line with its header and the heartbeats of the target's instance as the sender's knows
 * them, then the frame as the client gets it.
 */
export function encodeEnvelope(envelope: Envelope, heartbeats: number): string {
  const line = [MESSAGE_KIND.envelope, ...encodeHeader(envelope), heartbeats];
  return `${JSON.stringify(line)}\n${envelope.text}`;
}

/** Tells the sender's instance that an envelope was not delivered. */
export function encodeUndeliverable(
  envelope: EnvelopeHeader,
  reason: UndeliverableReason,
): string {
  return JSON.stringify([MESSAGE_KIND.undeliverable, ...encodeHeader(envelope), reason]);
}

/** Asks the target's instance to answer once it has received all that was sent before. */
export function encodeMark(from: string, position: number): string {
  return JSON.stringify([MESSAGE_KIND.mark, from, position]);
}

/** Answers a mark. */
export function encodeMarkReached(from: string, position: number): string {
  return JSON.stringify([MESSAGE_KIND.markReached, from, position]);
}

/** Tells all instances of an address whose token or secret was not valid. */
export function encodeAuthFailed(address: string, from: string): string {
  return JSON.stringify([MESSAGE_KIND.authFailed, address, from]);
}

/** What an instance publishes for itself, to learn that it has received what was published before. */
export function encodeBarrier(id: number): string {
  return JSON.stringify([MESSAGE_KIND.barrier, id]);
}

/** A text of one instance for others: a line that names the sender, then the text. */
export function encodePost(text: string, from: string): string {
  return `${JSON.stringify([MESSAGE_KIND.post, from])}\n${text}`;
}

function encodeHeader({ room, type, from, sender, to, target }: EnvelopeHeader): unknown[] {
  return [room, type, from, sender.instance, sender.number, to, target.instance, target.number];
}

/**
 * Reads what came from a channel; `undefined` for anything else than a message of this version, since
 * others may publish there.
 */
export function decodeMessage(text: string): RedisMessage | undefined {
  try {
    const end = text.indexOf("\n");
    const fields: unknown = JSON.parse(end === -1 ? text : text.slice(0, end));
    return Array.isArray(fields) ? decode(fields, text.slice(end + 1)) : undefined;
  } catch {
    return undefined;
  }
}

function decode([kind, ...fields]: unknown[], text: string): RedisMessage | undefined {
  switch (kind) {
    case MESSAGE_KIND.heartbeat:
      return { kind, sentAt: toNumber(fields[0]) };
    case MESSAGE_KIND.envelope: {
      const envelope = { ...decodeHeader(fields), text };
      return { kind, envelope, heartbeats: toNumber(fields[8]) };
    }
    case MESSAGE_KIND.undeliverable:
      return { kind, envelope: decodeHeader(fields), reason: toReason(fields[8]) };
    case MESSAGE_KIND.membersLost:
      return { kind, room: toText(fields[0]), from: toText(fields[1]) };
    case MESSAGE_KIND.mark:
    case MESSAGE_KIND.markReached:
      return { kind, from: toText(fields[0]), position: toNumber(fields[1]) };
    case MESSAGE_KIND.authFailed:
      return { kind, address: toText(fields[0]), from: toText(fields[1]) };
    case MESSAGE_KIND.barrier:
      return { kind, id: toNumber(fields[0]) };
    case MESSAGE_KIND.post:
      return { kind, text, from: toText(fields[0]) };
    default: {
      const event = decodeEvent(kind, fields);
      return event && { kind: "room event", event };
    }
  }
}

function decodeHeader(fields: unknown[]): EnvelopeHeader {
  const [room, type, from, senderInstance, senderNumber, to, instance, number] = fields;
  return {
    room: toText(room),
    type: toEnvelopeType(type),
    from: toText(from),
    sender: { instance: toText(senderInstance), number: toNumber(senderNumber) },
    to: toText(to),
    target: { instance: toText(instance), number: toNumber(number) },
  };
}

function decodeEvent(kind: unknown, [name, ...fields]: unknown[]): RoomEvent | undefined {
  switch (kind) {
    case MESSAGE_KIND.joined: {
      const [id, value, rotation, isReclaim] = fields;
      const member = decodeMember(id, value);
      const room = toText(name);
      return { kind, room, member, rotation: toNumber(rotation), isReclaim: isReclaim === true };
    }
    case MESSAGE_KIND.snapshot: {
      const [pairs, rotation, isReclaim] = fields;
      const members = decodeMembers(pairs);
      const room = toText(name);
      return { kind, room, members, rotation: toNumber(rotation), isReclaim: isReclaim === true };
    }
    case MESSAGE_KIND.updated:
      return { kind, room: toText(name), member: decodeMember(fields[0], fields[1]) };
    case MESSAGE_KIND.left: {
      const [id, instance, number] = fields;
      const memberId = { instance: toText(instance), number: toNumber(number) };
      return { kind, room: toText(name), id: toText(id), memberId };
    }
    case MESSAGE_KIND.instanceLeft:
      return { kind, room: toText(name), instance: toText(fields[0]) };
    default:
      return undefined;
  }
}

/** Ids and stored members in turn, as `HGETALL` replies. */
function decodeMembers(pairs: unknown): OrderedMember[] {
  if (pairs === null || typeof pairs !== "object") throw new TypeError("Not a list of members");
  if (!Array.isArray(pairs)) return []; // Lua writes an empty list as an object.
  const members: OrderedMember[] = [];
  for (let n = 0; n < pairs.length; n += 2) members.push(decodeMember(pairs[n], pairs[n + 1]));
  return members.sort((a, b) => a.joinOrder - b.joinOrder);
}

function decodeMember(id: unknown, value: unknown): OrderedMember {
  const parts = toText(value).split(" ");
  const [instance, number, role, acceptsConsumers, joinedAt, joinOrder, ...identity] = parts;
  return {
    id: toText(id),
    instance: toText(instance),
    number: toNumber(Number(number)),
    role: toRole(role),
    acceptsConsumers: acceptsConsumers === "1",
    joinedAt: toNumber(Number(joinedAt)),
    joinOrder: toNumber(Number(joinOrder)),
    consumerIdentity: identity.join(" "), // It may contain anything.
  };
}

function toText(value: unknown): string {
  if (typeof value !== "string") throw new TypeError("Not a text");
  return value;
}

function toNumber(value: unknown): number {
  if (typeof value !== "number" || !Number.isFinite(value)) throw new TypeError("Not a number");
  return value;
}

function toRole(value: unknown): Role {
  if (value !== "normal" && value !== "consumer") throw new TypeError("Not a role");
  return value;
}

function toReason(value: unknown): UndeliverableReason {
  if (value !== "busy" && value !== "not found") throw new TypeError("Not a reason");
  return value;
}

function toEnvelopeType(value: unknown): EnvelopeHeader["type"] {
  switch (value) {
    case "offer":
    case "answer":
    case "ice-candidate":
    case "list":
      return value;
    default:
      throw new TypeError("Not a type of envelope");
  }
}
