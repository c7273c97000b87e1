/** The peers of this instance that the others know of, and under which names. */

import type { Member, SeatedMember, Stay } from "./backplane.ts";
import type { Peer } from "../rooms/peer.ts";
import type { EnterOutcome } from "../rooms/registry.ts";

/** A peer of this instance, and what the others know of it. */
export interface Entry {
  readonly room: string;
  readonly peer: Peer;
  /** The instance's own number for this stay. */
  readonly number: number;
  /** Milliseconds since the Unix epoch. */
  readonly joinedAt: number;
  role: Peer["role"];
  serves: boolean;
  /** Whether its name is known to be claimed. */
  isClaimed: boolean;
  /** Who has its name elsewhere, as long as that is not settled. */
  rival: SeatedMember | undefined;
  /** Answers its join, for as long as that is under way. */
  settle: ((outcome: EnterOutcome) => void) | undefined;
}

/** All entries of this instance. */
export class Roster {
  /** The name of this instance while the backplane is up. */
  instance: string | undefined;
  readonly #byPeer = new Map<Peer, Entry>();
  readonly #byNumber = new Map<number, Entry>();
  /** How many entries a room has. */
  readonly #byRoom = new Map<string, number>();
  #lastNumber = 0;

  /** Enters a peer. */
  add(room: string, peer: Peer, joinedAt: number, serves: boolean): Entry {
    const number = ++this.#lastNumber;
    const { role } = peer;
    const entry: Entry = {
      ...{ room, peer, number, joinedAt, role, serves },
      isClaimed: false,
      rival: undefined,
      settle: undefined,
    };
    this.#byPeer.set(peer, entry);
    this.#byNumber.set(number, entry);
    this.#byRoom.set(room, (this.#byRoom.get(room) ?? 0) + 1);
    return entry;
  }

  /** Takes an entry out. */
  delete(entry: Entry): void {
    this.#byPeer.delete(entry.peer);
    if (!this.#byNumber.delete(entry.number)) return;
    const left = (this.#byRoom.get(entry.room) ?? 0) - 1;
    if (left > 0) this.#byRoom.set(entry.room, left);
    else this.#byRoom.delete(entry.room);
  }

  /** The entry of a peer. */
  of(peer: Peer): Entry | undefined {
    return this.#byPeer.get(peer);
  }

  /** The entry that the others call so. */
  at({ instance, number }: Stay): Entry | undefined {
    return instance === this.instance ? this.#byNumber.get(number) : undefined;
  }

  /** Whether there is an entry for this room. */
  isConcernedWith(room: string): boolean {
    return this.#byRoom.has(room);
  }

  /** Every entry. */
  all(): Entry[] {
    return [...this.#byNumber.values()];
  }

  /** Under which name the others know an entry. */
  stay({ number }: Entry): Stay {
    return { instance: this.instance ?? "", number };
  }

  /** What the others know of an entry. */
  member(entry: Entry): Member {
    const { peer, role, serves, joinedAt } = entry;
    return { ...this.stay(entry), id: peer.id, role, serves, joinedAt };
  }
}

/** Whether two name the same stay. */
export function isSameStay(a: Stay, b: Stay): boolean {
  return a.instance === b.instance && a.number === b.number;
}
