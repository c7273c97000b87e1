/** Servers that share one Redis, but neither the database nor the prefix, never hear of each other. */

import { assertEquals } from "@std/assert";
import type { Envelope } from "../../../src/cluster/backplane.ts";
import { createRedisBackplane } from "../../../src/cluster/redis/backplane.ts";
import { ConnectedInstance } from "../../helpers/backplane_conformance.ts";
import { until } from "../../helpers/client.ts";
import { testWithRedis } from "../../helpers/redis.ts";

/** Database and prefix. Some prefixes begin as the keys of another one do. */
const SERVERS = [
  ["0", "x:"],
  ["1", "x:"],
  ["0", "x"],
  ["0", "x:0"],
  ["0", "x:room:"],
  ["0", "x:check:"],
  ["0", "x:to:"],
  ["10", "x:"],
] as const;

/** Rooms that look like parts of keys. */
const ROOMS = ["r", "room:r", "{0}room:r", ":r", "0}room:r", "instances", ":{1}room:r"];

testWithRedis("redis: two databases or prefixes never hear of each other", async (redis) => {
  const connect = ([database, prefix]: typeof SERVERS[number]) =>
    new ConnectedInstance(createRedisBackplane({ url: `${redis.url}/${database}`, prefix }));
  // Two instances of each server, so that each has something to say.
  const servers = SERVERS.map((server) => [connect(server), connect(server)] as const);
  const instances = servers.flat();
  await until("all to be up", () => instances.every(({ instance }) => instance !== ""));
  for (const [x, y] of servers) {
    for (const room of ROOMS) {
      const a = await x.join(room, "a");
      const b = await y.join(room, "b");
      // The counters of others would end the count of joins.
      const events = [...await x.settle(), ...await y.settle()];
      const orders = events.flatMap((event) =>
        event.kind === "snapshot" ? event.members : event.kind === "joined" ? [event.member] : []
      );
      assertEquals(new Set(orders.map(({ joinOrder }) => joinOrder)), new Set([1, 2]));
      assertEquals(new Set(orders.map(({ instance }) => instance)).size, 2);
      x.backplane.update(room, { ...a, acceptsConsumers: false });
      y.backplane.leave(room, "b", b);
    }
  }
  const [[x, y] = [], ...others] = servers;
  if (x === undefined || y === undefined) return;
  for (const [other] of others) {
    const [member, target] = [x.member("a"), { instance: other.instance, number: 1 }];
    const to = { room: "r", type: "offer", from: "a", to: "a" } as const;
    const envelope: Envelope = { ...to, sender: member, target, text: "{}" };
    assertEquals(await x.backplane.send(envelope), "not found");
    assertEquals(await x.backplane.post("hello", other.instance), { reached: [], isPartial: true });
  }
  x.backplane.authFailed("192.0.2.1");
  assertEquals((await x.backplane.post("hello")).reached, [y.instance]);
  await x.backplane.audit([x.view("r", [x.member("lost")])]);
  const revocation = { kind: "token", jti: "j", expiresAt: Date.now() + 60_000 } as const;
  await x.backplane.storeRevocations([revocation]);
  await until("the other instance to know", () => y.posts.length > 0 && y.lost.length > 0);
  for (const [index, instance] of instances.entries()) {
    await instance.settle();
    const isOfX = index < 2;
    assertEquals(await instance.backplane.loadRevocations(), isOfX ? [revocation] : []);
    assertEquals(instance.failedAddresses, instance === y ? ["192.0.2.1"] : []);
    assertEquals(instance.posts, instance === y ? [[x.instance, "hello"]] : []);
    assertEquals(instance.lost, instance === y ? ["r"] : []);
    assertEquals([instance.envelopes, instance.undeliverable], [[], []]);
  }
  for (const { backplane } of instances) await backplane.close();
});
