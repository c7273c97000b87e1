/**
 * Directs consumers to the normal peers that serve them: which are eligible, in which order each
 * consumer is told of them, and when it has to be told anew. A client of today keeps the last list
 * it got and never asks again, so every change is pushed.
 */

import type { Clock, Timer } from "./clock.ts";
import type { Peer, Service } from "./peer.ts";
import { encode } from "./protocol.ts";
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
  /** The seat of whoever came first in the list handed out last. */
  lastFirst: number;
  timer: Timer | undefined;
  /** Whether the next push is settled: the timer will make it, or it is under way. */
  isPushSettled: boolean;
}

/** Whether consumers may be directed to a normal peer that offers this. */
function isEligible(
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

  /** The list for a consumer that registers; the next one that does gets the next to start from. */
  register(room: Room, consumer: Peer): string[] {
    let desk = this.#desks.get(room);
    if (desk === undefined) {
      desk = { consumers: new Map(), lastFirst: -1, timer: undefined, isPushSettled: false };
      this.#desks.set(room, desk);
    }
    const servers = this.#eligible(room);
    const guidance: Guidance = { anchor: undefined, told: [], toldAt: 0 };
    desk.consumers.set(consumer, guidance);
    const list = this.#tell(desk, guidance, servers, servers.map(({ id }) => id));
    this.changed(room); // From now on somebody has to hear of heartbeats that stay out.
    return list;
  }

  /** Pushes a new list to every consumer of the room whose servers have changed. */
  changed(room: Room): void {
    const desk = this.#desks.get(room);
    if (desk === undefined) return;
    if (room.size === 0) this.#close(room, desk);
    else if (!desk.isPushSettled) this.#push(room, desk);
  }

  #push(room: Room, desk: Desk): void {
    if (desk.timer !== undefined) this.#clock.clearTimeout(desk.timer);
    desk.timer = undefined;
    desk.isPushSettled = true; // A consumer that is closed meanwhile changes the room, too.
    const now = this.#clock.now();
    const servers = this.#eligible(room);
    const ids = servers.map(({ id }) => id);
    let nextPush = Infinity;
    for (const [consumer, guidance] of desk.consumers) {
      if (!room.has(consumer) || consumer.role !== "consumer") desk.consumers.delete(consumer);
      else if (isSame(guidance.told, ids)) continue;
      else if (guidance.toldAt + PUSH_INTERVAL_MS > now) {
        nextPush = Math.min(nextPush, guidance.toldAt + PUSH_INTERVAL_MS);
      } else {
        const list = this.#tell(desk, guidance, servers, ids);
        const isTold = consumer.send(encode({ type: "server-list", servers: list }));
        if (!isTold) desk.consumers.delete(consumer);
      }
    }
    desk.isPushSettled = nextPush < Infinity;
    const wake = desk.consumers.size > 0 ? Math.min(nextPush, nextExpiry(servers)) : Infinity;
    if (wake < Infinity) {
      desk.timer = this.#clock.setTimeout(() => this.#push(room, desk), wake - now);
    }
  }

  #close(room: Room, desk: Desk): void {
    if (desk.timer !== undefined) this.#clock.clearTimeout(desk.timer);
    this.#desks.delete(room);
  }

  /** Notes what a consumer is told now, and returns it in the consumer's own order. */
  #tell(desk: Desk, guidance: Guidance, servers: readonly Peer[], ids: string[]): string[] {
    guidance.told = ids;
    guidance.toldAt = this.#clock.now();
    if (guidance.anchor === undefined && servers.length > 0) {
      const next = servers.find(({ seat }) => seat > desk.lastFirst) ?? servers[0];
      guidance.anchor = desk.lastFirst = next?.seat ?? 0;
    }
    return idsFrom(servers, guidance.anchor ?? 0);
  }

  #eligible(room: Room): Peer[] {
    const now = this.#clock.now();
    return room.normals().filter(({ service }) => isEligible(service, now));
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
  return a.length === b.length && a.every((id, index) => id === b[index]);
}
