/** The options of the server that a configuration stands for. */

import type { Config } from "../config/config.ts";
import { machineMemory } from "../config/environment.ts";
import type { ServerOptions } from "../http/server.ts";
import type { Logger } from "../runtime/logger.ts";

/** The part of the machine's memory that the process may use if `MAX_MEMORY_MB` is not set. */
const MEMORY_SHARE = 0.8;

/** The options of the server, with its backplane. */
export async function serverOptions(config: Config, logger: Logger): Promise<ServerOptions> {
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
    ...await backplaneOption(config),
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

/** Loads the Redis client only if `REDIS_URL` is set. */
async function backplaneOption({ redis }: Config): Promise<Pick<ServerOptions, "backplane">> {
  if (redis === undefined) return {};
  const { createRedisBackplanes } = await import("../cluster/redis/backplane.ts");
  return { backplane: createRedisBackplanes(redis) };
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
