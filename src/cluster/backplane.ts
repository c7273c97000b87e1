/**
 * What several instances that form one server need of each other: who is in which room, claimed in
 * one atomic step, and letters from a peer of one to a peer of another. An engine (memory, Redis)
 * implements it; `cluster.ts` is what uses it. Everything that an instance hears, it hears in the
 * order in which it happened.
 */

import type { Role, SignalMessage } from "../protocol/messages.ts";

/** One stay of a peer in a room, unique among all instances. */
export interface MemberId {
  /** The instance that the peer is connected to. */
  readonly instance: string;
  /** The instance's own number for this stay. */
  readonly number: number;
}

/** A peer as the other instances see it. */
export interface Member extends MemberId {
  /** Its `nodeId`. */
  readonly id: string;
  /** What it is in the room. */
  readonly role: Role;
  /** Whether consumers may be directed to it, by the word of its own instance. */
  readonly acceptsConsumers: boolean;
  /** Milliseconds since the Unix epoch, by the clock of its instance. */
  readonly joinedAt: number;
}

/** A member with its place in the room's order of joining. */
export interface OrderedMember extends Member {
  /** Its place, growing with every new name. */
  readonly joinOrder: number;
}

/** How a member joins. */
export interface JoinOptions {
  /** Whether it was there before the backplane failed: then the later of two that share a name wins. */
  readonly isReclaim: boolean;
  /** Members that the room has at most; one that is returning always fits. */
  readonly maxPeers: number;
}

/**
 * What came of a claim. A member that joins is heard of by all instances of the room, its own too; an
 * instance that had no other member there hears of the whole room instead.
 */
export type JoinReply = "joined" | "idInUse" | "full" | "outdated";

/** What happens in a room. */
export type RoomEvent =
  | {
    /** The whole room, for an instance that has its first member there, or whose claim came too late. */
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
    /** How many consumers have joined, for whose turn it is to serve. */
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

/** From whom a letter is, to whom, and what it is. */
export interface EnvelopeHeader {
  /** The room of both. */
  readonly room: string;
  /** What it is; a `list` is from the server itself. */
  readonly type: SignalMessage["type"] | "list";
  /** The `nodeId` of the sender. */
  readonly from: string;
  /** The stay of the sender. */
  readonly sender: MemberId;
  /** The `nodeId` of the target. */
  readonly to: string;
  /** The stay of the target: nobody else gets it. */
  readonly target: MemberId;
}

/** A frame on its way from a peer of one instance to a peer of another. */
export interface Envelope extends EnvelopeHeader {
  /** The frame as it is handed to the client. */
  readonly text: string;
}

/** What an instance hears. */
export interface BackplaneListener {
  /** The backplane works from now on; the instance is known by this name, new every time. */
  up(instance: string): void;
  /** It does not work any more: nobody elsewhere can be reached. */
  down(reason: string): void;
  /** Something has happened in a room of this instance. */
  roomChanged(event: RoomEvent): void;
  /** A letter has come for a peer of this instance. */
  received(envelope: Envelope): void;
  /** A letter did not reach its target. */
  undeliverable(envelope: EnvelopeHeader): void;
  /** A token or secret of this address did not hold on another instance. */
  authFailed(address: string): void;
}

/** Connects one instance with the others. */
export interface Backplane {
  /** Starts to connect, and to connect again whenever that is needed. */
  start(listener: BackplaneListener): void;
  /** Claims a name in a room; rejects when the backplane fails meanwhile. */
  join(room: string, member: Member, options: JoinOptions): Promise<JoinReply>;
  /** Says what has changed of a member. */
  update(room: string, member: Member): void;
  /** Takes a member out of its room. */
  leave(room: string, id: string, memberId: MemberId): void;
  /** Hands a letter over; `false` if its instance is not there. */
  send(envelope: Envelope): Promise<boolean>;
  /** Tells the sender's instance that the target is not there. */
  reportUndeliverable(envelope: Envelope): void;
  /** Tells the others that a token or secret did not hold. */
  authFailed(address: string): void;
  /** Leaves, for good. */
  close(): Promise<void>;
}
