/**
 * Makes this instance part of a server of many: says who is here, and lets nobody join who has not
 * claimed its name. Without a backplane it does not exist; while that is down, every room is what it
 * is here alone.
 */

import type { Backplane, RoomEvent } from "./backplane.ts";
import type { FailureLimiter } from "../access/failure_limiter.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { CLOSE } from "../protocol/messages.ts";
import { isEligible } from "../rooms/director.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Peer } from "../rooms/peer.ts";
import { MessageRouter } from "./message_router.ts";
import type { JoinResult, SignalingRegistry } from "../rooms/registry.ts";
import { RemoteMembers } from "./remote_members.ts";
import type { Room } from "../rooms/room.ts";
import { type LocalMember, LocalMembers } from "./local_members.ts";

/** How often it is looked whether a peer has missed its heartbeats, in milliseconds. */
const HEALTH_MS = 5000;

/** How long after a failure it is remembered who was lost sight of, in milliseconds. */
const UNREACHABLE_MEMORY_MS = 60_000;

/** What a cluster is made of. */
export interface ClusterOptions {
  readonly backplane: Backplane;
  readonly registry: SignalingRegistry;
  readonly clock: Clock;
  readonly logger: Logger;
  /** In all instances together. */
  readonly maxPeersPerRoom: number;
  /** Failed tokens and secrets, counted on all instances together. */
  readonly failures: FailureLimiter;
}

/** This instance among the others. */
export class Cluster {
  readonly #options: ClusterOptions;
  readonly #localMembers = new LocalMembers();
  readonly #router: MessageRouter;
  readonly #remoteMembers: RemoteMembers;
  #healthTimer: Timer | undefined;
  #forgetTimer: Timer | undefined;

  constructor(options: ClusterOptions) {
    const { backplane, registry, failures } = options;
    this.#options = options;
    this.#router = new MessageRouter(backplane, registry, this.#localMembers);
    this.#remoteMembers = new RemoteMembers(backplane, registry, this.#localMembers, this.#router);
    registry.subscribe((room, peer) => this.#changed(room, peer));
    failures.subscribe((address) => this.#authFailed(address));
  }

  /** Whether peers elsewhere can be reached. */
  get isUp(): boolean {
    return this.#localMembers.instance !== undefined;
  }

  /** Starts to take part. */
  start(): void {
    this.#options.backplane.start({
      up: (instance) => this.#guard(() => this.#up(instance)),
      down: (reason) => this.#guard(() => this.#down(reason)),
      roomChanged: (event) => this.#guard(() => this.#roomChanged(event)),
      received: (envelope) => this.#guard(() => this.#router.receive(envelope)),
      undeliverable: (envelope) => this.#guard(() => this.#router.undeliverable(envelope)),
      authFailed: (address) => this.#options.failures.count(address),
    });
    this.#watchHealth();
  }

  /** Takes no part any more. */
  async close(): Promise<void> {
    for (const timer of [this.#healthTimer, this.#forgetTimer]) {
      if (timer !== undefined) this.#options.clock.clearTimeout(timer);
    }
    this.#localMembers.instance = undefined;
    await this.#options.backplane.close();
  }

  /** Tells the others that a token or secret did not hold here. */
  #authFailed(address: string): void {
    if (this.isUp) this.#options.backplane.authFailed(address);
  }

  /** Lets a peer join: here at once while there are no others, else once its name is claimed. */
  join(room: string, peer: Peer): JoinResult | Promise<JoinResult> {
    if (!this.isUp) return this.#joinHere(room, peer);
    return new Promise((resolveJoin) => {
      const entry = this.#add(room, peer);
      entry.resolveJoin = resolveJoin;
      this.#claim(entry, false);
    });
  }

  /**
   * Withdraws the join of a peer that disconnected before its answer reached it. What the claim has
   * written by then is removed behind it; an answer that comes later finds no entry and removes it.
   */
  cancelJoin(peer: Peer): void {
    const entry = this.#localMembers.ofPeer(peer);
    if (entry === undefined) return;
    const room = this.#options.registry.get(entry.room);
    if (room?.has(peer)) return this.#options.registry.leave(room, peer);
    this.#localMembers.delete(entry);
    if (!this.isUp) return;
    this.#options.backplane.leave(entry.room, peer.id, this.#localMembers.memberId(entry));
    this.#remoteMembers.restoreConflict(entry);
    this.#remoteMembers.dropIfUnused(entry.room);
  }

  #joinHere(room: string, peer: Peer): JoinResult {
    const entered = this.#options.registry.join(room, peer);
    if (entered.room.has(peer)) this.#add(room, peer);
    return entered;
  }

  /** Takes note of a peer of this instance that changed or left. */
  #changed(room: Room, peer: Peer): void {
    const entry = this.#localMembers.ofPeer(peer);
    if (entry === undefined) return;
    if (room.has(peer)) return this.#announce(entry);
    this.#localMembers.delete(entry);
    if (!this.isUp) return;
    this.#options.backplane.leave(entry.room, peer.id, this.#localMembers.memberId(entry));
    this.#remoteMembers.restoreConflict(entry);
    this.#remoteMembers.dropIfUnused(room.name);
  }

  #announce(entry: LocalMember): void {
    const { role } = entry.peer;
    const acceptsConsumers = this.#acceptsConsumers(entry.peer);
    if (entry.role === role && entry.acceptsConsumers === acceptsConsumers) return;
    Object.assign(entry, { role, acceptsConsumers });
    if (this.isUp) this.#options.backplane.update(entry.room, this.#localMembers.member(entry));
  }

  #acceptsConsumers({ servingState }: Peer): boolean {
    return isEligible(servingState, this.#options.clock.elapsed());
  }

  #add(room: string, peer: Peer): LocalMember {
    return this.#localMembers.add(
      room,
      peer,
      this.#options.clock.now(),
      this.#acceptsConsumers(peer),
    );
  }

  #claim(entry: LocalMember, isReclaim: boolean): void {
    const { backplane, maxPeersPerRoom: maxPeers } = this.#options;
    entry.isClaimed = false;
    backplane.join(entry.room, this.#localMembers.member(entry), { isReclaim, maxPeers }).then(
      (reply) => {
        if (reply !== "joined") this.#refused(entry, reply);
      },
      () => {}, // The backplane is down, and says so.
    );
  }

  #refused(entry: LocalMember, reply: "idInUse" | "full" | "outdated"): void {
    if (this.#localMembers.ofPeer(entry.peer) !== entry) return;
    this.#localMembers.delete(entry);
    const kind = reply === "full" ? "full" : "idInUse";
    if (entry.resolveJoin === undefined) { // Another has its name.
      entry.peer.close(reply === "idInUse" ? CLOSE.nodeIdInUse : CLOSE.replaced);
    } else entry.resolveJoin(this.#options.registry.refuse(entry.room, kind));
    this.#remoteMembers.restoreConflict(entry);
    this.#remoteMembers.dropIfUnused(entry.room);
  }

  #roomChanged(event: RoomEvent): void {
    this.#remoteMembers.apply(event, this.#options.clock.now());
    if (event.kind === "instance left") this.#forgetLater();
  }

  /** Everybody who is here claims its name anew. */
  #up(instance: string): void {
    const { registry, logger } = this.#options;
    this.#localMembers.instance = instance;
    logger.info("Backplane up", { instance });
    for (const room of registry.all()) {
      const entries = room.members().map((peer) => this.#localMembers.ofPeer(peer))
        .filter((entry) => entry !== undefined);
      for (const entry of entries) this.#claim(entry, true);
    }
    this.#forgetLater();
  }

  #forgetLater(): void {
    const { clock } = this.#options;
    if (this.#forgetTimer !== undefined) clock.clearTimeout(this.#forgetTimer);
    this.#forgetTimer = clock.setTimeout(() => this.#remoteMembers.forget(), UNREACHABLE_MEMORY_MS);
  }

  #down(reason: string): void {
    const { clock, logger } = this.#options;
    this.#localMembers.instance = undefined;
    logger.error("Backplane down: peers of other instances cannot be reached", { reason });
    this.#remoteMembers.clear(clock.now());
    for (const entry of this.#localMembers.all()) {
      const { resolveJoin, peer, room } = entry;
      if (resolveJoin === undefined) continue;
      this.#localMembers.delete(entry);
      if (!peer.isClosed) resolveJoin(this.#joinHere(room, peer));
    }
  }

  #watchHealth(): void {
    this.#healthTimer = this.#options.clock.setTimeout(() => {
      for (const entry of this.#localMembers.all()) {
        if (entry.peer.servingState.heartbeatAt !== undefined) this.#announce(entry);
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
