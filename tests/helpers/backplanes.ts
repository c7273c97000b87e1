/** Every backplane there is, for tests that hold for each. */

import type { Backplane } from "../../src/cluster/backplane.ts";
import { createMemoryBackplane } from "../../src/cluster/memory_backplane.ts";
import { createRedisBackplane } from "../../src/cluster/redis/backplane.ts";
import { hasRedis, startRedis } from "./redis.ts";

export interface BackplaneServer extends AsyncDisposable {
  /** A backplane for one more instance of the same server. */
  connect(): Backplane;
}

export interface BackplaneKind {
  readonly name: string;
  readonly ignore: boolean;
  open(): Promise<BackplaneServer>;
}

export const BACKPLANES: readonly BackplaneKind[] = [
  {
    name: "memory",
    ignore: false,
    open: () => {
      const memory = createMemoryBackplane();
      return Promise.resolve({
        connect: () => memory.connect(),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      });
    },
  },
  {
    name: "redis",
    ignore: !hasRedis,
    open: async () => {
      const redis = await startRedis();
      return {
        connect: () => createRedisBackplane({ url: redis.url }),
        [Symbol.asyncDispose]: () => redis[Symbol.asyncDispose](),
      };
    },
  },
];
