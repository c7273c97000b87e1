/** Ports for what has to be told one before it starts. */

/**
 * Below the ports that systems give to outgoing connections and to listeners on port 0 (Linux: 32768
 * and above, others: 49152 and above), so that none of these gets one before it is listened on.
 */
const FIRST = 12_000;
const COUNT = 20_000;

const given = new Set<number>();

/** A port on loopback that nobody listens on at the moment, and that this process was never given. */
export function freePort(): number {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    if (given.has(port) || !isFree(port)) continue;
    given.add(port);
    return port;
  }
}

function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
}
