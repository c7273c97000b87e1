/**
 * The backplane over Redis 6 or newer, or Valkey: every instance that shares the Redis and the prefix
 * is one server. One Redis, several, a Redis Cluster, or one that Sentinels watch. `docs/redis.md` has
 * the data model, what each operation costs and what happens on each failure.
 *
 * @example A server of many instances
 * ```ts
 * import { createServer } from "@aikofy/client-db-sync";
 * import { createRedisBackplane } from "@aikofy/client-db-sync/redis";
 *
 * await using server = await createServer({
 *   authEnabled: false,
 *   backplane: createRedisBackplane({ url: "redis://127.0.0.1:6379", prefix: "my-app:" }),
 * });
 * await server.listen({ port: 0, host: "127.0.0.1" });
 * // Its `/health` says `"backplane":"up"` once it has reached Redis.
 * ```
 *
 * @module
 */

import type { Backplane } from "../backplane.ts";
import { type Clock, systemClock } from "../../runtime/clock.ts";
import { DEFAULTS } from "../../runtime/defaults.ts";
import { checkMethods, checkOptionNames } from "../../runtime/option_checks.ts";
import { checkRedisPrefix, readRedisUrl } from "../../runtime/redis_url.ts";
import { redisBackplanes } from "./shards.ts";

/** Options of {@linkcode createRedisBackplane}. */
export interface RedisBackplaneOptions {
  /**
   * `redis://` or `rediss://` (TLS), with user, password and number of the database if need be, or
   * `redis-sentinel://` or `rediss-sentinel://`. {@linkcode createRedisBackplanes} also accepts several
   * of them, separated by commas or white space, and `redis-cluster://` or `rediss-cluster://`.
   */
  url: string;
  /**
   * What every key and channel begins with: servers that share Redis and prefix are one.
   *
   * @default {"client-db-sync:"}
   */
  prefix?: string;
  /** The time; the machine's when absent. */
  clock?: Clock;
}

const NAMES: Readonly<Record<keyof RedisBackplaneOptions, true>> = {
  url: true,
  prefix: true,
  clock: true,
};

/**
 * Creates a backplane over one Redis, or over the one that Sentinels name. The client is loaded when it
 * starts, not before.
 *
 * @param options See {@linkcode RedisBackplaneOptions}.
 * @returns The backplane, for the option `backplane` of a server or handler.
 * @throws {TypeError} The URL is none of one Redis or has a character that must be encoded, the prefix
 * is empty or has a brace or a control character, or the name of an option is not known.
 *
 * @example For a handler; a URL that is none of Redis is refused at once
 * ```ts
 * import type { SignalingHandlerOptions } from "@aikofy/client-db-sync";
 * import { createRedisBackplane } from "@aikofy/client-db-sync/redis";
 * import { assertThrows } from "@std/assert";
 *
 * const options: SignalingHandlerOptions = {
 *   authEnabled: false,
 *   backplane: createRedisBackplane({ url: "rediss://user:password@redis.example.com/0" }),
 * };
 * assertThrows(() => createRedisBackplane({ url: "https://redis.example.com" }), TypeError);
 * ```
 */
export function createRedisBackplane(options: RedisBackplaneOptions): Backplane {
  const backplanes = createRedisBackplanes(options);
  const [backplane] = backplanes;
  if (backplane !== undefined && backplanes.length === 1) return backplane;
  throw new TypeError("The URL is that of several shards: use createRedisBackplanes()");
}

/**
 * Creates the backplanes over everything that a URL can stand for: one for each Redis, and one for each
 * logical shard of a Redis Cluster, of which `?shards=` tells the number (16 when absent). The rooms are
 * distributed over them, so that every instance needs the same URL.
 *
 * @param options See {@linkcode RedisBackplaneOptions}.
 * @returns At least one backplane.
 * @throws {TypeError} A URL is none of Redis, is there twice or has a character that must be encoded,
 * the prefix is empty or has a brace or a control character, or the name of an option is not known.
 *
 * @example Two Redis, a Redis Cluster, and a primary that three Sentinels watch
 * ```ts
 * import { createRedisBackplanes } from "@aikofy/client-db-sync/redis";
 * import { assertEquals } from "@std/assert";
 *
 * const two = createRedisBackplanes({ url: "redis://a.example redis://b.example" });
 * const cluster = createRedisBackplanes({ url: "rediss-cluster://user:password@c.example:6379" });
 * const hosts = "s1.example,s2.example,s3.example";
 * const watched = createRedisBackplanes({ url: `redis-sentinel://${hosts}/0?name=mymaster` });
 * assertEquals([two.length, cluster.length, watched.length], [2, 16, 1]);
 * ```
 */
export function createRedisBackplanes(options: RedisBackplaneOptions): readonly Backplane[] {
  checkOptionNames(options, Object.keys(NAMES));
  const { prefix = DEFAULTS.redisPrefix, clock = systemClock } = options;
  const url = readRedisUrl(options.url);
  checkRedisPrefix(prefix);
  checkMethods("clock", clock, ["now", "elapsed", "setTimeout", "clearTimeout"]);
  return [...redisBackplanes(url, { prefix, clock }).values()];
}
