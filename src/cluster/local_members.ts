/**
 * The peers of this instance, with what the other instances know of each. It is a table only: who
 * claims a name and who leaves is decided by the cluster and by the remote members.
 */

import type { Member, MemberId, OrderedMember } from "./backplane.ts";
import type { Peer } from "../rooms/peer.ts";
import type { JoinResult } from "../rooms/registry.ts";

/** Whether the backplane has accepted a member's name. */
export type Claim =
  | {
    readonly kind: "pending";
    /** The answer that the peer's join waits for; absent for a peer that has joined before. */
    readonly answer?: PromiseWithResolvers<JoinResult>;
    /** The member of another instance that has the name until the claim is answered. */
    readonly conflict?: OrderedMember | undefined;
  }
  | { readonly kind: "held" };

/** A peer of this instance, and what the other instances know of it. */
export interface LocalMember {
  readonly room: string;
  readonly peer: Peer;
  /** The instance's own number for this membership. */
  readonly number: number;
  /** Milliseconds since the Unix epoch. */
  readonly joinedAt: number;
  /** The role that was announced last. */
  role: Peer["role"];
  /** Whether it accepts consumers, as was announced last. */
  acceptsConsumers: boolean;
  /** Whom a consumer's token was issued to, as was announced last. */
  consumerIdentity: string;
  claim: Claim;
}

/** What is needed to add a local member. */
export type NewLocalMember = Pick<LocalMember, "room" | "peer" | "joinedAt" | "acceptsConsumers">;

const NO_MEMBERS: ReadonlySet<LocalMember> = new Set();

/** All local members of this instance. */
export class LocalMembers {
  /** The name of this instance while the backplane is up. */
  instance: string | undefined;
  readonly #byPeer = new Map<Peer, LocalMember>();
  readonly #byNumber = new Map<number, LocalMember>();
  readonly #byRoom = new Map<string, Set<LocalMember>>();
  #lastNumber = 0;

  /** Adds a peer, with a claim that is pending. */
  add(member: NewLocalMember): LocalMember {
    const { room, peer } = member;
    const number = ++this.#lastNumber;
    const { role, consumerIdentity } = peer;
    const claim = { kind: "pending" } as const;
    const added: LocalMember = { ...member, number, role, consumerIdentity, claim };
    this.#byPeer.set(peer, added);
    this.#byNumber.set(number, added);
    const inRoom = this.#byRoom.get(room);
    if (inRoom === undefined) this.#byRoom.set(room, new Set([added]));
    else inRoom.add(added);
    return added;
  }

  /** Removes a member; does nothing for one that was removed before. */
  delete(local: LocalMember): void {
    const { peer, number, room } = local;
    if (!this.#byNumber.delete(number)) return;
    this.#byPeer.delete(peer);
    const inRoom = this.#byRoom.get(room);
    inRoom?.delete(local);
    if (inRoom?.size === 0) this.#byRoom.delete(room);
  }

  /** The member that a peer is. */
  ofPeer(peer: Peer): LocalMember | undefined {
    return this.#byPeer.get(peer);
  }

  /** The member with this id, if it is of this instance. */
  find({ instance, number }: MemberId): LocalMember | undefined {
    return instance === this.instance ? this.#byNumber.get(number) : undefined;
  }

  /** Whether a room has a member of this instance, or one that is about to join. */
  hasMembersIn(room: string): boolean {
    return this.#byRoom.has(room);
  }

  /** The members in a room, those that are about to join included. */
  inRoom(room: string): ReadonlySet<LocalMember> {
    return this.#byRoom.get(room) ?? NO_MEMBERS;
  }

  /** The names of all rooms; what is added or removed during the iteration is respected. */
  rooms(): Iterator<string> {
    return this.#byRoom.keys();
  }

  /** How many rooms have a member. */
  get roomCount(): number {
    return this.#byRoom.size;
  }

  /** How many members there are. */
  get size(): number {
    return this.#byNumber.size;
  }

  /** Every member. */
  all(): Iterable<LocalMember> {
    return this.#byNumber.values();
  }

  /** The id of a member, as the other instances know it. */
  memberId({ number }: LocalMember): MemberId {
    return { instance: this.instance ?? "", number };
  }

  /** A member as the other instances know it. */
  toMember(local: LocalMember): Member {
    const { peer: { id }, role, acceptsConsumers, consumerIdentity, joinedAt } = local;
    return { ...this.memberId(local), id, role, acceptsConsumers, consumerIdentity, joinedAt };
  }
}
