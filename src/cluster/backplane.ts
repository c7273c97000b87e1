/**
 * What several instances that form one server need of each other: the members of each room, claimed in
 * one atomic step, and envelopes from a peer of one instance to a peer of another. A backplane (in
 * memory, over Redis) implements it and `cluster.ts` uses it. An instance receives everything in the
 * order in which it happened.
 */

import type { Role, SignalMessage } from "../protocol/messages.ts";

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
  /** Milliseconds since the Unix epoch, by the clock of its instance. */
  readonly joinedAt: number;
}

/** A member with its place in the room's order of joining. */
export interface OrderedMember extends Member {
  /** Its place, which grows with every new name. */
  readonly joinOrder: number;
}

/** How a member joins. */
export interface JoinOptions {
  /** Whether it had joined before: then the later of two members that share a name stays. */
  readonly isReclaim: boolean;
  /** Members that the room may have; a reclaim is never refused for it. */
  readonly maxPeers: number;
}

/**
 * The outcome of a claim. When a member joins, every instance of the room receives `joined`, its own
 * too; an instance that had no other member there receives a `snapshot` instead.
 */
export type JoinReply = "joined" | "idInUse" | "full" | "outdated";

/** What happens in a room. */
export type RoomEvent =
  | {
    /** The whole room: for an instance's first member there, or for one whose reclaim was refused. */
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
  /** It does not work any more: peers of other instances cannot be reached. */
  down(reason: string): void;
  /** Something has happened in a room of this instance. */
  roomChanged(event: RoomEvent): void;
  /** An envelope has come for a peer of this instance. */
  received(envelope: Envelope): void;
  /** An envelope did not reach its target. */
  undeliverable(envelope: EnvelopeHeader): void;
  /** A token or secret of this address was not valid on another instance. */
  authFailed(address: string): void;
}

/** Connects one instance with the others. */
export interface Backplane {
  /** Starts to connect, and to connect again whenever that is needed. */
  start(listener: BackplaneListener): void;
  /** Claims a name in a room; rejects when the backplane fails meanwhile. */
  join(room: string, member: Member, options: JoinOptions): Promise<JoinReply>;
  /** Announces a member's new role, or whether it accepts consumers now. */
  update(room: string, member: Member): void;
  /** Removes a member from its room. */
  leave(room: string, id: string, memberId: MemberId): void;
  /** Sends an envelope; `false` if the target's instance does not exist any more. */
  send(envelope: Envelope): Promise<boolean>;
  /** Tells the sender's instance that the target is not there. */
  reportUndeliverable(envelope: Envelope): void;
  /** Tells the other instances that a token or secret was not valid. */
  authFailed(address: string): void;
  /** Removes the members of this instance and ends, for good. */
  close(): Promise<void>;
}

/** Whether two ids are of the same membership. */
export function isSameMember(a: MemberId, b: MemberId): boolean {
  return a.instance === b.instance && a.number === b.number;
}
