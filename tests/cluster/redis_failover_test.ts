/**
 * Rooms are whole again after a primary has changed: in a Redis Cluster, behind Sentinels, and at an
 * address that leads to another server.
 */

import { assertEquals } from "@std/assert";
import { createRedisBackplanes } from "../../src/cluster/redis/backplane.ts";
import { shardTags, slotOf } from "../../src/cluster/redis/slots.ts";
import { ConnectedInstance } from "../helpers/backplane_conformance.ts";
import { type Client, until } from "../helpers/client.ts";
import { temporaryFolder } from "../helpers/command.ts";
import { hostName, MISSING_NAMESPACES } from "../helpers/host_name.ts";
import { MAIN, OPEN } from "../helpers/main.ts";
import {
  bothJoinable,
  join,
  type Joinable,
  untilListed,
  untilReached,
} from "../helpers/meeting.ts";
import { testWith } from "../helpers/program.ts";
import { hasRedis, startRedis, type TestRedis } from "../helpers/redis.ts";
import { startRedisCluster } from "../helpers/redis_cluster.ts";
import { type HostedRedis, startHostedRedis } from "../helpers/redis_hosted.ts";
import { startSentinels } from "../helpers/redis_sentinels.ts";
import { startOpenServer, type TestServer } from "../helpers/server.ts";

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

interface HostedFixture extends AsyncDisposable {
  readonly hosted: HostedRedis;
  /** Starts an instance on the address and resolves once it is up. */
  start(): Promise<TestServer>;
}

async function startHosted(): Promise<HostedFixture> {
  await using resources = new AsyncDisposableStack();
  const hosted = resources.use(await startHostedRedis());
  const all = resources.move();
  return {
    hosted,
    async start() {
      const backplane = createRedisBackplanes({ url: hosted.url });
      const server = all.use(await startOpenServer({ backplane }));
      await until("the backplane", async () => (await server.health())["backplane"] === "up");
      return server;
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

/** Two instances, each with one client in a room. */
interface Pair {
  readonly servers: readonly Joinable[];
  readonly a: Client;
  readonly b: Client;
}

/** Waits until both instances use this Redis, the clients meet, and a newcomer on each sees both. */
async function untilWholeOn(redis: TestRedis, { servers, a, b }: Pair): Promise<void> {
  await until("both to be connected", async () => {
    return (await redis.cli("pubsub", "channels", "client-db-sync:{0}to:*")).length === 2;
  }, LONG_MS);
  await untilReached(a, b, "b", LONG_MS);
  await untilReached(b, a, "a", LONG_MS);
  for (const server of servers) await untilListed(server, "r", ["a", "b"], LONG_MS);
  const names = await redis.cli("zrange", "client-db-sync:{0}instances", "0", "-1");
  assertEquals(names.length, 2);
}

const SWITCHES: Readonly<Record<string, (hosted: HostedRedis) => Promise<void>>> = {
  async "leads to the new primary before the old one is a replica"(hosted) {
    await hosted.promote();
    hosted.switch();
    await hosted.demote();
  },
  async "leads to the old primary for a while when that is a replica"(hosted) {
    await hosted.promote();
    await hosted.demote();
    await until("it to refuse", async () => {
      const errors = (await hosted.old.cli("info", "errorstats")).join();
      return Number(/errorstat_READONLY:count=(\d+)/.exec(errors)?.[1] ?? 0) >= 4;
    });
    hosted.switch();
  },
  async "leads to the new primary after both have exchanged their roles by FAILOVER"(hosted) {
    await hosted.old.cli("failover", "to", "127.0.0.1", String(hosted.next.port));
    const isPrimary = async () => (await hosted.next.cli("role"))[0] === "master";
    await until("the roles to be exchanged", isPrimary);
    hosted.switch();
  },
};

for (const [order, change] of Object.entries(SWITCHES)) {
  Deno.test({
    name: `redis failover: rooms are whole again when a hosted name ${order}`,
    ignore: !hasRedis,
    fn: async () => {
      await using fixture = await startHosted();
      const { hosted } = fixture;
      const [x, y] = [await fixture.start(), await fixture.start()];
      await using a = await join(x, "r", "a");
      await using b = await join(y, "r", "b");
      await untilReached(a, b, "b");
      await change(hosted);
      await untilWholeOn(hosted.next, { servers: [x, y], a, b });
    },
  });
}

Deno.test({
  name: "redis failover: an instance leaves a primary that works but is no longer at its address",
  ignore: !hasRedis,
  fn: async () => {
    await using fixture = await startHosted();
    const { hosted } = fixture;
    const x = await fixture.start();
    await using a = await join(x, "r", "a");
    await hosted.promote();
    hosted.switch();
    const y = await fixture.start();
    await using b = await join(y, "r", "b");
    await untilWholeOn(hosted.next, { servers: [x, y], a, b });
    assertEquals(await hosted.old.cli("pubsub", "channels"), []);
  },
});

testWith(
  hasRedis ? MISSING_NAMESPACES : "redis-server",
  "redis failover: the program looks up a host name again when it connects again",
  async () => {
    await using folder = await temporaryFolder();
    await using old = await startRedis();
    const { port } = old;
    await using next = await startRedis([], { host: "127.0.0.2", port });
    const name = await hostName(folder.path, "redis.test", "127.0.0.1");
    const program = ["run", "--no-prompt", "--allow-env", "--allow-net", MAIN];
    const run = () =>
      name.start(Deno.execPath(), program, {
        cwd: folder.path,
        env: { ...OPEN, REDIS_URL: `redis://${name.name}:${port}`, DRAIN_SECONDS: "0" },
      });
    await using one = run();
    await using two = run();
    const [x, y] = await bothJoinable(one, two);
    await using a = await join(x, "r", "a");
    await using b = await join(y, "r", "b");
    await untilReached(a, b, "b", LONG_MS);

    await name.moveTo("127.0.0.2");
    await old.cli("replicaof", "127.0.0.2", String(port));
    await untilWholeOn(next, { servers: [x, y], a, b });
  },
);
