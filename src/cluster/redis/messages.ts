/** How members, events and letters are written for Redis, and read again. */

import type {
  Envelope,
  JoinOptions,
  Letter,
  Member,
  RoomEvent,
  SeatedMember,
  Stay,
} from "../backplane.ts";

/** What was read from a channel. */
export type RedisMessage =
  | { readonly type: "beat" }
  | { readonly type: "room event"; readonly event: RoomEvent }
  | { readonly type: "letter"; readonly letter: Letter; readonly sentAt: number }
  | { readonly type: "returned"; readonly letter: Envelope }
  | { readonly type: "auth failed"; readonly address: string; readonly from: string };

/** The parts of a member as scripts take them. */
export function encodeMember(
  { instance, number, role, serves, joinedAt }: Member,
): [string, string, string, string, string] {
  const letter = role === "consumer" ? "c" : "n";
  return [instance, String(number), letter, serves ? "1" : "0", String(joinedAt)];
}

/** A claim as the script takes it. */
export function encodeJoin(room: string, member: Member, options: JoinOptions): string[] {
  const { isReturning, maxPeers } = options;
  return [
    room,
    JSON.stringify(room),
    member.id,
    JSON.stringify(member.id),
    ...encodeMember(member),
    isReturning ? "1" : "0",
    String(maxPeers === Infinity ? Number.MAX_SAFE_INTEGER : maxPeers),
  ];
}

function decodeMember(id: string, value: string): SeatedMember {
  const [instance = "", number, role, serves, joinedAt, seat] = value.split(" ");
  return {
    id,
    instance,
    number: Number(number),
    role: role === "c" ? "consumer" : "normal",
    serves: serves === "1",
    joinedAt: Number(joinedAt),
    seat: Number(seat),
  };
}

/** A letter as it travels: what it is about, a line break, then the frame as the client gets it. */
export function encodeLetter(letter: Letter, sentAt: number): string {
  return `${JSON.stringify(["m", ...address(letter), Math.round(sentAt)])}\n${letter.text}`;
}

/** What the sender's instance is told of a letter that was not delivered. */
export function encodeReturned(letter: Letter): string {
  return JSON.stringify(["b", ...address(letter)]);
}

function address({ room, type, from, sender, to, target }: Envelope): unknown[] {
  return [room, type, from, sender.instance, sender.number, to, target.instance, target.number];
}

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
        letter: { ...decodeAddress(fields), text: text.slice(end + 1) },
        sentAt: fields[8],
      };
    case "b":
      return { type: "returned", letter: decodeAddress(fields) };
    case "f":
      return { type: "auth failed", address: fields[0], from: fields[1] };
    default: {
      const event = decodeEvent(kind, fields);
      return event && { type: "room event", event };
    }
  }
}

// deno-lint-ignore no-explicit-any -- see above
function decodeAddress([room, type, from, si, sn, to, ti, tn]: any[]): Envelope {
  const sender: Stay = { instance: si, number: sn };
  const target: Stay = { instance: ti, number: tn };
  return { room, type, from, sender, to, target };
}

// deno-lint-ignore no-explicit-any -- see above
function decodeEvent(kind: string, fields: any[]): RoomEvent | undefined {
  const [room] = fields;
  switch (kind) {
    case "j": {
      const [, id, value, turn, isReturning] = fields;
      const member = decodeMember(id, value);
      return { type: "joined", room, member, turn, isReturning: isReturning === 1 };
    }
    case "r": {
      const [, pairs, turn, isReturning] = fields as [string, string[], number, number];
      const members: SeatedMember[] = [];
      for (let n = 0; n < pairs.length; n += 2) {
        members.push(decodeMember(pairs[n] ?? "", pairs[n + 1] ?? ""));
      }
      members.sort((a, b) => a.seat - b.seat);
      return { type: "room", room, members, turn, isReturning: isReturning === 1 };
    }
    case "u":
      return { type: "updated", room, member: decodeMember(fields[1], fields[2]) };
    case "l":
      return {
        type: "left",
        room,
        id: fields[1],
        stay: { instance: fields[2], number: fields[3] },
      };
    case "g":
      return { type: "instance left", room, instance: fields[1] };
    default:
      return undefined;
  }
}
