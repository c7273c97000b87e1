/**
 * The shards that a Redis URL stands for: where each one is, what its keys have in common, and a
 * backplane for each. A URL that is changed keeps the backplanes of the shards that stay.
 */

import type { Clock } from "../../runtime/clock.ts";
import type { RedisUrl } from "../../runtime/redis_url.ts";
import type { Backplane } from "../backplane.ts";
import { ClusterNodes } from "./cluster_nodes.ts";
import { type Endpoint, shardEndpoint } from "./endpoint.ts";
import { RedisKeys } from "./keys.ts";
import { RedisBackplane } from "./redis_backplane.ts";
import { shardTags } from "./slots.ts";

/** One shard. */
export interface ShardPlace {
  readonly endpoint: Endpoint;
  /** The hash tag of its keys. */
  readonly tag: string;
  /** What the URL says of it, the same for the same: a text that contains secrets. */
  readonly id: string;
}

/** The backplanes of a URL by the `id` of their shards, in the order of the shards. */
export type RedisBackplanes = ReadonlyMap<string, Backplane>;

/** Every shard of a URL, in an order that is the same on every instance. */
export function redisShards(url: RedisUrl, clock: Clock): readonly ShardPlace[] {
  if (url.kind === "cluster") {
    const nodes = new ClusterNodes(url.seeds, clock);
    return shardTags(url.shards).map((tag) => {
      return { endpoint: nodes.endpoint(tag), tag, id: JSON.stringify([url.seeds, tag]) };
    });
  }
  return url.shards.map((shard) => {
    const { database } = shard.kind === "server" ? shard.server : shard;
    const id = JSON.stringify(shard);
    return { endpoint: shardEndpoint(shard, clock), tag: String(database), id };
  });
}

/**
 * The backplanes of a URL.
 *
 * @param url What the URL says.
 * @param options What all of their keys begin with, and the time.
 * @param before Those of the URL before: a shard that it has as well keeps its backplane.
 */
export function redisBackplanes(
  url: RedisUrl,
  { prefix, clock }: { readonly prefix: string; readonly clock: Clock },
  before: RedisBackplanes = new Map(),
): RedisBackplanes {
  const create = ({ endpoint, tag }: ShardPlace) =>
    new RedisBackplane({ endpoint, keys: new RedisKeys(prefix, { tag }), clock });
  return new Map(
    redisShards(url, clock).map((place) => [place.id, before.get(place.id) ?? create(place)]),
  );
}
