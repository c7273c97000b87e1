/**
 * Ids that peers take over from each other again and again: client-db keeps its id in the browser
 * profile, so two tabs of one profile replace each other for ever. It counts takeovers and says which
 * ids are to stay where they are; the joins themselves are decided elsewhere.
 */

import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";

/** Takeovers of one id that make its holder keep it. */
const MAX_TAKEOVERS = 3;

/** Milliseconds within which they have to happen. */
const WINDOW_MS = 15_000;

/** Milliseconds for which the holder then keeps the id. */
const HOLD_MS = 30_000;

/** Milliseconds for which it is remembered that an id was logged. */
const LOG_MS = 600_000;

/** Ids that are remembered at most. */
const MAX_IDS = 10_000;

interface IdState {
  /** When it was taken over, by `Clock.elapsed`: the last times, oldest first. */
  readonly takenOverAt: number[];
  heldUntil: number;
  hasLogged: boolean;
}

/** Options of {@linkcode Takeovers}. */
export interface TakeoversOptions {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The takeovers of all rooms. */
export class Takeovers {
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** By room and id; the one that was taken over last is last. */
  readonly #ids = new Map<string, IdState>();

  constructor({ clock, logger }: TakeoversOptions) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Records that a newcomer has taken an id over from a peer that was still connected. */
  record(room: string, id: string): void {
    const now = this.#clock.elapsed();
    const key = keyOf(room, id);
    const state = this.#ids.get(key) ?? { takenOverAt: [], heldUntil: 0, hasLogged: false };
    this.#ids.delete(key);
    this.#forget(now);
    this.#ids.set(key, state);
    const { takenOverAt } = state;
    if (takenOverAt.push(now) < MAX_TAKEOVERS) return;
    const first = takenOverAt.shift() ?? 0;
    if (now - first > WINDOW_MS) return;
    takenOverAt.length = 0;
    state.heldUntil = now + HOLD_MS;
    if (!state.hasLogged) {
      this.#logger.warn(
        "Peers with the same nodeId replace each other, perhaps tabs of one browser profile: give " +
          "each tab a nodeId of its own",
        { room, nodeId: id },
      );
    }
    state.hasLogged = true;
  }

  /** Whether the peer that has this id keeps it for now. */
  isHeld(room: string, id: string): boolean {
    if (this.#ids.size === 0) return false;
    const state = this.#ids.get(keyOf(room, id));
    return state !== undefined && this.#clock.elapsed() < state.heldUntil;
  }

  #forget(now: number): void {
    for (const [key, { takenOverAt, heldUntil }] of this.#ids) {
      const last = Math.max(takenOverAt.at(-1) ?? 0, heldUntil);
      if (now - last < LOG_MS && this.#ids.size < MAX_IDS) return;
      this.#ids.delete(key);
    }
  }
}

function keyOf(room: string, id: string): string {
  return JSON.stringify([room, id]);
}
