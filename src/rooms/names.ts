/**
 * Who keeps an id that two peers of a room want. The rule is a pure function, so that every backplane
 * can apply it; who is where is the room's own.
 */

import { CLOSE } from "../protocol/messages.ts";
import type { Peer } from "./peer.ts";

/** What the rule looks at. */
export type NameClaim = Pick<Peer, "role" | "consumerIdentity">;

/**
 * Tells whether a newcomer may take an id over from the peer that has it. A normal peer always may,
 * because it has shown that it may be a member, which a consumer has not. A consumer may only from a
 * consumer of the same identity.
 */
export function mayTakeOver(newcomer: NameClaim, holder: NameClaim): boolean {
  if (newcomer.role === "normal") return true;
  return holder.role === "consumer" && holder.consumerIdentity === newcomer.consumerIdentity;
}

/** Closes a peer whose id `newcomer` has taken over. */
export function closeLoser(loser: Peer, newcomer: NameClaim): void {
  loser.close(loser.role === newcomer.role ? CLOSE.replaced : CLOSE.nodeIdInUse);
}
