/**
 * TURN credentials from Twilio's Network Traversal Service, for the option `iceServers`. The account's
 * id, `TWILIO_ACCOUNT_SID`, and a token, `TWILIO_AUTH_TOKEN`, are in its console. It needs
 * `cached_ice_servers.ts` beside it.
 *
 *     deno add jsr:@aikofy/client-db-sync
 *     export ADMIN_SECRET=$(openssl rand -hex 32)
 *     deno run --allow-net --allow-env twilio_turn.ts
 *
 * @module
 */

import {
  createLogger,
  createServer,
  generateKeyPairJwk,
  type IceServersHook,
} from "@aikofy/client-db-sync";
import { cachedIceServers, jsonOf, setting } from "./cached_ice_servers.ts";

/** How long credentials are valid: 24 hours at most. */
const TTL_SECONDS = 86_400;

/** The account, and where Twilio answers. */
export interface TwilioAccount {
  readonly accountSid: string;
  readonly authToken: string;
  readonly api?: string;
}

/** Makes the hook. */
export function twilioIceServers(account: TwilioAccount, now?: () => number): IceServersHook {
  const { accountSid, authToken, api = "https://api.twilio.com" } = account;
  const url = `${api}/2010-04-01/Accounts/${encodeURIComponent(accountSid)}/Tokens.json`;
  const request = async (signal: AbortSignal) => {
    const answer = await fetch(url, {
      method: "POST",
      headers: { authorization: `Basic ${btoa(`${accountSid}:${authToken}`)}` },
      body: new URLSearchParams({ Ttl: String(TTL_SECONDS) }),
      signal,
    });
    const { ice_servers: servers } = await jsonOf(answer);
    if (!Array.isArray(servers)) throw new Error("Twilio's answer has no ice_servers");
    // Twilio also sends `url`, an old name of `urls`.
    return servers.map(({ urls, username, credential }) => ({ urls, username, credential }));
  };
  return cachedIceServers(request, TTL_SECONDS, now);
}

if (import.meta.main) {
  const accountSid = setting("TWILIO_ACCOUNT_SID");
  const authToken = setting("TWILIO_AUTH_TOKEN");
  // deno-lint-ignore no-console -- what goes wrong with the provider is logged
  const logger = createLogger({ write: (line) => console.error(line) });
  const server = await createServer({
    ...await generateKeyPairJwk(),
    adminSecret: setting("ADMIN_SECRET"),
    iceServers: twilioIceServers({ accountSid, authToken }),
    iceTtl: `${TTL_SECONDS / 2}s`,
    logger,
  });
  const { url } = await server.listen({ port: Number(Deno.env.get("PORT") || 8000) });
  logger.info("Listening", { url });
}
