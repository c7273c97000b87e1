/** What a failure says that Redis causes: no password, no name, and the same each time. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  createRedisBackplane,
  createRedisBackplanes,
} from "../../../src/cluster/redis/backplane.ts";
import { withoutArguments } from "../../../src/cluster/redis/client.ts";
import { ConnectedInstance } from "../../helpers/backplane_conformance.ts";
import { until } from "../../helpers/client.ts";
import { hasRedis, startRedis } from "../../helpers/redis.ts";

const SECRET = "a-very-secret-word";

Deno.test({
  name: "redis: the reason of a failure never shows a password that the server has repeated",
  ignore: !hasRedis,
  fn: async () => {
    await using redis = await startRedis(["--rename-command", "HELLO", ""]);
    const address = `127.0.0.1:${redis.port}`;
    const urls = [
      `redis://:${SECRET}@${address}`,
      `redis-cluster://user:${SECRET}@${address}?shards=1`,
      `redis-sentinel://${address}?name=mymaster&sentinel-password=${SECRET}`,
    ];
    for (const url of urls) {
      const [backplane] = createRedisBackplanes({ url });
      assert(backplane !== undefined);
      const { downReasons } = new ConnectedInstance(backplane);
      await until("it to be down twice", () => downReasons.length > 1);
      await backplane.close();
      const [first = "", second] = downReasons;
      assertMatch(first, /unknown command.*HELLO/);
      assertEquals([first.includes(SECRET), second], [false, first]);
    }
  },
});

Deno.test({
  name: "redis: one failure has one reason, whatever the arguments of the command were",
  ignore: !hasRedis,
  fn: async () => {
    await using redis = await startRedis(["--rename-command", "SUBSCRIBE", ""]);
    const backplane = createRedisBackplane({ url: redis.url });
    const { downReasons } = new ConnectedInstance(backplane);
    await until("it to be down three times", () => downReasons.length > 2);
    await backplane.close();
    assertEquals(new Set(downReasons).size, 1);
  },
});

Deno.test("redis: an error message loses the arguments of every version, and what is very long", () => {
  const old = "ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `u`, `p`, ";
  assertEquals(withoutArguments(new Error(old)).message, "ERR unknown command `HELLO`");
  assertEquals(withoutArguments("x".repeat(100_000)).message.length, 300);
});
