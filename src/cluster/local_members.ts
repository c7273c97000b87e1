/** The peers of this instance that the others know of, and under which names. */

import type { Member, MemberId, OrderedMember } from "./backplane.ts";
import type { Peer } from "../rooms/peer.ts";
import type { JoinResult } from "../rooms/registry.ts";

/** A peer of this instance, and what the others know of it. */
export interface LocalMember {
  readonly room: string;
  readonly peer: Peer;
  /** The instance's own number for this stay. */
  readonly number: number;
  /** Milliseconds since the Unix epoch. */
  readonly joinedAt: number;
  role: Peer["role"];
  acceptsConsumers: boolean;
  /** Whether its name is known to be claimed. */
  isClaimed: boolean;
  /** Who has its name elsewhere, as long as that is not settled. */
  conflict: OrderedMember | undefined;
  /** Answers its join, for as long as that is under way. */
  resolveJoin: ((outcome: JoinResult) => void) | undefined;
}

/** All entries of this instance. */
export class LocalMembers {
  /** The name of this instance while the backplane is up. */
  instance: string | undefined;
  readonly #byPeer = new Map<Peer, LocalMember>();
  readonly #byNumber = new Map<number, LocalMember>();
  /** How many entries a room has. */
  readonly #byRoom = new Map<string, number>();
  #lastNumber = 0;

  /** Enters a peer. */
  add(room: string, peer: Peer, joinedAt: number, acceptsConsumers: boolean): LocalMember {
    const number = ++this.#lastNumber;
    const { role } = peer;
    const entry: LocalMember = {
      ...{ room, peer, number, joinedAt, role, acceptsConsumers },
      isClaimed: false,
      conflict: undefined,
      resolveJoin: undefined,
    };
    this.#byPeer.set(peer, entry);
    this.#byNumber.set(number, entry);
    this.#byRoom.set(room, (this.#byRoom.get(room) ?? 0) + 1);
    return entry;
  }

  /** Takes an entry out. */
  delete(entry: LocalMember): void {
    this.#byPeer.delete(entry.peer);
    if (!this.#byNumber.delete(entry.number)) return;
    const left = (this.#byRoom.get(entry.room) ?? 0) - 1;
    if (left > 0) this.#byRoom.set(entry.room, left);
    else this.#byRoom.delete(entry.room);
  }

  /** The entry of a peer. */
  ofPeer(peer: Peer): LocalMember | undefined {
    return this.#byPeer.get(peer);
  }

  /** The entry that the others call so. */
  find({ instance, number }: MemberId): LocalMember | undefined {
    return instance === this.instance ? this.#byNumber.get(number) : undefined;
  }

  /** Whether there is an entry for this room. */
  hasMembersIn(room: string): boolean {
    return this.#byRoom.has(room);
  }

  /** Every entry. */
  all(): LocalMember[] {
    return [...this.#byNumber.values()];
  }

  /** Under which name the others know an entry. */
  memberId({ number }: LocalMember): MemberId {
    return { instance: this.instance ?? "", number };
  }

  /** What the others know of an entry. */
  member(entry: LocalMember): Member {
    const { peer, role, acceptsConsumers, joinedAt } = entry;
    return { ...this.memberId(entry), id: peer.id, role, acceptsConsumers, joinedAt };
  }
}

/** Whether two name the same stay. */
export function isSameMember(a: MemberId, b: MemberId): boolean {
  return a.instance === b.instance && a.number === b.number;
}
