/**
 * Directs consumers to the normal peers that serve them: which are eligible, in which order each
 * consumer is told of them, and when it has to be told anew. A client of today keeps the last list
 * it got and never asks again, so every change is pushed.
 */

import type { Clock, Timer } from "../runtime/clock.ts";
import type { Peer, ServingState } from "./peer.ts";
import { encode } from "../protocol/messages.ts";
import type { Room } from "./room.ts";

/** A peer that has ever sent a heartbeat is left out when none came for so many milliseconds. */
export const HEARTBEAT_TIMEOUT_MS = 90_000;

/** A consumer gets one list in so many milliseconds at most. */
export const PUSH_INTERVAL_MS = 250;

/** What one consumer has been told. */
interface ConsumerState {
  /** The seat from which its lists start, once there was somebody to start from. */
  start: number | undefined;
  /** The eligible ids, in order of joining, at the time of its last list. */
  lastList: readonly string[];
  lastSentAt: number;
}

/** The consumers of one room. */
interface RoomState {
  readonly consumers: Map<Peer, ConsumerState>;
  /** The eligible peers at the last look, in order of joining. */
  servers: readonly Peer[];
  /** Their ids: the same array for as long as they are the same. */
  ids: readonly string[];
  /** The seat of whoever came first in the list handed out last. */
  lastStart: number;
  timer: Timer | undefined;
  /** Whether the next push is settled: the timer will make it, or it is under way. */
  isPushSettled: boolean;
}

/** Whether consumers may be directed to a normal peer that offers this, at this moment. */
export function isEligible(
  { serveConsumers, capacity, sessions, heartbeatAt }: ServingState,
  now: number,
): boolean {
  return serveConsumers && (capacity === undefined || sessions < capacity) &&
    (heartbeatAt === undefined || now - heartbeatAt < HEARTBEAT_TIMEOUT_MS);
}

/** The ids of peers that are in order of their seats, beginning at a seat and coming round. */
function idsFrom(servers: readonly Peer[], joinOrder: number): string[] {
  const start = Math.max(servers.findIndex((server) => server.joinOrder >= joinOrder), 0);
  return [...servers.slice(start), ...servers.slice(0, start)].map(({ id }) => id);
}

/** The director of all rooms. */
export class Director {
  readonly #clock: Clock;
  readonly #rooms = new WeakMap<Room, RoomState>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * The list for a consumer that registers; the next one that does gets the next to start from. Where
   * consumers are counted for all instances, `turn` says who that is.
   */
  register(room: Room, consumer: Peer, rotation?: number): string[] {
    let state = this.#rooms.get(room);
    if (state === undefined) {
      state = {
        consumers: new Map(),
        servers: [],
        ids: [],
        lastStart: -1,
        timer: undefined,
        isPushSettled: false,
      };
      this.#rooms.set(room, state);
    }
    this.#refreshServers(room, state);
    const consumerState: ConsumerState = { start: undefined, lastList: [], lastSentAt: 0 };
    state.consumers.set(consumer, consumerState);
    if (rotation !== undefined) state.lastStart = this.#before(state, rotation);
    if (!state.isPushSettled) this.#schedule(room, state, Infinity);
    return this.#listFor(state, consumerState);
  }

  /** Takes note of a peer that joined, left or changed, and pushes what follows from it. */
  changed(room: Room, peer: Peer): void {
    const state = this.#rooms.get(room);
    if (state === undefined) return;
    if (peer.role !== "consumer" || !room.has(peer)) state.consumers.delete(peer);
    if (room.size === 0) this.#rooms.delete(room);
    if (state.consumers.size === 0) {
      state.isPushSettled = false;
      return this.#schedule(room, state, Infinity);
    }
    if (state.isPushSettled) return;
    if (this.#refreshServers(room, state)) this.#push(room, state);
    else this.#schedule(room, state, Infinity);
  }

  /** Tells every consumer whose servers are others now, or will be told as soon as it may. */
  #push(room: Room, state: RoomState): void {
    state.isPushSettled = true; // A consumer that is closed meanwhile is a change, too.
    const now = this.#clock.elapsed();
    let nextPush = Infinity;
    for (const [consumer, consumerState] of state.consumers) {
      if (isSame(consumerState.lastList, state.ids)) continue;
      const mayTellAt = consumerState.lastSentAt + PUSH_INTERVAL_MS;
      if (mayTellAt > now) nextPush = Math.min(nextPush, mayTellAt);
      else {consumer.send(
          encode({ type: "server-list", servers: this.#listFor(state, consumerState) }),
        );}
    }
    state.isPushSettled = nextPush < Infinity;
    this.#schedule(room, state, nextPush);
  }

  /** Looks again when the next push or the next missed heartbeat is due. */
  #schedule(room: Room, state: RoomState, nextPush: number): void {
    if (state.timer !== undefined) this.#clock.clearTimeout(state.timer);
    const due = state.consumers.size > 0 ? Math.min(nextPush, nextExpiry(state.servers)) : Infinity;
    state.timer = due === Infinity ? undefined : this.#clock.setTimeout(() => {
      this.#refreshServers(room, state);
      this.#push(room, state);
    }, Math.max(due - this.#clock.elapsed(), 0));
  }

  /** Sees who is eligible now, and whether these are others than at the last look. */
  #refreshServers(room: Room, state: RoomState): boolean {
    const now = this.#clock.elapsed();
    state.servers = room.normals().filter(({ servingState }) => isEligible(servingState, now));
    const ids = state.servers.map(({ id }) => id);
    if (isSame(state.ids, ids)) return false;
    state.ids = ids;
    return true;
  }

  /** A seat just before that of the peer whose turn it is. */
  #before({ servers }: RoomState, rotation: number): number {
    return (servers[(rotation - 1) % servers.length]?.joinOrder ?? 0) - 1;
  }

  /** Notes what a consumer is told now, and returns it in the consumer's own order. */
  #listFor(state: RoomState, consumerState: ConsumerState): string[] {
    consumerState.lastList = state.ids;
    consumerState.lastSentAt = this.#clock.elapsed();
    if (consumerState.start === undefined && state.servers.length > 0) {
      const next = state.servers.find(({ joinOrder }) => joinOrder > state.lastStart) ??
        state.servers[0];
      consumerState.start = state.lastStart = next?.joinOrder ?? 0;
    }
    return idsFrom(state.servers, consumerState.start ?? 0);
  }
}

/** When the first of these peers will have missed its heartbeats. */
function nextExpiry(servers: readonly Peer[]): number {
  let expiry = Infinity;
  for (const { servingState: { heartbeatAt } } of servers) {
    if (heartbeatAt !== undefined) expiry = Math.min(expiry, heartbeatAt + HEARTBEAT_TIMEOUT_MS);
  }
  return expiry;
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a === b || a.length === b.length && a.every((id, index) => id === b[index]);
}
