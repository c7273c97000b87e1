/**
 * Makes this instance part of a server of many: announces its peers to the other instances, and lets a
 * peer join only once its name is claimed. Without a backplane it does not exist; while that is down,
 * a room has the peers of this instance alone.
 */

import type { Backplane, JoinReply, RoomEvent } from "./backplane.ts";
import type { FailureLimiter } from "../access/verification_limiter.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { isEligible } from "../rooms/director.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Peer } from "../rooms/peer.ts";
import { MessageRouter } from "./message_router.ts";
import type { JoinResult, SignalingRegistry } from "../rooms/registry.ts";
import { RemoteMembers } from "./remote_members.ts";
import type { Room } from "../rooms/room.ts";
import { type LocalMember, LocalMembers } from "./local_members.ts";

/** How often peers are checked for missed heartbeats, in milliseconds. */
const HEALTH_MS = 5000;

/** How long after a failure it is remembered which peers became unreachable, in milliseconds. */
const UNREACHABLE_MEMORY_MS = 60_000;

/** Options of {@linkcode Cluster}. */
export interface ClusterOptions {
  readonly backplane: Backplane;
  readonly registry: SignalingRegistry;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Peers in one room, on all instances together. */
  readonly maxPeersPerRoom: number;
  /** Failed tokens and secrets, counted on all instances together. */
  readonly failures: FailureLimiter;
}

interface ClaimOptions {
  /** Whether the member has joined before. */
  readonly isReclaim: boolean;
  /** Answers the join of a peer that waits for it. */
  readonly resolve?: (result: JoinResult) => void;
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
    const localMembers = this.#localMembers;
    const router = new MessageRouter(backplane, registry, localMembers);
    this.#options = options;
    this.#router = router;
    this.#remoteMembers = new RemoteMembers({ backplane, registry, localMembers, router });
    registry.subscribe((room, peer) => this.#changed(room, peer));
    failures.subscribe((address) => this.#authFailed(address));
  }

  /** Whether peers of other instances can be reached. */
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

  /** Ends to take part: the members of this instance are removed. */
  async close(): Promise<void> {
    for (const timer of [this.#healthTimer, this.#forgetTimer]) {
      if (timer !== undefined) this.#options.clock.clearTimeout(timer);
    }
    this.#localMembers.instance = undefined;
    await this.#options.backplane.close();
  }

  /** Tells the other instances that a token or secret was not valid here. */
  #authFailed(address: string): void {
    if (this.isUp) this.#options.backplane.authFailed(address);
  }

  /** Adds a peer to a room: at once while there are no other instances, else once its name is claimed. */
  join(room: string, peer: Peer): JoinResult | Promise<JoinResult> {
    if (!this.isUp) return this.#joinHere(room, peer);
    return new Promise((resolve) =>
      this.#claim(this.#add(room, peer), { isReclaim: false, resolve })
    );
  }

  #joinHere(room: string, peer: Peer): JoinResult {
    const result = this.#options.registry.join(room, peer);
    if (result.room.has(peer)) this.#add(room, peer);
    return result;
  }

  /** Announces that a peer of this instance has changed or left. */
  #changed(room: Room, peer: Peer): void {
    const local = this.#localMembers.ofPeer(peer);
    if (local === undefined) return;
    if (room.has(peer)) return this.#announce(local);
    this.#localMembers.delete(local);
    if (!this.isUp) return;
    this.#options.backplane.leave(local.room, peer.id, this.#localMembers.memberId(local));
    this.#remoteMembers.restoreConflict(local);
    this.#remoteMembers.dropIfUnused(room.name);
  }

  #announce(local: LocalMember): void {
    const { role } = local.peer;
    const acceptsConsumers = this.#acceptsConsumers(local.peer);
    if (local.role === role && local.acceptsConsumers === acceptsConsumers) return;
    Object.assign(local, { role, acceptsConsumers });
    if (this.isUp) this.#options.backplane.update(local.room, this.#localMembers.toMember(local));
  }

  #acceptsConsumers({ servingState }: Peer): boolean {
    return isEligible(servingState, this.#options.clock.elapsed());
  }

  #add(room: string, peer: Peer): LocalMember {
    const joinedAt = this.#options.clock.now();
    const acceptsConsumers = this.#acceptsConsumers(peer);
    return this.#localMembers.add({ room, peer, joinedAt, acceptsConsumers });
  }

  #claim(local: LocalMember, { isReclaim, resolve }: ClaimOptions): void {
    const { backplane, maxPeersPerRoom: maxPeers } = this.#options;
    local.claim = { kind: "pending", ...(resolve === undefined ? {} : { resolve }) };
    const member = this.#localMembers.toMember(local);
    backplane.join(local.room, member, { isReclaim, maxPeers }).then(
      (reply) => {
        if (reply !== "joined") this.#refused(local, reply);
      },
      () => {}, // The backplane is down, and says so.
    );
  }

  #refused(local: LocalMember, reply: Exclude<JoinReply, "joined">): void {
    if (this.#localMembers.ofPeer(local.peer) !== local) return;
    this.#localMembers.delete(local);
    const resolve = local.claim.kind === "pending" ? local.claim.resolve : undefined;
    if (resolve === undefined) local.peer.closeAsReplaced(); // Another member has its name.
    else resolve(this.#options.registry.refuse(local.room, reply === "full" ? "full" : "idInUse"));
    this.#remoteMembers.restoreConflict(local);
    this.#remoteMembers.dropIfUnused(local.room);
  }

  #roomChanged(event: RoomEvent): void {
    this.#remoteMembers.apply(event, this.#options.clock.now());
    if (event.kind === "instance left") this.#forgetLater();
  }

  /** Claims the name of every peer of this instance again. */
  #up(instance: string): void {
    const { registry, logger } = this.#options;
    this.#localMembers.instance = instance;
    logger.info("Backplane up", { instance });
    for (const room of registry.all()) {
      for (const peer of room.members()) {
        const local = this.#localMembers.ofPeer(peer);
        if (local !== undefined) this.#claim(local, { isReclaim: true });
      }
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
    for (const local of [...this.#localMembers.all()]) {
      const { claim, peer, room } = local;
      if (claim.kind !== "pending" || claim.resolve === undefined) continue;
      this.#localMembers.delete(local);
      if (!peer.isClosed) claim.resolve(this.#joinHere(room, peer));
    }
  }

  #watchHealth(): void {
    this.#healthTimer = this.#options.clock.setTimeout(() => {
      for (const local of this.#localMembers.all()) {
        if (local.peer.servingState.heartbeatAt !== undefined) this.#announce(local);
      }
      this.#watchHealth();
    }, HEALTH_MS);
  }

  /** Handles an event; what it throws is logged and must not end this instance. */
  #guard(act: () => void): void {
    try {
      act();
    } catch (cause) {
      this.#options.logger.error("Handling a backplane event failed", { cause: String(cause) });
    }
  }
}
