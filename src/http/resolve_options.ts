/**
 * The options of a handler with every default filled in and every value checked. It calculates and
 * starts nothing; `handler.ts` builds the parts from the result.
 */

import { parseDuration } from "../access/duration.ts";
import { type Limits, resolveLimits } from "../access/limits.ts";
import { createOriginCheck, type OriginCheck } from "../access/origins.ts";
import { type Clock, systemClock } from "../runtime/clock.ts";
import { DEFAULTS } from "../runtime/defaults.ts";
import { type Logger, neverThrowing, silentLogger } from "../runtime/logger.ts";
import type { SignalingHandlerOptions } from "./handler_options.ts";

/** The options of a handler, checked and complete. */
export interface ResolvedOptions {
  readonly authEnabled: boolean;
  readonly path: string | null;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: Limits;
  readonly registerTimeoutMs: number;
  readonly idleTimeoutSeconds: number;
  readonly reintroduceSeconds: number;
  /** Milliseconds over which `close()` spreads the closes. */
  readonly drainMs: number;
  /** Seconds that a room token may be valid; any when `undefined`. */
  readonly maxTtlSeconds: number | undefined;
  readonly isAllowedOrigin: OriginCheck;
  readonly trustedProxies: readonly string[];
}

/**
 * Completes and checks the options of a handler.
 *
 * @throws {TypeError} `limits`, `allowedOrigins` or `maxTokenTtl` is not usable.
 */
export function resolveOptions(options: SignalingHandlerOptions): ResolvedOptions {
  const {
    authEnabled = true,
    path = "/signal",
    clock = systemClock,
    logger = silentLogger,
    registerTimeoutMs = 10_000,
    idleTimeoutSeconds = 30,
    reintroduceSeconds = DEFAULTS.reintroduceSeconds,
    drainSeconds = 3,
    trustedProxies = [],
    maxTokenTtl,
  } = options;
  return {
    authEnabled,
    path,
    clock,
    logger: neverThrowing(logger),
    limits: resolveLimits(options.limits),
    registerTimeoutMs,
    idleTimeoutSeconds,
    reintroduceSeconds,
    drainMs: drainSeconds * 1000,
    maxTtlSeconds: maxTokenTtl === undefined ? undefined : parseDuration(maxTokenTtl),
    isAllowedOrigin: createOriginCheck(options.allowedOrigins),
    trustedProxies,
  };
}
