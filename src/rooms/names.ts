/**
 * Which of two peers of a room keeps an id, and how the other one is closed. The rule is a pure
 * function, so that every backplane can apply it; the room knows which peer has which id.
 */

import { CLOSE, type CloseReason } from "../protocol/messages.ts";
import type { Peer } from "./peer.ts";

/**
 * Why a peer may not join: its id is in use by a peer that keeps it; the room has as many peers of its
 * role as it may; or as many consumers of its identity.
 */
export type JoinRefusal = "idInUse" | "full" | "identityFull";

/** How a peer that may not join is closed. */
export const JOIN_REFUSALS: Readonly<Record<JoinRefusal, CloseReason>> = {
  idInUse: CLOSE.nodeIdInUse,
  full: CLOSE.roomFull,
  identityFull: CLOSE.identityFull,
};

/** What the rule compares. */
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
