/** Waiting for a promise until a signal aborts. */

/**
 * Waits for a promise.
 *
 * @param promise What to wait for; what becomes of it after the signal has aborted is ignored.
 * @param signal Ends the wait.
 * @returns What the promise resolves to.
 * @throws The signal's reason, once it has aborted.
 */
export async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([aborted, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
