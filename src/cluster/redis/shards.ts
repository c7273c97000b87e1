/** The shards that a Redis URL stands for: where each one is, and what its keys have in common. */

import type { Clock } from "../../runtime/clock.ts";
import type { RedisUrl } from "../../runtime/redis_url.ts";
import { ClusterNodes } from "./cluster_nodes.ts";
import { type Endpoint, shardEndpoint } from "./endpoint.ts";
import { shardTags } from "./slots.ts";

/** One shard. */
export interface ShardPlace {
  readonly endpoint: Endpoint;
  /** The hash tag of its keys. */
  readonly tag: string;
}

/** Every shard of a URL, in an order that is the same on every instance. */
export function redisShards(url: RedisUrl, clock: Clock): readonly ShardPlace[] {
  if (url.kind === "cluster") {
    const nodes = new ClusterNodes(url.seeds, clock);
    return shardTags(url.shards).map((tag) => ({ endpoint: nodes.endpoint(tag), tag }));
  }
  return url.shards.map((shard) => {
    const { database } = shard.kind === "server" ? shard.server : shard;
    return { endpoint: shardEndpoint(shard, clock), tag: String(database) };
  });
}
