/**
 * What several instances that form one server need of each other: the members of each room, claimed in
 * one atomic step, and envelopes from a peer of one instance to a peer of another. A backplane (in
 * memory, over Redis) implements it and `cluster.ts` uses it. An instance receives everything in the
 * order in which it happened.
 */

import type { Revocation } from "../access/revocations.ts";
import type { Role, SignalMessage } from "../protocol/messages.ts";
import type { JoinRefusal } from "../rooms/names.ts";
import type { RoomLimits } from "../rooms/room.ts";
import type { LogFields } from "../runtime/logger.ts";

/** The moduli of a summary: two primes that keep every step an exact integer, here and in Lua. */
export const SUMMARY_MODULI = [1_000_003, 1_000_000_007] as const;

/** One membership of a peer in a room, unique among all instances. */
export interface MemberId {
  /** The instance that the peer is connected to. */
  readonly instance: string;
  /** The instance's own number for this membership. */
  readonly number: number;
}

/** A peer as the other instances see it. */
export interface Member extends MemberId {
  /** Its `nodeId`. */
  readonly id: string;
  /** What it is in the room. */
  readonly role: Role;
  /** Whether consumers may be directed to it; its own instance decides. */
  readonly acceptsConsumers: boolean;
  /** Whom a consumer's token was issued to; empty where that is not known, and for a normal peer. */
  readonly consumerIdentity: string;
  /** Milliseconds since the Unix epoch, by the clock of its instance. */
  readonly joinedAt: number;
}

/** A member with its place in the room's order of joining. */
export interface OrderedMember extends Member {
  /** Its place, which grows with every new name. */
  readonly joinOrder: number;
}

/**
 * Why a member joins. `join`: a peer comes. `reclaim`: it had joined before the backplane failed; of two
 * members that share a name the later stays. `restore`: it had joined, but the backplane has lost it; it
 * gets its name back only if nobody has it.
 */
export type JoinMode = "join" | "reclaim" | "restore";

/** How a member joins. */
export interface JoinOptions {
  /** Why it joins. */
  readonly mode: JoinMode;
  /** How many members the room may have; only a `join` is refused for it. */
  readonly limits: RoomLimits;
  /** The place in the order of joining that a restored member had. */
  readonly joinOrder?: number;
  /** The member that loses its name to a `join` in any case, because it answers no ping. */
  readonly dead?: MemberId;
}

/**
 * The outcome of a claim. If the name is in use, `mayTakeOver` decides: a normal peer gets any name, a
 * consumer only that of a consumer of the same identity.
 *
 * Takeovers are counted: each `join` under the name of a member of the same role, other than
 * `JoinOptions.dead`. When 3 happen within 15 s, the member that has joined keeps the name for 30 s: a
 * `join` that would take it over is replied with that member in `keptBy`. The third is replied `joined
 * and kept`, unless it was so for this name within the 10 minutes before, so that one instance logs it.
 *
 * When a member joins, every instance of the room receives `joined`, its own too. An instance that had
 * no other member in the room receives a `snapshot` instead. After a `restore` it receives `joined` in
 * any case, because it knows the room.
 */
export type JoinReply =
  | "joined"
  | "joined and kept"
  | "outdated"
  | JoinRefusal
  | { readonly keptBy: MemberId };

/** The outcome of an envelope: on its way, or dropped because too much is waiting, or undeliverable. */
export type SendOutcome = "sent" | "busy" | "not found";

/** Why an envelope was not delivered. */
export type UndeliverableReason = Exclude<SendOutcome, "sent">;

/** What an instance has in one room, to be compared with the backplane. */
export interface RoomView {
  /** The name of the room. */
  readonly room: string;
  /** The members of this instance, those whose claim is in flight included. */
  readonly members: readonly {
    /** Its `nodeId`. */
    readonly id: string;
    /** Its number on this instance. */
    readonly number: number;
    /** Whether the backplane has to have it: its claim has been answered. */
    readonly isRequired: boolean;
  }[];
  /** The members of other instances as `summarize` describes them; absent: do not compare them. */
  readonly others: string | undefined;
}

/** What an audit has found. */
export interface AuditReply {
  /** Required members whose name nobody has: the instance claims them again. */
  readonly missing: readonly { readonly room: string; readonly number: number }[];
  /** How many members of this instance were removed because no view lists them. */
  readonly removed: number;
}

/** What became of a text that was posted. */
export interface PostReply {
  /** The instances that it is on its way to. */
  readonly reached: readonly string[];
  /** Whether there is another instance that it could not be sent to. */
  readonly isPartial: boolean;
}

/** What happens in a room. */
export type RoomEvent =
  | {
    /** The whole room: for an instance's first member there, or where its view was wrong. */
    readonly kind: "snapshot";
    readonly room: string;
    readonly members: readonly OrderedMember[];
    readonly rotation: number;
    readonly isReclaim: boolean;
  }
  | {
    readonly kind: "joined";
    readonly room: string;
    readonly member: OrderedMember;
    /** How many consumers have joined: it decides which normal serves the next one. */
    readonly rotation: number;
    readonly isReclaim: boolean;
  }
  | { readonly kind: "updated"; readonly room: string; readonly member: OrderedMember }
  | {
    readonly kind: "left";
    readonly room: string;
    readonly id: string;
    readonly memberId: MemberId;
  }
  | { readonly kind: "instance left"; readonly room: string; readonly instance: string };

/** The sender and the target of an envelope, and its type. */
export interface EnvelopeHeader {
  /** The room of both. */
  readonly room: string;
  /** The type of the frame; a `list` is from the server itself. */
  readonly type: SignalMessage["type"] | "list";
  /** The `nodeId` of the sender. */
  readonly from: string;
  /** The membership of the sender. */
  readonly sender: MemberId;
  /** The `nodeId` of the target. */
  readonly to: string;
  /** The membership of the target: no other peer receives the frame. */
  readonly target: MemberId;
}

/** A frame on its way from a peer of one instance to a peer of another. */
export interface Envelope extends EnvelopeHeader {
  /** The frame as the client gets it. */
  readonly text: string;
}

/** What an instance receives. */
export interface BackplaneListener {
  /** The backplane works from now on; the instance has this name, a new one every time. */
  up(instance: string): void;
  /**
   * It does not work any more: peers of other instances cannot be reached. Called again for every
   * further attempt to connect that fails. The reason must not contain a secret.
   */
  down(reason: string): void;
  /** Something has happened in a room of this instance. */
  roomChanged(event: RoomEvent): void;
  /** An envelope has come for a peer of this instance. */
  received(envelope: Envelope): void;
  /** An envelope did not reach its target. */
  undeliverable(envelope: EnvelopeHeader, reason: UndeliverableReason): void;
  /** The backplane has lost members of a room: the instance should audit it soon. */
  membersLost(room: string): void;
  /** Rooms in which the backplane has members of this instance; from time to time every one. */
  roomsListed(rooms: readonly string[]): void;
  /** An operator should change something; the message must not contain a secret. */
  warn(message: string, fields?: LogFields): void;
  /** A token or secret of this address was not valid on another instance. */
  authFailed(address: string): void;
  /** Another instance has posted a text, to this one or to all. */
  posted(text: string, from: string): void;
}

/**
 * Connects one instance with the others. No method may throw. What is asked of it takes effect in the
 * order of the calls: an audit, say, comes after every claim that was made before it.
 */
export interface Backplane {
  /** Starts to connect, and to connect again whenever that is needed. */
  start(listener: BackplaneListener): void;
  /**
   * Claims a name in a room. A rejection refuses the peer, unless the backplane has reported before
   * that it is down.
   */
  join(room: string, member: Member, options: JoinOptions): Promise<JoinReply>;
  /** Announces a member's new role, or whether it accepts consumers now. */
  update(room: string, member: Member): void;
  /** Removes a member from its room. */
  leave(room: string, id: string, memberId: MemberId): void;
  /** Sends an envelope. A rejection counts as `not found`. */
  send(envelope: Envelope): Promise<SendOutcome>;
  /** Tells the sender's instance that an envelope was not delivered. */
  reportUndeliverable(envelope: EnvelopeHeader, reason: UndeliverableReason): void;
  /**
   * Compares rooms with what this instance has in them. Removes members of this instance that a view
   * does not list, publishes a `snapshot` to it where `others` differs, and finds what is missing. It
   * resolves after everything that had happened in the rooms before was reported, since a member that
   * is missing may have been replaced. A
   * rejection means that nothing was found.
   */
  audit(views: readonly RoomView[]): Promise<AuditReply>;
  /** Tells the other instances that a token or secret was not valid. */
  authFailed(address: string): void;
  /**
   * Sends a text of up to 262,144 characters to an instance, or to all others. These are the questions
   * of instances to each other, and the answers. A rejection means that it has reached nobody.
   */
  post(text: string, to?: string): Promise<PostReply>;
  /**
   * Stores revocations of tokens until they expire, for instances that come later; of two for the same
   * the later times count. A rejection means that they may not be stored.
   */
  storeRevocations(revocations: readonly Revocation[]): Promise<void>;
  /** Every revocation that is stored. */
  loadRevocations(): Promise<readonly Revocation[]>;
  /** Removes the members of this instance and ends, for good. */
  close(): Promise<void>;
}

/** Whether two ids are of the same membership. */
export function isSameMember(a: MemberId, b: MemberId): boolean {
  return a.instance === b.instance && a.number === b.number;
}

/** What {@linkcode summarize} reads of a member. */
export type SummarizedMember = Pick<Member, "number" | "role" | "acceptsConsumers" | "joinedAt">;

/**
 * Describes members in a few characters, so that two lists with the same members have the same summary
 * and others almost never: their number, and a sum of squares, which unlike a sum tells apart which of
 * them has which role.
 */
export function summarize(members: Iterable<SummarizedMember>): string {
  const [inner, outer] = SUMMARY_MODULI;
  let count = 0;
  let sum = 0;
  for (const { number, role, acceptsConsumers, joinedAt } of members) {
    const flags = Number(role === "consumer") * 2 + Number(acceptsConsumers);
    const value = (number * 4 + flags + joinedAt) % inner;
    sum = (sum + value * value) % outer;
    count++;
  }
  return `${count}:${sum}`;
}
