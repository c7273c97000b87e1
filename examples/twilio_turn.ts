/**
 * TURN credentials from Twilio's Network Traversal Service, for the option `iceServers`. The account's
 * id and a token or API key are in its console.
 *
 *     deno add jsr:@aikofy/client-db-sync
 *     deno run --allow-net --allow-env twilio_turn.ts
 *
 * @module
 */

import { createServer, generateKeyPairJwk, type IceServersHook } from "@aikofy/client-db-sync";
import { cachedIceServers, jsonOf } from "./cached_ice_servers.ts";

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
  const accountSid = Deno.env.get("TWILIO_ACCOUNT_SID") ?? "";
  const authToken = Deno.env.get("TWILIO_AUTH_TOKEN") ?? "";
  await createServer({
    ...await generateKeyPairJwk(),
    adminSecret: Deno.env.get("ADMIN_SECRET") ?? "",
    iceServers: twilioIceServers({ accountSid, authToken }),
    iceTtl: `${TTL_SECONDS / 2}s`,
  });
}
