/**
 * Finds pairs of a room without an offer or answer although one of the two joined some time ago. It
 * looks at the newcomers of a room together, so that each peer gets one list of them, and continues
 * later where there are too many pairs to look at; it sends nothing itself.
 */

import type { Members, Participant } from "./pairs.ts";
import type { Peer } from "./peer.ts";

/** Ids at most in a list of the pairs that are due. */
export const MAX_DUE_IDS = 64;

/** What may still be done in one sweep: it counts pairs that are looked at. */
export interface Budget {
  left: number;
}

/** Called for a pair that is due, with the peer of the smaller id first; `false` if enough are. */
export type OnDue = (smaller: Participant, larger: Participant) => boolean;

/** The newcomers of a room whose joins are equally old, and the peers that were in the room then. */
interface Batch {
  readonly newcomers: ReadonlySet<Participant>;
  /** The same, in order of joining. */
  readonly order: readonly Participant[];
  readonly members: readonly Participant[];
  /** The member whose pairs are looked at next. */
  next: number;
}

/** Options of {@linkcode Newcomers}. */
export interface NewcomersOptions {
  /** Milliseconds after a join at which its pairs are looked at, in ascending order. */
  readonly afterMs: readonly number[];
  readonly participantOf: (peer: Peer) => Participant | undefined;
}

/** The newcomers of all rooms. */
export class Newcomers {
  readonly #afterMs: readonly number[];
  readonly #participantOf: NewcomersOptions["participantOf"];
  /** For each time in `afterMs` the peers whose join is not that old, oldest first. */
  readonly #stages: readonly Set<Participant>[];
  readonly #batches: Batch[] = [];

  constructor({ afterMs, participantOf }: NewcomersOptions) {
    this.#afterMs = afterMs;
    this.#participantOf = participantOf;
    this.#stages = afterMs.map(() => new Set());
  }

  /** Adds a peer that has joined. */
  add(participant: Participant): void {
    this.#stages[0]?.add(participant);
  }

  /** Removes a peer that has left. */
  delete(participant: Participant): void {
    for (const stage of this.#stages) stage.delete(participant);
  }

  /** When something is due next, by `Clock.elapsed`; `Infinity` if nothing is. */
  get nextAt(): number {
    if (this.#batches.length > 0) return 0;
    let at = Infinity;
    for (const [index, stage] of this.#stages.entries()) {
      const { value: first } = stage.values().next();
      if (first !== undefined) at = Math.min(at, first.joinedAt + this.#msUntil(index));
    }
    return at;
  }

  /** Calls `onDue` for the pairs that are due now, as far as the budget allows. */
  sweep(now: number, budget: Budget, onDue: OnDue): void {
    this.#collect(now);
    for (let batch = this.#batches[0]; batch !== undefined; batch = this.#batches[0]) {
      for (; batch.next < batch.members.length; batch.next++) {
        if (budget.left <= 0) return;
        const member = batch.members[batch.next];
        if (member?.canBeTold) findPairs(member, batch, budget, onDue);
      }
      this.#batches.shift();
    }
  }

  /** Puts the newcomers that are due into one batch for each room, and into the next stage. */
  #collect(now: number): void {
    // The last stage first, so that a newcomer which moves on to the next is not collected twice.
    for (let index = this.#stages.length - 1; index >= 0; index--) {
      const byRoom = new Map<Members, Set<Participant>>();
      for (const newcomer of this.#stages[index] ?? []) {
        if (newcomer.joinedAt + this.#msUntil(index) > now) break;
        this.#stages[index]?.delete(newcomer);
        this.#stages[index + 1]?.add(newcomer);
        const newcomers = byRoom.get(newcomer.room);
        if (newcomers === undefined) byRoom.set(newcomer.room, new Set([newcomer]));
        else newcomers.add(newcomer);
      }
      for (const [room, newcomers] of byRoom) {
        const members = room.normals().map(this.#participantOf)
          .filter((member) => member !== undefined);
        this.#batches.push({ newcomers, order: [...newcomers], members, next: 0 });
      }
    }
  }

  #msUntil(stage: number): number {
    return this.#afterMs[stage] ?? Infinity;
  }
}

/** Calls `onDue` for the pairs of which this peer has the smaller id, and the later one is in the batch. */
function findPairs(smaller: Participant, batch: Batch, budget: Budget, onDue: OnDue): void {
  const { newcomers, order, members } = batch;
  const isNewcomer = newcomers.has(smaller);
  const others = isNewcomer ? members : order;
  // Where not all fit into one list, it begins with another one each time.
  const start = others.length > MAX_DUE_IDS ? Math.floor(Math.random() * others.length) : 0;
  for (let n = 0; n < others.length; n++) {
    budget.left--;
    const larger = others[(start + n) % others.length];
    if (larger === undefined || larger.id <= smaller.id || !larger.canBeNamed) continue;
    const isDue = larger.number < smaller.number ? isNewcomer : newcomers.has(larger);
    if (isDue && !smaller.hasPairWith(larger) && !onDue(smaller, larger)) return;
  }
}
