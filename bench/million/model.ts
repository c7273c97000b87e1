/**
 * What a deployment uses while nothing goes wrong: rates follow from what clients do and from the
 * server's own timers, and use is rate times cost. What happens when something goes wrong is in
 * `events.ts`. Rates are per second; all instances are alike, and so are all shards.
 */

import { encodeEnvelope, MESSAGE_KIND } from "../../src/cluster/redis/messages.ts";
import { AUDIT_MS, MIN_PART, PARTS } from "../../src/cluster/auditor.ts";
import { HEARTBEAT_MS } from "../../src/cluster/redis/connection.ts";
import { MARK_EVERY } from "../../src/cluster/redis/outbox.ts";
import { REINTRODUCE_AFTER_MS } from "../../src/rooms/reintroductions.ts";
import { DEFAULTS } from "../../src/runtime/defaults.ts";
import {
  type Behaviour,
  BURST,
  BYTES,
  MIN_INSTANCES,
  PEERS_PER_INSTANCE,
  SDP_MESSAGES,
} from "./assumptions.ts";
import type { Costs } from "./costs.ts";

/** What is deployed, and for how many. */
export interface Deployment {
  readonly peers: number;
  readonly instances: number;
  /** Redis servers, over which the rooms are distributed. */
  readonly shards: number;
  readonly reintroduceSeconds: number;
}

/** A deployment of the usual size. */
export function deploymentFor(peers: number, shards = 1): Deployment {
  const instances = Math.max(MIN_INSTANCES, Math.ceil(peers / PEERS_PER_INSTANCE));
  return { peers, instances, shards, reintroduceSeconds: DEFAULTS.reintroduceSeconds };
}

/** How often what happens on one instance, in a second. */
export interface Rates {
  readonly joins: number;
  readonly leaves: number;
  /** Messages that its peers send. */
  readonly messages: number;
  /** The share of them that is for another instance. */
  readonly crossing: number;
  /** Joins and leaves on other instances, in rooms that it has peers in. */
  readonly events: number;
  readonly lists: number;
  /** Rooms and own peers that it compares with each shard. */
  readonly auditUnits: number;
  /** Looks, one for each shard and instance it sends to, whether that still subscribes. */
  readonly looks: number;
}

/** What one process uses. */
export interface Use {
  /** Of a core. */
  readonly cpu: number;
  readonly memoryMb: number;
  readonly connections: number;
  /** Megabits a second, both directions together. */
  readonly megabits: number;
}

/** What each process of a deployment uses. */
export interface DeploymentUse {
  readonly instance: Use;
  /** Each shard. */
  readonly redis: Use & {
    readonly commands: number;
    /** CPU if many commands came in one packet, as they do before it can do no more. */
    readonly atMost: number;
  };
}

/** How often what happens on one instance. */
export function ratesOf(deployment: Deployment, behaviour: Behaviour): Rates {
  const { peers, instances, shards, reintroduceSeconds } = deployment;
  const { visitSeconds, connectionSeconds, peersPerRoom, messagesPerMeeting } = behaviour;
  const own = peers / instances;
  const met = peersPerRoom - 1;
  const [visits, comebacks] = [own / visitSeconds, own / connectionSeconds];
  const joins = visits + comebacks;
  const messages = visits * met * messagesPerMeeting;
  const crossing = 1 - 1 / instances;
  const others = otherInstances(instances, met);
  const inTurn = reintroduceSeconds > 0 ? own / reintroduceSeconds * met / peersPerRoom : 0;
  const toOneOther = messages * crossing / Math.max(instances - 1, 1) / shards;
  const isLookedAt = 1 - Math.exp(-toOneOther * HEARTBEAT_MS / 1000);
  return {
    joins,
    leaves: joins,
    messages,
    crossing,
    events: (joins + joins) * others,
    lists: inTurn + comebacks * listsAfterComeback(met),
    auditUnits: auditUnits((own + roomsOnOne(deployment, behaviour)) / shards),
    looks: (instances - 1) * shards * isLookedAt * 1000 / HEARTBEAT_MS,
  };
}

/** Other instances that have a peer of a room, for one of its peers that meets so many others. */
export function otherInstances(instances: number, met: number): number {
  return (instances - 1) * (1 - (1 - 1 / instances) ** met);
}

/** Rooms of which one instance has a peer. */
export function roomsOnOne({ peers, instances }: Deployment, { peersPerRoom }: Behaviour): number {
  return peers / peersPerRoom * (1 - (1 - 1 / instances) ** peersPerRoom);
}

/**
 * Lists that follow when a peer comes back whose connections still live, so that it makes no offer: at
 * each time the peers with a smaller id get one, and itself if it has not the largest.
 */
export function listsAfterComeback(met: number): number {
  return REINTRODUCE_AFTER_MS.length * (met / 2 + 1 - 1 / (met + 1));
}

/**
 * Messages that come together: a newcomer sends all its offers and candidates at once, and each peer
 * that it meets its answer and candidates. What wakes an instance is the first of them.
 */
export function messagesAtOnce({ peersPerRoom, messagesPerMeeting }: Behaviour): number {
  const met = peersPerRoom - 1;
  return met * messagesPerMeeting / (1 + met);
}

function auditUnits(all: number): number {
  const part = Math.min(Math.max(MIN_PART, all / PARTS), all);
  return part * 1000 / AUDIT_MS;
}

/**
 * The share of a core that is used. An operation that finds the process busy costs `work`; one that
 * finds it asleep costs `wakes` as well. Arrivals are random, so the share that finds it asleep is the
 * share of time that it sleeps: U = work + wakes (1 - U).
 */
export function utilization(work: number, wakes: number): number {
  return Math.min((work + wakes) / (1 + wakes), 1);
}

const MICROSECONDS = 1e-6;
const IDS = { room: "r".repeat(20), id: "i".repeat(36), instance: "n".repeat(13) } as const;

/** What is added to a message on its way through Redis. */
const ENVELOPE_BYTES = encodeEnvelope({
  room: IDS.room,
  type: "offer",
  from: IDS.id,
  sender: { instance: IDS.instance, number: 10_000 },
  to: IDS.id,
  target: { instance: IDS.instance, number: 10_000 },
  text: "",
}, 10_000).length;

/** A room event, or the arguments of a script. */
const EVENT_BYTES = JSON.stringify([
  MESSAGE_KIND.joined,
  IDS.room,
  IDS.id,
  `${IDS.instance} 10000 normal 1 1790000000000 10`,
  0,
  false,
]).length;

/** What a message has on average. */
export function messageBytes(messagesPerMeeting: number): number {
  const candidates = messagesPerMeeting - SDP_MESSAGES;
  return (SDP_MESSAGES * BYTES.sdp + candidates * BYTES.candidate) / messagesPerMeeting;
}

/** What each process of a deployment uses while nothing goes wrong. */
export function steadyUse(
  deployment: Deployment,
  behaviour: Behaviour,
  costs: Costs,
): DeploymentUse {
  const rates = ratesOf(deployment, behaviour);
  return {
    instance: instanceUse(deployment, behaviour, rates, costs),
    redis: redisUse(deployment, behaviour, rates, costs),
  };
}

function instanceUse(
  deployment: Deployment,
  behaviour: Behaviour,
  rates: Rates,
  costs: Costs,
): Use {
  const { shards, peers, instances } = deployment;
  const own = peers / instances;
  const crossing = rates.messages * rates.crossing;
  const local = rates.messages - crossing;
  const work = costs.second + shards * costs.backplaneSecond + own * costs.peerSecond +
    shards * rates.auditUnits * costs.auditUnit + rates.lists * costs.list +
    rates.joins * costs.join + rates.leaves * costs.leave +
    rates.events * costs.event + local * costs.relay +
    crossing * (costs.send + costs.receive) +
    rates.looks * Math.max(costs.send + costs.receive - costs.relay, 0);
  const messageWakes = local * costs.relayWake + crossing * (costs.sendWake + costs.receiveWake);
  const wakes = rates.joins * costs.joinWake + rates.leaves * costs.leaveWake +
    rates.events * costs.eventWake + messageWakes * BURST / messagesAtOnce(behaviour);
  const remotePeers = roomsOnOne(deployment, behaviour) * behaviour.peersPerRoom - own;
  const message = messageBytes(behaviour.messagesPerMeeting) + BYTES.frame;
  const bytes = 2 * local * message + 2 * crossing * (2 * message + ENVELOPE_BYTES) +
    rates.joins * (BYTES.request + BYTES.response + 2 * EVENT_BYTES) + rates.events * EVENT_BYTES;
  return {
    cpu: utilization(work * MICROSECONDS, wakes * MICROSECONDS),
    memoryMb:
      (costs.emptyKb + costs.trafficKb + own * costs.peerKb + remotePeers * costs.remotePeerKb) /
      1024,
    connections: own + 2 * shards,
    megabits: bytes * 8 / 1e6,
  };
}

function redisUse(
  deployment: Deployment,
  behaviour: Behaviour,
  rates: Rates,
  costs: Costs,
): DeploymentUse["redis"] {
  const { instances, shards, peers } = deployment;
  const { peersPerRoom, messagesPerMeeting } = behaviour;
  const share = instances / shards;
  const message = messageBytes(messagesPerMeeting) + ENVELOPE_BYTES;
  const crossing = rates.messages * rates.crossing * share;
  const marks = 2 * crossing * message / MARK_EVERY;
  const published = crossing + marks + rates.looks * share;
  const [joins, leaves] = [rates.joins * share, rates.leaves * share];
  const heartbeats = instances * 1000 / HEARTBEAT_MS;
  const rooms = roomsOnOne(deployment, behaviour);
  const auditedRooms = instances * rates.auditUnits * rooms / (rooms + peers / instances);
  const audits = instances * 1000 / AUDIT_MS;
  const work = costs.redisSecond + published * costs.redisPublish +
    joins * (costs.redisJoin + costs.redisEvent) +
    leaves * costs.redisLeave + rates.events * share * costs.redisEvent +
    heartbeats * (costs.redisHeartbeat + instances * costs.redisName) +
    auditedRooms * (costs.redisAuditRoom + peersPerRoom * costs.redisAuditPeer);
  const commands = published + joins + leaves + heartbeats + audits;
  const bytes = 2 * crossing * message +
    (2 * joins + leaves + rates.events * share) * EVENT_BYTES;
  // Of the messages of a meeting several come at once: what they wake Redis for is in their own cost.
  const scripts = commands - crossing;
  const wakes = scripts * costs.redisWake + crossing * (costs.redisMessage - costs.redisPublish);
  const saved = commands * Math.max(costs.redisPublish - costs.redisPipelined, 0);
  return {
    cpu: utilization(work * MICROSECONDS, wakes * MICROSECONDS),
    atMost: (work - saved) * MICROSECONDS,
    memoryMb: (costs.redisEmptyKb + 2 * instances * costs.redisConnectionKb +
      peers / shards * costs.redisPeerKb + peers / peersPerRoom / shards * costs.redisRoomKb +
      rooms * share * costs.redisPartKb) / 1024,
    connections: 2 * instances,
    megabits: bytes * 8 / 1e6,
    commands,
  };
}
