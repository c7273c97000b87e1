/**
 * Measures the costs: instances and a Redis of their own do one thing at a time, with other work at
 * hand (a closed loop) and without (at a low rate). What is measured at two degrees of use gives what an
 * operation costs a busy process, and what waking costs.
 */

import { RedisKeys } from "../../src/cluster/redis/keys.ts";
import { storeRevocationsCall } from "../../src/cluster/redis/scripts/revocations.ts";
import { DEFAULTS } from "../../src/runtime/defaults.ts";
import { AUDIT_MS, MIN_PART } from "../../src/cluster/auditor.ts";
import { startRedis } from "../../tests/helpers/redis.ts";
import { cpuMs, residentKb } from "../load/process.ts";
import { BURST } from "./assumptions.ts";
import { type Costs, forEachCost, rangeOf } from "./costs.ts";
import { measureCpu } from "./cpu.ts";
import { type Instance, startInstance } from "./fleet.ts";
import { measureRedis, type RedisCosts, type RedisEffort } from "./redis_costs.ts";
import { encodeCall, RespConnection } from "./resp.ts";
import { meetingFrames, type Peer, Traffic } from "./traffic.ts";

/** How much is measured: the less, the noisier. */
export interface Effort {
  /** Clients that join at once, and again at a low rate. */
  readonly joins: number;
  /** Milliseconds of relaying of each kind. */
  readonly relayMs: number;
  /** Idle peers of each instance, and how long they are watched. */
  readonly idlePeers: number;
  readonly idleMs: number;
  readonly redis: RedisEffort;
}

/** Enough for figures that can be stored. */
export const FULL: Effort = {
  joins: 1200,
  relayMs: 4000,
  idlePeers: 2000,
  idleMs: 30_000,
  redis: { idleMs: 5000, publishes: 40_000, rooms: 400, revocations: 20_000 },
};

/** Enough to see that it works. */
export const QUICK: Effort = {
  joins: 20,
  relayMs: 50,
  idlePeers: 20,
  idleMs: 200,
  redis: { idleMs: 200, publishes: 400, rooms: 50, revocations: 200 },
};

/** In a second: all have left before the server sends lists to those that have made no offer. */
const PACED_JOINS = 100;
const MAX_PACED_JOINS = 250;
const PACED_MESSAGES = 600;
const PER_ROOM = 10;
const PAIRS = 50;
const AT_ONCE = 64;
/** V8 collects all garbage some 8 s after much has been done. */
const COLLECT_MS = 10_000;
const FAST_LISTS_SECONDS = 10;

/** Work and waking of one operation, in microseconds. */
interface Cost {
  readonly work: number;
  readonly wake: number;
}

/** CPU for each operation, and the share of a core that was used meanwhile. */
interface Measured {
  readonly each: number;
  readonly used: number;
}

/**
 * What an operation costs a busy process, and waking: by the formula of `utilization` in `model.ts`, an
 * operation that comes at a low rate finds the process asleep for the share of time that it sleeps.
 */
export function costOf(busy: Measured, paced: Measured): Cost {
  const wake = (paced.each - busy.each) / Math.max(1 - paced.used, 0.1);
  return { work: busy.each, wake: Math.max(wake, 0) };
}

/** Measures everything once. */
export async function measureCosts(effort: Effort): Promise<Costs> {
  const redisCosts = await measureRedis(effort.redis);
  await using redis = await startRedis();
  const lists = (seconds: number) => ({ REINTRODUCE_SECONDS: String(seconds) });
  await using a = await startInstance(redis.url, lists(FAST_LISTS_SECONDS));
  await using b = await startInstance(redis.url, lists(0));
  await using alone = await startInstance("", lists(0));
  const bench = new Bench({ a, b, alone, redis: redis.url, redisPid: redis.pid }, effort);
  const figures = await bench.measure();
  if (bench.traffic.problems.size > 0) {
    throw new Error([...bench.traffic.problems.keys()].join("; "));
  }
  const costs: Costs = { ...redisCosts, ...figures };
  return forEachCost((name) => Math.max(costs[name], 0)); // Less is noise.
}

interface Fleet {
  readonly a: Instance;
  readonly b: Instance;
  readonly alone: Instance;
  readonly redis: string;
  readonly redisPid: number;
}

type InstanceCosts = Omit<Costs, keyof RedisCosts>;

class Bench {
  readonly traffic = new Traffic();
  readonly #fleet: Fleet;
  readonly #effort: Effort;
  #rooms = 0;
  /** What each instance uses in a second without peers, in microseconds. */
  #idleUse = new Map<Instance, number>();
  #redisSecond = 0;

  constructor(fleet: Fleet, effort: Effort) {
    this.#fleet = fleet;
    this.#effort = effort;
  }

  async measure(): Promise<InstanceCosts> {
    const { a, b, alone } = this.#fleet;
    const all = [a, b, alone];
    await this.#warmUp(all);
    const memory = all.map(({ pid }) => residentKb(pid));
    const seconds = this.#effort.idleMs / 4000;
    const redis = measureCpu([this.#fleet.redisPid]);
    const start = this.#spent(all, () => this.traffic.wait(this.#effort.idleMs / 4));
    this.#redisSecond = (redis()[0] ?? 0) / seconds;
    const [second = 0, connected = 0] = [start[2], ((start[0] ?? 0) + (start[1] ?? 0)) / 2]
      .map((spent = 0) => spent / seconds);
    const backplaneSecond = connected - second;
    this.#idleUse = new Map([[a, connected], [b, connected], [alone, second]]);
    const idle = await this.#idle({ second, backplaneSecond, memory });

    const withRedis = await this.#joins(a, b, 1);
    const without = await this.#joins(alone, undefined, 1);
    const relay = await this.#relay(a, a);
    const across = await this.#relay(a, b);
    const revocations = await this.#revocations();
    const endKb = (residentKb(a.pid) + residentKb(b.pid)) / 2;
    const peersKb = this.#effort.idlePeers * (idle.peerKb + idle.remotePeerKb);
    return {
      ...{ second, backplaneSecond, ...idle, ...revocations },
      redisMessage: across.redis,
      ...{ join: withRedis.join.work, joinWake: withRedis.join.wake },
      claim: withRedis.join.work - without.join.work,
      trafficKb: endKb - idle.emptyKb - peersKb,
      ...{ leave: withRedis.leave.work, leaveWake: withRedis.leave.wake },
      ...{ event: withRedis.event.work, eventWake: withRedis.event.wake },
      ...{ relay: relay.sender.work, relayWake: relay.sender.wake },
      ...{ send: across.sender.work, sendWake: across.sender.wake },
      ...{ receive: across.receiver.work, receiveWake: across.receiver.wake },
    };
  }

  /** Lets V8 compile what is about to be measured. */
  async #warmUp(instances: readonly Instance[]): Promise<void> {
    const { traffic } = this;
    for (const instance of instances) {
      const room = this.#room();
      const peers = await Promise.all(
        Array.from({ length: PAIRS }, (_, n) => traffic.peer(instance, room, `p${n}`)),
      );
      for (const peer of peers) traffic.answerOffers(peer, 12);
      traffic.joinAll(peers, AT_ONCE);
      for (const peer of peers) traffic.meetAll(peer, 12);
      traffic.wait(1000);
      traffic.leaveAll(peers);
    }
    traffic.wait(1000);
  }

  /** Microseconds of CPU of instances while something runs. */
  #spent(instances: readonly Instance[], run: () => void): number[] {
    const cpu = measureCpu(instances.map(({ pid }) => pid));
    run();
    return cpu();
  }

  #measured(
    [who, other]: readonly [Instance, Instance | undefined],
    count: number,
    run: () => void,
  ): [Measured, Measured] {
    const startedAt = performance.now();
    const spent = this.#spent(other ? [who, other] : [who], run);
    const tookUs = (performance.now() - startedAt) * 1000;
    const of = (instance: Instance | undefined, us = 0): Measured => {
      const idleUs = (instance ? this.#idleUse.get(instance) ?? 0 : 0) * tookUs / 1e6;
      return { each: Math.max(us - idleUs, 0) / count, used: Math.min(us / tookUs, 1) };
    };
    return [of(who, spent[0]), of(other, spent[1])];
  }

  /** Joins and leaves of an instance, and what another one with a peer in each room receives. */
  async #joins(
    instance: Instance,
    listener: Instance | undefined,
    part: number,
  ): Promise<{ join: Cost; leave: Cost; event: Cost }> {
    const { traffic } = this;
    const measure = async (count: number, isPaced: boolean) => {
      const rooms = Array.from({ length: Math.ceil(count / PER_ROOM) }, () => this.#room());
      const listeners = listener
        ? await Promise.all(rooms.map((room) => traffic.peer(listener, room, "z")))
        : [];
      traffic.joinAll(listeners, AT_ONCE);
      const peers: Peer[] = [];
      for (let n = 0; n < count; n++) {
        peers.push(await traffic.peer(instance, rooms[n % rooms.length] ?? "", `p${n}`));
      }
      const joins = this.#measured([instance, listener], count, () => {
        if (!isPaced) return traffic.joinAll(peers, AT_ONCE);
        let joined = 0;
        traffic.pace(PACED_JOINS, count, (n) => peers[n]?.join(() => joined++));
        traffic.until(() => joined === count, "clients to join");
      });
      traffic.wait(200);
      const leaves = this.#measured([instance, listener], count, () => {
        if (!isPaced) traffic.leaveAll(peers);
        else traffic.pace(PACED_JOINS, count, (n) => peers[n]?.leave());
        traffic.wait(100);
      });
      traffic.leaveAll(listeners);
      traffic.wait(100);
      return { joins, leaves };
    };
    const count = Math.ceil(this.#effort.joins / part);
    const busy = await measure(count, false);
    const paced = await measure(Math.min(Math.ceil(count / 3), MAX_PACED_JOINS), true);
    const events = (at: typeof busy): Measured => {
      const [joins, leaves] = [at.joins[1], at.leaves[1]];
      return { each: (joins.each + leaves.each) / 2, used: (joins.used + leaves.used) / 2 };
    };
    return {
      join: costOf(busy.joins[0], paced.joins[0]),
      leave: costOf(busy.leaves[0], paced.leaves[0]),
      event: costOf(events(busy), events(paced)),
    };
  }

  /** Messages from peers of one instance to peers of another, or of the same. */
  async #relay(
    from: Instance,
    to: Instance,
  ): Promise<{ sender: Cost; receiver: Cost; redis: number }> {
    const { traffic } = this;
    const pairs: [Peer, Peer][] = [];
    for (let n = 0; n < PAIRS; n++) {
      const room = this.#room();
      pairs.push([await traffic.peer(from, room, "a"), await traffic.peer(to, room, "b")]);
    }
    traffic.joinAll(pairs.flat(), AT_ONCE);
    traffic.wait(300);
    const frames = meetingFrames("a", "b", 12);
    let isOpen = false;
    let [sent, arrived] = [0, 0];
    const send = (peer: Peer | undefined) => {
      const frame = frames[sent % frames.length];
      sent++;
      if (frame !== undefined) peer?.send(frame);
    };
    for (const [a, b] of pairs) {
      b.onText = () => {
        arrived++;
        if (isOpen) send(a);
      };
    }
    const other = from === to ? undefined : to;
    const run = (act: () => void) => {
      const before = arrived;
      let spent: [Measured, Measured] = this.#measured([from, other], 1, () => {
        act();
        isOpen = false;
        traffic.until(() => arrived === sent, "messages to arrive");
      });
      const count = arrived - before;
      spent = [
        { ...spent[0], each: spent[0].each / count },
        { ...spent[1], each: spent[1].each / count },
      ];
      return spent;
    };
    const busyRun = () => {
      isOpen = true;
      for (const [a] of pairs) send(a);
      traffic.wait(this.#effort.relayMs / 2);
    };
    const pacedRun = () => {
      const count = Math.ceil(PACED_MESSAGES / BURST * this.#effort.relayMs / 1000);
      traffic.pace(PACED_MESSAGES / BURST, count, (n) => {
        for (let m = 0; m < BURST; m++) send(pairs[n % PAIRS]?.[0]);
      });
    };
    const firstBusy = run(busyRun);
    const redis = measureCpu([this.#fleet.redisPid]);
    const sentBefore = sent;
    const startedAt = performance.now();
    const firstPaced = run(pacedRun);
    const [redisUs = 0] = redis();
    const relayed = sent - sentBefore;
    const idleUs = this.#redisSecond * (performance.now() - startedAt) / 1000;
    const found = [firstBusy, firstPaced, run(busyRun), run(pacedRun)] as const;
    traffic.leaveAll(pairs.flat());
    const both = (n: 0 | 1) =>
      costOf(mean(found[0][n], found[2][n]), mean(found[1][n], found[3][n]));
    return { sender: both(0), receiver: both(1), redis: (redisUs - idleUs) / relayed };
  }

  /** Peers that do nothing: those of `a` get lists and are listed, those of `b` are alone in lists. */
  async #idle(
    { second, backplaneSecond, memory }: {
      second: number;
      backplaneSecond: number;
      memory: readonly number[];
    },
  ): Promise<
    Pick<
      Costs,
      "collectPeer" | "peerSecond" | "auditUnit" | "list" | "emptyKb" | "peerKb" | "remotePeerKb"
    >
  > {
    const { a, b, alone } = this.#fleet;
    const { idlePeers, idleMs } = this.#effort;
    const { traffic } = this;
    const all = [a, b, alone];
    const pairs: [Peer, Peer, Peer][] = [];
    for (let n = 0; n < idlePeers; n++) {
      const room = this.#room();
      pairs.push([
        await traffic.peer(a, room, "a"),
        await traffic.peer(b, room, "b"),
        await traffic.peer(alone, room, "c"),
      ]);
    }
    traffic.joinAll(pairs.flat(), AT_ONCE);
    for (const [one, other] of pairs) {
      traffic.answerOffers(one, 2);
      traffic.meetAll(other, 2);
    }
    traffic.wait(Math.min(3000, idleMs)); // Until what is left of the joins has been done.
    const grown = all.map(({ pid }, n) => residentKb(pid) - (memory[n] ?? 0));
    const collectMs = Math.min(COLLECT_MS, idleMs);
    const collecting = this.#spent(all, () => traffic.wait(collectMs));
    const spent = this.#spent(all, () => traffic.wait(idleMs));
    traffic.leaveAll(pairs.flat());
    const [ofA = 0, ofB = 0, ofAlone = 0] = spent.map((us) => us * 1000 / idleMs);
    // No client is pinged yet.
    const collected = (collecting[2] ?? 0) - second * collectMs / 1000;
    const listsPerSecond = idlePeers / FAST_LISTS_SECONDS;
    const [kbA = 0, kbB = 0, kbAlone = 0] = grown.map((kb) => kb / idlePeers);
    return {
      collectPeer: collected / idlePeers,
      peerSecond: (ofAlone - second) / idlePeers,
      auditUnit: (ofB - ofAlone - backplaneSecond) / (MIN_PART * 1000 / AUDIT_MS),
      list: (ofA - ofB) / listsPerSecond,
      emptyKb: rangeOf(memory.slice(0, 2)).mid,
      peerKb: kbAlone,
      remotePeerKb: (kbA + kbB) / 2 - kbAlone,
    };
  }

  /** What reading revocations costs an instance that starts. */
  async #revocations(): Promise<Pick<Costs, "revocation" | "revocationKb">> {
    const { redis } = this.#fleet;
    const count = this.#effort.redis.revocations;
    const start = async () => {
      await using instance = await startInstance(redis);
      this.traffic.wait(300);
      return { spent: cpuMs(instance.pid) * 1000, kb: residentKb(instance.pid) };
    };
    const before = await start();
    this.#storeRevocations(Number(new URL(redis).port), count);
    const after = await start();
    return {
      revocation: (after.spent - before.spent) / count,
      revocationKb: (after.kb - before.kb) / count,
    };
  }

  #storeRevocations(port: number, count: number): void {
    const connection = new RespConnection(this.traffic.sockets, port);
    const keys = new RedisKeys(DEFAULTS.redisPrefix);
    const expiresAt = Date.now() + 3_600_000;
    let hash: string | undefined;
    for (let n = 0; n < count; n += 100) {
      const page = Array.from({ length: 100 }, (_, index) => ({
        kind: "token" as const,
        jti: `revoked-${String(n + index).padStart(14, "0")}`,
        expiresAt,
      }));
      const call = storeRevocationsCall(keys, page, Date.now());
      hash ??= connection.ask("SCRIPT", "LOAD", call.script).split("\r\n")[1] ?? "";
      let isStored = false;
      connection.onReply = () => isStored = true;
      connection.send(encodeCall(call, hash));
      this.traffic.until(() => isStored, "revocations to be stored");
    }
    connection.close();
  }

  #room(): string {
    return `room-${String(this.#rooms++).padStart(15, "0")}`;
  }
}

function mean(one: Measured, other: Measured): Measured {
  return { each: (one.each + other.each) / 2, used: (one.used + other.used) / 2 };
}
