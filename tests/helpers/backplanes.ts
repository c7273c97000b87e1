/** Every backplane there is, for tests that hold for each. */

import type { Backplane } from "../../src/cluster/backplane.ts";
import { createMemoryBackplane } from "../../src/cluster/memory_backplane.ts";
import { createRedisBackplane } from "../../src/cluster/redis/backplane.ts";
import { hasRedis, startRedis } from "./redis.ts";

export interface BackplaneServer<T = Backplane> extends AsyncDisposable {
  /** A backplane for one more instance of the same server. */
  connect(): T;
}

export interface BackplaneKind<T = Backplane> {
  readonly name: string;
  readonly ignore: boolean;
  open(): Promise<BackplaneServer<T>>;
}

/** How many backplanes share the rooms where there are several. */
const SHARDS = 3;

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

/** Several of a kind, which share the rooms. */
function sharded({ name, ignore, open }: BackplaneKind): BackplaneKind<Backplane[]> {
  return {
    name: `${SHARDS} shards of ${name}`,
    ignore,
    open: async () => {
      const servers = await Promise.all(Array.from({ length: SHARDS }, open));
      return {
        connect: () => servers.map((server) => server.connect()),
        async [Symbol.asyncDispose]() {
          await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
        },
      };
    },
  };
}

/** What a server can be given: each backplane, and several of it. */
export const BACKPLANE_OPTIONS: readonly BackplaneKind<Backplane | Backplane[]>[] = [
  ...BACKPLANES,
  ...BACKPLANES.map(sharded),
];
