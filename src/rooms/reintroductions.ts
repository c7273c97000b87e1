/**
 * Sends normal peers a `peer-list` again, so that no pair stays unconnected because neither offers or
 * an offer was lost. The clients' tie-break demands that the smaller id is told of the larger; a client
 * skips ids that it is connected with. One timer serves all rooms, and no state grows with the pairs of
 * a room. Each instance sends to its own peers and names the peers of all.
 */

import type { Metrics } from "../metrics/metrics.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { encode } from "../protocol/messages.ts";
import { type Budget, MAX_DUE_IDS, Newcomers, type OnDue } from "./newcomers.ts";
import { FORGET_AFTER_MS, type Pair, type Participant } from "./pairs.ts";
import type { Peer } from "./peer.ts";

/**
 * A pair is reintroduced so many milliseconds after an offer that has no answer, and after a join
 * without an offer or answer since.
 */
export const REINTRODUCE_AFTER_MS: readonly number[] = [6000, 15_000, 40_000];

/** Ids at most in a list in turn. */
export const MAX_TURN_IDS = 50;

/** The least number of milliseconds between two sweeps. */
const SWEEP_MS = 500;

/** Pairs that one sweep examines at most, which takes some 15 ms. */
const MAX_PAIRS_IN_SWEEP = 100_000;

/** What a list counts for, since it takes as long as so many pairs. */
const PAIRS_PER_LIST = 100;

/** Lists in turn that one sweep may send in any case. */
const MIN_TURNS = 64;

/** Options of {@linkcode Reintroductions}. */
export interface ReintroductionsOptions {
  readonly clock: Clock;
  /** Milliseconds after which each normal peer is sent ids of its room again; 0 is never. */
  readonly reintroduceMs: number;
  readonly metrics: Metrics;
  readonly participantOf: (peer: Peer) => Participant | undefined;
}

/** The ids of the pairs that are due, by the peer that is told of them. */
type Due = Map<Participant, string[]>;

/** The reintroductions of all rooms. */
export class Reintroductions {
  readonly #clock: Clock;
  readonly #reintroduceMs: number;
  readonly #metrics: Metrics;
  readonly #newcomers: Newcomers;
  /** The peers that keep a pair. */
  readonly #keepers = new Set<Participant>();
  /** The peers that get lists in turn, in the order of their turns. */
  readonly #rotation = new Set<Participant>();
  #timer: { readonly at: number; readonly id: Timer } | undefined;
  #mayRunAt = 0;
  #isClosed = false;
  #count = 0;

  constructor({ clock, reintroduceMs, metrics, participantOf }: ReintroductionsOptions) {
    this.#clock = clock;
    this.#reintroduceMs = reintroduceMs;
    this.#metrics = metrics;
    this.#newcomers = new Newcomers({ afterMs: REINTRODUCE_AFTER_MS, participantOf });
  }

  /** The number of lists that were sent because a pair had not negotiated. */
  get count(): number {
    return this.#count;
  }

  /** Adds a peer that has joined. */
  joined(participant: Participant): void {
    if (participant.role !== "normal") return;
    if (participant.room.size > 1) { // The first peer of a room makes no pair.
      this.#newcomers.add(participant);
      this.#wakeAt(dueAfter(participant.joinedAt, 0));
    }
    if (this.#reintroduceMs > 0 && participant.peer?.isLocal) {
      participant.turnAt = participant.joinedAt + this.#reintroduceMs;
      this.#rotation.add(participant);
      this.#wakeAt(participant.turnAt);
    }
  }

  /** Removes a peer that has left. */
  left(participant: Participant): void {
    this.#newcomers.delete(participant);
    this.#keepers.delete(participant);
    this.#rotation.delete(participant);
    if (this.#isIdle()) this.#stop();
  }

  /** Examines the pairs of a peer again when the one that has changed now may be due. */
  watch(keeper: Participant, now: number): void {
    this.#keepers.add(keeper);
    keeper.dueAt = Math.min(keeper.dueAt, dueAfter(now, 0));
    this.#wakeAt(keeper.dueAt);
  }

  /** Sends nothing any more. */
  close(): void {
    this.#isClosed = true;
    this.#stop();
  }

  #sweep(): void {
    this.#timer = undefined;
    const now = this.#clock.elapsed();
    this.#mayRunAt = now + SWEEP_MS;
    const due: Due = new Map();
    const budget = { left: MAX_PAIRS_IN_SWEEP };
    const onDue: OnDue = (smaller, larger) => add(due, smaller, larger, budget);
    for (const keeper of this.#keepers) {
      if (budget.left <= 0) break;
      if (keeper.dueAt <= now) findUnanswered(keeper, now, budget, onDue);
      if (keeper.pairCount === 0) this.#keepers.delete(keeper);
    }
    this.#newcomers.sweep(now, budget, onDue);
    for (const [participant, ids] of due) {
      this.#count++;
      sendList(participant, ids);
    }
    this.#takeTurns(now);
    this.#wakeAt(this.#nextDue());
  }

  /** Sends the lists in turn that are due, in one sweep at most twice the average number. */
  #takeTurns(now: number): void {
    const share = 2 * this.#rotation.size * SWEEP_MS / this.#reintroduceMs;
    let turns = Math.max(MIN_TURNS, Math.ceil(share));
    for (const participant of this.#rotation) {
      if (participant.turnAt > now || turns-- === 0) break;
      this.#rotation.delete(participant);
      participant.turnAt = now + this.#reintroduceMs;
      this.#rotation.add(participant);
      const ids = idsInTurn(participant);
      if (ids.length === 0) continue;
      this.#metrics.rotationLists++;
      sendList(participant, ids);
    }
  }

  #nextDue(): number {
    let at = this.#newcomers.nextAt;
    for (const { dueAt } of this.#keepers) at = Math.min(at, dueAt);
    const { value: next } = this.#rotation.values().next();
    return Math.min(at, next?.turnAt ?? Infinity);
  }

  #isIdle(): boolean {
    return this.#keepers.size === 0 && this.#rotation.size === 0 &&
      this.#newcomers.nextAt === Infinity;
  }

  #wakeAt(at: number): void {
    if (at === Infinity || this.#isClosed || this.#timer !== undefined && this.#timer.at <= at) {
      return;
    }
    this.#stop();
    const wakeAt = Math.max(at, this.#mayRunAt);
    const delayMs = Math.max(Math.ceil(wakeAt - this.#clock.elapsed()), 1);
    this.#timer = { at: wakeAt, id: this.#clock.setTimeout(() => this.#sweep(), delayMs) };
  }

  #stop(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer.id);
    this.#timer = undefined;
  }
}

/** When an offer or join of the time `at` is due for the reintroduction with this number. */
function dueAfter(at: number, reintroduction: number): number {
  return at + (REINTRODUCE_AFTER_MS[reintroduction] ?? Infinity);
}

function examineAgainAt({ at, reintroductions }: Pair): number {
  return Math.min(dueAfter(at, reintroductions), at + FORGET_AFTER_MS);
}

/** Finds the pairs of a peer whose last offer has no answer, and forgets those that are too old. */
function findUnanswered(keeper: Participant, now: number, budget: Budget, onDue: OnDue): void {
  keeper.dueAt = Infinity;
  for (const [other, pair] of keeper.pairs()) {
    budget.left--;
    const isOpen = !pair.isAnswered && keeper.id < other.id;
    const forgetAt = pair.at + FORGET_AFTER_MS;
    if (isOpen && dueAfter(pair.at, pair.reintroductions) <= now) {
      const isNamed = !keeper.canBeTold || !other.canBeNamed || onDue(keeper, other);
      if (isNamed) pair.reintroductions++; // Else the next list names it.
    }
    if (other.peer === undefined || forgetAt <= now) keeper.forget(other);
    else keeper.dueAt = Math.min(keeper.dueAt, isOpen ? examineAgainAt(pair) : forgetAt);
  }
}

/** Adds an id to the list of a peer; `false` if the list is full, so that it has to wait. */
function add(due: Due, smaller: Participant, larger: Participant, budget: Budget): boolean {
  let ids = due.get(smaller);
  if (ids === undefined) {
    due.set(smaller, ids = []);
    budget.left -= PAIRS_PER_LIST;
  }
  if (ids.length === MAX_DUE_IDS) return false;
  ids.push(larger.id);
  return true;
}

/** The larger ids of the room that follow those of the last list, in order of joining. */
function idsInTurn(participant: Participant): string[] {
  const ids: string[] = [];
  if (!participant.canBeTold) return ids;
  const normals = participant.room.normals();
  const start = Math.max(
    normals.findIndex(({ joinOrder }) => joinOrder > participant.turnOrder),
    0,
  );
  for (let n = 0; n < normals.length && ids.length < MAX_TURN_IDS; n++) {
    const peer = normals[(start + n) % normals.length];
    if (peer === undefined || peer.id <= participant.id || peer.isClosed) continue;
    ids.push(peer.id);
    participant.turnOrder = peer.joinOrder;
  }
  return ids;
}

function sendList({ peer }: Participant, peers: readonly string[]): void {
  peer?.send(encode({ type: "peer-list", peers }));
}
