/**
 * Directs consumers to the normal peers that serve them: which are eligible, in which order each
 * consumer is told of them, and when it has to be told anew. A client of today keeps the last list
 * it got and never asks again, so every change is pushed.
 */

import type { Clock, Timer } from "../runtime/clock.ts";
import type { Peer, Service } from "./peer.ts";
import { encode } from "../protocol/messages.ts";
import type { Room } from "./room.ts";

/** A peer that has ever sent a heartbeat is left out when none came for so many milliseconds. */
export const HEARTBEAT_TIMEOUT_MS = 90_000;

/** A consumer gets one list in so many milliseconds at most. */
export const PUSH_INTERVAL_MS = 250;

/** What one consumer has been told. */
interface Guidance {
  /** The seat from which its lists start, once there was somebody to start from. */
  anchor: number | undefined;
  /** The eligible ids, in order of joining, at the time of its last list. */
  told: readonly string[];
  toldAt: number;
}

/** The consumers of one room. */
interface Desk {
  readonly consumers: Map<Peer, Guidance>;
  /** The eligible peers at the last look, in order of joining. */
  servers: readonly Peer[];
  /** Their ids: the same array for as long as they are the same. */
  ids: readonly string[];
  /** The seat of whoever came first in the list handed out last. */
  lastFirst: number;
  timer: Timer | undefined;
  /** Whether the next push is settled: the timer will make it, or it is under way. */
  isPushSettled: boolean;
}

/** Whether consumers may be directed to a normal peer that offers this, at this moment. */
export function isEligible(
  { serveConsumers, capacity, sessions, heartbeatAt }: Service,
  now: number,
): boolean {
  return serveConsumers && (capacity === undefined || sessions < capacity) &&
    (heartbeatAt === undefined || now - heartbeatAt < HEARTBEAT_TIMEOUT_MS);
}

/** The ids of peers that are in order of their seats, beginning at a seat and coming round. */
function idsFrom(servers: readonly Peer[], seat: number): string[] {
  const start = Math.max(servers.findIndex((server) => server.seat >= seat), 0);
  return [...servers.slice(start), ...servers.slice(0, start)].map(({ id }) => id);
}

/** The director of all rooms. */
export class Director {
  readonly #clock: Clock;
  readonly #desks = new WeakMap<Room, Desk>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * The list for a consumer that registers; the next one that does gets the next to start from. Where
   * consumers are counted for all instances, `turn` says who that is.
   */
  register(room: Room, consumer: Peer, turn?: number): string[] {
    let desk = this.#desks.get(room);
    if (desk === undefined) {
      desk = {
        consumers: new Map(),
        servers: [],
        ids: [],
        lastFirst: -1,
        timer: undefined,
        isPushSettled: false,
      };
      this.#desks.set(room, desk);
    }
    this.#look(room, desk);
    const guidance: Guidance = { anchor: undefined, told: [], toldAt: 0 };
    desk.consumers.set(consumer, guidance);
    if (turn !== undefined) desk.lastFirst = this.#before(desk, turn);
    if (!desk.isPushSettled) this.#schedule(room, desk, Infinity);
    return this.#tell(desk, guidance);
  }

  /** Takes note of a peer that joined, left or changed, and pushes what follows from it. */
  changed(room: Room, peer: Peer): void {
    const desk = this.#desks.get(room);
    if (desk === undefined) return;
    if (peer.role !== "consumer" || !room.has(peer)) desk.consumers.delete(peer);
    if (room.size === 0) this.#desks.delete(room);
    if (desk.consumers.size === 0) {
      desk.isPushSettled = false;
      return this.#schedule(room, desk, Infinity);
    }
    if (desk.isPushSettled) return;
    if (this.#look(room, desk)) this.#push(room, desk);
    else this.#schedule(room, desk, Infinity);
  }

  /** Tells every consumer whose servers are others now, or will be told as soon as it may. */
  #push(room: Room, desk: Desk): void {
    desk.isPushSettled = true; // A consumer that is closed meanwhile is a change, too.
    const now = this.#clock.elapsed();
    let nextPush = Infinity;
    for (const [consumer, guidance] of desk.consumers) {
      if (isSame(guidance.told, desk.ids)) continue;
      const mayTellAt = guidance.toldAt + PUSH_INTERVAL_MS;
      if (mayTellAt > now) nextPush = Math.min(nextPush, mayTellAt);
      else consumer.send(encode({ type: "server-list", servers: this.#tell(desk, guidance) }));
    }
    desk.isPushSettled = nextPush < Infinity;
    this.#schedule(room, desk, nextPush);
  }

  /** Looks again when the next push or the next missed heartbeat is due. */
  #schedule(room: Room, desk: Desk, nextPush: number): void {
    if (desk.timer !== undefined) this.#clock.clearTimeout(desk.timer);
    const due = desk.consumers.size > 0 ? Math.min(nextPush, nextExpiry(desk.servers)) : Infinity;
    desk.timer = due === Infinity ? undefined : this.#clock.setTimeout(() => {
      this.#look(room, desk);
      this.#push(room, desk);
    }, Math.max(due - this.#clock.elapsed(), 0));
  }

  /** Sees who is eligible now, and whether these are others than at the last look. */
  #look(room: Room, desk: Desk): boolean {
    const now = this.#clock.elapsed();
    desk.servers = room.normals().filter(({ service }) => isEligible(service, now));
    const ids = desk.servers.map(({ id }) => id);
    if (isSame(desk.ids, ids)) return false;
    desk.ids = ids;
    return true;
  }

  /** A seat just before that of the peer whose turn it is. */
  #before({ servers }: Desk, turn: number): number {
    return (servers[(turn - 1) % servers.length]?.seat ?? 0) - 1;
  }

  /** Notes what a consumer is told now, and returns it in the consumer's own order. */
  #tell(desk: Desk, guidance: Guidance): string[] {
    guidance.told = desk.ids;
    guidance.toldAt = this.#clock.elapsed();
    if (guidance.anchor === undefined && desk.servers.length > 0) {
      const next = desk.servers.find(({ seat }) => seat > desk.lastFirst) ?? desk.servers[0];
      guidance.anchor = desk.lastFirst = next?.seat ?? 0;
    }
    return idsFrom(desk.servers, guidance.anchor ?? 0);
  }
}

/** When the first of these peers will have missed its heartbeats. */
function nextExpiry(servers: readonly Peer[]): number {
  let expiry = Infinity;
  for (const { service: { heartbeatAt } } of servers) {
    if (heartbeatAt !== undefined) expiry = Math.min(expiry, heartbeatAt + HEARTBEAT_TIMEOUT_MS);
  }
  return expiry;
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a === b || a.length === b.length && a.every((id, index) => id === b[index]);
}
