/**
 * Sends the close frame of a socket once its client is quiet: Deno 2.9 ends the connection without the
 * frame when it reads another one right after sending it, and clients send from `onopen`. Whether and
 * why a socket is closed is the connection's decision.
 */

import type { CloseReason } from "../protocol/messages.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import type { SocketLike } from "./context.ts";

/** The close frame is sent once nothing has come from the client for so long, in milliseconds. */
export const QUIET_MS = 50;

/** How long the close frame is held back at most, in milliseconds. */
const MAX_HOLD_MS = 1000;

/** Frames that are read while the close frame is held back; a client that sends more floods. */
const MAX_FRAMES_HELD = 2000;

/** Options of {@linkcode LateClose}. */
export interface LateCloseOptions {
  readonly socket: SocketLike;
  readonly clock: Clock;
  readonly reason: CloseReason;
  /** When the last frame came, or the moment up to which a first frame is expected. */
  readonly lastReceivedAt: number;
}

/** One close that waits. */
export class LateClose {
  readonly #socket: SocketLike;
  readonly #clock: Clock;
  readonly #reason: CloseReason;
  readonly #latest: number;
  #lastReceivedAt: number;
  #timer: Timer | undefined;
  #frames = 0;

  /** Starts to wait. */
  constructor({ socket, clock, reason, lastReceivedAt }: LateCloseOptions) {
    this.#socket = socket;
    this.#clock = clock;
    this.#reason = reason;
    this.#lastReceivedAt = lastReceivedAt;
    this.#latest = clock.elapsed() + MAX_HOLD_MS;
    this.#closeWhenQuiet();
  }

  /** The socket has opened: a first frame is expected up to this moment. */
  opened(expectedAt: number): void {
    this.#lastReceivedAt = expectedAt;
  }

  /** A frame has come, which nobody reads: a flood of them ends the wait. */
  received(now: number): void {
    this.#lastReceivedAt = now;
    if (++this.#frames !== MAX_FRAMES_HELD) return;
    this.stop();
    this.#socket.close(this.#reason.code, this.#reason.reason);
  }

  /** Sends no frame any more. */
  stop(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #closeWhenQuiet(): void {
    const remaining = Math.min(this.#lastReceivedAt + QUIET_MS, this.#latest) -
      this.#clock.elapsed();
    // In steps, because the first frame may bring the end of the wait nearer.
    this.#timer = this.#clock.setTimeout(() => {
      if (remaining > 0) this.#closeWhenQuiet();
      else this.#socket.close(this.#reason.code, this.#reason.reason);
    }, Math.min(Math.max(remaining, 0), QUIET_MS));
  }
}
