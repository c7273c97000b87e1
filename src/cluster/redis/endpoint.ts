/**
 * Where a connection finds its Redis, each time it opens: at an address whose name may have changed its
 * meaning, or at the primary that Sentinels name. `cluster_nodes.ts` has the one of a Redis Cluster.
 */

import type { Clock } from "../../runtime/clock.ts";
import type { RedisServer, RedisShard } from "../../runtime/redis_url.ts";
import { askServer } from "./client.ts";

/** Where one Redis is. */
export interface Endpoint {
  /** Where it is by its URL; for what can be wrong with it, see `problems.ts`. */
  readonly kind: "server" | "sentinel" | "cluster";
  /**
   * Finds out where to connect now.
   *
   * @param signal Aborted when nobody wants to know any more.
   */
  resolve(signal: AbortSignal): Promise<RedisServer>;
}

/** The endpoint of a shard. */
export function shardEndpoint(shard: RedisShard, clock: Clock): Endpoint {
  if (shard.kind === "sentinel") return new SentinelEndpoint(shard, clock);
  return { kind: "server", resolve: () => Promise.resolve(shard.server) };
}

/**
 * A list of servers that is gone through in turn, so that one which is wrong is not asked for ever. One
 * that is there more than once is asked once at a time.
 */
export class Turns {
  readonly #servers: RedisServer[];

  constructor(servers: readonly RedisServer[]) {
    this.#servers = [...servers];
  }

  /**
   * Asks one server after the other until one knows.
   *
   * @throws The reason of the last one, if none does.
   */
  async ask<T>(ask: (server: RedisServer) => Promise<T>, signal: AbortSignal): Promise<T> {
    let problem: unknown = new Error("There is no server to ask");
    const asked = new Set<RedisServer>();
    for (const server of [...this.#servers]) {
      signal.throwIfAborted();
      this.#servers.push(...this.#servers.splice(this.#servers.indexOf(server), 1));
      if (asked.has(server)) continue;
      asked.add(server);
      try {
        return await ask(server);
      } catch (cause) {
        problem = cause;
      }
    }
    throw problem;
  }
}

/** Asks Sentinels for the primary. */
class SentinelEndpoint implements Endpoint {
  readonly kind = "sentinel";
  readonly #shard: RedisShard & { readonly kind: "sentinel" };
  readonly #clock: Clock;
  readonly #sentinels: Turns;

  constructor(shard: RedisShard & { readonly kind: "sentinel" }, clock: Clock) {
    this.#shard = shard;
    this.#clock = clock;
    this.#sentinels = new Turns(shard.sentinels);
  }

  // Whether it is a primary shows at the first heartbeat, which a replica refuses.
  async resolve(signal: AbortSignal): Promise<RedisServer> {
    const { name, login, database } = this.#shard;
    const address = await this.#sentinels.ask(
      (sentinel) => askSentinel(sentinel, name, this.#clock, signal),
      signal,
    );
    return { ...login, ...address, database };
  }
}

/** Asks one Sentinel where the primary of a name is. */
export async function askSentinel(
  sentinel: RedisServer,
  name: string,
  clock: Clock,
  signal?: AbortSignal,
): Promise<{ readonly host: string; readonly port: number }> {
  const command = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", name];
  const reply = await askServer(sentinel, command, clock, signal);
  if (reply === null) throw new Error("The Sentinel knows no primary of this name");
  const [host, port] = Array.isArray(reply) ? reply : [];
  const address = readAddress(host, port);
  if (address === undefined) throw new Error("The Sentinel's answer cannot be read");
  return { ...address, host: address.host === "" ? sentinel.host : address.host };
}

/** An address as a server announces it; `undefined` if it is none. An empty host is the server's own. */
export function readAddress(
  host: unknown,
  port: unknown,
): { readonly host: string; readonly port: number } | undefined {
  const number = Number(port);
  if (!Number.isInteger(number) || number < 1 || number > 65_535) return undefined;
  if (host === null || host === "") return { host: "", port: number };
  if (typeof host !== "string" || !/^[\w.:-]{1,255}$/.test(host)) return undefined;
  return { host, port: number };
}
