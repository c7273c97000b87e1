/** What an instance makes of heartbeats that it has not sent, and what its commands cost. */

import { assertEquals } from "@std/assert";
import { createRedisBackplane } from "../../../src/cluster/redis/backplane.ts";
import { ConnectedInstance } from "../../helpers/backplane_conformance.ts";
import { until } from "../../helpers/client.ts";
import { hasRedis, startRedis } from "../../helpers/redis.ts";

Deno.test({
  name: "redis connection: a heartbeat that the instance has not sent makes no envelope too old",
  ignore: !hasRedis,
  fn: async () => {
    await using redis = await startRedis();
    const connect = () => new ConnectedInstance(createRedisBackplane({ url: redis.url }));
    const [x, y] = [connect(), connect()];
    await until("both to be up", () => [x, y].every(({ instance }) => instance !== ""));
    const [a, b] = [await x.join("r", "a"), await y.join("r", "b")];
    const envelope = {
      room: "r",
      type: "offer",
      from: "a",
      to: "b",
      sender: a,
      target: b,
    } as const;
    for (const sentAt of ["-1e300", "0", "1e300", "1"]) {
      await redis.cli("publish", `client-db-sync:{0}to:${y.instance}`, `["heartbeat",${sentAt}]`);
      assertEquals(await x.backplane.send({ ...envelope, text: sentAt }), "sent");
    }
    await until("all to be settled", () => x.undeliverable.length + y.envelopes.length === 4);
    assertEquals(y.envelopes.map(({ text }) => text), ["-1e300", "0", "1e300", "1"]);
    for (const { backplane } of [x, y]) await backplane.close();
  },
});

Deno.test({
  name: "redis connection: no command has a timer of its own, which would outlast it",
  ignore: !hasRedis,
  fn: async () => {
    await using redis = await startRedis();
    const { timeout } = AbortSignal;
    let timers = 0;
    AbortSignal.timeout = (ms) => {
      timers++;
      return timeout.call(AbortSignal, ms);
    };
    try {
      const x = new ConnectedInstance(createRedisBackplane({ url: redis.url }));
      await until("it to be up", () => x.instance !== "");
      await x.join("r", "a");
      await x.backplane.close();
      assertEquals(timers, 0);
    } finally {
      AbortSignal.timeout = timeout;
    }
  },
});
