/**
 * Directs consumers to the normal peers that serve them: which are eligible, in which order each
 * consumer gets them, and when a consumer needs a new list. The clients in the field keep the last
 * list that they got and never ask again, so every change is pushed.
 */

import { Metrics } from "../metrics/metrics.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import type { Peer, ServingState } from "./peer.ts";
import { encode } from "../protocol/messages.ts";
import type { Room } from "./room.ts";

/**
 * A normal peer that has ever sent a heartbeat is left out once so many milliseconds have passed
 * since its last one.
 */
export const HEARTBEAT_TIMEOUT_MS = 90_000;

/**
 * The least number of milliseconds between two lists for one consumer, and between two times at which
 * one room's peers are examined because something changed.
 */
export const PUSH_INTERVAL_MS = 250;

/** What one consumer was told. */
interface ConsumerState {
  /** The join order at which its lists start; set with its first list that is not empty. */
  start: number | undefined;
  /** The eligible ids, in order of joining, at the time of its last list. */
  lastList: readonly string[] | undefined;
  lastSentAt: number;
}

/**
 * When the consumers of a room get their next lists: nothing is planned; lists are being sent now; or
 * a timer runs until something may have changed, by `Clock.elapsed`.
 */
type Push =
  | { readonly kind: "idle" }
  | { readonly kind: "sending" }
  | { readonly kind: "due"; readonly at: number; readonly timer: Timer };

const IDLE: Push = { kind: "idle" };

/** The consumers of one room, and the servers that they can be directed to. */
interface RoomState {
  readonly consumers: Map<Peer, ConsumerState>;
  /** The eligible peers when the room was examined last, in order of joining. */
  servers: readonly Peer[];
  /** Their ids; the same array for as long as the ids are the same. */
  ids: readonly string[];
  /** The join order of the first peer in the last list that a consumer started with. */
  lastStart: number;
  refreshedAt: number;
  /** Whether a peer has changed since the room was examined. */
  isStale: boolean;
  push: Push;
}

/** Tells whether consumers may be directed to a normal peer of this state at the time `now`. */
export function isEligible(
  { serveConsumers, capacity, sessions, heartbeatAt }: ServingState,
  now: number,
): boolean {
  return serveConsumers && (capacity === undefined || sessions < capacity) &&
    (heartbeatAt === undefined || now - heartbeatAt < HEARTBEAT_TIMEOUT_MS);
}

/** Whether a heartbeat can change a list: the first one of a peer, or one that changes its eligibility. */
export function isNews(before: ServingState, after: ServingState, now: number): boolean {
  return before.heartbeatAt === undefined || isEligible(before, now) !== isEligible(after, now);
}

/** The ids of peers in order of joining, beginning with the first at or after `joinOrder`. */
function idsFrom(servers: readonly Peer[], joinOrder: number): string[] {
  const start = Math.max(servers.findIndex((server) => server.joinOrder >= joinOrder), 0);
  return [...servers.slice(start), ...servers.slice(0, start)].map(({ id }) => id);
}

/** The director of all rooms. */
export class Director {
  readonly #clock: Clock;
  readonly #metrics: Metrics;
  readonly #rooms = new Map<Room, RoomState>();

  constructor(clock: Clock, metrics: Metrics = new Metrics()) {
    this.#clock = clock;
    this.#metrics = metrics;
  }

  /**
   * Returns the list for a consumer that registers. The next consumer that does gets the next server
   * as its first.
   *
   * @param rotation How many consumers have registered in the room on all instances, this one
   * included; where there is one instance alone, the director counts them itself.
   */
  register(room: Room, consumer: Peer, rotation?: number): string[] {
    this.#metrics.serverLists++;
    let state = this.#rooms.get(room);
    if (state === undefined) this.#rooms.set(room, state = newRoomState());
    const hasChanged = this.#refresh(room, state);
    const consumerState: ConsumerState = { start: undefined, lastList: [], lastSentAt: 0 };
    state.consumers.set(consumer, consumerState);
    if (rotation !== undefined) state.lastStart = joinOrderBefore(state.servers, rotation);
    const list = this.#listFor(state, consumerState);
    if (hasChanged) this.#update(room, state);
    else this.#schedule(room, state, nextExpiry(state.servers));
    return list;
  }

  /** Records that a peer joined, left or changed, and pushes the lists that follow from it. */
  changed(room: Room, peer: Peer): void {
    const state = this.#rooms.get(room);
    if (state === undefined) return;
    if (peer.role !== "consumer" || !room.has(peer)) state.consumers.delete(peer);
    if (room.size === 0) this.#rooms.delete(room);
    if (peer.role === "normal" || state.servers.includes(peer)) state.isStale = true;
    if (state.push.kind === "sending") return; // It continues with what has changed.
    if (state.consumers.size === 0) return this.#cancel(state);
    if (!state.isStale) return;
    const mayRefreshAt = state.refreshedAt + PUSH_INTERVAL_MS;
    if (this.#clock.elapsed() >= mayRefreshAt) this.#update(room, state);
    else this.#schedule(room, state, mayRefreshAt);
  }

  /** Stops every timer. */
  close(): void {
    for (const state of this.#rooms.values()) this.#cancel(state);
    this.#rooms.clear();
  }

  /** Examines the room if it has changed, and sends a list to every consumer that may get a new one. */
  #update(room: Room, state: RoomState): void {
    this.#cancel(state);
    const now = this.#clock.elapsed();
    const mayRefreshAt = state.refreshedAt + PUSH_INTERVAL_MS;
    if (nextExpiry(state.servers) <= now) state.isStale = true;
    if (state.isStale && now < mayRefreshAt) return this.#schedule(room, state, mayRefreshAt);
    if (state.isStale) this.#refresh(room, state);
    state.push = { kind: "sending" };
    const mayTellAt = this.#push(state, now);
    state.push = IDLE;
    const mustRefreshAt = state.isStale ? now + PUSH_INTERVAL_MS : Infinity;
    this.#schedule(room, state, Math.min(mayTellAt, mustRefreshAt, nextExpiry(state.servers)));
  }

  /** Sends every list that may be sent now; returns when the next one may be. */
  #push(state: RoomState, now: number): number {
    const texts = new Map<number, string>(); // A list for each start, not for each consumer.
    let next = Infinity;
    for (const [consumer, consumerState] of state.consumers) {
      if (isSame(consumerState.lastList, state.ids)) continue;
      const mayTellAt = consumerState.lastSentAt + PUSH_INTERVAL_MS;
      if (mayTellAt > now) {
        next = Math.min(next, mayTellAt);
        continue;
      }
      const start = this.#startFor(state, consumerState);
      const text = texts.get(start) ??
        encode({ type: "server-list", servers: idsFrom(state.servers, start) });
      texts.set(start, text);
      if (consumer.send(text)) {
        this.#metrics.serverLists++;
        continue;
      }
      if (consumer.isClosed) continue;
      consumerState.lastList = undefined; // Too much waits for it: it is sent the list later.
      next = Math.min(next, now + PUSH_INTERVAL_MS);
    }
    return next;
  }

  /** Sees to it that the room is updated at `at` at the latest. */
  #schedule(room: Room, state: RoomState, at: number): void {
    const { push } = state;
    if (at === Infinity || state.consumers.size === 0) return;
    if (push.kind === "sending" || push.kind === "due" && push.at <= at) return;
    this.#cancel(state);
    const delayMs = Math.max(at - this.#clock.elapsed(), 0);
    const timer = this.#clock.setTimeout(() => this.#update(room, state), delayMs);
    state.push = { kind: "due", at, timer };
  }

  #cancel(state: RoomState): void {
    if (state.push.kind === "due") this.#clock.clearTimeout(state.push.timer);
    state.push = IDLE;
  }

  /** Finds the servers that are eligible now; tells whether they are others than before. */
  #refresh(room: Room, state: RoomState): boolean {
    const now = this.#clock.elapsed();
    state.refreshedAt = now;
    state.isStale = false;
    state.servers = room.normals().filter(({ servingState }) => isEligible(servingState, now));
    const ids = state.servers.map(({ id }) => id);
    if (isSame(state.ids, ids)) return false;
    state.ids = ids;
    return true;
  }

  #listFor(state: RoomState, consumerState: ConsumerState): string[] {
    return idsFrom(state.servers, this.#startFor(state, consumerState));
  }

  /** Records that a consumer is told of the servers now, and returns where its list starts. */
  #startFor(state: RoomState, consumerState: ConsumerState): number {
    consumerState.lastList = state.ids;
    consumerState.lastSentAt = this.#clock.elapsed();
    if (consumerState.start === undefined && state.servers.length > 0) {
      const next = state.servers.find(({ joinOrder }) => joinOrder > state.lastStart) ??
        state.servers[0];
      consumerState.start = state.lastStart = next?.joinOrder ?? 0;
    }
    return consumerState.start ?? 0;
  }
}

function newRoomState(): RoomState {
  return {
    consumers: new Map(),
    servers: [],
    ids: [],
    lastStart: -1,
    refreshedAt: 0,
    isStale: false,
    push: IDLE,
  };
}

/** The join order after which the list of the consumer with this rotation starts. */
function joinOrderBefore(servers: readonly Peer[], rotation: number): number {
  return (servers[(rotation - 1) % servers.length]?.joinOrder ?? 0) - 1;
}

/** When the first of these peers will have missed its heartbeats. */
function nextExpiry(servers: readonly Peer[]): number {
  let expiry = Infinity;
  for (const { servingState: { heartbeatAt } } of servers) {
    if (heartbeatAt !== undefined) expiry = Math.min(expiry, heartbeatAt + HEARTBEAT_TIMEOUT_MS);
  }
  return expiry;
}

function isSame(a: readonly string[] | undefined, b: readonly string[]): boolean {
  return a === b ||
    a !== undefined && a.length === b.length && a.every((id, index) => id === b[index]);
}
