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

/** Called for a pair that is due, with the peer of the smaller id first; `false` if it has to wait. */
export type OnDue = (smaller: Participant, larger: Participant) => boolean;

/** The newcomers of a room whose joins are equally old, and the peers that were in the room then. */
interface Batch {
  readonly newcomers: ReadonlySet<Participant>;
  /** The same, in order of joining. */
  readonly order: readonly Participant[];
  readonly members: readonly Participant[];
  /** The members whose pairs are still to be looked at, the next one last. */
  remaining: Remaining[];
}

/** A member of a batch, and how many of its pairs have been looked at. */
type Remaining = readonly [member: Participant, done: number];

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
  #batches: Batch[] = [];

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
    for (const batch of this.#batches) sweepBatch(batch, budget, onDue);
    this.#batches = this.#batches.filter(({ remaining }) => remaining.length > 0);
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
        const remaining = members.map((member): Remaining => [member, 0]).reverse();
        this.#batches.push({ newcomers, order: [...newcomers], members, remaining });
      }
    }
  }

  #msUntil(stage: number): number {
    return this.#afterMs[stage] ?? Infinity;
  }
}

/** Looks at the members that remain; those whose list is full remain for the next sweep. */
function sweepBatch(batch: Batch, budget: Budget, onDue: OnDue): void {
  const { remaining } = batch;
  const waiting: Remaining[] = [];
  while (budget.left > 0) {
    const next = remaining.pop();
    if (next === undefined) break;
    const [member] = next;
    const end = member.canBeTold ? findPairs(next, batch, budget, onDue) : undefined;
    if (end !== undefined) waiting.push([member, end]);
  }
  batch.remaining = [...waiting.reverse(), ...remaining];
}

/**
 * Calls `onDue` for the pairs of which this peer has the smaller id, and the later one is in the batch.
 * Returns how many have been looked at when one has to wait, else `undefined`.
 */
function findPairs(
  [smaller, done]: Remaining,
  { newcomers, order, members }: Batch,
  budget: Budget,
  onDue: OnDue,
): number | undefined {
  const isNewcomer = newcomers.has(smaller);
  const others = isNewcomer ? members : order;
  for (let n = done; n < others.length; n++) {
    budget.left--;
    const larger = others[n];
    if (larger === undefined || larger.id <= smaller.id || !larger.canBeNamed) continue;
    const isDue = larger.number < smaller.number ? isNewcomer : newcomers.has(larger);
    if (isDue && !smaller.hasPairWith(larger) && !onDue(smaller, larger)) return n;
  }
  return undefined;
}
