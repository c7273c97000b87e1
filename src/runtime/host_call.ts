/**
 * Calls of functions that belong to the host, such as its logger: what they throw must reach no peer, and
 * what they reject with must not end the process.
 */

/**
 * Calls a function whose result does not matter.
 *
 * @param call Calls it; a promise that it returns is not waited for.
 * @param onFailure Gets what it throws or what its promise rejects with. It must not throw.
 */
export function callHost(call: () => unknown, onFailure: (cause: unknown) => void): void {
  try {
    const result = call();
    if (result !== undefined) Promise.resolve(result).catch(onFailure);
  } catch (cause) {
    onFailure(cause);
  }
}
