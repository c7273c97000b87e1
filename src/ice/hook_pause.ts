/**
 * When a host's function is not asked for a while: after a failure that let clients wait, since each of
 * them would wait again. It decides by times alone; the calls are `hook_caller.ts`.
 */

/** How long a function is not asked after it has let clients wait in vain, in milliseconds. */
export const HOOK_PAUSE_MS = 10_000;

/** A failure within this time harms nobody, and may be about one peer alone; in milliseconds. */
const QUICK_MS = 1000;

/** The pauses of one function. All times are those of `Clock.elapsed`. */
export class HookPause {
  #isFailing = false;
  #until = 0;
  #succeededAt = -Infinity;

  /** Whether the function must not be asked now. After a pause, the first who asks tries it alone. */
  isOn(now: number): boolean {
    if (now < this.#until) return true;
    if (this.#isFailing) this.#until = now + HOOK_PAUSE_MS;
    return false;
  }

  /** A call has answered. */
  succeeded(now: number): void {
    this.#succeededAt = now;
    this.#isFailing = false;
    this.#until = 0;
  }

  /** A call has failed; that it waited is its own affair where another has answered meanwhile. */
  failed(askedAt: number, now: number): void {
    if (now - askedAt < QUICK_MS || askedAt < this.#succeededAt) return;
    this.#isFailing = true;
    this.#until = now + HOOK_PAUSE_MS;
  }
}
