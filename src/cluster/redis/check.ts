/**
 * Tries a Redis as an instance uses it, without being one: it connects, subscribes, sends a heartbeat
 * and lets a peer join, with keys that no instance uses, and removes what it wrote. So for each shard,
 * and it asks each Sentinel and each seed of a cluster. What a failure means is left to `problems.ts`.
 */

import { type Clock, systemClock } from "../../runtime/clock.ts";
import { checkRedisPrefix, readRedisUrl, type RedisUrl } from "../../runtime/redis_url.ts";
import { RedisClients } from "./clients.ts";
import { askNode } from "./cluster_nodes.ts";
import { askSentinel } from "./endpoint.ts";
import { evictionPolicyOf, evictionWarning } from "./eviction.ts";
import { RedisKeys } from "./keys.ts";
import { isForbidden, type Tried, triedProblem } from "./problems.ts";
import { heartbeatCall } from "./scripts/heartbeat.ts";
import { joinCall } from "./scripts/join.ts";
import { reap } from "./scripts/reap.ts";
import type { ScriptCall } from "./scripts/shared.ts";
import { redisShards, type ShardPlace } from "./shards.ts";

/** What one server, or several with the same result, are good for. */
export interface RedisCheck {
  readonly kind: "works" | "fails" | "no-permission";
  /** Which of several it is, such as `shard 2 of 3` or `3 Sentinels`; "" if there is but one. */
  readonly which: string;
  /** A sentence for the operator, which shows no secret. */
  readonly message: string;
}

/** Where the Redis is, and the prefix of the instances. */
export interface RedisTarget {
  readonly url: string;
  readonly prefix: string;
}

/** Something that is tried. */
interface Attempt {
  readonly tried: Tried;
  run(): Promise<string>;
}

/** The use of one shard as an instance uses it. */
interface ShardAttempt extends Attempt {
  readonly id: string;
  /** Its name among all; "" if there is but one. */
  readonly which: string;
}

/** What a URL leads to by asking its servers, or directly. */
interface Target {
  /** The seeds of a cluster or the Sentinels of a primary. */
  readonly asked: readonly Attempt[];
  readonly shards: readonly Attempt[];
  /** The name of some of those that are asked, by their numbers. */
  nameAsked(numbers: readonly number[]): string;
  nameShards(numbers: readonly number[]): string;
}

const FOUND_BY = { server: "server", sentinel: "primary", cluster: "node" } as const;

type Outcome = Omit<RedisCheck, "which">;

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

/**
 * Tries what this URL stands for, all at once. It never rejects, and ends within some seconds. Nodes,
 * Sentinels and shards of a cluster with the same result are one check.
 */
export async function checkRedis(
  { url, prefix }: RedisTarget,
  clock: Clock = systemClock,
): Promise<readonly RedisCheck[]> {
  await import("@redis/client"); // Loading it is no time of the server's.
  const parsed = readRedisUrl(url);
  const shards = attemptsToUse(parsed, prefix, clock);
  const targets = targetsOf(parsed, shards, clock);
  const all = await Promise.all(targets.map((target) => checkTarget(target, prefix)));
  return all.flat();
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
  const results = await Promise.all(
    added.map(async (attempt) => ({
      ...await outcomeOf(attempt, prefix),
      which: attempt.which,
    })),
  );
  return results.filter(({ kind }) => kind !== "works");
}

function attemptsToUse(url: RedisUrl, prefix: string, clock: Clock): readonly ShardAttempt[] {
  return redisShards(url, clock).map((place, index, { length }) => ({
    id: place.id,
    which: length === 1 ? "" : nameOf("shard", [index + 1], length),
    tried: FOUND_BY[place.endpoint.kind],
    run: () => tryShard(place, checkRedisPrefix(prefix), clock),
  }));
}

function targetsOf(
  url: RedisUrl,
  shards: readonly ShardAttempt[],
  clock: Clock,
): readonly Target[] {
  if (url.kind === "cluster") {
    const asked = url.seeds.map((seed) => ({
      tried: "cluster" as const,
      async run() {
        const { nodes } = await askNode(seed, clock);
        return `A node of a Redis Cluster that has ${nodes.length} nodes`;
      },
    }));
    return [{
      asked,
      shards,
      nameAsked: (numbers) => nameOf("seed", numbers, asked.length),
      nameShards: ({ length }) =>
        length === shards.length ? `${length} shards` : `${length} of ${shards.length} shards`,
    }];
  }
  return url.shards.map((shard, index) => {
    const own = shards.slice(index, index + 1);
    const which = own[0]?.which ?? "";
    const sentinels = shard.kind === "server" ? [] : shard.sentinels.map((sentinel) => ({
      tried: "sentinel" as const,
      async run() {
        await askSentinel(sentinel, shard.name, clock);
        return "A Sentinel that knows the primary";
      },
    }));
    return {
      asked: sentinels,
      shards: own,
      nameAsked: (numbers) =>
        nameOf("Sentinel", numbers, sentinels.length) + (which === "" ? "" : ` of ${which}`),
      nameShards: () => which,
    };
  });
}

function nameOf(what: string, numbers: readonly number[], count: number): string {
  if (numbers.length === 1) return `${what} ${numbers[0]} of ${count}`;
  return numbers.length === count
    ? `${count} ${what}s`
    : `${what}s ${numbers.join(", ")} of ${count}`;
}

async function checkTarget(target: Target, prefix: string): Promise<readonly RedisCheck[]> {
  const outcomes = (attempts: readonly Attempt[]) =>
    Promise.all(attempts.map((attempt) => outcomeOf(attempt, prefix)));
  const [asked, shards] = await Promise.all([outcomes(target.asked), outcomes(target.shards)]);
  const checks = summarize(asked, target.nameAsked);
  // Where nobody says where a shard is, that is the only fault.
  if (asked.length > 0 && asked.every(({ kind }) => kind !== "works")) return checks;
  return [...checks, ...summarize(shards, target.nameShards)];
}

/** One check for all outcomes that are the same but for their times. */
function summarize(
  outcomes: readonly Outcome[],
  nameNumbers: (numbers: readonly number[]) => string,
): RedisCheck[] {
  const groups = Map.groupBy(
    outcomes.entries(),
    ([, { kind, message }]) => kind === "works" ? kind : message,
  );
  return [...groups.values()].flatMap((group) => {
    const shown = group.find(([, { message }]) => message.includes(". ")) ?? group[0];
    const which = nameNumbers(group.map(([index]) => index + 1));
    return shown === undefined ? [] : [{ ...shown[1], which }];
  });
}

async function outcomeOf({ tried, run }: Attempt, prefix: string): Promise<Outcome> {
  try {
    return { kind: "works", message: await run() };
  } catch (error) {
    const text = String(error);
    const kind = isForbidden(text) ? "no-permission" : "fails";
    return { kind, message: triedProblem(tried, text, prefix) };
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
