/** Counts and logs a peer that has joined: how, and for one that has registered, how long that took. */

import type { AuthKind } from "../metrics/metrics.ts";
import type { LogFields } from "../runtime/logger.ts";
import type { Peer } from "../rooms/peer.ts";
import type { JoinResult } from "../rooms/registry.ts";
import type { SessionContext } from "./context.ts";

/** A session that has just joined. */
export interface NewPeer extends Pick<Peer, "role" | "consumerIdentity"> {
  /** Whether it has sent a `register`. */
  readonly hasRegistered: boolean;
  /** When it joined, in milliseconds since the Unix epoch. */
  joinedAt: number;
  readonly connection: { readonly upgradedAt: number; readonly logFields: LogFields };
}

/** Records a join with this result. */
export function recordJoin(
  { metrics, clock, auth, logger }: Pick<SessionContext, "metrics" | "clock" | "auth" | "logger">,
  peer: NewPeer,
  { outcome }: JoinResult,
): void {
  const { role, consumerIdentity, hasRegistered, connection } = peer;
  peer.joinedAt = clock.now();
  logger.debug("Peer joined", { ...connection.logFields, role });
  const way = hasRegistered ? "register" : "silent";
  metrics.joins[role][outcome.kind === "replaced" ? "takeover" : way]++;
  if (!hasRegistered) return; // It has waited for its own first message.
  const seconds = (clock.elapsed() - connection.upgradedAt) / 1000;
  metrics.joinSeconds[role === "normal" ? auth : authOfConsumer(consumerIdentity)].observe(seconds);
}

function authOfConsumer(identity: string): AuthKind {
  return identity === "" ? "none" : "consumer_token";
}
