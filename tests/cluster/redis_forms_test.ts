/** A shard of a Redis Cluster and a primary that Sentinels name pass the suite of the interface. */

import { createRedisBackplane } from "../../src/cluster/redis/backplane.ts";
import { testBackplane } from "../helpers/backplane_conformance.ts";
import { hasRedis } from "../helpers/redis.ts";
import { CLUSTER, SENTINEL, sharedForm } from "../helpers/redis_forms.ts";

for (const form of hasRedis ? [CLUSTER, SENTINEL] : []) {
  const started = sharedForm(form, 1);
  testBackplane({
    name: form.name,
    ignore: false,
    open() {
      const [url, prefix] = [started().url, `${crypto.randomUUID()}:`];
      return Promise.resolve({
        connect: () => createRedisBackplane({ url, prefix }),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      });
    },
  });
}
