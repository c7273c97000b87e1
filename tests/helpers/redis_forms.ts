/** Every form of a Redis URL, with the processes that it needs. */

import { CLUSTER_SHARDS } from "../../src/runtime/redis_url.ts";
import { shardTags } from "../../src/cluster/redis/slots.ts";
import { startRedis, type TestRedis } from "./redis.ts";
import { startRedisCluster } from "./redis_cluster.ts";
import { startSentinels } from "./redis_sentinels.ts";

export interface StartedForm extends AsyncDisposable {
  readonly url: string;
  /** Every server that has keys. */
  readonly servers: readonly TestRedis[];
  /** The hash tags of the keys, of every shard. */
  readonly tags: readonly string[];
}

export interface RedisForm {
  readonly name: string;
  /** Starts it. Without a number of shards it has as many as by default. */
  start(shards?: number): Promise<StartedForm>;
}

export const SINGLE: RedisForm = {
  name: "one Redis",
  async start() {
    const redis = await startRedis();
    const { url, [Symbol.asyncDispose]: dispose } = redis;
    return { url, servers: [redis], tags: ["0"], [Symbol.asyncDispose]: dispose };
  },
};

export const SEVERAL: RedisForm = {
  name: "several Redis",
  async start(shards = 2) {
    const servers = await Promise.all(Array.from({ length: shards }, () => startRedis()));
    return {
      url: servers.map(({ url }) => url).join(" "),
      servers,
      tags: ["0"],
      async [Symbol.asyncDispose]() {
        await Promise.all(servers.map((server) => server.kill()));
      },
    };
  },
};

export const CLUSTER: RedisForm = {
  name: "Redis Cluster",
  async start(shards = CLUSTER_SHARDS) {
    const cluster = await startRedisCluster(3, 0);
    return {
      url: `${cluster.url}?shards=${shards}`,
      servers: cluster.nodes,
      tags: shardTags(shards),
      [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
    };
  },
};

export const SENTINEL: RedisForm = {
  name: "Sentinel",
  async start() {
    const { url, servers: [primary], ...sentinels } = await startSentinels();
    return {
      url,
      servers: [primary],
      tags: ["0"],
      [Symbol.asyncDispose]: () => sentinels[Symbol.asyncDispose](),
    };
  },
};

/** Starts a form before the tests of the file that calls this, and ends it after them. */
export function sharedForm(form: RedisForm, shards?: number): () => StartedForm {
  let started: StartedForm | undefined;
  Deno.test.beforeAll(async () => {
    started = await form.start(shards);
  });
  Deno.test.afterAll(async () => {
    await started?.[Symbol.asyncDispose]();
  });
  return () => {
    if (started === undefined) throw new Error(`${form.name} has not started`);
    return started;
  };
}
