/**
 * Compares what this instance has in its rooms with what the backplane has, a part at a time, so that
 * neither a member that the backplane has lost nor one without a socket stays. What the backplane has
 * lost is claimed again by the cluster.
 */

import {
  type AuditReply,
  type Backplane,
  type RoomView,
  summarize,
  type SummarizedMember,
} from "./backplane.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { failureFields, type Logger } from "../runtime/logger.ts";
import type { LocalMember, LocalMembers } from "./local_members.ts";
import { RemotePeer } from "./remote_peer.ts";
import type { SignalingRegistry } from "../rooms/registry.ts";

/** How often a part is compared, in milliseconds. */
export const AUDIT_MS = 500;

/** In how many parts all rooms are compared: everything within 50 s. */
export const PARTS = 100;

/** Rooms and local members that a part has at least, so that few are compared often. */
export const MIN_PART = 100;

/** How many times as many rooms are compared at once of which a loss is known. */
const URGENT_PARTS = 4;

/**
 * How long after a loss the members of other instances are not compared, in milliseconds: each
 * instance is about to claim its own again.
 */
const RESTORE_MS = 1000;

/** Options of {@linkcode Auditor}. */
export interface AuditorOptions {
  readonly backplane: Backplane;
  readonly registry: SignalingRegistry;
  readonly localMembers: LocalMembers;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether members are being claimed, so that it is too early to miss them. */
  readonly isReclaiming: () => boolean;
  /** Claims the name of a member again that the backplane has lost. */
  readonly restore: (local: LocalMember) => void;
}

/** Compares the rooms of one instance with the backplane. */
export class Auditor {
  readonly #options: AuditorOptions;
  #timer: Timer | undefined;
  #rooms: Iterator<string>;
  /** Rooms that are compared before all others. */
  readonly #urgent = new Set<string>();
  /** When the backplane was found to have lost members of a room, by `Clock.elapsed`. */
  readonly #lostAt = new Map<string, number>();
  /** The name of the instance whose audit is in flight. */
  #inFlight: string | undefined;
  #corrections = 0;

  constructor(options: AuditorOptions) {
    this.#options = options;
    this.#rooms = options.localMembers.rooms();
  }

  /** Members that the backplane had lost, or had without a socket, and that were corrected. */
  get corrections(): number {
    return this.#corrections;
  }

  /** Compares a part again and again. */
  start(): void {
    this.#timer = this.#options.clock.setTimeout(() => {
      this.start();
      this.#auditPart();
    }, AUDIT_MS);
  }

  /** Compares nothing any more. */
  close(): void {
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
  }

  /** Compares a room with the next part, since the backplane has lost members of it. */
  membersLost(room: string): void {
    if (!this.#options.localMembers.hasMembersIn(room)) return;
    this.#markLost(room);
    this.#urgent.add(room);
  }

  /** Compares those of these rooms with the next part in which this instance has no member. */
  roomsListed(rooms: readonly string[]): void {
    for (const room of rooms) {
      if (!this.#options.localMembers.hasMembersIn(room)) this.#urgent.add(room);
    }
  }

  #markLost(room: string): void {
    if (!this.#isRestoring(room)) this.#lostAt.set(room, this.#options.clock.elapsed());
  }

  #auditPart(): void {
    const { backplane, localMembers: { instance } } = this.#options;
    if (instance === undefined || this.#inFlight === instance) return;
    if (this.#options.isReclaiming()) return;
    const views = this.#nextPart();
    this.#inFlight = instance;
    new Promise<AuditReply>((resolve) => resolve(backplane.audit(views)))
      .then((reply) => this.#apply(reply, instance))
      .catch((cause) => this.#options.logger.debug("An audit failed", failureFields(cause)))
      .finally(() => {
        if (this.#inFlight === instance) this.#inFlight = undefined;
      });
  }

  #nextPart(): RoomView[] {
    const { localMembers } = this.#options;
    const whole = localMembers.size + localMembers.roomCount;
    const size = Math.max(MIN_PART, Math.ceil(whole / PARTS));
    const views = new Map<string, RoomView>();
    let count = 0;
    const add = (room: string) => {
      if (views.has(room)) return;
      const view = this.#view(room);
      views.set(room, view);
      count += 1 + view.members.length;
    };
    for (const room of this.#urgent) {
      if (count >= size * URGENT_PARTS) break;
      this.#urgent.delete(room);
      add(room);
    }
    for (const end = count + size; count < end;) {
      const { done, value } = this.#rooms.next();
      if (!done) add(value);
      else { // All have been compared: the next part begins again.
        this.#rooms = localMembers.rooms();
        break;
      }
    }
    return [...views.values()];
  }

  #view(room: string): RoomView {
    const members = [];
    let hasPending = false;
    for (const { claim, peer, number } of this.#options.localMembers.inRoom(room)) {
      const isRequired = claim.kind === "held" || claim.answer === undefined;
      if (claim.kind === "pending") hasPending = true;
      members.push({ id: peer.id, number, isRequired });
    }
    const isComparable = members.length > 0 && !hasPending && !this.#isRestoring(room);
    return { room, members, others: isComparable ? summarize(this.#others(room)) : undefined };
  }

  #isRestoring(room: string): boolean {
    const lostAt = this.#lostAt.get(room);
    if (lostAt === undefined) return false;
    if (this.#options.clock.elapsed() - lostAt < RESTORE_MS) return true;
    this.#lostAt.delete(room);
    return false;
  }

  *#others(room: string): Iterable<SummarizedMember> {
    for (const peer of this.#options.registry.get(room)?.members() ?? []) {
      if (peer instanceof RemotePeer) yield peer.summarized();
    }
  }

  #apply({ missing, removed }: AuditReply, instance: string): void {
    const { localMembers, logger, restore } = this.#options;
    if (localMembers.instance !== instance) return;
    let restored = 0;
    for (const { room, number } of missing) {
      const local = localMembers.find({ instance, number });
      if (local === undefined) continue;
      this.#markLost(room);
      restore(local);
      restored++;
    }
    this.#corrections += restored + removed;
    if (restored + removed > 0) {
      logger.warn("The backplane differed from this instance: corrected", { restored, removed });
    }
  }
}
