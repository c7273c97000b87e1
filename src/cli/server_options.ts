/** The options of the server that a configuration stands for, and its backplanes. */

import type { Config } from "../config/config.ts";
import type { RedisBackplanes } from "../cluster/redis/shards.ts";
import { machineMemory } from "../config/environment.ts";
import type { ServerOptions } from "../http/server.ts";
import { systemClock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import { readRedisUrl } from "../runtime/redis_url.ts";

/** The part of the machine's memory that the process may use if `MAX_MEMORY_MB` is not set. */
const MEMORY_SHARE = 0.8;

/** The options of the server, without its backplane. */
export function serverOptions(config: Config, logger: Logger): ServerOptions {
  const { auth, consumerAuth, allowedOrigins, maxTokenTtl, ice, internal } = config;
  const common = {
    logger,
    ...(internal && { internalPort: internal.port, internalHost: internal.host }),
    registerTimeoutMs: config.registerTimeoutMs,
    idleTimeoutSeconds: config.idleTimeoutSeconds,
    reintroduceSeconds: config.reintroduceSeconds,
    drainSeconds: config.drainSeconds,
    clockToleranceSeconds: config.clockToleranceSeconds,
    closeExpired: config.closeExpired,
    playground: config.playground,
    trustedProxies: config.trustedProxies,
    limits: { ...config.limits, maxMemoryMb: memoryLimit(config, logger) },
    ...(consumerAuth === undefined ? {} : { consumerAuth }),
    ...(allowedOrigins === undefined ? {} : { allowedOrigins }),
    iceServers: ice.iceServers,
    iceTtl: ice.iceTtl,
    ...(ice.turn === undefined ? {} : { turn: ice.turn }),
    ...(maxTokenTtl === undefined ? {} : { maxTokenTtl }),
  };
  const { adminSecret } = auth;
  if (!auth.enabled) return { ...common, adminSecret, authEnabled: false };
  const { privateKeyJwk, publicKeyJwk, verifyKeysJwk } = auth;
  return {
    ...common,
    adminSecret,
    privateKeyJwk,
    ...(publicKeyJwk === undefined ? {} : { publicKeyJwk }),
    ...(verifyKeysJwk === undefined ? {} : { verifyKeysJwk }),
  };
}

/** The backplanes of `REDIS_URL`; none if it is not set, and then the code for Redis is not loaded. */
export async function redisBackplanesOf({ redis }: Config): Promise<RedisBackplanes> {
  if (redis === undefined) return new Map();
  const { redisBackplanes } = await import("../cluster/redis/shards.ts");
  return redisBackplanes(readRedisUrl(redis.url), { prefix: redis.prefix, clock: systemClock });
}

/** Megabytes, or 0 for no limit. */
function memoryLimit({ limits }: Config, logger: Logger): number {
  if (limits.maxMemoryMb !== undefined) return limits.maxMemoryMb;
  const limit = defaultMemoryLimit();
  if (limit !== undefined) return limit;
  logger.info(
    "Memory is not watched: set MAX_MEMORY_MB, or run with --allow-sys=systemMemoryInfo",
  );
  return 0;
}

/** The megabytes that apply if `MAX_MEMORY_MB` is not set; `undefined` if the machine's are not known. */
export function defaultMemoryLimit(): number | undefined {
  const machine = machineMemory();
  return machine === undefined ? undefined : Math.ceil(machine * MEMORY_SHARE);
}
