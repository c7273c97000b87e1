/**
 * Asks a TURN provider for credentials now and then, and not for every peer: what `cloudflare_turn.ts`
 * and `twilio_turn.ts` share.
 *
 * @module
 */

import type { IceServer, IceServersHook } from "@aikofy/client-db-sync";

/** After a failure the provider is asked again this much later at the earliest. */
const PAUSE_MS = 10_000;

/** The server waits 3 s for the hook. */
const TIMEOUT_MS = 2_500;

/**
 * Makes the hook `iceServers`. Credentials are used again for half of their time, so that each peer
 * gets some with the other half left: that half is the `iceTtl` to set. If the provider fails then,
 * they are used until they end.
 */
export function cachedIceServers(
  request: (signal: AbortSignal) => Promise<readonly IceServer[]>,
  ttlSeconds: number,
  now: () => number = Date.now,
): IceServersHook {
  let servers: readonly IceServer[] = [];
  let renewAt = 0;
  let endsAt = 0;
  let latest = Promise.resolve();
  const renew = async () => {
    const start = now();
    renewAt = start + PAUSE_MS;
    servers = await request(AbortSignal.timeout(TIMEOUT_MS));
    renewAt = start + ttlSeconds * 500;
    endsAt = start + ttlSeconds * 1000;
  };
  return async () => {
    if (now() >= renewAt) {
      latest = renew();
      latest.catch(() => {}); // While there are credentials, a failure is no reason to throw.
    }
    if (now() >= endsAt) await latest; // What it throws is logged by the server.
    return servers;
  };
}

/** The answer's JSON. An error says its status alone: a text may have a credential in it. */
export async function jsonOf(answer: Response): Promise<Record<string, unknown>> {
  const text = await answer.text();
  if (!answer.ok) throw new Error(`The TURN provider answers ${answer.status}`);
  try {
    return JSON.parse(text);
  } catch {
    throw new Error("The TURN provider's answer is not JSON");
  }
}

/** A setting of the environment. */
export function setting(name: string): string {
  const value = Deno.env.get(name);
  if (!value) throw new Error(`Set ${name}`);
  return value;
}
