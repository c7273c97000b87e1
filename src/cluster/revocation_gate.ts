/**
 * Until when clients with a room token wait after the start: until the revocations of the other
 * instances have been read, within a bound, so that a backplane that is down lets nobody wait for long.
 * What reads them is `revocation_sync.ts`.
 */

import type { Clock, Timer } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";

/** How long clients wait after the start for a backplane to work, in milliseconds. */
const CONNECT_MS = 3000;

/** How long they wait from then on until the revocations have been read, in milliseconds. */
const READ_MS = 5000;

/** Options of {@linkcode RevocationGate}. */
export interface RevocationGateOptions {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What clients wait for that come while an instance starts. */
export class RevocationGate {
  readonly #options: RevocationGateOptions;
  readonly #opening = Promise.withResolvers<void>();
  #state: "connecting" | "reading" | "open" = "connecting";
  #timer: Timer | undefined;

  constructor(options: RevocationGateOptions) {
    this.#options = options;
  }

  /** What a client has to wait for; `undefined` once it is nothing. Never rejects. */
  get whenOpen(): Promise<void> | undefined {
    return this.#state === "open" ? undefined : this.#opening.promise;
  }

  /** The backplane has been told to start. */
  start(): void {
    if (this.#state === "connecting") this.#openAfter(CONNECT_MS);
  }

  /** The backplane works and the revocations are being read. */
  reading(): void {
    if (this.#state !== "connecting") return; // Once: the bound must not move on each attempt.
    this.#state = "reading";
    this.#openAfter(READ_MS);
  }

  /** The revocations have been read, or that has failed for good. */
  open(): void {
    this.#state = "open";
    this.#stop();
    this.#opening.resolve();
  }

  #openAfter(ms: number): void {
    const { clock, logger } = this.#options;
    this.#stop();
    this.#timer = clock.setTimeout(() => {
      logger.warn(
        "The revocations of other instances are not known yet: clients whose token is revoked are " +
          "admitted, and closed once they are known",
      );
      this.open();
    }, ms);
  }

  #stop(): void {
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
