/**
 * Sends normal peers a `peer-list` again, so that no pair stays unconnected because neither offers or
 * an offer was lost. The clients' tie-break demands that the smaller id is told of the larger; a client
 * skips ids that it is connected with. One timer serves all rooms, and no state grows with the pairs of
 * a room. Each instance sends to its own peers and names the peers of all.
 */

import type { Clock, Timer } from "../runtime/clock.ts";
import { encode } from "../protocol/messages.ts";
import { FORGET_AFTER_MS, type Pair, type Participant } from "./pairs.ts";
import type { Peer } from "./peer.ts";

/**
 * A pair is reintroduced so many milliseconds after an offer that has no answer, and after a join
 * without an offer or answer since.
 */
export const REINTRODUCE_AFTER_MS: readonly number[] = [6000, 15_000, 40_000];

/** Ids at most in a list of the pairs that are due. */
export const MAX_DUE_IDS = 64;

/** Ids at most in a list in turn. */
export const MAX_TURN_IDS = 50;

/** The least number of milliseconds between two sweeps. */
const SWEEP_MS = 500;

/** Pairs of newcomers that one sweep examines at most, which takes 10 to 20 ms. */
const MAX_CHECKS = 50_000;

/** Lists in turn that one sweep may send in any case. */
const MIN_TURNS = 64;

/** Options of {@linkcode Reintroductions}. */
export interface ReintroductionsOptions {
  readonly clock: Clock;
  /** Milliseconds after which each normal peer is sent ids of its room again; 0 is never. */
  readonly reintroduceMs: number;
  readonly participantOf: (peer: Peer) => Participant | undefined;
}

/** The ids for one list, chosen at random where too many are due. */
interface DueIds {
  readonly ids: string[];
  found: number;
}

type Due = Map<Participant, DueIds>;

/** The reintroductions of all rooms. */
export class Reintroductions {
  readonly #clock: Clock;
  readonly #reintroduceMs: number;
  readonly #participantOf: ReintroductionsOptions["participantOf"];
  /** For each time in `REINTRODUCE_AFTER_MS` the peers whose join is not that old, oldest first. */
  readonly #newcomers: readonly Set<Participant>[] = REINTRODUCE_AFTER_MS.map(() => new Set());
  /** The peers that keep a pair. */
  readonly #keepers = new Set<Participant>();
  /** The peers that get lists in turn, in the order of their turns. */
  readonly #rotation = new Set<Participant>();
  #timer: { readonly at: number; readonly id: Timer } | undefined;
  #mayRunAt = 0;
  #isClosed = false;
  #count = 0;

  constructor({ clock, reintroduceMs, participantOf }: ReintroductionsOptions) {
    this.#clock = clock;
    this.#reintroduceMs = reintroduceMs;
    this.#participantOf = participantOf;
  }

  /** The number of lists that were sent because a pair had not negotiated. */
  get count(): number {
    return this.#count;
  }

  /** Adds a peer that has joined. */
  joined(participant: Participant): void {
    if (participant.role !== "normal") return;
    if (participant.room.size > 1) { // The first peer of a room makes no pair.
      this.#newcomers[0]?.add(participant);
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
    for (const newcomers of this.#newcomers) newcomers.delete(participant);
    this.#keepers.delete(participant);
    this.#rotation.delete(participant);
    if (this.#isIdle()) this.#stop();
  }

  /** Examines the pairs of a peer again when the one that has just changed may be due. */
  watch(keeper: Participant): void {
    this.#keepers.add(keeper);
    keeper.dueAt = Math.min(keeper.dueAt, dueAfter(this.#clock.elapsed(), 0));
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
    this.#findSilentNewcomers(now, due);
    for (const keeper of this.#keepers) {
      if (keeper.dueAt <= now) this.#findUnanswered(keeper, now, due);
    }
    for (const [participant, { ids }] of due) {
      this.#count++;
      sendList(participant, ids);
    }
    this.#takeTurns(now);
    this.#wakeAt(this.#nextDue());
  }

  /** Finds pairs of which one peer joined some time ago, without an offer or an answer since. */
  #findSilentNewcomers(now: number, due: Due): void {
    let checks = 0;
    // The last stage first, so that a newcomer which moves on to the next is not examined twice.
    for (let stage = this.#newcomers.length - 1; stage >= 0; stage--) {
      for (const newcomer of this.#newcomers[stage] ?? []) {
        if (dueAfter(newcomer.joinedAt, stage) > now || checks >= MAX_CHECKS) break;
        this.#newcomers[stage]?.delete(newcomer);
        this.#newcomers[stage + 1]?.add(newcomer);
        const normals = newcomer.room.normals();
        checks += normals.length;
        for (const peer of normals) {
          const other = this.#participantOf(peer);
          // A pair is examined for the one of the two that joined later.
          if (other === undefined || other.number >= newcomer.number) continue;
          const [smaller, larger] = newcomer.id < other.id ? [newcomer, other] : [other, newcomer];
          if (!smaller.hasPairWith(larger)) add(due, smaller, larger);
        }
      }
    }
  }

  /** Finds the pairs of a peer whose last offer has no answer, and forgets those that are too old. */
  #findUnanswered(keeper: Participant, now: number, due: Due): void {
    keeper.dueAt = Infinity;
    for (const [other, pair] of keeper.pairs()) {
      const isOpen = !pair.isAnswered && keeper.id < other.id;
      if (isOpen && dueAfter(pair.at, pair.reintroductions) <= now) {
        pair.reintroductions++;
        add(due, keeper, other);
      }
      const nextAt = isOpen ? lookAgainAt(pair) : pair.at + FORGET_AFTER_MS;
      if (other.peer === undefined || nextAt <= now) keeper.forget(other);
      else keeper.dueAt = Math.min(keeper.dueAt, nextAt);
    }
    if (keeper.pairCount === 0) this.#keepers.delete(keeper);
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
      if (ids.length > 0) sendList(participant, ids);
    }
  }

  #nextDue(): number {
    let at = Infinity;
    for (const [stage, newcomers] of this.#newcomers.entries()) {
      const { value: first } = newcomers.values().next();
      if (first !== undefined) at = Math.min(at, dueAfter(first.joinedAt, stage));
    }
    for (const { dueAt } of this.#keepers) at = Math.min(at, dueAt);
    const { value: next } = this.#rotation.values().next();
    return Math.min(at, next?.turnAt ?? Infinity);
  }

  #isIdle(): boolean {
    return this.#keepers.size === 0 && this.#rotation.size === 0 &&
      this.#newcomers.every(({ size }) => size === 0);
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

function lookAgainAt({ at, reintroductions }: Pair): number {
  return Math.min(dueAfter(at, reintroductions), at + FORGET_AFTER_MS);
}

function add(due: Due, smaller: Participant, larger: Participant): void {
  if (!smaller.canBeTold || !larger.canBeNamed) return;
  let entry = due.get(smaller);
  if (entry === undefined) due.set(smaller, entry = { ids: [], found: 0 });
  const place = ++entry.found <= MAX_DUE_IDS ? entry.ids.length : randomBelow(entry.found);
  if (place < MAX_DUE_IDS) entry.ids[place] = larger.id;
}

/** The larger ids of the room that follow those of the last list, in order of joining. */
function idsInTurn(participant: Participant): string[] {
  if (!participant.canBeTold) return [];
  const larger = participant.room.normals()
    .filter(({ id, isClosed }) => id > participant.id && !isClosed);
  const start = larger.length <= MAX_TURN_IDS
    ? 0
    : Math.max(larger.findIndex(({ joinOrder }) => joinOrder > participant.turnOrder), 0);
  const peers = [...larger.slice(start), ...larger.slice(0, start)].slice(0, MAX_TURN_IDS);
  participant.turnOrder = peers.at(-1)?.joinOrder ?? -1;
  return peers.map(({ id }) => id);
}

function sendList({ peer }: Participant, peers: readonly string[]): void {
  peer?.send(encode({ type: "peer-list", peers }));
}

function randomBelow(n: number): number {
  return Math.floor(Math.random() * n);
}
