/**
 * Ends a socket whose client does not answer its close. Deno 2.9 has no public way to do it: such a
 * client would keep its socket for as long as it likes, and go on filling it. What this uses is
 * internal to Deno; where it is missing, nothing happens and the bounds on such sockets hold alone.
 */

interface Core {
  tryClose(resource: number): void;
}

let resourceSymbol: symbol | undefined;

/** Ends the connection of a socket at once; `false` where the runtime does not let us. */
export function terminate(socket: object): boolean {
  try {
    const core = internalCore();
    resourceSymbol ??= Object.getOwnPropertySymbols(socket)
      .find(({ description }) => description === "[[rid]]");
    const resource: unknown = resourceSymbol && Reflect.get(socket, resourceSymbol);
    if (core === undefined || typeof resource !== "number" || resource < 0) return false;
    core.tryClose(resource);
    return true;
  } catch {
    return false;
  }
}

/** `undefined` before Deno 2.9 too, which forgets the resource and leaves the connection open. */
function internalCore(): Core | undefined {
  if (!isAtLeast(Deno.version.deno, 2, 9)) return undefined;
  const { internal } = Deno as unknown as { internal?: symbol };
  const inside = internal && Reflect.get(Deno, internal) as { core?: Partial<Core> } | undefined;
  return typeof inside?.core?.tryClose === "function" ? inside.core as Core : undefined;
}

/** Whether a version such as `2.9.6` is this one or newer. */
function isAtLeast(version: string, major: number, minor: number): boolean {
  const [ownMajor = 0, ownMinor = 0] = version.split(".").map(Number);
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
}
