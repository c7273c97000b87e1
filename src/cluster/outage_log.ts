/** Logs why the backplane does not work: every new reason, and a reminder as long as that lasts. */

import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";

/** How often an outage that lasts is logged again, in milliseconds. */
const REMINDER_MS = 60_000;

/** Reasons of one outage that are told apart. */
const MAX_REASONS = 20;

/** The log of the outages of one backplane. */
export class OutageLog {
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** What was logged since the backplane worked last. */
  readonly #reasons = new Set<string>();
  #loggedAt = 0;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** The backplane does not work, or an attempt to connect has failed. */
  down(reason: string): void {
    const now = this.#clock.elapsed();
    if (this.#reasons.has(reason) && now - this.#loggedAt < REMINDER_MS) return;
    if (this.#reasons.size >= MAX_REASONS) this.#reasons.clear();
    this.#reasons.add(reason);
    this.#loggedAt = now;
    this.#logger.error("Backplane down: peers of other instances cannot be reached", { reason });
  }

  /** The backplane works. */
  up(instance: string): void {
    this.#reasons.clear();
    this.#logger.info("Backplane up", { instance });
  }
}
