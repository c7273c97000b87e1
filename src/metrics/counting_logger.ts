/** A logger that counts the lines that another one is given, whether that writes them or not. */

import type { Logger } from "../runtime/logger.ts";
import type { Metrics } from "./metrics.ts";

/** Counts lines of level info and above. */
export function countingLogger(logger: Logger, { logLines }: Pick<Metrics, "logLines">): Logger {
  return {
    debug: (...line) => logger.debug(...line),
    info(...line) {
      logLines.info++;
      logger.info(...line);
    },
    warn(...line) {
      logLines.warn++;
      logger.warn(...line);
    },
    error(...line) {
      logLines.error++;
      logger.error(...line);
    },
  };
}
