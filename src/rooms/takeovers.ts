/**
 * Counts how often peers take an id over from each other. client-db stores its id in the browser
 * profile, so that two tabs of one profile would replace each other without end. It tells which ids
 * their holders keep for now; newcomers are refused by `rooms.ts`, or by the backplane where there is
 * one, which then counts by the same rule.
 */

import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";

/** After so many takeovers of an id its holder keeps it. */
export const MAX_TAKEOVERS = 3;

/** The takeovers count if they happen within so many milliseconds. */
export const TAKEOVER_WINDOW_MS = 15_000;

/** Milliseconds for which the holder then keeps the id. */
export const KEPT_MS = 30_000;

/** For so many milliseconds after its last takeover an id is not logged again. */
export const TAKEOVER_LOG_MS = 600_000;

/** Ids that are counted at most. */
const MAX_IDS = 10_000;

interface IdState {
  /** When it was taken over, by `Clock.elapsed`: the last times, the oldest first. */
  readonly takenOverAt: number[];
  /** When its holder was last given it to keep. */
  keptAt: number;
  isLogged: boolean;
}

/** The takeovers of all rooms. */
export class Takeovers {
  readonly #clock: Clock;
  /** By room and id, in the order of their last takeovers. */
  readonly #ids = new Map<string, IdState>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Records that a newcomer took an id over from a peer that was still connected. Whether that should
   * be logged, because the newcomer keeps the id from now on, and it has not been logged lately.
   */
  record(room: string, id: string): boolean {
    const now = this.#clock.elapsed();
    const key = keyOf(room, id);
    this.#forget(now);
    const state = this.#ids.get(key) ?? { takenOverAt: [], keptAt: -Infinity, isLogged: false };
    this.#ids.delete(key);
    this.#ids.set(key, state);
    const { takenOverAt } = state;
    if (takenOverAt.push(now) < MAX_TAKEOVERS) return false;
    const first = takenOverAt.shift() ?? 0;
    if (now - first > TAKEOVER_WINDOW_MS) return false;
    takenOverAt.length = 0;
    state.keptAt = now;
    const { isLogged } = state;
    state.isLogged = true;
    return !isLogged;
  }

  /** Whether the holder of an id keeps it for now. */
  isHeld(room: string, id: string): boolean {
    if (this.#ids.size === 0) return false;
    const state = this.#ids.get(keyOf(room, id));
    return state !== undefined && this.#clock.elapsed() - state.keptAt < KEPT_MS;
  }

  #forget(now: number): void {
    for (const [key, { takenOverAt, keptAt }] of this.#ids) {
      const last = takenOverAt.at(-1) ?? keptAt;
      if (now - last < TAKEOVER_LOG_MS && this.#ids.size < MAX_IDS) return;
      this.#ids.delete(key);
    }
  }
}

/** Tells the operator of peers that take an id over from each other. */
export function warnOfTakeovers(logger: Logger, room: string, id: string): void {
  logger.warn(
    "Peers with the same nodeId replace each other, perhaps tabs of one browser profile: give " +
      "each tab a nodeId of its own",
    { room, nodeId: id },
  );
}

function keyOf(room: string, id: string): string {
  return JSON.stringify([room, id]);
}
