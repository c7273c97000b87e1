/** What an operator is told of one session. */

import type { PeerReport } from "../rooms/report.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Session } from "./session.ts";

/** Describes a session that has joined. */
export function reportOf(
  { id: nodeId, role, servingState, joinedAt, connection, traffic }: Session,
  { instance, clock }: { readonly instance: string; readonly clock: Clock },
): PeerReport {
  const { serveConsumers, capacity, sessions } = servingState;
  const isNormal = role === "normal";
  const age = clock.elapsed() - connection.lastReceivedAt;
  return {
    nodeId,
    role,
    instance,
    connection: connection.id,
    connectedAt: toText(connection.connectedAt),
    joinedAt: toText(joinedAt),
    lastMessageAt: toText(clock.now() - Math.max(Math.round(age), 0)),
    address: connection.address ?? null,
    serveConsumers: isNormal && serveConsumers,
    capacity: isNormal ? capacity ?? null : null,
    sessions: isNormal ? sessions : 0,
    unreadBytes: connection.unreadBytes,
    ...traffic.total(),
  };
}

function toText(ms: number): string {
  return new Date(ms).toISOString();
}
