/** What a backplane that is closed leaves in Redis. */

import { assertEquals, assertThrows } from "@std/assert";
import { createRedisBackplane } from "../../../src/cluster/redis/backplane.ts";
import { ConnectedInstance } from "../../helpers/backplane_conformance.ts";
import { until, within } from "../../helpers/client.ts";
import { startDelayedProxy } from "../../helpers/delayed_proxy.ts";
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

testWithRedis(
  "redis: one closed while it connects a long way stops before it writes",
  async (redis) => {
    using proxy = startDelayedProxy(redis.port, 100);
    const url = `redis://127.0.0.1:${proxy.port}`;
    const { backplane } = new ConnectedInstance(createRedisBackplane({ url }));
    await until("it to be connected", async () => (await redis.cli("client", "list")).length > 1);
    await within("the end", backplane.close());
    assertEquals(await scripts(redis), 0);
  },
);

testWithRedis("redis: a backplane serves one server, once", async (redis) => {
  const { backplane } = new ConnectedInstance(createRedisBackplane({ url: redis.url }));
  assertThrows(() => new ConnectedInstance(backplane), Error, "in use, or closed");
  await backplane.close();
  assertThrows(() => new ConnectedInstance(backplane), Error, "in use, or closed");
  const unused = createRedisBackplane({ url: redis.url });
  await unused.close();
  assertThrows(() => new ConnectedInstance(unused), Error, "in use, or closed");
});
