/**
 * What happens when something goes wrong: clients come back all at once, a Redis is started again, an
 * instance starts with many revocations. Queues are computed in steps of 10 ms; the capacity for them
 * is what the steady state leaves.
 */

import { DEFAULT_LIMITS } from "../../src/access/limits.ts";
import { STALLED_MS } from "../../src/cluster/redis/client.ts";
import { HEARTBEAT_MS } from "../../src/cluster/redis/connection.ts";
import { MAX_SILENT_WITHOUT_SUBSCRIBER } from "../../src/cluster/redis/instance_watch.ts";
import { DEFAULTS } from "../../src/runtime/defaults.ts";
import { CLOSES_PER_SECOND } from "../../src/sessions/connections.ts";
import { type Behaviour, COMEBACK } from "./assumptions.ts";
import type { Costs } from "./costs.ts";
import { type Deployment, otherInstances, roomsOnOne, steadyUse } from "./model.ts";

const STEP_MS = 10;

/** What does not end within this is said to take this long, in milliseconds. */
export const GIVE_UP_MS = 120_000;

/** Clients that come back to those instances that are left. */
export interface Comeback {
  readonly clients: number;
  readonly instances: number;
  readonly shards: number;
  /** Over how long they were closed, in milliseconds: 0 if all at once. */
  readonly closedOverMs: number;
  /** The share of a core that each process already uses. */
  readonly used: { readonly instance: number; readonly redis: number };
  /** Microseconds of each instance and each shard for one client. */
  readonly cost: { readonly instance: number; readonly redis: number };
  /** What waking Redis costs, which is asleep for the rest of the time. */
  readonly redisWake: number;
  /** The same for one that is refused because too many are joining. */
  readonly refusalCost: number;
  readonly maxPending: number;
}

/** How a comeback went. */
export interface Outcome {
  /** Milliseconds until the last client has joined. */
  readonly allBackMs: number;
  /** Attempts that were refused with 503. */
  readonly refused: number;
  /** The longest time that a heartbeat waits in Redis, in milliseconds. */
  readonly heartbeatMs: number;
  /** Milliseconds of CPU of each instance and each shard. */
  readonly instanceMs: number;
  readonly redisMs: number;
}

/** Whether instances take Redis for dead, and become local. */
export function losesRedis({ heartbeatMs }: Pick<Outcome, "heartbeatMs">): boolean {
  return heartbeatMs > STALLED_MS;
}

/** Lets clients come back: first to an instance, which asks Redis, whose reply lets them in. */
export function comeBack(comeback: Comeback): Outcome {
  const {
    clients,
    instances,
    shards,
    closedOverMs,
    used,
    cost,
    refusalCost,
    maxPending,
    redisWake,
  } = comeback;
  const instanceBudget = STEP_MS * 1000 * (1 - used.instance);
  const redisBudget = STEP_MS * 1000 * (1 - used.redis);
  const arrivals = firstAttempts(clients / instances, closedOverMs);
  let [atInstance, atRedis, joined, refused, heartbeatMs, instanceUs, redisUs] = Array(7).fill(0);
  let at = 0;
  for (; at < GIVE_UP_MS && joined < clients / instances - 1e-6; at += STEP_MS) {
    if (atInstance + atRedis < 1e-9) at = Math.max(at, Math.min(...arrivals.keys()));
    let left = instanceBudget;
    for (const { count, attempt } of arrivals.get(at) ?? []) {
      const accepted = Math.min(count, Math.max(maxPending - atInstance - atRedis, 0));
      atInstance += accepted;
      if (accepted === count) continue;
      refused += count - accepted;
      left -= (count - accepted) * refusalCost;
      const waitMs = Math.min(COMEBACK.firstMs * 2 ** attempt, COMEBACK.maxMs);
      add(arrivals, at + waitMs, { count: count - accepted, attempt: attempt + 1 });
    }
    arrivals.delete(at);
    const asked = Math.min(atInstance, Math.max(left, 0) / cost.instance);
    const waiting = atRedis + asked;
    const replied = cost.redis === 0
      ? waiting
      : Math.min(waiting, redisBudget / cost.redis * shards / instances);
    atInstance -= asked;
    atRedis = waiting - replied;
    joined += replied;
    instanceUs += instanceBudget - left + asked * cost.instance;
    const workUs = replied * cost.redis * instances / shards;
    redisUs += workUs + replied * redisWake * instances / shards * (1 - workUs / redisBudget);
    const redisQueueUs = atRedis * cost.redis * instances / shards;
    heartbeatMs = Math.max(heartbeatMs, redisQueueUs / 1000 / (1 - used.redis));
  }
  return {
    allBackMs: at,
    refused: refused * instances,
    heartbeatMs,
    instanceMs: instanceUs / 1000,
    redisMs: redisUs / 1000,
  };
}

interface Group {
  readonly count: number;
  /** How many times they have tried before. */
  readonly attempt: number;
}

function firstAttempts(clients: number, closedOverMs: number): Map<number, Group[]> {
  const arrivals = new Map<number, Group[]>();
  const spreadMs = closedOverMs + COMEBACK.jitterMs;
  const steps = Math.ceil(spreadMs / STEP_MS);
  for (let step = 0; step < steps; step++) {
    const at = COMEBACK.firstMs + step * STEP_MS;
    add(arrivals, at, { count: clients / steps, attempt: 1 });
  }
  return arrivals;
}

function add(arrivals: Map<number, Group[]>, at: number, group: Group): void {
  const step = Math.ceil(at / STEP_MS) * STEP_MS;
  const there = arrivals.get(step);
  if (there === undefined) arrivals.set(step, [group]);
  else there.push(group);
}

/** Clients that come back to so many instances of a deployment. */
export function comebackOf(
  deployment: Deployment,
  behaviour: Behaviour,
  costs: Costs,
  { clients, instances, closedOverMs }: Pick<
    Comeback,
    "clients" | "instances" | "closedOverMs"
  >,
): Comeback {
  const use = steadyUse(deployment, behaviour, costs);
  const others = otherInstances(instances, behaviour.peersPerRoom - 1);
  return {
    clients,
    instances,
    closedOverMs,
    shards: deployment.shards,
    // A Redis that is behind finds many commands in one packet.
    used: { instance: Math.min(use.instance.cpu, 0.99), redis: Math.min(use.redis.atMost, 0.99) },
    cost: {
      instance: costs.join + others * costs.event,
      redis: costs.redisJoin + (1 + others) * costs.redisEvent,
    },
    redisWake: costs.redisWake,
    refusalCost: costs.join / 2, // As much as a connection without a session, at most.
    maxPending: DEFAULT_LIMITS.maxPendingConnections,
  };
}

/** The worst that can happen to a deployment. */
export interface Events {
  /** One instance is killed. */
  readonly kill: Outcome & { readonly wholeMs: number };
  /** One instance is stopped, its closes spread. */
  readonly drain: Outcome;
  /** Every client loses its connection at the same time. */
  readonly all: Outcome;
  /** The same without a limit of clients that are joining. */
  readonly allUnlimited: Outcome;
  /** Milliseconds until all instances have claimed all names again in a Redis that was started empty. */
  readonly reclaimMs: number;
}

/** What happens in each event. */
export function eventsOf(deployment: Deployment, behaviour: Behaviour, costs: Costs): Events {
  const { peers, instances, shards } = deployment;
  const own = peers / instances;
  const drainMs = Math.min(own * 1000 / CLOSES_PER_SECOND, DEFAULTS.drainSeconds * 1000);
  const comeback = (clients: number, left: number, closedOverMs = 0) =>
    comebackOf(deployment, behaviour, costs, { clients, instances: left, closedOverMs });
  const run = (...args: Parameters<typeof comeback>) => comeBack(comeback(...args));
  const kill = run(own, instances - 1);
  const ghostMs = ghostsMs(roomsOnOne(deployment, behaviour) / shards * costs.redisReapRoom);
  const others = otherInstances(instances, behaviour.peersPerRoom - 1);
  const claimRedisMs = peers / shards *
    (costs.redisJoin + (1 + others) * costs.redisEvent) / 1000;
  const claimInstanceMs = own * (costs.claim + others * costs.event) / 1000;
  return {
    kill: { ...kill, wholeMs: Math.max(kill.allBackMs, ghostMs.mid) },
    drain: run(own, instances - 1, drainMs),
    all: run(peers, instances),
    allUnlimited: comeBack({ ...comeback(peers, instances), maxPending: Infinity }),
    reclaimMs: Math.max(claimRedisMs, claimInstanceMs),
  };
}

/** When the peers of a killed instance have been removed whose clients do not come back. */
export function ghostsMs(reapUs: number): { low: number; mid: number; high: number } {
  // The first heartbeat without news comes within one of the last with news.
  const low = MAX_SILENT_WITHOUT_SUBSCRIBER * HEARTBEAT_MS + reapUs / 1000;
  return { low, mid: low + HEARTBEAT_MS / 2, high: low + HEARTBEAT_MS };
}

/** Milliseconds that an instance needs to read so many revocations when it starts. */
export function revocationsMs(entries: number, { revocation, redisRevocation }: Costs): number {
  return entries * (revocation + redisRevocation) / 1000;
}
