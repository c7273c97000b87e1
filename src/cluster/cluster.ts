/**
 * Makes this instance part of a server of many: announces its peers to the other instances, and lets a
 * peer join only once its name is claimed. Without a backplane it does not exist; while that is down,
 * a room has the peers of this instance alone.
 */

import { Announcements } from "./announcements.ts";
import { Auditor } from "./auditor.ts";
import type { Backplane, RoomEvent } from "./backplane.ts";
import { Metrics } from "../metrics/metrics.ts";
import type { FailureLimiter } from "../access/failure_limiter.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import type { RoomLimits } from "../rooms/room.ts";
import { failureFields, type Logger } from "../runtime/logger.ts";
import type { Peer } from "../rooms/peer.ts";
import { Claims } from "./claims.ts";
import { MeasuredBackplane } from "./measured_backplane.ts";
import { MessageRouter } from "./message_router.ts";
import type { JoinResult, SignalingRegistry } from "../rooms/registry.ts";
import { OutageLog } from "./outage_log.ts";
import { Pings } from "./pings.ts";
import { type Answerers, type Answers, type AskOptions, Questioner } from "./questioner.ts";
import type { Question, QuestionKind } from "./question.ts";
import { RemoteMembers } from "./remote_members.ts";
import { RevocationSync } from "./revocation_sync.ts";
import type { Room } from "../rooms/room.ts";
import { type LocalMember, LocalMembers } from "./local_members.ts";

/** How long after a failure it is remembered which peers became unreachable, in milliseconds. */
const UNREACHABLE_MEMORY_MS = 60_000;

/** Options of {@linkcode Cluster}. */
export interface ClusterOptions {
  readonly backplane: Backplane;
  readonly registry: SignalingRegistry;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How many peers a room may have, on all instances together. */
  readonly limits: RoomLimits;
  /** Counts the failed tokens and secrets of other instances. */
  readonly failures: Pick<FailureLimiter, "count">;
  /** Where is counted what happens; nowhere that matters when absent. */
  readonly metrics?: Metrics;
  /** Which rooms this backplane is for; all when absent. What it says of others is ignored. */
  readonly owns?: (room: string) => boolean;
  /** Called when the backplane works, or works again. */
  readonly onUp?: () => void;
}

/** This instance among the others. */
export class Cluster {
  /** The revocations of tokens, on all instances. */
  readonly revocations: RevocationSync;
  readonly #options: ClusterOptions;
  readonly #localMembers = new LocalMembers();
  readonly #router: MessageRouter;
  readonly #remoteMembers: RemoteMembers;
  readonly #announcements: Announcements;
  readonly #auditor: Auditor;
  readonly #claims: Claims;
  readonly #outageLog: OutageLog;
  readonly #questioner: Questioner;
  readonly #unsubscribe: () => void;
  #forgetTimer: Timer | undefined;

  constructor(given: ClusterOptions) {
    const { registry, clock, logger, metrics = new Metrics() } = given;
    const backplane = new MeasuredBackplane(given.backplane, { clock, metrics, logger });
    const options = { ...given, backplane, metrics };
    const parts = { ...options, localMembers: this.#localMembers };
    const router = this.#router = new MessageRouter(parts);
    const onLost = (room: string) => this.#auditor.membersLost(room);
    this.#options = options;
    this.#announcements = new Announcements(parts);
    this.#questioner = new Questioner(parts);
    this.revocations = new RevocationSync({ ...parts, questioner: this.#questioner });
    this.#outageLog = new OutageLog(options.clock, options.logger);
    this.#remoteMembers = new RemoteMembers({ ...parts, router, onLost });
    this.#claims = new Claims({
      ...parts,
      pings: new Pings(this.#localMembers, this.#questioner),
      guard: (act) => this.#guard(act),
      forget: (local) => this.#forget(local),
    });
    this.#auditor = new Auditor({
      ...parts,
      isReclaiming: () => this.#claims.isReclaiming,
      restore: (local) => this.#claims.claim(local, { mode: "restore" }),
    });
    this.#unsubscribe = registry.subscribe((...of) => this.#guard(() => this.#changed(...of)));
  }

  /** How many members differed from what the backplane had, and were corrected. */
  get corrections(): number {
    return this.#auditor.corrections;
  }

  /** Whether peers of other instances can be reached. */
  get isUp(): boolean {
    return this.#localMembers.instance !== undefined;
  }

  /** Starts to take part. */
  start(): void {
    this.revocations.start();
    this.#options.backplane.start({
      up: (instance) => this.#guard(() => this.#up(instance)),
      down: (reason) => this.#guard(() => this.#down(reason)),
      roomChanged: (event) => this.#guard(() => this.#roomChanged(event)),
      received: (envelope) => this.#guard(() => this.#router.receive(envelope)),
      undeliverable: (...report) => this.#guard(() => this.#router.undeliverable(...report)),
      membersLost: (room) => this.#guard(() => this.#auditor.membersLost(room)),
      roomsListed: (rooms) => this.#guard(() => this.#auditor.roomsListed(rooms)),
      warn: (message, fields) => this.#options.logger.warn(message, fields),
      authFailed: (address) => this.#options.failures.count(address),
      posted: (...message) => this.#guard(() => this.#questioner.receive(...message)),
    });
    this.#auditor.start();
    this.#announcements.start();
  }

  /** Ends to take part: the members of this instance are removed. */
  async close(): Promise<void> {
    if (this.#forgetTimer !== undefined) this.#options.clock.clearTimeout(this.#forgetTimer);
    this.#unsubscribe();
    this.#announcements.close();
    this.#auditor.close();
    this.#localMembers.instance = undefined;
    this.#questioner.abort();
    this.revocations.close();
    await this.#options.backplane.close();
  }

  /** Answers questions of other instances, of these kinds, from now on. */
  answer(answerers: Answerers): void {
    this.#questioner.answer(answerers);
  }

  /**
   * Asks one other instance, or all of them; see `question.ts` for what can be asked. Resolves once all
   * have replied, and within the time-out in any case. Never rejects: while the backplane is down it
   * resolves at once, without answers.
   */
  ask<K extends QuestionKind>(question: Question<K>, options: AskOptions): Promise<Answers<K>> {
    return this.#questioner.ask(question, options);
  }

  /** Tells the other instances that a token or secret was not valid here. */
  authFailed(address: string): void {
    if (this.isUp) this.#options.backplane.authFailed(address);
  }

  /**
   * Adds a peer to a room: at once while there are no other instances, else once its name is claimed.
   * A second join of one peer is the first one. A peer of this instance that is `dead` loses the name.
   */
  join(room: string, peer: Peer, dead?: Peer): JoinResult | Promise<JoinResult> {
    const before = this.#localMembers.ofPeer(peer);
    if (before?.claim.kind === "pending" && before.claim.answer) return before.claim.answer.promise;
    const joined = this.#options.registry.get(room);
    if (joined?.has(peer)) return { room: joined, outcome: { kind: "joined" } };
    if (!this.isUp) return this.#joinHere(room, peer);
    const answer = Promise.withResolvers<JoinResult>();
    const holder = dead && this.#localMembers.ofPeer(dead);
    const deadId = holder && this.#localMembers.memberId(holder);
    this.#claims.claim(this.#add(room, peer), { mode: "join", answer, dead: deadId });
    return answer.promise;
  }

  /**
   * Withdraws the join of a peer that disconnected before its answer reached it. What the claim has
   * stored by then is removed behind it; an answer that comes later finds no member and removes it.
   */
  cancelJoin(peer: Peer): void {
    const local = this.#localMembers.ofPeer(peer);
    if (local === undefined) return;
    const room = this.#options.registry.get(local.room);
    if (room?.has(peer)) return this.#options.registry.leave(room, peer);
    this.#leave(local);
  }

  /**
   * Gives up rooms: their members leave the backplane, and stay in their rooms without the peers of
   * other instances. Returns them for the cluster that adopts them.
   */
  release(isReleased: (room: string) => boolean): LocalMember[] {
    const released = [...this.#localMembers.all()].filter(({ room }) => isReleased(room));
    const rooms = new Set(released.map(({ room }) => room));
    for (const local of released) this.#leave(local);
    this.#remoteMembers.clear(this.#options.clock.now(), (room) => rooms.has(room));
    return released;
  }

  /** Claims the names of members that another cluster has released, and finishes their joins. */
  adopt(members: readonly LocalMember[]): void {
    const joined: LocalMember[] = [];
    for (const { room, peer, joinedAt, claim } of members) {
      const answer = claim.kind === "pending" ? claim.answer : undefined;
      if (answer === undefined) joined.push(this.#add(room, peer, joinedAt));
      else Promise.try(() => this.join(room, peer)).then(answer.resolve, answer.reject);
    }
    const { instance } = this.#localMembers;
    if (instance !== undefined) this.#claims.reclaim(instance, joined);
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
    if (room.has(peer)) this.#announcements.announce(local);
    else this.#leave(local);
  }

  #leave(local: LocalMember): void {
    const { room, peer: { id } } = local;
    const memberId = this.#localMembers.memberId(local);
    this.#forget(local);
    if (this.isUp) this.#options.backplane.leave(room, id, memberId);
  }

  /** Removes a local member; the remote member whose name it claimed in vain has that again. */
  #forget(local: LocalMember): void {
    this.#localMembers.delete(local);
    if (!this.isUp) return;
    this.#remoteMembers.restoreConflict(local);
    this.#remoteMembers.dropIfUnused(local.room);
  }

  #add(room: string, peer: Peer, joinedAt = this.#options.clock.now()): LocalMember {
    const acceptsConsumers = this.#announcements.acceptsConsumers(peer);
    return this.#localMembers.add({ room, peer, joinedAt, acceptsConsumers });
  }

  #roomChanged(event: RoomEvent): void {
    if (this.#options.owns?.(event.room) === false) return;
    this.#remoteMembers.apply(event, this.#options.clock.now());
    const isLoss = event.kind === "instance left" || event.kind === "snapshot" && event.isReclaim;
    if (isLoss) this.#forgetLater();
  }

  /** Claims the name of every peer of this instance again. */
  #up(instance: string): void {
    this.#localMembers.instance = instance;
    this.#outageLog.up(instance);
    this.#claims.reclaim(instance);
    this.revocations.up(instance);
    this.#options.onUp?.();
    this.#forgetLater();
  }

  #forgetLater(): void {
    const { clock } = this.#options;
    if (this.#forgetTimer !== undefined) clock.clearTimeout(this.#forgetTimer);
    this.#forgetTimer = clock.setTimeout(() => this.#remoteMembers.forget(), UNREACHABLE_MEMORY_MS);
  }

  #down(reason: string): void {
    this.#outageLog.down(reason);
    if (!this.isUp) return;
    this.#localMembers.instance = undefined;
    this.#questioner.abort();
    this.#remoteMembers.clear(this.#options.clock.now());
    for (const local of [...this.#localMembers.all()]) {
      const { claim, peer, room } = local;
      if (claim.kind !== "pending" || claim.answer === undefined) continue;
      this.#localMembers.delete(local);
      if (!peer.isClosed) claim.answer.resolve(this.#joinHere(room, peer));
    }
  }

  /** Handles an event; what it throws is logged and must not end this instance. */
  #guard(act: () => void): void {
    try {
      act();
    } catch (cause) {
      this.#options.logger.error("Handling a backplane event failed", failureFields(cause));
    }
  }
}
