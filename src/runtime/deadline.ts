/** Waiting for a promise no longer than a given time. */

import type { Clock } from "./clock.ts";

/**
 * Waits for a promise.
 *
 * @param promise What to wait for; what becomes of it later is ignored.
 * @param ms Milliseconds to wait at most.
 * @param clock The time.
 * @param message What the error says.
 * @returns What the promise resolves to.
 * @throws {DOMException} `TimeoutError`: it has not settled by then.
 */
export function deadline<T>(
  promise: Promise<T>,
  ms: number,
  clock: Clock,
  message = `No answer within ${ms} ms`,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimeout(() => reject(new DOMException(message, "TimeoutError")), ms);
    promise.then(resolve, reject).finally(() => clock.clearTimeout(timer));
  });
}
