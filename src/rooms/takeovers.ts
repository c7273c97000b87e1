/**
 * Counts how often peers take an id over from each other. client-db stores its id in the browser
 * profile, so that two tabs of one profile would replace each other without end. It tells which ids
 * their holders keep for now; `rooms.ts` refuses the newcomers.
 */

import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";

/** After so many takeovers of an id its holder keeps it. */
const MAX_TAKEOVERS = 3;

/** The takeovers count if they happen within so many milliseconds. */
const WINDOW_MS = 15_000;

/** Milliseconds for which the holder then keeps the id. */
const HOLD_MS = 30_000;

/** For so many milliseconds after its last takeover an id is not logged again. */
const LOG_MS = 600_000;

/** Ids that are counted at most. */
const MAX_IDS = 10_000;

interface IdState {
  /** When it was taken over, by `Clock.elapsed`: the last times, the oldest first. */
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
  /** By room and id, in the order of their last takeovers. */
  readonly #ids = new Map<string, IdState>();

  constructor({ clock, logger }: TakeoversOptions) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Records that a newcomer took an id over from a peer that was still connected. */
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

  /** Whether the holder of an id keeps it for now. */
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
