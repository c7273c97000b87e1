/** What happened earlier is reported before what a reply says, though two connections bring them. */

import { assertEquals, assertRejects } from "@std/assert";
import { createRedisBackplane } from "../../../src/cluster/redis/backplane.ts";
import { Barriers } from "../../../src/cluster/redis/barriers.ts";
import { ConnectedInstance } from "../../helpers/backplane_conformance.ts";
import { until, within } from "../../helpers/client.ts";
import { startDelayedProxy } from "../../helpers/delayed_proxy.ts";
import { hasRedis, startRedis } from "../../helpers/redis.ts";

Deno.test("barriers: each resolves when it comes back, and rejects when the connection ends", async () => {
  const barriers = new Barriers();
  const ids: number[] = [];
  const passed = [1, 2].map(() => barriers.pass((id) => ids.push(id)));
  assertEquals(new Set(ids).size, 2);
  barriers.received(99);
  barriers.received(ids[1] ?? 0);
  await passed[1];
  barriers.clear();
  await assertRejects(() => passed[0] ?? Promise.resolve());
});

Deno.test({
  name: "barriers: an audit whose reply overtakes what is published waits for that",
  ignore: !hasRedis,
  fn: async () => {
    await using redis = await startRedis();
    using proxy = startDelayedProxy(Number(new URL(redis.url).port), 300, "\r\nsubscribe\r\n");
    const url = `redis://127.0.0.1:${proxy.port}`;
    const x = new ConnectedInstance(createRedisBackplane({ url }));
    const y = new ConnectedInstance(createRedisBackplane({ url: redis.url }));
    await until("both to be up", () => x.instance !== "" && y.instance !== "");
    const a = await x.join("r", "a");
    await x.settle();
    const again = await y.join("r", "a");
    y.backplane.leave("r", "a", again);
    await y.backplane.post("Redis has executed the leave", y.instance);
    const { missing } = await within("the audit", x.backplane.audit([x.view("r", [a])]));
    assertEquals([missing.length, x.received], [1, ["joined a"]]);
    redis.stall();
    const failing = x.backplane.audit([x.view("r", [a])]);
    await assertRejects(() => within("the failure", failing));
    redis.resume();
    for (const { backplane } of [x, y]) await backplane.close();
  },
});
