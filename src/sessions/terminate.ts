/**
 * Ends the connection of a client that does not answer its close. Deno 2.9 has no public way to do
 * this: such a client could keep its socket for as long as it likes and go on filling it. What this
 * file uses is internal to Deno; where it is missing, only the limits on closing sockets apply.
 */

import { isObject } from "../protocol/messages.ts";

let resourceSymbol: symbol | undefined;

/** Ends the connection of a socket at once; `false` where this version of Deno cannot. */
export function terminate(socket: object): boolean {
  try {
    const core = internalCore();
    resourceSymbol ??= Object.getOwnPropertySymbols(socket)
      .find(({ description }) => description === "[[rid]]");
    const resource: unknown = resourceSymbol && Reflect.get(socket, resourceSymbol);
    const tryClose = core?.["tryClose"];
    if (typeof tryClose !== "function" || typeof resource !== "number" || resource < 0) {
      return false;
    }
    Reflect.apply(tryClose, core, [resource]);
    return true;
  } catch {
    return false;
  }
}

/**
 * What Deno's own JavaScript calls its core. `undefined` before Deno 2.9 too, which forgets the resource
 * and leaves the connection open.
 */
function internalCore(): Record<string, unknown> | undefined {
  if (!isAtLeast(Deno.version.deno, 2, 9)) return undefined;
  const symbol: unknown = Reflect.get(Deno, "internal");
  const internal: unknown = typeof symbol === "symbol" ? Reflect.get(Deno, symbol) : undefined;
  const core = isObject(internal) ? internal["core"] : undefined;
  return isObject(core) ? core : undefined;
}

/** Whether a version such as `2.9.6` is this one or newer. */
function isAtLeast(version: string, major: number, minor: number): boolean {
  const [ownMajor = 0, ownMinor = 0] = version.split(".").map(Number);
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
}
