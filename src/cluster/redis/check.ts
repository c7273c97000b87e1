/**
 * Tries a Redis as an instance uses it, without being one: it connects, subscribes, sends a heartbeat
 * and lets a peer join, with keys that no instance uses, and removes what it wrote. So for each shard,
 * and it asks each Sentinel and each seed of a cluster.
 */

import { type Clock, systemClock } from "../../runtime/clock.ts";
import { checkRedisPrefix, readRedisUrl, type RedisUrl } from "../../runtime/redis_url.ts";
import { RedisClients } from "./clients.ts";
import { askNode } from "./cluster_nodes.ts";
import { askSentinel, type Endpoint } from "./endpoint.ts";
import { evictionPolicyOf, evictionWarning } from "./eviction.ts";
import { RedisKeys } from "./keys.ts";
import { kindProblem } from "./problems.ts";
import { heartbeatCall } from "./scripts/heartbeat.ts";
import { joinCall } from "./scripts/join.ts";
import { reap } from "./scripts/reap.ts";
import type { ScriptCall } from "./scripts/shared.ts";
import { redisShards, type ShardPlace } from "./shards.ts";

/** What one server is good for. */
export interface RedisCheck {
  readonly kind: "works" | "fails";
  /** Which of several it is, such as `shard 2 of 3`; "" if there is but one. */
  readonly which: string;
  /** A sentence for the operator, which shows no secret. */
  readonly message: string;
}

/** Where the Redis is, and the prefix of the instances. */
export interface RedisTarget {
  readonly url: string;
  readonly prefix: string;
}

type Attempt = { readonly which: string; readonly kind: Endpoint["kind"]; run(): Promise<string> };

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

/** Tries what this URL stands for, all at once. It never rejects, and ends within some seconds. */
export async function checkRedis(
  { url, prefix }: RedisTarget,
  clock: Clock = systemClock,
): Promise<readonly RedisCheck[]> {
  await import("@redis/client"); // Loading it is no time of the server's.
  const parsed = readRedisUrl(url);
  const shards = attemptsToUse(parsed, prefix, clock).map(({ attempt }) => attempt);
  const attempts = [...attemptsToAsk(parsed, clock), ...shards];
  const results = await Promise.all(attempts.map((attempt) => outcomeOf(attempt, prefix)));
  // The shards of a cluster are many, and mean little by themselves while all work.
  const isLong = parsed.kind === "cluster" && results.every(({ kind }) => kind === "works");
  if (!isLong) return results;
  const seeds = results.slice(0, parsed.seeds.length);
  const messages = results.slice(parsed.seeds.length).map(({ message }) => message);
  const shown = messages.find((message) => message.includes(". ")) ?? messages[0];
  return [...seeds, { kind: "works", which: `${parsed.shards} shards`, message: shown ?? "" }];
}

/**
 * Tries the shards of this URL that another one has not, all at once. It never rejects, and ends within
 * some seconds.
 *
 * @param isKnown Whether the other one has a shard, by its `id`.
 * @returns What is wrong, for each that does not work.
 */
export async function problemsOfNewShards(
  { url, prefix }: RedisTarget,
  isKnown: (id: string) => boolean,
  clock: Clock = systemClock,
): Promise<readonly RedisCheck[]> {
  await import("@redis/client");
  const added = attemptsToUse(readRedisUrl(url), prefix, clock).filter(({ id }) => !isKnown(id));
  const results = await Promise.all(added.map(({ attempt }) => outcomeOf(attempt, prefix)));
  return results.filter(({ kind }) => kind === "fails");
}

/** Uses each shard as an instance does. */
function attemptsToUse(
  url: RedisUrl,
  prefix: string,
  clock: Clock,
): readonly { readonly id: string; readonly attempt: Attempt }[] {
  return redisShards(url, clock).map((place, index, all) => ({
    id: place.id,
    attempt: {
      which: numbered("shard", index, all.length),
      kind: place.endpoint.kind,
      run: () => tryShard(place, checkRedisPrefix(prefix), clock),
    },
  }));
}

/** Asks the servers that tell where others are. */
function attemptsToAsk(url: RedisUrl, clock: Clock): readonly Attempt[] {
  if (url.kind === "cluster") {
    return url.seeds.map((seed, index) => ({
      which: numbered("seed", index, url.seeds.length),
      kind: "cluster",
      async run() {
        const { nodes } = await askNode(seed, clock);
        return `A node of a Redis Cluster that has ${nodes.length} nodes`;
      },
    }));
  }
  return url.shards.flatMap((shard, index) => {
    if (shard.kind === "server") return [];
    const of = url.shards.length > 1 ? ` of shard ${index + 1}` : "";
    return shard.sentinels.map((sentinel, n) => ({
      which: numbered("Sentinel", n, shard.sentinels.length) + of,
      kind: "sentinel" as const,
      async run() {
        await askSentinel(sentinel, shard.name, clock);
        return "A Sentinel that knows the primary";
      },
    }));
  });
}

function numbered(what: string, index: number, count: number): string {
  return count === 1 && what === "shard" ? "" : `${what} ${index + 1} of ${count}`;
}

async function outcomeOf(attempt: Attempt, prefix: string): Promise<RedisCheck> {
  const { which, kind } = attempt;
  try {
    return { kind: "works", which, message: await attempt.run() };
  } catch (error) {
    return { kind: "fails", which, message: problemOf(kind, String(error), prefix) };
  }
}

async function tryShard(
  { endpoint, tag }: ShardPlace,
  prefix: string,
  clock: Clock,
): Promise<string> {
  const start = performance.now();
  const clients = await RedisClients.open({
    server: await endpoint.resolve(new AbortController().signal),
    isCluster: endpoint.kind === "cluster",
    clock,
    onFailure: () => {}, // What waits for an answer rejects.
  });
  try {
    const connectedMs = Math.round(performance.now() - start);
    // What a user may do is often said by a pattern such as client-db-sync:*.
    await useAsInstance(clients, new RedisKeys(prefix, { tag, below: "check:" }));
    const pingMs = await timeOf(clients, ["PING"]);
    const info = await clients.within(clients.command(["INFO", "memory"])).catch(() => undefined);
    const warning = evictionWarning(evictionPolicyOf(info));
    const ping = pingMs === undefined ? "" : ` and answers a PING in ${pingMs} ms`;
    const message = `Redis connected in ${connectedMs} ms${ping}`;
    return warning === undefined ? message : `${message}. ${warning}`;
  } finally {
    clients.destroy();
  }
}

async function useAsInstance(clients: RedisClients, keys: RedisKeys): Promise<void> {
  const instance = crypto.randomUUID();
  const run = (call: ScriptCall) => clients.within(clients.run(call));
  await clients.within(clients.subscribe([keys.channel(instance), keys.all], () => {}));
  const sentAt = Math.round(systemClock.elapsed());
  await run(heartbeatCall(keys, { instance, isFirst: true, sentAt, cursor: "0" }));
  await run(joinCall(keys, "check", { ...MEMBER, instance }, { mode: "join", limits: NO_LIMITS }));
  await reap({ run }, keys, instance);
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
function problemOf(kind: Endpoint["kind"], text: string, prefix: string): string {
  const wrongKind = kindProblem(kind, text);
  if (wrongKind !== undefined) return wrongKind;
  const more = kind === "cluster" ? " +cluster|slots" : "";
  const rule = `~${prefix}* &${prefix}* +@all -@dangerous${more}`;
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
