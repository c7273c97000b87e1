/**
 * Announces what changes about the peers of this instance: their role, and whether consumers may be
 * directed to them, which also changes when heartbeats are missing. Who joins and leaves is announced
 * by the cluster.
 */

import { isEligible } from "../rooms/director.ts";
import type { Peer } from "../rooms/peer.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import type { Backplane } from "./backplane.ts";
import type { LocalMember, LocalMembers } from "./local_members.ts";

/** How often peers are checked for missed heartbeats, in milliseconds. */
const HEALTH_MS = 5000;

/** Options of {@linkcode Announcements}. */
export interface AnnouncementsOptions {
  readonly backplane: Backplane;
  readonly localMembers: LocalMembers;
  readonly clock: Clock;
}

/** The announcements of one instance. */
export class Announcements {
  readonly #options: AnnouncementsOptions;
  #timer: Timer | undefined;

  constructor(options: AnnouncementsOptions) {
    this.#options = options;
  }

  /** Looks for missed heartbeats again and again. */
  start(): void {
    const { clock, localMembers } = this.#options;
    this.#timer = clock.setTimeout(() => {
      for (const local of localMembers.all()) {
        if (local.peer.servingState.heartbeatAt !== undefined) this.announce(local);
      }
      this.start();
    }, HEALTH_MS);
  }

  /** Looks for nothing any more. */
  close(): void {
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
  }

  /** Whether consumers may be directed to a peer. */
  acceptsConsumers({ servingState }: Peer): boolean {
    return isEligible(servingState, this.#options.clock.elapsed());
  }

  /** Announces a member, unless all that the others know of it is still so. */
  announce(local: LocalMember): void {
    const { backplane, localMembers } = this.#options;
    const { role, consumerIdentity } = local.peer;
    const acceptsConsumers = this.acceptsConsumers(local.peer);
    const isSame = local.role === role && local.acceptsConsumers === acceptsConsumers &&
      local.consumerIdentity === consumerIdentity;
    if (isSame) return;
    Object.assign(local, { role, acceptsConsumers, consumerIdentity });
    if (localMembers.instance === undefined) return;
    backplane.update(local.room, localMembers.toMember(local));
  }
}
