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
    /** Answers the join of a peer that waits for it; absent for a reclaim. */
    readonly resolve?: (result: JoinResult) => void;
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
  claim: Claim;
}

/** What is needed to add a local member. */
export type NewLocalMember = Pick<LocalMember, "room" | "peer" | "joinedAt" | "acceptsConsumers">;

/** All local members of this instance. */
export class LocalMembers {
  /** The name of this instance while the backplane is up. */
  instance: string | undefined;
  readonly #byPeer = new Map<Peer, LocalMember>();
  readonly #byNumber = new Map<number, LocalMember>();
  /** How many members each room has. */
  readonly #countByRoom = new Map<string, number>();
  #lastNumber = 0;

  /** Adds a peer, with a claim that is pending. */
  add(member: NewLocalMember): LocalMember {
    const { room, peer } = member;
    const number = ++this.#lastNumber;
    const added: LocalMember = { ...member, number, role: peer.role, claim: { kind: "pending" } };
    this.#byPeer.set(peer, added);
    this.#byNumber.set(number, added);
    this.#countByRoom.set(room, (this.#countByRoom.get(room) ?? 0) + 1);
    return added;
  }

  /** Removes a member; does nothing for one that was removed before. */
  delete({ peer, number, room }: LocalMember): void {
    if (!this.#byNumber.delete(number)) return;
    this.#byPeer.delete(peer);
    const left = (this.#countByRoom.get(room) ?? 0) - 1;
    if (left > 0) this.#countByRoom.set(room, left);
    else this.#countByRoom.delete(room);
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
    return this.#countByRoom.has(room);
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
    const { peer, role, acceptsConsumers, joinedAt } = local;
    return { ...this.memberId(local), id: peer.id, role, acceptsConsumers, joinedAt };
  }
}
