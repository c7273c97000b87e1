/**
 * The options of a handler with every default filled in and every value checked. It calculates and
 * starts nothing; `handler.ts` builds the parts from the result.
 */

import { parseDuration } from "../access/duration.ts";
import { checkConsumerAuth } from "../access/consumer_options.ts";
import { type Limits, resolveLimits } from "../access/limits.ts";
import { createOriginCheck, type OriginCheck } from "../access/origins.ts";
import { MAX_CLOCK_TOLERANCE_SECONDS } from "../access/token_times.ts";
import { checkIceList, checkTurn, MAX_ICE_TTL_SECONDS } from "../ice/ice_options.ts";
import type { IceConfig } from "../ice/ice_servers.ts";
import { type Clock, systemClock } from "../runtime/clock.ts";
import { DEFAULTS } from "../runtime/defaults.ts";
import { checkInteger } from "../runtime/integer.ts";
import type { Backplane } from "../cluster/backplane.ts";
import { checkMethods, checkOptionNames, checkTexts } from "../runtime/option_checks.ts";
import { limitErrors } from "../runtime/limited_logger.ts";
import { type Logger, neverThrowing, silentLogger } from "../runtime/logger.ts";
import type { SignalingHandlerOptions } from "./handler_options.ts";
import { checkBackplanes } from "./resolve_backplanes.ts";
import { HANDLER_OPTIONS, SHARED_OPTIONS } from "./option_names.ts";

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
  /** Seconds by which the clock of a token's issuer may be ahead. */
  readonly clockToleranceSeconds: number;
  readonly closeExpired: boolean;
  readonly isAllowedOrigin: OriginCheck;
  readonly trustedProxies: readonly string[];
  readonly ice: IceConfig;
  /** What the rooms are distributed over; none without other instances. */
  readonly backplanes: readonly Backplane[];
}

/**
 * Completes and checks the options of a handler.
 *
 * @throws {TypeError} An option is malformed, or out of the bounds that its setting has.
 */
export function resolveOptions(options: SignalingHandlerOptions): ResolvedOptions {
  checkOptionNames(options, [...HANDLER_OPTIONS, ...SHARED_OPTIONS]);
  const {
    authEnabled = true,
    path = "/signal",
    clock = systemClock,
    logger = silentLogger,
    registerTimeoutMs = DEFAULTS.registerTimeoutMs,
    idleTimeoutSeconds = DEFAULTS.idleTimeoutSeconds,
    reintroduceSeconds = DEFAULTS.reintroduceSeconds,
    drainSeconds = DEFAULTS.drainSeconds,
    clockToleranceSeconds = DEFAULTS.clockToleranceSeconds,
    closeExpired = false,
    trustedProxies = [],
    maxTokenTtl,
  } = options;
  for (const [name, value] of Object.entries({ authEnabled, closeExpired })) {
    if (typeof value !== "boolean") throw new TypeError(`${name} must be true or false`);
  }
  checkMethods("clock", clock, ["now", "elapsed", "setTimeout", "clearTimeout"]);
  checkMethods("logger", logger, ["debug", "info", "warn", "error"]);
  for (
    const [name, value] of Object.entries({ authorize: options.authorize, onPeer: options.onPeer })
  ) {
    if (value !== undefined && typeof value !== "function") {
      throw new TypeError(`${name} must be a function`);
    }
  }
  if (options.authorize !== undefined && !authEnabled) {
    throw new TypeError("authorize is not called without authentication: leave out authEnabled");
  }
  if (options.consumerAuth !== undefined) checkConsumerAuth(options.consumerAuth);
  checkTexts("trustedProxies", trustedProxies);
  if (options.allowedOrigins !== undefined) checkTexts("allowedOrigins", options.allowedOrigins);
  return {
    authEnabled,
    path: checkPath(path),
    clock,
    logger: limitErrors(neverThrowing(logger), clock),
    limits: resolveLimits(options.limits),
    registerTimeoutMs: checkInteger("registerTimeoutMs", registerTimeoutMs),
    idleTimeoutSeconds: checkInteger("idleTimeoutSeconds", idleTimeoutSeconds, DAY_SECONDS),
    reintroduceSeconds: checkInteger("reintroduceSeconds", reintroduceSeconds, DAY_SECONDS),
    drainMs: checkInteger("drainSeconds", drainSeconds, HOUR_SECONDS) * 1000,
    clockToleranceSeconds: checkInteger(
      "clockToleranceSeconds",
      clockToleranceSeconds,
      MAX_CLOCK_TOLERANCE_SECONDS,
    ),
    maxTtlSeconds: maxTokenTtl === undefined ? undefined : readTtl("maxTokenTtl", maxTokenTtl),
    closeExpired,
    isAllowedOrigin: createOriginCheck(options.allowedOrigins),
    trustedProxies,
    ice: resolveIce(options, authEnabled),
    backplanes: options.backplane === undefined ? [] : checkBackplanes(options.backplane),
  };
}

const HOUR_SECONDS = 3600;
const DAY_SECONDS = 86_400;

function resolveIce(options: SignalingHandlerOptions, authEnabled: boolean): IceConfig {
  const { iceServers = [], turn, iceTtl = DEFAULTS.turnTtl } = options;
  if (turn !== undefined && !authEnabled) {
    throw new TypeError("turn needs authentication: without, anyone could use the TURN servers");
  }
  const ttlSeconds = readTtl("iceTtl", iceTtl);
  if (ttlSeconds > MAX_ICE_TTL_SECONDS) throw new TypeError("iceTtl must be 48h at most");
  return {
    iceServers: typeof iceServers === "function"
      ? iceServers
      : named("iceServers", () => checkIceList(iceServers)),
    turn: turn === undefined ? undefined : named("turn", () => checkTurn(turn)),
    ttlSeconds,
  };
}

/** A path that a URL has otherwise, such as `/ü`, would be the path of no request. */
function checkPath(path: unknown): string | null {
  if (path === null) return path;
  if (typeof path !== "string" || !/^\/[^?#]*$/.test(path)) {
    throw new TypeError("path must be null, or begin with / and contain no ? and no #");
  }
  const written = URL.parse(`http://localhost${path}`)?.pathname;
  if (written === path) return path;
  throw new TypeError(`path must be as a URL has it: ${written}`);
}

/** Puts the name of an option in front of what is wrong with it. */
function named<T>(name: string, check: () => T): T {
  try {
    return check();
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new TypeError(`${name}: ${cause.message}`, { cause });
  }
}

function readTtl(name: string, text: string): number {
  try {
    return parseDuration(text);
  } catch (cause) {
    const message = `${name} must be a number and a unit, such as "30m", "24h" or "30d"`;
    throw new TypeError(message, { cause });
  }
}
