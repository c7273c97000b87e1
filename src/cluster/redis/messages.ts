/** How members, events and letters are written for Redis, and read again. */

import type {
  Envelope,
  EnvelopeHeader,
  JoinOptions,
  Member,
  MemberId,
  OrderedMember,
  RoomEvent,
} from "../backplane.ts";

/** What was read from a channel. */
export type RedisMessage =
  | { readonly type: "beat" }
  | { readonly type: "room event"; readonly event: RoomEvent }
  | { readonly type: "letter"; readonly envelope: Envelope; readonly sentAt: number }
  | { readonly type: "returned"; readonly envelope: EnvelopeHeader }
  | { readonly type: "auth failed"; readonly address: string; readonly from: string };

/** The parts of a member as scripts take them. */
export function encodeMember(
  { instance, number, role, acceptsConsumers, joinedAt }: Member,
): [string, string, string, string, string] {
  const envelope = role === "consumer" ? "c" : "n";
  return [instance, String(number), envelope, acceptsConsumers ? "1" : "0", String(joinedAt)];
}

/** A claim as the script takes it. */
export function encodeJoin(room: string, member: Member, options: JoinOptions): string[] {
  const { isReclaim, maxPeers } = options;
  return [
    room,
    JSON.stringify(room),
    member.id,
    JSON.stringify(member.id),
    ...encodeMember(member),
    isReclaim ? "1" : "0",
    String(maxPeers === Infinity ? Number.MAX_SAFE_INTEGER : maxPeers),
  ];
}

function decodeMember(id: string, value: string): OrderedMember {
  const [instance = "", number, role, acceptsConsumers, joinedAt, joinOrder] = value.split(" ");
  return {
    id,
    instance,
    number: Number(number),
    role: role === "c" ? "consumer" : "normal",
    acceptsConsumers: acceptsConsumers === "1",
    joinedAt: Number(joinedAt),
    joinOrder: Number(joinOrder),
  };
}

/** A letter as it travels: what it is about, a line break, then the frame as the client gets it. */
export function encodeEnvelope(envelope: Envelope, sentAt: number): string {
  return `${JSON.stringify(["m", ...address(envelope), Math.round(sentAt)])}\n${envelope.text}`;
}

/** What the sender's instance is told of a letter that was not delivered. */
export function encodeUndeliverable(envelope: Envelope): string {
  return JSON.stringify(["b", ...address(envelope)]);
}

function address({ room, type, from, sender, to, target }: EnvelopeHeader): unknown[] {
  return [room, type, from, sender.instance, sender.number, to, target.instance, target.number];
}

/** What all instances are told of an address whose token or secret was not valid. */
export function encodeAuthFailed(address: string, from: string): string {
  return JSON.stringify(["f", address, from]);
}

/** What is published to learn whether an instance still subscribes to its channel. */
export const PING = JSON.stringify(["p"]);

/**
 * Reads what came from a channel; `undefined` for what a later version may say, and for what somebody
 * else has published there.
 */
export function decodeMessage(text: string): RedisMessage | undefined {
  try {
    return decode(text);
  } catch {
    return undefined;
  }
}

function decode(text: string): RedisMessage | undefined {
  const end = text.indexOf("\n");
  // deno-lint-ignore no-explicit-any -- written by this file and the scripts alone
  const [kind, ...fields]: any[] = JSON.parse(end === -1 ? text : text.slice(0, end));
  switch (kind) {
    case "t":
      return { type: "beat" };
    case "m":
      return {
        type: "letter",
        envelope: { ...decodeAddress(fields), text: text.slice(end + 1) },
        sentAt: fields[8],
      };
    case "b":
      return { type: "returned", envelope: decodeAddress(fields) };
    case "f":
      return { type: "auth failed", address: fields[0], from: fields[1] };
    default: {
      const event = decodeEvent(kind, fields);
      return event && { type: "room event", event };
    }
  }
}

// deno-lint-ignore no-explicit-any -- see above
function decodeAddress([room, type, from, si, sn, to, ti, tn]: any[]): EnvelopeHeader {
  const sender: MemberId = { instance: si, number: sn };
  const target: MemberId = { instance: ti, number: tn };
  return { room, type, from, sender, to, target };
}

// deno-lint-ignore no-explicit-any -- see above
function decodeEvent(kind: string, fields: any[]): RoomEvent | undefined {
  const [room] = fields;
  switch (kind) {
    case "j": {
      const [, id, value, rotation, isReclaim] = fields;
      const member = decodeMember(id, value);
      return { type: "joined", room, member, rotation, isReclaim: isReclaim === 1 };
    }
    case "r": {
      const [, pairs, rotation, isReclaim] = fields as [string, string[], number, number];
      const members: OrderedMember[] = [];
      for (let n = 0; n < pairs.length; n += 2) {
        members.push(decodeMember(pairs[n] ?? "", pairs[n + 1] ?? ""));
      }
      members.sort((a, b) => a.joinOrder - b.joinOrder);
      return { type: "room", room, members, rotation, isReclaim: isReclaim === 1 };
    }
    case "u":
      return { type: "updated", room, member: decodeMember(fields[1], fields[2]) };
    case "l":
      return {
        type: "left",
        room,
        id: fields[1],
        memberId: { instance: fields[2], number: fields[3] },
      };
    case "g":
      return { type: "instance left", room, instance: fields[1] };
    default:
      return undefined;
  }
}
