/**
 * A logger that writes few error lines of one kind. Clients decide how often something fails, such as a
 * verification while the identity provider is down: the log must not grow with their attempts.
 */

import type { Clock } from "./clock.ts";
import type { Logger } from "./logger.ts";

/** Error lines with one text in a minute. */
export const MAX_ERROR_LINES = 10;

const WINDOW_MS = 60_000;

/** How many lines with one text were written, and how many left out, since the minute began. */
interface Written {
  startedAt: number;
  lines: number;
  omitted: number;
}

/**
 * A logger that leaves out error lines of one text beyond {@linkcode MAX_ERROR_LINES} a minute. The next
 * one that is written says how many were left out, as `omitted`. Other levels are written as they come.
 *
 * @param logger Where the lines go. Its texts are fixed, so that their number is bounded.
 * @param clock The time.
 */
export function limitErrors(logger: Logger, clock: Pick<Clock, "elapsed">): Logger {
  const byText = new Map<string, Written>();

  /** How many lines were left out before this one; `undefined` if it is left out itself. */
  function admitLine(message: string): number | undefined {
    const now = clock.elapsed();
    const written = byText.get(message);
    if (written === undefined || now - written.startedAt >= WINDOW_MS) {
      byText.set(message, { startedAt: now, lines: 1, omitted: 0 });
      return written?.omitted ?? 0;
    }
    if (written.lines >= MAX_ERROR_LINES) {
      written.omitted++;
      return undefined;
    }
    written.lines++;
    return 0;
  }

  return {
    debug: (...line) => logger.debug(...line),
    info: (...line) => logger.info(...line),
    warn: (...line) => logger.warn(...line),
    error(message, fields) {
      const omitted = admitLine(message);
      if (omitted === undefined) return;
      logger.error(message, omitted === 0 ? fields : { ...fields, omitted });
    },
  };
}
