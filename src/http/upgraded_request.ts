/**
 * Spares Deno the abort of a request that has become a socket. Deno 2.9 aborts its signal twice: the
 * first time only leaves a mark, the second one finds it, and makes an `AbortSignal` and two
 * `DOMException`s with their stacks, which stay as long as the socket. The mark is internal to Deno;
 * where there is none, Deno does as it likes.
 */

/** The property with the mark, once a request was looked at; `null` where Deno has none. */
let markSymbol: symbol | null | undefined;

/**
 * Takes the mark off again. Whoever reads `request.signal` later gets an aborted one in any case.
 *
 * @param request A request that has just been upgraded.
 */
export function spareAbort(request: Request): void {
  if (markSymbol === undefined) markSymbol = findMark(request);
  if (markSymbol === null || Reflect.get(request, markSymbol) !== false) return;
  Reflect.set(request, markSymbol, undefined);
}

function findMark(request: Request): symbol | null {
  return Object.getOwnPropertySymbols(request)
    .find(({ description }) => description === "signalCache") ?? null;
}
