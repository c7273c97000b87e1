// deno-lint-ignore-file no-console
/**
 * A real run of what the model predicts, as large as two cores allow: two instances, a Redis and
 * clients that come, meet and leave; then one instance is killed, and its clients come back to the
 * other. The model gets what the run was told to do, not what it did.
 */

import { STALLED_MS } from "../../src/cluster/redis/client.ts";
import { RedisKeys } from "../../src/cluster/redis/keys.ts";
import { REINTRODUCE_AFTER_MS } from "../../src/rooms/reintroductions.ts";
import { DEFAULTS } from "../../src/runtime/defaults.ts";
import { startRedis } from "../../tests/helpers/redis.ts";
import { Random } from "../../tests/helpers/random.ts";
import { residentKb } from "../load/process.ts";
import { type Behaviour, COMEBACK } from "./assumptions.ts";
import type { Costs } from "./costs.ts";
import { measureCpu } from "./cpu.ts";
import { comeBack, comebackOf, ghostsMs } from "./events.ts";
import { type Instance, startInstance } from "./fleet.ts";
import { type Deployment, steadyUse } from "./model.ts";
import { RespConnection } from "./resp.ts";
import { type Peer, Traffic } from "./traffic.ts";

/** The size of the run. */
export interface Run {
  readonly peers: number;
  /** Peers that leave in a second; as many come. */
  readonly visitsPerSecond: number;
  readonly steadyMs: number;
  readonly afterKillMs: number;
}

/** As large as two cores allow beside the clients. */
export const FULL_RUN: Run = {
  peers: 2400,
  visitsPerSecond: 40,
  steadyMs: 25_000,
  afterKillMs: 12_000,
};

/** Enough to see that it works. */
export const QUICK_RUN: Run = { peers: 24, visitsPerSecond: 20, steadyMs: 300, afterKillMs: 5000 };

const PEERS_PER_ROOM = 4;
const MESSAGES_PER_MEETING = 12;
const REINTRODUCE_SECONDS = 10;
const FILL_PER_SECOND = 150;

/** Of the clients of the instance that is killed, so many never come back. */
const GHOST_SHARE = 0.05;

/** A newcomer comes so many visits after one of its room has left, so that it does not list that. */
const VISITS_BETWEEN = 5;

/** What can be predicted and measured. */
export const FIGURES = {
  instanceCpu: "CPU of each instance, ms a second",
  redisCpu: "CPU of Redis, ms a second",
  instanceMb: "memory of an instance, MB",
  redisMb: "memory of Redis, MB",
  killInstanceMs: "after a kill: CPU of the other instance, ms",
  killRedisMs: "after a kill: CPU of Redis, ms",
  allBackMs: "after a kill: until all are back, ms",
  wholeMs: "after a kill: until the others are removed, ms",
} as const;

/** One number for each. */
export type Figures = Readonly<Record<keyof typeof FIGURES, number>>;

/** What the model says of a run. */
export function predict(run: Run, costs: Costs): Figures {
  const { peers, visitsPerSecond, afterKillMs } = run;
  const deployment: Deployment = {
    peers,
    instances: 2,
    shards: 1,
    reintroduceSeconds: REINTRODUCE_SECONDS,
  };
  const behaviour: Behaviour = {
    visitSeconds: peers / visitsPerSecond,
    connectionSeconds: Infinity,
    peersPerRoom: PEERS_PER_ROOM,
    messagesPerMeeting: MESSAGES_PER_MEETING,
  };
  const use = steadyUse(deployment, behaviour, costs);
  const silent = { ...behaviour, visitSeconds: Infinity };
  const left = { ...deployment, instances: 1 };
  const after = steadyUse(left, silent, costs);
  const clients = peers / 2 * (1 - GHOST_SHARE);
  const comeback = comebackOf(left, silent, costs, { clients, instances: 1, closedOverMs: 0 });
  // Their names are still in use, by themselves; that is published to their old instance, too.
  const storm = comeBack({
    ...comeback,
    maxPending: Infinity,
    cost: {
      instance: comeback.cost.instance,
      redis: comeback.cost.redis + costs.redisTakeover + costs.redisEvent,
    },
  });
  const stages = REINTRODUCE_AFTER_MS.filter((ms) => ms + COMEBACK.firstMs < afterKillMs).length;
  // All of a room come back together, so that each but the largest id gets one list at each time.
  const lists = stages * peers / PEERS_PER_ROOM * (PEERS_PER_ROOM - 1);
  const seconds = afterKillMs / 1000;
  const reapUs = peers / PEERS_PER_ROOM * GHOST_SHARE * costs.redisReapRoom;
  return {
    instanceCpu: use.instance.cpu * 1000,
    redisCpu: use.redis.cpu * 1000,
    instanceMb: use.instance.memoryMb,
    redisMb: use.redis.memoryMb,
    killInstanceMs: after.instance.cpu * 1000 * seconds + storm.instanceMs +
      (lists * costs.list + (peers / 2 + clients) * costs.collectPeer) / 1000,
    killRedisMs: after.redis.cpu * 1000 * seconds + storm.redisMs + reapUs / 1000,
    allBackMs: storm.allBackMs,
    wholeMs: Math.max(ghostsMs(reapUs).mid, storm.allBackMs),
  };
}

/** Runs it. */
export async function measureRun(run: Run): Promise<Figures> {
  await using redis = await startRedis();
  const env = {
    REINTRODUCE_SECONDS: String(REINTRODUCE_SECONDS),
    // A few clients more or less at once would decide whether all are back after two seconds or four.
    MAX_PENDING_CONNECTIONS: "0",
  };
  await using a = await startInstance(redis.url, env);
  await using b = await startInstance(redis.url, env);
  const city = new Population(run, [a, b]);
  await city.fill();
  const { traffic } = city;
  const control = new RespConnection(traffic.sockets, Number(new URL(redis.url).port));
  const steady = measureCpu([a.pid, b.pid, redis.pid]);
  city.live();
  const seconds = run.steadyMs / 1000;
  const [ofA = 0, ofB = 0, ofRedis = 0] = steady().map((us) => us / 1000 / seconds);
  const [, usedBytes] = /used_memory:(\d+)/.exec(control.ask("INFO", "memory")) ?? [];
  const instanceMb = (residentKb(a.pid) + residentKb(b.pid)) / 2 / 1024;

  const after = measureCpu([a.pid, redis.pid]);
  const killed = performance.now();
  await b.kill();
  const { allBackMs, wholeMs } = city.comeBack(a, control, killed);
  const [killInstanceUs = 0, killRedisUs = 0] = after();
  if (traffic.problems.size > 0) console.error([...traffic.problems.entries()]);
  return {
    instanceCpu: (ofA + ofB) / 2,
    redisCpu: ofRedis,
    instanceMb,
    redisMb: Number(usedBytes) / 2 ** 20,
    killInstanceMs: killInstanceUs / 1000,
    killRedisMs: killRedisUs / 1000,
    allBackMs,
    wholeMs,
  };
}

/** The clients of a run. */
class Population {
  readonly traffic = new Traffic();
  readonly #run: Run;
  readonly #instances: readonly Instance[];
  readonly #random = new Random(1);
  readonly #present: Peer[] = [];
  readonly #newcomers: Peer[] = [];
  /** Whose place each newcomer gets. */
  #leaving: number[] = [];

  constructor(run: Run, instances: readonly Instance[]) {
    this.#run = run;
    this.#instances = instances;
  }

  /** Lets all come, one after the other. */
  async fill(): Promise<void> {
    const { peers, visitsPerSecond, steadyMs } = this.#run;
    const rooms = peers / PEERS_PER_ROOM;
    for (let n = 0; n < peers; n++) this.#present.push(await this.#peer(n % rooms));
    const visits = Math.round(visitsPerSecond * steadyMs / 1000);
    const leaving = Array.from({ length: visits }, () => this.#random.int(peers));
    for (let n = 0; n < visits; n++) {
      this.#newcomers.push(await this.#peer((leaving[n] ?? 0) % rooms));
    }
    this.#leaving = leaving;
    this.traffic.pace(FILL_PER_SECOND, peers, (n) => this.#join(this.#present[n]));
    this.traffic.until(() => this.#present.every(({ hasJoined }) => hasJoined), "all to join");
    this.traffic.wait(1000);
  }

  /** Lets some leave and as many come. */
  live(): void {
    const { visitsPerSecond } = this.#run;
    const visits = this.#newcomers.length;
    const startedAt = performance.now();
    this.traffic.pace(visitsPerSecond, visits + VISITS_BETWEEN, (n) => {
      const place = this.#leaving[n];
      if (place !== undefined) this.#present[place]?.leave();
      const newcomer = this.#newcomers[n - VISITS_BETWEEN];
      if (newcomer === undefined) return;
      this.#present[this.#leaving[n - VISITS_BETWEEN] ?? -1] = newcomer;
      this.#join(newcomer);
    });
    this.traffic.wait(Math.max(this.#run.steadyMs - (performance.now() - startedAt), 0));
  }

  /** Lets the clients of the instance that was killed come back to another. */
  comeBack(
    other: Instance,
    control: RespConnection,
    killedAt: number,
  ): { allBackMs: number; wholeMs: number } {
    const lost = this.#present.filter(({ instance }) => instance !== other);
    const ghosts = Math.round(lost.length * GHOST_SHARE);
    let [allBackMs, wholeMs, waiting] = [NaN, NaN, lost.length - ghosts];
    const due: { at: number; peer: Peer }[] = lost.slice(ghosts).map((peer) => ({
      at: COMEBACK.firstMs + this.#random.int(COMEBACK.jitterMs),
      peer: this.traffic.comingBack(peer, other),
    })).sort((one, two) => one.at - two.at);
    const instances = new RedisKeys(DEFAULTS.redisPrefix).instances;
    let askedAt = 0;
    const end = this.#run.afterKillMs;
    for (let now = 0; now < end; now = performance.now() - killedAt) {
      while (due[0] !== undefined && due[0].at <= now) {
        due.shift()?.peer.join((isIn) => {
          if (isIn && --waiting === 0) allBackMs = performance.now() - killedAt;
        });
      }
      if (Number.isNaN(wholeMs) && now > STALLED_MS && now - askedAt > 50) {
        askedAt = now;
        if (control.ask("ZCARD", instances).startsWith(":1")) wholeMs = now;
      }
      this.traffic.sockets.poll(5);
    }
    return { allBackMs, wholeMs };
  }

  async #peer(room: number): Promise<Peer> {
    const instance = this.#random.pick(this.#instances);
    const name = `room-${String(room).padStart(15, "0")}`;
    const peer = await this.traffic.peer(instance, name, crypto.randomUUID());
    this.traffic.answerOffers(peer, MESSAGES_PER_MEETING);
    peer.onEnd = () => {};
    return peer;
  }

  #join(peer: Peer | undefined): void {
    peer?.join((isIn) => {
      peer.hasJoined = isIn;
      if (isIn) this.traffic.meetAll(peer, MESSAGES_PER_MEETING);
    });
  }
}
