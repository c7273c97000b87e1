/**
 * TURN credentials from Cloudflare, for the option `iceServers`. Make a TURN key in its dashboard
 * (Realtime, TURN server): it has an id, `CLOUDFLARE_TURN_KEY_ID`, and an API token,
 * `CLOUDFLARE_TURN_API_TOKEN`. It needs `cached_ice_servers.ts` beside it.
 *
 *     deno add jsr:@aikofy/client-db-sync
 *     export ADMIN_SECRET=$(openssl rand -hex 32)
 *     deno run --allow-net --allow-env cloudflare_turn.ts
 *
 * @module
 */

import {
  createLogger,
  createServer,
  generateKeyPairJwk,
  type IceServer,
  type IceServersHook,
} from "@aikofy/client-db-sync";
import { cachedIceServers, jsonOf, setting } from "./cached_ice_servers.ts";

/** How long credentials are valid: 48 hours at most. */
const TTL_SECONDS = 86_400;

/** The key, and where Cloudflare answers. */
export interface CloudflareKey {
  readonly keyId: string;
  readonly apiToken: string;
  readonly api?: string;
}

/** Makes the hook. */
export function cloudflareIceServers(key: CloudflareKey, now?: () => number): IceServersHook {
  const { keyId, apiToken, api = "https://rtc.live.cloudflare.com" } = key;
  const url = `${api}/v1/turn/keys/${encodeURIComponent(keyId)}/credentials/generate-ice-servers`;
  const request = async (signal: AbortSignal) => {
    const answer = await fetch(url, {
      method: "POST",
      headers: { authorization: `Bearer ${apiToken}`, "content-type": "application/json" },
      body: JSON.stringify({ ttl: TTL_SECONDS }),
      signal,
    });
    const { iceServers } = await jsonOf(answer);
    if (!Array.isArray(iceServers)) throw new Error("Cloudflare's answer has no iceServers");
    return iceServers.map(withoutPort53);
  };
  return cachedIceServers(request, TTL_SECONDS, now);
}

/** Without the URLs that browsers block. */
function withoutPort53(server: IceServer): IceServer {
  return { ...server, urls: [server.urls].flat().filter((url) => !/:53(\?|$)/.test(url)) };
}

if (import.meta.main) {
  const keyId = setting("CLOUDFLARE_TURN_KEY_ID");
  const apiToken = setting("CLOUDFLARE_TURN_API_TOKEN");
  // deno-lint-ignore no-console -- what goes wrong with the provider is logged
  const logger = createLogger({ write: (line) => console.error(line) });
  const server = await createServer({
    ...await generateKeyPairJwk(),
    adminSecret: setting("ADMIN_SECRET"),
    iceServers: cloudflareIceServers({ keyId, apiToken }),
    iceTtl: `${TTL_SECONDS / 2}s`,
    logger,
  });
  const { url } = await server.listen({ port: Number(Deno.env.get("PORT") || 8000) });
  logger.info("Listening", { url });
}
