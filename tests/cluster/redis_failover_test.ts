/** Rooms are whole again after a primary has changed, in a Redis Cluster and behind Sentinels. */

import { assertEquals } from "@std/assert";
import { createRedisBackplanes } from "../../src/cluster/redis/backplane.ts";
import { shardTags, slotOf } from "../../src/cluster/redis/slots.ts";
import { ConnectedInstance } from "../helpers/backplane_conformance.ts";
import { until } from "../helpers/client.ts";
import { hasRedis } from "../helpers/redis.ts";
import { startRedisCluster } from "../helpers/redis_cluster.ts";
import { startSentinels } from "../helpers/redis_sentinels.ts";

const SHARDS = 3;
const LONG_MS = 30_000;

function connect(url: string): ConnectedInstance[] {
  return createRedisBackplanes({ url }).map((backplane) => new ConnectedInstance(backplane));
}

async function areUp(instances: readonly ConnectedInstance[]): Promise<void> {
  await until("all to be up", () => instances.every(({ instance }) => instance !== ""), LONG_MS);
}

/** Waits until both have another name and a peer of the one is seen by the other. */
async function meetAfter(
  x: ConnectedInstance,
  y: ConnectedInstance,
  change: () => Promise<void>,
): Promise<void> {
  const before = [x.instance, y.instance];
  await change();
  const haveReturned = () => x.instance !== before[0] && y.instance !== before[1];
  await until("both to have connected again", haveReturned, LONG_MS);
  const room = crypto.randomUUID();
  // It may be connected to one that is about to be replaced.
  const joins = async (on: ConnectedInstance, id: string) => {
    const isJoined = () => on.join(room, id).then(() => true, () => false);
    await until(`${id} to join`, isJoined, LONG_MS);
  };
  await joins(x, "a");
  await joins(y, "b");
  await until("x to see b", () => x.received.some((text) => text.includes("b")), LONG_MS);
}

Deno.test({
  name:
    "redis failover: a cluster whose primary dies, changes or loses a slot makes one shard local",
  ignore: !hasRedis,
  fn: async () => {
    await using cluster = await startRedisCluster();
    const url = `${cluster.url}?shards=${SHARDS}`;
    const [xs, ys] = [connect(url), connect(url)];
    await areUp([...xs, ...ys]);
    const [[x], [y]] = [xs, ys];
    if (x === undefined || y === undefined) throw new Error("There is no shard");
    const slot = slotOf(shardTags(SHARDS)[0] ?? "");
    const others = [...xs.slice(1), ...ys.slice(1)];
    const names = others.map(({ instance }) => instance);
    const isSame = () => assertEquals(others.map(({ instance }) => instance), names);

    await meetAfter(x, y, () => cluster.failover(slot));
    isSame();

    const owner = await cluster.ownerOf(slot);
    const other = await cluster.ownerOf(slotOf(shardTags(SHARDS)[1] ?? ""));
    await meetAfter(x, y, () => cluster.moveSlot(slot, other));
    isSame();
    await meetAfter(x, y, () => cluster.moveSlot(slot, owner));
    isSame();

    await meetAfter(x, y, () => owner.kill());
    isSame();
    for (const { backplane } of [...xs, ...ys]) await backplane.close();
  },
});

Deno.test({
  name: "redis failover: when its primary dies, a server follows the Sentinels",
  ignore: !hasRedis,
  fn: async () => {
    await using sentinels = await startSentinels();
    const [[x], [y]] = [connect(sentinels.url), connect(sentinels.url)];
    if (x === undefined || y === undefined) throw new Error("There is no shard");
    await areUp([x, y]);
    await meetAfter(x, y, () => sentinels.servers[0].kill());
    for (const { backplane } of [x, y]) await backplane.close();
  },
});
