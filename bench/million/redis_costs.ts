/**
 * What commands cost Redis: those of this server, sent from many connections with one under way on
 * each, as many instances send them.
 */

import { RedisKeys } from "../../src/cluster/redis/keys.ts";
import { encodeEnvelope } from "../../src/cluster/redis/messages.ts";
import { auditCall } from "../../src/cluster/redis/scripts/audit.ts";
import { heartbeatCall } from "../../src/cluster/redis/scripts/heartbeat.ts";
import { joinCall } from "../../src/cluster/redis/scripts/join.ts";
import { leaveCall } from "../../src/cluster/redis/scripts/leave.ts";
import { reapCall, REAPED_ROOMS } from "../../src/cluster/redis/scripts/reap.ts";
import {
  loadRevocationsCall,
  storeRevocationsCall,
} from "../../src/cluster/redis/scripts/revocations.ts";
import type { ScriptCall } from "../../src/cluster/redis/scripts/shared.ts";
import { startRedis } from "../../tests/helpers/redis.ts";
import { Sockets } from "../load/tcp.ts";
import { type Costs, rangeOf } from "./costs.ts";
import { measureCpu } from "./cpu.ts";
import { encodeCall, encodeCommand, RespConnection } from "./resp.ts";
import { frameFor } from "./traffic.ts";

const INSTANCES = 40;
const PIPELINE = 64;
const PARTS = 4;
const PER_ROOM = 8;
const NO_LIMITS = {
  maxPeersPerRoom: Infinity,
  maxConsumersPerRoom: Infinity,
  maxConsumersPerIdentity: Infinity,
};

/** Long enough between two commands for Redis to sleep, and for the caches of the CPU to forget it. */
const PACED_MS = 4;

/** How much is sent: the fewer, the noisier. */
export interface RedisEffort {
  /** How long it is watched without a connection. */
  readonly idleMs: number;
  readonly publishes: number;
  readonly rooms: number;
  readonly revocations: number;
}

/** The costs that are measured without an instance. */
export type RedisCosts = Omit<
  Pick<Costs, Extract<keyof Costs, `redis${string}`>>,
  "redisMessage"
>;

/** Measures a Redis of its own. */
export async function measureRedis(effort: RedisEffort): Promise<RedisCosts> {
  await using redis = await startRedis();
  const idle = measureCpu([redis.pid]);
  await new Promise((resolve) => setTimeout(resolve, effort.idleMs));
  const [idleUs = NaN] = idle();
  const load = new RedisLoad(Number(new URL(redis.url).port), redis.pid);
  try {
    return { redisSecond: idleUs * 1000 / effort.idleMs, ...load.measure(effort) };
  } finally {
    load.close();
  }
}

/** What Redis uses, in KB. */
interface RedisMemory {
  readonly usedKb: number;
  /** The same without its clients. */
  readonly dataKb: number;
}

class RedisLoad {
  readonly #keys = new RedisKeys("bench:");
  readonly #sockets = new Sockets();
  readonly #pid: number;
  readonly #control: RespConnection;
  readonly #senders: readonly RespConnection[];
  readonly #receivers: readonly RespConnection[];
  readonly #hashes = new Map<string, string>();
  readonly #unusedKb: number;

  constructor(port: number, pid: number) {
    this.#pid = pid;
    const connect = () => new RespConnection(this.#sockets, port);
    this.#control = connect();
    this.#unusedKb = this.#memory().usedKb;
    this.#senders = Array.from({ length: INSTANCES }, connect);
    this.#receivers = Array.from({ length: INSTANCES }, connect);
    this.#receivers.forEach((receiver, n) =>
      receiver.ask("SUBSCRIBE", this.#keys.channel(instanceName(n)))
    );
  }

  close(): void {
    for (const connection of [this.#control, ...this.#senders, ...this.#receivers]) {
      connection.close();
    }
  }

  measure({ publishes, rooms, revocations }: RedisEffort): Omit<RedisCosts, "redisSecond"> {
    const redisConnectionKb = (this.#memory().usedKb - this.#unusedKb) / (2 * INSTANCES);
    for (let n = 0; n < INSTANCES; n++) this.#run(this.#heartbeat(n, true));

    const publish = (n: number) => this.#publish(n);
    const published = this.#alternating({
      busy: () => this.#busy(publishes / PARTS, publish),
      pipelined: () => this.#busy(publishes / PARTS, publish, 2, PIPELINE),
    });

    let id = 0;
    const scripts = this.#alternating({
      busy: () => this.#busy(rooms, (n) => this.#join("busy", n, id++, 0)),
      paced: () => this.#paced(rooms / PARTS, (n) => this.#join("paced", n, id++, 0)),
    });

    const joins = rooms * PER_ROOM;
    const before = this.#memory().dataKb;
    const joinSame = this.#busy(joins, (n) => this.#join("same", n % rooms, n, 0));
    const withPeers = this.#memory().dataKb;
    const joinSpread = this.#busy(joins, (n) => this.#join("spread", n % rooms, n, n / rooms));
    const withSpread = this.#memory().dataKb;
    this.#busy(joins, (n) => this.#call(this.#joinCall(roomName("alone", n), n, 1)));
    const withAlone = this.#memory().dataKb;
    const again = this.#busy(joins, (n) => this.#join("same", n % rooms, n, 1));
    // The peers of a room: 1 event each if all are on one instance, else 1, 2 … for each in turn.
    const redisEvent = (joinSpread - joinSame) / ((PER_ROOM - 1) / 2);
    const [sameKb, spreadKb] = [(withPeers - before) / rooms, (withSpread - withPeers) / rooms];
    const aloneKb = (withAlone - withSpread) / joins;
    const redisPeerKb = (sameKb - aloneKb) / (PER_ROOM - 1);
    const redisPartKb = (spreadKb - sameKb) / (PER_ROOM - 1);

    // Audits are rare: each finds Redis asleep.
    const redisWake = scripts.paced - scripts.busy;
    const audit = (kind: string) => {
      const call = (n: number) => this.#call(this.#auditCall(kind, rooms, n));
      const each = this.#paced(Math.floor(rooms / ROOMS_IN_AUDIT), call);
      return (each - redisWake) / ROOMS_IN_AUDIT;
    };
    const audited = this.#alternating({ many: () => audit("spread"), one: () => audit("alone") });
    const redisAuditPeer = (audited.many - audited.one) / (PER_ROOM - 1);

    const beats = rooms * 4;
    const few = this.#busy(beats, () => this.#call(this.#heartbeat(0, false)));
    for (let n = INSTANCES; n < 10 * INSTANCES; n++) this.#run(this.#heartbeat(n, true));
    const many = this.#busy(beats, () => this.#call(this.#heartbeat(0, false)));
    const redisName = (many - few) / (9 * INSTANCES);

    const reaping = measureCpu([this.#pid]);
    while (this.#run(reapCall(this.#keys, instanceName(2))).startsWith(`:${REAPED_ROOMS}`));
    const [reaped = NaN] = reaping();
    const leaveSame = this.#busy(joins, (n) => this.#leave("same", n % rooms, n, 1));

    const redisRevocation = this.#revocations(revocations);
    this.#control.ask("FLUSHALL");

    return {
      redisWake,
      redisPublish: published.busy,
      redisPipelined: published.pipelined,
      redisJoin: joinSame - redisEvent,
      redisTakeover: Math.max(again - joinSame, 0),
      redisLeave: leaveSame,
      redisEvent,
      redisHeartbeat: few - redisName * INSTANCES,
      redisName,
      redisAuditRoom: audited.one - redisAuditPeer,
      redisAuditPeer,
      redisReapRoom: reaped / rooms,
      redisRevocation,
      redisEmptyKb: this.#memory().dataKb,
      redisConnectionKb,
      redisRoomKb: aloneKb - redisPeerKb - redisPartKb,
      redisPartKb,
      redisPeerKb,
    };
  }

  /** The medians of what is measured again and again in turn, since the machine is not always as busy. */
  #alternating<K extends string>(measures: Record<K, () => number>): Record<K, number> {
    const names = Object.keys(measures) as K[];
    const found = new Map<K, number[]>(names.map((name) => [name, []]));
    for (let part = 0; part < PARTS; part++) {
      for (const name of names) found.get(name)?.push(measures[name]());
    }
    return Object.fromEntries(
      names.map((name) => [name, rangeOf(found.get(name) ?? []).mid]),
    ) as Record<K, number>;
  }

  /** Microseconds of CPU for each command, with so many under way on each connection. */
  #busy(
    count: number,
    command: (n: number) => Uint8Array<ArrayBuffer>,
    connections = INSTANCES,
    underWay = 1,
  ): number {
    let [sent, replied] = [0, 0];
    const made = Array.from({ length: count }, (_, n) => command(n));
    const senders = this.#senders.slice(0, connections);
    const next = (sender: RespConnection) => {
      const bytes = made[sent++];
      if (bytes !== undefined) sender.send(bytes);
    };
    for (const sender of senders) {
      sender.onReply = (text) => {
        if (text.startsWith("-")) throw new Error(`Redis answered ${text}`);
        replied++;
        next(sender);
      };
    }
    const cpu = measureCpu([this.#pid]);
    for (let n = 0; n < underWay; n++) senders.forEach(next);
    while (replied < count) this.#sockets.poll(100);
    const [spent = NaN] = cpu();
    return spent / count;
  }

  /** The same for commands that find Redis asleep. */
  #paced(count: number, command: (n: number) => Uint8Array<ArrayBuffer>): number {
    let replied = 0;
    for (const sender of this.#senders) sender.onReply = () => replied++;
    const cpu = measureCpu([this.#pid]);
    for (let n = 0; n < count; n++) {
      this.#senders[n % INSTANCES]?.send(command(n));
      while (replied <= n) this.#sockets.poll(100);
      this.#sockets.poll(PACED_MS);
    }
    const [spent = NaN] = cpu();
    return spent / count;
  }

  #run(call: ScriptCall): string {
    const { script, keys, args } = call;
    const hash = this.#hashOf(script);
    return this.#control.ask("EVALSHA", hash, String(keys.length), ...keys, ...args);
  }

  #call(call: ScriptCall): Uint8Array<ArrayBuffer> {
    return encodeCall(call, this.#hashOf(call.script));
  }

  #hashOf(script: string): string {
    const known = this.#hashes.get(script);
    if (known !== undefined) return known;
    const hash = this.#control.ask("SCRIPT", "LOAD", script).split("\r\n")[1] ?? "";
    this.#hashes.set(script, hash);
    return hash;
  }

  #memory(): RedisMemory {
    const text = this.#control.ask("INFO", "memory");
    const kb = (name: string) => Number(new RegExp(`${name}:(\\d+)`).exec(text)?.[1]) / 1024;
    const usedKb = kb("used_memory");
    return { usedKb, dataKb: usedKb - kb("mem_clients_normal") };
  }

  #publish(n: number): Uint8Array<ArrayBuffer> {
    const [from, to] = [instanceName(n % INSTANCES), instanceName((n * 7 + 3) % INSTANCES)];
    const text = n % 6 === 0 ? SDP_TEXT : CANDIDATE_TEXT; // Two of twelve.
    const envelope = encodeEnvelope({
      room: roomName("same", n),
      type: "offer",
      from: peerId(n),
      sender: { instance: from, number: n },
      to: peerId(n + 1),
      target: { instance: to, number: n },
      text,
    }, n);
    return encodeCommand(["PUBLISH", this.#keys.channel(to), envelope]);
  }

  #heartbeat(n: number, isFirst: boolean): ScriptCall {
    const instance = instanceName(n);
    return heartbeatCall(this.#keys, { instance, isFirst, sentAt: n, cursor: "0" });
  }

  #joinCall(room: string, n: number, instance: number): ScriptCall {
    return joinCall(this.#keys, room, {
      id: peerId(n),
      instance: instanceName(instance),
      number: n,
      role: "normal",
      acceptsConsumers: true,
      consumerIdentity: "",
      joinedAt: 1_790_000_000_000,
    }, { mode: "join", limits: NO_LIMITS });
  }

  #join(kind: string, room: number, n: number, instance: number): Uint8Array<ArrayBuffer> {
    return this.#call(this.#joinCall(roomName(kind, room), n, Math.floor(instance)));
  }

  #leave(kind: string, room: number, n: number, instance: number): Uint8Array<ArrayBuffer> {
    const memberId = { instance: instanceName(instance), number: n };
    return this.#call(leaveCall(this.#keys, roomName(kind, room), peerId(n), memberId));
  }

  #auditCall(kind: string, rooms: number, n: number): ScriptCall {
    const instance = 1;
    const views = Array.from({ length: ROOMS_IN_AUDIT }, (_, index) => {
      const room = n * ROOMS_IN_AUDIT + index;
      const number = kind === "alone" ? room : instance * rooms + room;
      const members = [{ id: peerId(number), number, isRequired: true }];
      return { room: roomName(kind, room), members, others: undefined };
    });
    return auditCall(this.#keys, instanceName(instance), views);
  }

  /** Microseconds for each revocation that is read. */
  #revocations(count: number): number {
    const expiresAt = Date.now() + 86_400_000;
    for (let n = 0; n < count; n += 100) {
      const page = Array.from({ length: 100 }, (_, index) => ({
        kind: "token" as const,
        jti: `${peerId(n + index)}`.slice(0, 22),
        expiresAt,
      }));
      this.#run(storeRevocationsCall(this.#keys, page, Date.now()));
    }
    const cpu = measureCpu([this.#pid]);
    let cursor = "0";
    do {
      cursor = this.#run(loadRevocationsCall(this.#keys, cursor)).split("\r\n")[2] ?? "0";
    } while (cursor !== "0");
    const [spent = NaN] = cpu();
    return spent / count;
  }
}

const ROOMS_IN_AUDIT = 25;
const SDP_TEXT = textOf("offer");
const CANDIDATE_TEXT = textOf("candidate");

function textOf(kind: "offer" | "candidate"): string {
  return "x".repeat(frameFor(peerId(0), peerId(1), kind).length);
}

function instanceName(n: number): string {
  return `instance-${String(Math.floor(n) % 1000).padStart(4, "0")}`;
}

function roomName(kind: string, n: number): string {
  return `${kind}-room-${String(n).padStart(6, "0")}`;
}

function peerId(n: number): string {
  return `peer-${String(n).padStart(8, "0")}-0123-4567-89abcdef0123`;
}
