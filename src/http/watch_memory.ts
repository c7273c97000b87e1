/**
 * What a handler does about its memory: above the limit it ends the sockets that can be missed, and
 * says so in the log. Refusing new ones is the upgrade's, measuring is `memory_watch.ts`.
 */

import { CLOSE } from "../protocol/messages.ts";
import { failureFields } from "../runtime/logger.ts";
import { MEGABYTE, MemoryWatch } from "../runtime/memory_watch.ts";
import type { Connections } from "../sessions/connections.ts";
import type { ResolvedOptions } from "./resolve_options.ts";

/** Creates the watch on the memory of a handler with these sockets. */
export function watchMemory(
  { clock, limits, logger }: Pick<ResolvedOptions, "clock" | "limits" | "logger">,
  sockets: Connections,
): MemoryWatch {
  const megabytes = (bytes: number) => ({ megabytes: Math.round(bytes / MEGABYTE) });
  return new MemoryWatch({
    clock,
    maxBytes: limits.maxMemoryMb * MEGABYTE,
    events: {
      exceeded(bytes, isFirst) {
        if (isFirst) {
          logger.error("Memory limit exceeded: new connections are rejected", megabytes(bytes));
        }
        sockets.terminateClosing();
        sockets.closePending(CLOSE.outOfMemory);
      },
      recovered: (bytes) => logger.info("Memory is within its limit again", megabytes(bytes)),
      failed: (cause) => logger.error("The memory cannot be watched", failureFields(cause)),
    },
  });
}
