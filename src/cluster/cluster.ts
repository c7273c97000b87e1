/**
 * Makes this instance part of a server of many: says who is here, and lets nobody join who has not
 * claimed its name. Without a backplane it does not exist; while that is down, every room is what it
 * is here alone.
 */

import type { Backplane, RoomEvent } from "./backplane.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { isEligible } from "../rooms/director.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Peer } from "../rooms/peer.ts";
import { PostOffice } from "./message_router.ts";
import type { EnterOutcome, SignalingRegistry } from "../rooms/registry.ts";
import { Replicas } from "./remote_members.ts";
import type { Room } from "../rooms/room.ts";
import { type Entry, Roster } from "./local_members.ts";

/** How often it is looked whether a peer has missed its heartbeats, in milliseconds. */
const HEALTH_MS = 5000;

/** How long after a failure it is remembered who was lost sight of, in milliseconds. */
const REMEMBER_MS = 60_000;

/** What a cluster is made of. */
export interface ClusterOptions {
  readonly backplane: Backplane;
  readonly registry: SignalingRegistry;
  readonly clock: Clock;
  readonly logger: Logger;
  /** In all instances together. */
  readonly maxPeersPerRoom: number;
  /** Counts what did not hold on another instance. */
  readonly onAuthFailed: (address: string) => void;
}

/** This instance among the others. */
export class Cluster {
  readonly #options: ClusterOptions;
  readonly #roster = new Roster();
  readonly #post: PostOffice;
  readonly #replicas: Replicas;
  #healthTimer: Timer | undefined;
  #forgetTimer: Timer | undefined;

  constructor(options: ClusterOptions) {
    const { backplane, registry } = options;
    this.#options = options;
    this.#post = new PostOffice(backplane, registry, this.#roster);
    this.#replicas = new Replicas(backplane, registry, this.#roster, this.#post);
  }

  /** Whether peers elsewhere can be reached. */
  get isUp(): boolean {
    return this.#roster.instance !== undefined;
  }

  /** Starts to take part. */
  start(): void {
    this.#options.backplane.start({
      up: (instance) => this.#guard(() => this.#up(instance)),
      down: (reason) => this.#guard(() => this.#down(reason)),
      roomChanged: (event) => this.#guard(() => this.#roomChanged(event)),
      letter: (letter) => this.#guard(() => this.#post.receive(letter)),
      returned: (letter) => this.#guard(() => this.#post.returned(letter)),
      authFailed: this.#options.onAuthFailed,
    });
    this.#watchHealth();
  }

  /** Takes no part any more. */
  async close(): Promise<void> {
    for (const timer of [this.#healthTimer, this.#forgetTimer]) {
      if (timer !== undefined) this.#options.clock.clearTimeout(timer);
    }
    this.#roster.instance = undefined;
    await this.#options.backplane.close();
  }

  /** Tells the others that a token or secret did not hold here. */
  authFailed(address: string): void {
    if (this.isUp) this.#options.backplane.authFailed(address);
  }

  /** Lets a peer join: here at once while there are no others, else once its name is claimed. */
  join(room: string, peer: Peer): EnterOutcome | Promise<EnterOutcome> {
    if (!this.isUp) return this.#joinHere(room, peer);
    return new Promise((settle) => {
      const entry = this.#add(room, peer);
      entry.settle = settle;
      this.#claim(entry, false);
    });
  }

  #joinHere(room: string, peer: Peer): EnterOutcome {
    const entered = this.#options.registry.join(room, peer);
    if (entered.room.has(peer)) this.#add(room, peer);
    return entered;
  }

  /** Takes note of a peer of this instance that changed or left. */
  changed(room: Room, peer: Peer): void {
    const entry = this.#roster.of(peer);
    if (entry === undefined) return;
    if (room.has(peer)) return this.#announce(entry);
    this.#roster.delete(entry);
    if (!this.isUp) return;
    this.#options.backplane.leave(entry.room, peer.id, this.#roster.stay(entry));
    this.#replicas.giveWay(entry);
    this.#replicas.dropIfUnused(room.name);
  }

  #announce(entry: Entry): void {
    const { role } = entry.peer;
    const serves = this.#serves(entry.peer);
    if (entry.role === role && entry.serves === serves) return;
    Object.assign(entry, { role, serves });
    if (this.isUp) this.#options.backplane.update(entry.room, this.#roster.member(entry));
  }

  #serves({ service }: Peer): boolean {
    return isEligible(service, this.#options.clock.elapsed());
  }

  #add(room: string, peer: Peer): Entry {
    return this.#roster.add(room, peer, this.#options.clock.now(), this.#serves(peer));
  }

  #claim(entry: Entry, isReturning: boolean): void {
    const { backplane, maxPeersPerRoom: maxPeers } = this.#options;
    entry.isClaimed = false;
    backplane.join(entry.room, this.#roster.member(entry), { isReturning, maxPeers }).then(
      (reply) => {
        if (reply !== "joined") this.#refused(entry, reply);
      },
      () => {}, // The backplane is down, and says so.
    );
  }

  #refused(entry: Entry, reply: "taken" | "full" | "outdated"): void {
    if (this.#roster.of(entry.peer) !== entry) return;
    this.#roster.delete(entry);
    const kind = reply === "full" ? "full" : "taken";
    if (entry.settle === undefined) entry.peer.replace(); // Another has its name.
    else entry.settle(this.#options.registry.refuse(entry.room, kind));
    this.#replicas.giveWay(entry);
    this.#replicas.dropIfUnused(entry.room);
  }

  #roomChanged(event: RoomEvent): void {
    this.#replicas.apply(event, this.#options.clock.now());
    if (event.type === "instance left") this.#forgetLater();
  }

  /** Everybody who is here claims its name anew. */
  #up(instance: string): void {
    const { registry, logger } = this.#options;
    this.#roster.instance = instance;
    logger.info("Backplane up", { instance });
    for (const room of registry.all()) {
      const entries = room.members().map((peer) => this.#roster.of(peer))
        .filter((entry) => entry !== undefined);
      for (const entry of entries) this.#claim(entry, true);
    }
    this.#forgetLater();
  }

  #forgetLater(): void {
    const { clock } = this.#options;
    if (this.#forgetTimer !== undefined) clock.clearTimeout(this.#forgetTimer);
    this.#forgetTimer = clock.setTimeout(() => this.#replicas.forget(), REMEMBER_MS);
  }

  #down(reason: string): void {
    const { clock, logger } = this.#options;
    this.#roster.instance = undefined;
    logger.error("Backplane down: peers of other instances cannot be reached", { reason });
    this.#replicas.clear(clock.now());
    for (const entry of this.#roster.all()) {
      const { settle, peer, room } = entry;
      if (settle === undefined) continue;
      this.#roster.delete(entry);
      if (!peer.isGone) settle(this.#joinHere(room, peer));
    }
  }

  #watchHealth(): void {
    this.#healthTimer = this.#options.clock.setTimeout(() => {
      for (const entry of this.#roster.all()) {
        if (entry.peer.service.heartbeatAt !== undefined) this.#announce(entry);
      }
      this.#watchHealth();
    }, HEALTH_MS);
  }

  /** No message of another instance may end this one. */
  #guard(act: () => void): void {
    try {
      act();
    } catch (cause) {
      this.#options.logger.error("A message of another instance failed", { cause: String(cause) });
    }
  }
}
