/** What a backplane that is closed leaves in Redis. */

import { assertEquals } from "@std/assert";
import { createRedisBackplane } from "../../../src/cluster/redis/backplane.ts";
import { ConnectedInstance } from "../../helpers/backplane_conformance.ts";
import { until } from "../../helpers/client.ts";
import { type TestRedis, testWithRedis } from "../../helpers/redis.ts";

/** The scripts that Redis has run since it started. */
async function scripts(redis: TestRedis): Promise<number> {
  const stats = (await redis.cli("info", "commandstats")).join("\n");
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0);
}

testWithRedis("redis: a backplane closed while it connects leaves nothing", async (redis) => {
  for (let step = 0; step < 15; step++) {
    const { backplane } = new ConnectedInstance(createRedisBackplane({ url: redis.url }));
    await new Promise((resolve) => setTimeout(resolve, step)); // Each meets another moment.
    await backplane.close();
    const before = await scripts(redis);
    assertEquals(await redis.cli("keys", "*"), [], `after ${step} ms`);
    const isAlone = async () => (await redis.cli("client", "list")).length === 1;
    await until("the connections to end", isAlone);
    assertEquals(await scripts(redis), before, `after ${step} ms`);
  }
});

testWithRedis("redis: one closed when it has lost its connection leaves nothing", async (redis) => {
  for (let step = 0; step < 4; step++) {
    const x = new ConnectedInstance(createRedisBackplane({ url: redis.url }));
    await until("it to be up", () => x.instance !== "");
    await x.join("r", "a");
    await redis.cli("client", "kill", "type", "pubsub");
    await until("it to be down", () => x.downReasons.length > 0);
    for (let n = 0; n < step; n++) await redis.cli("ping");
    await x.backplane.close();
    assertEquals(await redis.cli("keys", "*"), [], `after ${step} steps`);
  }
});
