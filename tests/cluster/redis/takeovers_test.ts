/** For how long a name is kept by the clock of Redis, which may be set. */

import { assert, assertEquals } from "@std/assert";
import type { JoinReply } from "../../../src/cluster/backplane.ts";
import { createRedisBackplane } from "../../../src/cluster/redis/backplane.ts";
import { ConnectedInstance, NO_LIMITS } from "../../helpers/backplane_conformance.ts";
import { until } from "../../helpers/client.ts";
import { hasRedis, startRedis, type TestRedis } from "../../helpers/redis.ts";

/** A room and a name that need care where they become a key. */
const [ROOM, ID] = ['r:"\\', 'a" ]'];
const KEY = `client-db-sync:{0}takeovers:${JSON.stringify([ROOM, ID])}`;

/** Makes everything that Redis remembers of the name so many milliseconds older. */
async function age(redis: TestRedis, ms: number): Promise<void> {
  for (const field of ["keptAt", "times"]) {
    const [value = ""] = await redis.cli("hget", KEY, field);
    const older = value.replaceAll(/\d+/g, (time) => String(Number(time) - ms));
    if (value !== "") await redis.cli("hset", KEY, field, older);
  }
}

async function lifetime(redis: TestRedis): Promise<number> {
  return Math.ceil(Number(await redis.cli("pttl", KEY)) / 1000);
}

Deno.test({
  name: "redis takeovers: those within 15 s count, and the name is then kept for 30 s",
  ignore: !hasRedis,
  fn: async () => {
    await using redis = await startRedis();
    const instances = [1, 2].map(() =>
      new ConnectedInstance(createRedisBackplane({ url: redis.url }))
    );
    await until("all to be up", () => instances.every(({ instance }) => instance !== ""));
    let turn = 0;
    const join = async () => {
      const on = instances[turn++ % 2];
      const options = { mode: "join", limits: NO_LIMITS } as const;
      const reply: JoinReply | undefined = await on?.backplane.join(ROOM, on.member(ID), options);
      return typeof reply === "object" ? "kept" : reply;
    };
    for (let n = 0; n < 6; n++) {
      assertEquals(await join(), "joined");
      await age(redis, 7501);
    }
    assertEquals(await lifetime(redis), 15);
    await age(redis, 15_001);
    assertEquals([await join(), await join(), await join()], [
      "joined",
      "joined",
      "joined and kept",
    ]);
    assertEquals([await join(), await lifetime(redis)], ["kept", 600]);
    await age(redis, 25_000);
    assertEquals(await join(), "kept");
    await age(redis, 5000);
    assertEquals([await join(), await join(), await join()], ["joined", "joined", "joined"]);
    assertEquals(await join(), "kept");
    await age(redis, -60_000); // The clock was set back by a minute.
    assertEquals([await join(), await join(), await join()], ["joined", "joined", "joined"]);
    assert(await lifetime(redis) <= 600);
    for (const { backplane } of instances) await backplane.close();
  },
});
