/** What a removal of an instance leaves that fails in the middle, as while a slot moves. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { RedisKeys } from "../../../src/cluster/redis/keys.ts";
import { REAP, reapCall } from "../../../src/cluster/redis/scripts/reap.ts";
import { testWithRedis } from "../../helpers/redis.ts";

testWithRedis(
  "redis: a removal that fails halfway is repeated, and leaves no ghost",
  async (redis) => {
    const keys = new RedisKeys("test:");
    const rooms = ["one", "two", "three"];
    await redis.cli("zadd", keys.instances, "0", "dead", "9", "alive");
    for (const room of rooms) {
      await redis.cli(
        "hset",
        keys.members(room),
        "d",
        "dead 1 normal 1 5 1 ",
        "a",
        "alive 1 normal 1 5 2 ",
      );
      await redis.cli("hset", keys.meta(room), "i:dead", "1", "i:alive", "1");
      await redis.cli("sadd", keys.rooms("dead"), room);
    }
    await redis.cli("acl", "setuser", "mute", "on", ">secret", "~*", "resetchannels", "+@all");
    const { args } = reapCall(keys, "dead");
    const reap = (...login: string[]) =>
      redis.cli(...login, "eval", REAP, "1", keys.instances, ...args);
    const refused = await reap("--user", "mute", "--pass", "secret", "--no-auth-warning");
    assertStringIncludes(refused.join(), "channel");
    assertEquals(await redis.cli("scard", keys.rooms("dead")), ["3"]);
    assertEquals(await redis.cli("zscore", keys.instances, "dead"), ["0"]);

    assertEquals(await reap(), ["3"]);
    for (const room of rooms) {
      assertEquals(await redis.cli("hkeys", keys.members(room)), ["a"]);
      assertEquals(await redis.cli("hkeys", keys.meta(room)), ["i:alive"]);
    }
    assertEquals(await redis.cli("exists", keys.rooms("dead")), ["0"]);
    assertEquals(await redis.cli("zrange", keys.instances, "0", "-1"), ["alive"]);
  },
);
