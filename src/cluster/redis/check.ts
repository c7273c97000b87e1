/**
 * Tries a Redis as an instance uses it, without being one: it connects, subscribes, sends a heartbeat
 * and lets a peer join, with keys that no instance uses, and removes what it wrote.
 */

import { systemClock } from "../../runtime/clock.ts";
import { checkRedisUrl, databaseOf } from "../../runtime/redis_url.ts";
import { RedisClients } from "./clients.ts";
import { evictionPolicyOf, evictionWarning } from "./eviction.ts";
import { RedisKeys } from "./keys.ts";
import { SCRIPTS } from "./scripts/all.ts";
import { heartbeatCall } from "./scripts/heartbeat.ts";
import { joinCall } from "./scripts/join.ts";
import { reapCall, REAPED_ROOMS } from "./scripts/reap.ts";
import type { ScriptCall } from "./scripts/shared.ts";

/** What the Redis is good for, with a sentence for its operator, which shows no secret. */
export interface RedisCheck {
  readonly kind: "works" | "fails";
  readonly message: string;
}

/** Where the Redis is, and the prefix of the instances. */
export interface RedisTarget {
  readonly url: string;
  readonly prefix: string;
}

const MEMBER = {
  id: "check",
  number: 1,
  role: "normal",
  acceptsConsumers: true,
  consumerIdentity: "",
  joinedAt: 0,
} as const;

const NO_LIMITS = {
  maxPeersPerRoom: Infinity,
  maxConsumersPerRoom: Infinity,
  maxConsumersPerIdentity: Infinity,
};

/** Tries the Redis of this URL. It never rejects, and ends within some seconds. */
export async function checkRedis({ url, prefix }: RedisTarget): Promise<RedisCheck> {
  let clients: RedisClients | undefined;
  try {
    await import("@redis/client"); // Loading it is no time of the server's.
    const start = performance.now();
    const checked = checkRedisUrl(url);
    clients = await RedisClients.open({
      url: checked.href,
      clock: systemClock,
      scripts: SCRIPTS,
      onFailure: () => {}, // What waits for an answer rejects.
    });
    const connectedMs = Math.round(performance.now() - start);
    // What a user may do is often said by a pattern such as client-db-sync:*.
    const tag = databaseOf(checked);
    await useAsInstance(clients, new RedisKeys({ prefix, tag, below: "check:" }));
    const pingMs = await timeOf(clients, ["PING"]);
    const info = await clients.within(clients.command(["INFO", "memory"])).catch(() => undefined);
    const warning = evictionWarning(evictionPolicyOf(info));
    const ping = pingMs === undefined ? "" : ` and answers a PING in ${pingMs} ms`;
    const message = `Redis connected in ${connectedMs} ms${ping}`;
    return { kind: "works", message: warning === undefined ? message : `${message}. ${warning}` };
  } catch (error) {
    return { kind: "fails", message: problemOf(String(error), prefix) };
  } finally {
    clients?.destroy();
  }
}

async function useAsInstance(clients: RedisClients, keys: RedisKeys): Promise<void> {
  const instance = crypto.randomUUID();
  const run = (call: ScriptCall) => clients.within(clients.run(call));
  await clients.within(clients.subscribe([keys.channel(instance), keys.all], () => {}));
  const sentAt = Math.round(systemClock.elapsed());
  await run(heartbeatCall(keys, { instance, isFirst: true, sentAt, cursor: "0" }));
  await run(joinCall(keys, "check", { ...MEMBER, instance }, { mode: "join", limits: NO_LIMITS }));
  while (await run(reapCall(keys, instance)) === REAPED_ROOMS);
}

/** Milliseconds until an answer; `undefined` where the user may not ask. */
async function timeOf(clients: RedisClients, command: string[]): Promise<number | undefined> {
  const start = performance.now();
  try {
    await clients.within(clients.command(command));
    return Math.round(performance.now() - start);
  } catch (error) {
    if (String(error).includes("NOPERM")) return undefined;
    throw error;
  }
}

/** Why it cannot be used. The text of an error may show the name of a user. */
function problemOf(text: string, prefix: string): string {
  const rule = `~${prefix}* &${prefix}* +@all -@dangerous`;
  const causes: readonly (readonly [RegExp, string])[] = [
    [/WRONGPASS|NOAUTH|AUTH /, "It refuses the user or the password: check both in REDIS_URL"],
    [/NOPERM|user executing/, `Its user may do too little. It needs: ACL SETUSER … ${rule}`],
    [/ECONNREFUSED/, "Nothing listens there: check the port, and whether it runs"],
    [/ENOTFOUND|EAI_AGAIN|getaddrinfo/, "Its name is not known to DNS: check the spelling"],
    [
      /not answer|time-?out|ETIMEDOUT/i,
      "It does not answer in time: check the host, the port, and whether it speaks TLS (rediss://)",
    ],
    [/certificate|TLS|SSL/i, "TLS failed: check its certificate, and redis:// or rediss:// (TLS)"],
    [/READONLY/, "It is a replica, which cannot be written to: name the primary"],
    [/OOM|MISCONF/, "It accepts no writes: look at its memory, its disk and its log"],
    [/LOADING/, "It is still loading its data: try again"],
    [/DB index|SELECT/, "It has no database of that number: check the end of REDIS_URL"],
    [/unknown command/i, "It lacks what an instance needs: use Redis 6 or newer, or Valkey"],
  ];
  const known = causes.find(([pattern]) => pattern.test(text))?.[1];
  return known ?? "The connection failed: check host, port and redis:// or rediss:// (TLS)";
}
