/** When an instance notices that the address of its Redis leads to another one, and when it does not. */

import { assertEquals } from "@std/assert";
import { AddressWatch } from "../../../src/cluster/redis/address_watch.ts";
import { RedisKeys } from "../../../src/cluster/redis/keys.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { until } from "../../helpers/patience.ts";
import { freePort } from "../../helpers/port.ts";
import { type TestRedis, testWithRedis } from "../../helpers/redis.ts";

const KEYS = new RedisKeys("p:");
/** As many as there may be before a look. */
const BEATS = 20;

/** A watch of an address that a test can change. */
class Watched {
  port: number;
  looks = 0;
  readonly reasons: string[] = [];
  readonly watch: AddressWatch;

  constructor(port: number) {
    this.port = port;
    const resolve = () => {
      this.looks++;
      return Promise.resolve({ host: "127.0.0.1", port: this.port, tls: false, database: 0 });
    };
    const parts = { keys: KEYS, clock: systemClock, instance: "i" };
    const endpoint = { kind: "server", resolve } as const;
    this.watch = new AddressWatch({ ...parts, endpoint }, (reason) => this.reasons.push(reason));
  }

  /** Sends heartbeats until it has looked so many times more. */
  async look(times: number, count: number): Promise<void> {
    const end = this.looks + times;
    await until(`${times} looks`, () => {
      if (this.looks < end) this.watch.beat(count);
      return this.looks >= end;
    });
  }
}

async function hasCounted(redis: TestRedis, heartbeats: number): Promise<void> {
  await redis.cli("zadd", KEYS.instances, String(heartbeats), "i");
}

testWithRedis(
  "address watch: the same server, or none that answers, is not another",
  async (redis) => {
    await hasCounted(redis, 100);
    const watched = new Watched(redis.port);
    await watched.look(3, 100);
    await watched.look(3, 106); // Its answer may be older than what a copy of it lacks.
    watched.port = freePort();
    await watched.look(3, 200);
    watched.port = redis.port;
    await redis.cli("acl", "setuser", "default", "-zscore");
    await watched.look(3, 200);
    watched.watch.stop();
    assertEquals(watched.reasons, []);
  },
);

testWithRedis(
  "address watch: a server without the last heartbeats is another one",
  async (redis) => {
    for (const counted of [0, 93]) {
      await hasCounted(redis, counted);
      const watched = new Watched(redis.port);
      await watched.look(2, 100);
      await until("it to be told", () => watched.reasons.length === 1);
      assertEquals(watched.reasons, ["The address leads to another Redis"]);
      watched.watch.stop();
    }
  },
);

testWithRedis("address watch: one look that finds another server is not enough", async (redis) => {
  const watched = new Watched(redis.port);
  await watched.look(1, 100);
  await hasCounted(redis, 100);
  await watched.look(3, 100);
  watched.watch.stop();
  assertEquals(watched.reasons, []);
});

testWithRedis("address watch: none looks after it has been stopped", async (redis) => {
  const watched = new Watched(redis.port);
  await watched.look(2, 100);
  watched.watch.stop(); // While it looks.
  for (let beat = 0; beat <= BEATS; beat++) watched.watch.beat(100);
  await until(
    "its connection to end",
    async () => (await redis.cli("client", "list")).length === 1,
  );
  assertEquals([watched.looks, watched.reasons], [2, []]);
});
