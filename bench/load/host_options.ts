/** What `host.ts` and the table of its results share. */

import type { Limits } from "../../src/access/limits.ts";

/** Revocations that the handler has when its clients come. */
export const REVOCATIONS = 100_000;

/** The limits that the load exceeds; 0 is no limit. */
export const RAISED_HANDLER_LIMITS: Partial<Limits> = {
  maxPendingConnections: 0,
  maxPendingConnectionsPerIp: 0,
  maxBytesPerSecond: 0,
  maxMessagesPerSecond: 0,
  maxPeersPerRoom: 0,
};
