/**
 * What each operation costs: the names, what they mean, and the samples of a calibration as they are
 * stored in `costs.json`. What is done with them is decided by the model.
 */

import type { Range } from "./assumptions.ts";

/**
 * Every cost, with its meaning. CPU is in microseconds. `…Wake` is what an operation costs in addition
 * if the process sleeps when it arrives, and has to be woken: a busy process finds the next operation
 * without that.
 */
export const COST_NAMES = {
  second: "instance: each second",
  backplaneSecond: "instance: each second, for each Redis, without peers",
  peerSecond: "instance: each second of an idle peer (pings)",
  collectPeer: "instance: for each peer, when V8 collects garbage after many have come",
  auditUnit: "instance: a room or an own peer in an audit",
  list: "instance: a `peer-list` in turn",
  join: "instance: connecting with a new token, claiming the name, joining",
  joinWake: "",
  claim: "instance: of that, claiming the name",
  leave: "instance: a peer that leaves",
  leaveWake: "",
  event: "instance: a join or leave on another instance",
  eventWake: "",
  relay: "instance: a message within it",
  relayWake: "",
  send: "instance: a message to another instance",
  sendWake: "",
  receive: "instance: a message from another instance",
  receiveWake: "",
  revocation: "instance: a revocation that is read at the start",
  emptyKb: "instance: memory at the start, KB",
  peerKb: "instance: memory of a peer, KB",
  remotePeerKb: "instance: memory of a peer of another instance, KB",
  trafficKb: "instance: memory that traffic adds, KB",
  revocationKb: "instance: memory of a revocation, KB",
  redisSecond: "Redis: each second",
  redisWake: "Redis: a command that finds it asleep, in addition",
  redisMessage: "Redis: a message between instances, asleep, six at a time",
  redisPublish: "Redis: the same from many instances at once",
  redisPipelined: "Redis: the same if many come in one packet",
  redisJoin: "Redis: a join, without what it publishes",
  redisTakeover: "Redis: what a join costs in addition if the name is in use",
  redisLeave: "Redis: a leave, without what it publishes",
  redisEvent: "Redis: telling one instance of a join or leave",
  redisHeartbeat: "Redis: a heartbeat of an instance",
  redisName: "Redis: an instance in the reply to a heartbeat",
  redisAuditRoom: "Redis: a room in an audit",
  redisAuditPeer: "Redis: a peer of such a room",
  redisReapRoom: "Redis: removing a dead instance from a room",
  redisRevocation: "Redis: a revocation that is read",
  redisEmptyKb: "Redis: memory that stays when all have left, KB",
  redisConnectionKb: "Redis: memory of a connection, KB",
  redisRoomKb: "Redis: memory of a room, KB",
  redisPartKb: "Redis: memory of an instance in a room, KB",
  redisPeerKb: "Redis: memory of a peer, KB",
} as const;

/** The name of a cost. */
export type CostName = keyof typeof COST_NAMES;

/** One number for each cost. */
export type Costs = Readonly<Record<CostName, number>>;

/** What a calibration has found, a sample for each round. */
export interface Calibration {
  readonly date: string;
  readonly machine: string;
  readonly versions: string;
  readonly samples: Readonly<Record<CostName, readonly number[]>>;
}

const FILE = new URL("costs.json", import.meta.url);

function isCostName(name: string): name is CostName {
  return name in COST_NAMES;
}

/** The names of all costs. */
export const ALL_COSTS: readonly CostName[] = Object.keys(COST_NAMES).filter(isCostName);

/** The calibration that is stored in the tree. */
export async function storedCalibration(): Promise<Calibration> {
  return JSON.parse(await Deno.readTextFile(FILE));
}

/** Stores a calibration in the tree. */
export async function storeCalibration(calibration: Calibration): Promise<void> {
  await Deno.writeTextFile(FILE, `${JSON.stringify(calibration, null, 2)}\n`);
}

/** The least, the median and the greatest of some numbers. */
export function rangeOf(samples: readonly number[]): Range {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (share: number) => {
    const place = (sorted.length - 1) * share;
    const [below = NaN, above = NaN] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
    return below + (above - below) * (place - Math.floor(place));
  };
  return { low: at(0), mid: at(0.5), high: at(1) };
}

/** Something for each cost. */
export function forEachCost<T>(choose: (name: CostName) => T): Record<CostName, T> {
  return Object.fromEntries(ALL_COSTS.map((name) => [name, choose(name)])) as Record<CostName, T>;
}

/** The medians. */
export function medianCosts({ samples }: Pick<Calibration, "samples">): Costs {
  return forEachCost((name) => rangeOf(samples[name]).mid);
}
