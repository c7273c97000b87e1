/**
 * Whether the client of one socket is alive, and whether it floods the server with control frames,
 * which reach no message event. It owns the socket's idle timeout; what becomes of a client that
 * floods is the connection's decision.
 */

import type { Clock } from "../runtime/clock.ts";
import type { SocketLike } from "./context.ts";
import {
  denoIdleTimeout,
  type FrameListener,
  pingAtOnce,
  restartIdleTimeout,
  startIdleTimeout,
  watchFrames,
} from "./idle_timeout.ts";

/** Control frames at most that a client may send in a window; browsers only answer pings. */
const MAX_CONTROL_FRAMES = 100;

/** The window in which control frames are counted, in milliseconds. */
const WINDOW_MS = 10_000;

/** Deno's timer of a busy socket is restarted once in this part of its timeout, not for each frame. */
const RESTART_SHARE = 1 / 16;

/** Beyond its own timeout, Deno's timer is restarted once this part of it has passed. */
const EXTEND_SHARE = 2 / 3;

/** A server that is too busy to read pongs waits for a client so many times its timeout. */
const MAX_BUSY_TIMEOUTS = 4;

/** For so many milliseconds the answer to a ping answers others as well. */
const ANSWER_MS = 1000;

/** What owns the socket of a client. */
export interface FloodedOwner {
  /** The client sends more control frames than it may. */
  onFlood(): void;
}

/** Options of {@linkcode Liveness}. */
export interface LivenessOptions {
  readonly socket: SocketLike;
  readonly clock: Clock;
  /** Seconds without a frame after which the client counts as dead; 0 is never. */
  readonly idleTimeoutSeconds: number;
  readonly owner: FloodedOwner;
  /** Starts Deno's idle timeout of the socket again. */
  readonly restart?: (socket: SocketLike) => void;
}

/** The signs of life of one client. */
export class Liveness implements FrameListener {
  readonly #socket: SocketLike;
  readonly #clock: Clock;
  readonly #idleMs: number;
  readonly #denoMs: number;
  readonly #owner: FloodedOwner;
  readonly #restart: (socket: SocketLike) => void;
  readonly #isWatched: boolean;
  #lastFrameAt: number;
  #restartedAt = -Infinity;
  #windowEnd = 0;
  #controlFrames = 0;
  /** When a ping was answered last, by `Clock.elapsed`. */
  #answeredAt = -Infinity;
  /** The ping that is not answered yet. */
  #ping:
    | { readonly answer: Promise<boolean>; readonly settle: (isAlive: boolean) => void }
    | undefined;

  constructor({ socket, clock, idleTimeoutSeconds, owner, restart }: LivenessOptions) {
    this.#socket = socket;
    this.#clock = clock;
    this.#idleMs = idleTimeoutSeconds === 0 ? Infinity : idleTimeoutSeconds * 1000;
    this.#denoMs = denoIdleTimeout(idleTimeoutSeconds) * 1000;
    this.#owner = owner;
    this.#restart = restart ?? restartIdleTimeout;
    this.#lastFrameAt = clock.elapsed();
    this.#isWatched = watchFrames(socket, this);
  }

  /** Starts Deno's idle timeout; has to be called when the socket opens. */
  onOpen(): void {
    queueMicrotask(() => startIdleTimeout(this.#socket, this.#denoMs / 1000));
  }

  onFrame(): void {
    const now = this.#lastFrameAt = this.#clock.elapsed();
    this.#ping?.settle(true);
    if (now - this.#restartedAt >= this.#denoMs * RESTART_SHARE) this.#restartAt(now);
    if (now >= this.#windowEnd) {
      this.#windowEnd = now + WINDOW_MS;
      this.#controlFrames = 0;
    }
    if (++this.#controlFrames > MAX_CONTROL_FRAMES) this.#owner.onFlood();
  }

  /**
   * Takes a frame that {@linkcode onFrame} counted for a message, not for a control frame. Returns when
   * it came, by `Clock.elapsed`: to read the clock once more takes as long as a tenth of relaying it.
   */
  onMessage(): number {
    this.#controlFrames--;
    return this.#isWatched ? this.#lastFrameAt : this.#clock.elapsed();
  }

  /** Keeps Deno from closing a client that is silent for less than its own, longer timeout. */
  extend(): void {
    const now = this.#clock.elapsed();
    const isExtended = this.#idleMs > this.#denoMs && now - this.#lastFrameAt < this.#idleMs;
    if (isExtended && now - this.#restartedAt >= this.#denoMs * EXTEND_SHARE) this.#restartAt(now);
  }

  /** Gives the client its whole timeout again, because the server was too busy to read its frames. */
  forgive(): void {
    const now = this.#clock.elapsed();
    if (now - this.#lastFrameAt < this.#idleMs * MAX_BUSY_TIMEOUTS) this.#restartAt(now);
  }

  /**
   * Sends a ping and tells whether a frame came within so many milliseconds; Deno closes the socket
   * if none did. One that was answered within the last second is enough. `undefined` where a ping
   * cannot be sent.
   */
  ping(withinMs: number): Promise<boolean> | undefined {
    if (this.#ping !== undefined) return this.#ping.answer;
    if (this.#clock.elapsed() - this.#answeredAt < ANSWER_MS) return Promise.resolve(true);
    const finish = pingAtOnce(this.#socket, withinMs / 1000);
    if (finish === undefined) return undefined;
    this.#controlFrames--; // Its answer is no flood: others may cause many pings.
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const settle = (isAlive: boolean) => {
      this.#clock.clearTimeout(timer);
      this.#ping = undefined;
      if (isAlive) this.#answeredAt = this.#clock.elapsed();
      finish(isAlive);
      resolve(isAlive);
    };
    const timer = this.#clock.setTimeout(() => settle(false), withinMs);
    this.#ping = { answer: promise, settle };
    return promise;
  }

  /** The socket is closed, or is to be: nothing is waited for any more. */
  end(): void {
    this.#ping?.settle(false);
  }

  #restartAt(now: number): void {
    this.#restartedAt = now;
    this.#restart(this.#socket);
  }
}
