/**
 * Claims the names of local members from the backplane, and acts on its refusals. That a name is held
 * arrives as a room event, which the remote members apply.
 */

import type { Backplane, JoinMode, JoinOptions, JoinReply, MemberId } from "./backplane.ts";
import type { LocalMember, LocalMembers } from "./local_members.ts";
import type { Pings } from "./pings.ts";
import { CLOSE } from "../protocol/messages.ts";
import { JOIN_REFUSALS, type JoinRefusal } from "../rooms/names.ts";
import type { JoinResult, SignalingRegistry } from "../rooms/registry.ts";
import type { RoomLimits } from "../rooms/room.ts";
import { warnOfTakeovers } from "../rooms/takeovers.ts";
import { failureFields, type Logger } from "../runtime/logger.ts";

/** Reclaims that are in flight at the same time. */
const MAX_RECLAIMS = 200;

/** Options of {@linkcode Claims}. */
export interface ClaimsOptions {
  readonly backplane: Backplane;
  readonly registry: SignalingRegistry;
  readonly localMembers: LocalMembers;
  readonly pings: Pings;
  readonly limits: RoomLimits;
  readonly logger: Logger;
  /** Runs what a reply causes; nothing that it throws leaves. */
  readonly guard: (act: () => void) => void;
  /** Removes a local member whose claim was refused. */
  readonly forget: (local: LocalMember) => void;
}

/** How the name of a local member is claimed. */
export interface ClaimOptions {
  readonly mode: JoinMode;
  /** Settled for a peer whose join waits for it. */
  readonly answer?: PromiseWithResolvers<JoinResult>;
  /** See `JoinOptions.dead`. */
  readonly dead?: MemberId | undefined;
}

/** The claims of one instance. */
export class Claims {
  readonly #options: ClaimsOptions;
  /** How often members are being claimed again at the moment, and as which instance. */
  #reclaiming = { instance: "", runs: 0 };

  constructor(options: ClaimsOptions) {
    this.#options = options;
  }

  /** Claims the name of a local member. */
  async claim(local: LocalMember, { mode, answer, dead }: ClaimOptions): Promise<void> {
    const { backplane, limits, localMembers, logger } = this.#options;
    local.claim = { kind: "pending", ...(answer && { answer }) };
    const member = localMembers.toMember(local);
    const { joinOrder } = local.peer;
    const options: JoinOptions = {
      mode,
      limits,
      ...(mode === "restore" && { joinOrder }),
      ...(dead && { dead }),
    };
    let act: () => void;
    try {
      const reply = await backplane.join(local.room, member, options);
      if (reply === "joined and kept") warnOfTakeovers(logger, local.room, member.id);
      act = () => this.#answered(local, reply, answer);
    } catch (cause) {
      act = () => this.#claimFailed(local, cause);
    }
    const isCurrent = localMembers.find(member) === local; // Else the backplane has failed since.
    if (isCurrent) this.#options.guard(act);
  }

  /**
   * Claims the names of local members again that have joined before, every one by default, a bounded
   * number at a time, so that a heartbeat does not wait behind all of them.
   */
  async reclaim(
    instance: string,
    members: Iterable<LocalMember> = this.#options.localMembers.all(),
  ): Promise<void> {
    const { localMembers } = this.#options;
    const all = [...members];
    for (const local of all) local.claim = { kind: "pending" };
    if (this.#reclaiming.instance !== instance) this.#reclaiming = { instance, runs: 0 };
    const current = this.#reclaiming;
    current.runs++;
    const remaining = all.values();
    const claimRemaining = async () => {
      for (const local of remaining) {
        if (localMembers.instance !== instance) return;
        if (localMembers.ofPeer(local.peer) === local) await this.claim(local, { mode: "reclaim" });
      }
    };
    await Promise.all(Array.from({ length: MAX_RECLAIMS }, claimRemaining));
    current.runs--;
  }

  /** Whether members that have joined before are still to be claimed again. */
  get isReclaiming(): boolean {
    return this.#reclaiming.runs > 0;
  }

  #answered(local: LocalMember, reply: JoinReply, answer: ClaimOptions["answer"]): void {
    if (typeof reply === "object") this.#claimIfDead(local, reply.keptBy, answer);
    else if (reply !== "joined" && reply !== "joined and kept") this.#refused(local, reply);
  }

  /** Claims a name again if the peer that keeps it answers no ping. */
  async #claimIfDead(
    local: LocalMember,
    keptBy: MemberId,
    answer: ClaimOptions["answer"],
  ): Promise<void> {
    const { localMembers, pings, guard } = this.#options;
    const memberId = localMembers.memberId(local);
    const isKept = await pings.mayBeAlive(keptBy);
    // Else the newcomer has left, or the backplane has failed and it has joined here.
    if (localMembers.find(memberId) !== local) return;
    if (isKept) return guard(() => this.#refused(local, "idInUse"));
    await this.claim(local, { mode: "join", dead: keptBy, ...(answer && { answer }) });
  }

  #refused(local: LocalMember, reply: JoinRefusal | "outdated"): void {
    const { claim, peer, room } = local;
    const answer = claim.kind === "pending" ? claim.answer : undefined;
    if (answer === undefined) { // It has joined before, and another member has its name now.
      peer.close(reply === "outdated" ? CLOSE.replaced : JOIN_REFUSALS[reply]);
    } else {
      const refusal = reply === "outdated" ? "idInUse" : reply;
      answer.resolve(this.#options.registry.refuse(room, refusal));
    }
    this.#options.forget(local);
  }

  /** Refuses a peer; one that has joined before stays, and an audit finds out who has its name. */
  #claimFailed(local: LocalMember, cause: unknown): void {
    const answer = local.claim.kind === "pending" ? local.claim.answer : undefined;
    if (answer === undefined) {
      local.claim = { kind: "held" };
      return this.#options.logger.error("Claiming a name again failed", failureFields(cause));
    }
    this.#options.forget(local);
    answer.reject(cause);
  }
}
