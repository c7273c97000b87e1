/**
 * The nodes of a Redis Cluster, and which of them owns a slot. It is asked anew each time a shard
 * connects: after a failover or while slots move, the shard finds its new place by that alone.
 */

import type { Clock } from "../../runtime/clock.ts";
import type { RedisAddress, RedisServer } from "../../runtime/redis_url.ts";
import { askServer } from "./client.ts";
import { type Endpoint, readAddress, Turns } from "./endpoint.ts";
import { slotOf } from "./slots.ts";

/** How many nodes are remembered at most, beside the seeds. */
const MAX_NODES = 1000;

/** Slots and the node that owns them. */
export interface SlotRange {
  readonly first: number;
  readonly last: number;
  readonly owner: RedisAddress;
}

/** What a node knows of the cluster. */
export interface ClusterMap {
  readonly ranges: readonly SlotRange[];
  /** All nodes, replicas included. */
  readonly nodes: readonly RedisAddress[];
}

/** The nodes of one cluster, for all shards. */
export class ClusterNodes {
  readonly #seeds: readonly RedisServer[];
  readonly #clock: Clock;
  #turns: Turns;
  #known = "";
  /** A question that is under way, which all shards that connect wait for. */
  #asking: Promise<ClusterMap> | undefined;

  constructor(seeds: readonly RedisServer[], clock: Clock) {
    this.#seeds = seeds;
    this.#clock = clock;
    this.#turns = new Turns(seeds);
  }

  /** Where a shard is whose keys have this tag. */
  endpoint(tag: string): Endpoint {
    const slot = slotOf(tag);
    return { kind: "cluster", resolve: (signal) => this.#ownerOf(slot, signal) };
  }

  async #ownerOf(slot: number, signal: AbortSignal): Promise<RedisServer> {
    this.#asking ??= this.#ask(signal).finally(() => this.#asking = undefined);
    const { ranges } = await this.#asking;
    const range = ranges.find(({ first, last }) => first <= slot && slot <= last);
    if (range === undefined) {
      throw new Error("The Redis Cluster has no node for a part of its slots");
    }
    return this.#server(range.owner);
  }

  async #ask(signal: AbortSignal): Promise<ClusterMap> {
    const map = await this.#turns.ask((server) => askNode(server, this.#clock), signal);
    const known = map.nodes.map(({ host, port }) => `${host} ${port}`).sort().join();
    if (known === this.#known) return map;
    this.#known = known;
    const seeds = this.#seeds.filter((seed) => !map.nodes.some((node) => isSame(node, seed)));
    this.#turns = new Turns(inTurn(map.nodes.map((node) => this.#server(node)), seeds));
    return map;
  }

  /** A node, with the login of the seeds. */
  #server(address: RedisAddress): RedisServer {
    const [seed] = this.#seeds;
    return { tls: false, database: 0, ...seed, ...address };
  }
}

/**
 * The order in which nodes and seeds are asked, from any place on: a seed is never far, since all the
 * addresses of the nodes may be new at once, as where a cluster has started again elsewhere.
 */
export function inTurn<T>(nodes: readonly T[], seeds: readonly T[]): T[] {
  const withSeeds = nodes.flatMap((
    node,
    n,
  ) => [node, ...seeds.slice(n % seeds.length).slice(0, 1)]);
  return [...withSeeds, ...seeds.slice(nodes.length)];
}

/** Asks a node which node owns which slots. */
export async function askNode(node: RedisServer, clock: Clock): Promise<ClusterMap> {
  return readSlots(await askServer(node, ["CLUSTER", "SLOTS"], clock), node);
}

/** Reads a reply to `CLUSTER SLOTS`, and leaves out what is none. */
export function readSlots(reply: unknown, asked: RedisAddress): ClusterMap {
  if (!Array.isArray(reply)) throw new Error("The answer of the node cannot be read");
  const ranges: SlotRange[] = [];
  const nodes = new Map<string, RedisAddress>();
  for (const entry of reply) {
    if (!Array.isArray(entry)) continue;
    const [first, last, ...announced] = entry;
    const [owner, ...replicas] = announced.map((node) => readNode(node, asked));
    if (typeof first !== "number" || typeof last !== "number" || owner === undefined) continue;
    ranges.push({ first, last, owner });
    for (const node of [owner, ...replicas]) {
      if (node !== undefined && nodes.size < MAX_NODES) {
        nodes.set(`${node.host} ${node.port}`, node);
      }
    }
  }
  return { ranges, nodes: [...nodes.values()] };
}

/** A node as it is announced. Its host may be missing: then it is that of the node that was asked. */
function readNode(node: unknown, asked: RedisAddress): RedisAddress | undefined {
  if (!Array.isArray(node)) return undefined;
  const [announced, port, _id, more] = node;
  const host = announced === "?" ? otherHostOf(more) : announced;
  const address = readAddress(host, port);
  return address?.host === "" ? { ...address, host: asked.host } : address;
}

/** The address of a node whose name is not known, from the list or map of what else is announced. */
function otherHostOf(more: unknown): unknown {
  if (Array.isArray(more)) {
    const index = more.indexOf("ip");
    return index % 2 === 0 ? more[index + 1] : "";
  }
  return typeof more === "object" && more !== null ? Reflect.get(more, "ip") ?? "" : "";
}

function isSame(a: RedisAddress, b: RedisAddress): boolean {
  return a.host === b.host && a.port === b.port;
}
