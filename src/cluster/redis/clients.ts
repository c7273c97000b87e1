/**
 * Two clients of Redis: one sends commands, the other subscribes. They fail together: when one fails,
 * nothing that waits in the other may arrive later. In a Redis Cluster they publish within the shard,
 * where Redis can. What is sent and when is left to the connection.
 */

import type { Clock } from "../../runtime/clock.ts";
import type { RedisServer } from "../../runtime/redis_url.ts";
import {
  connect,
  createRedisClient,
  destroy,
  type RedisClient,
  withinRedisTime,
  withoutArguments,
} from "./client.ts";
import { SCRIPTS } from "./scripts/all.ts";
import type { ScriptCall } from "./scripts/shared.ts";

/** Options of {@linkcode RedisClients.open}. */
export interface RedisClientsOptions {
  readonly server: RedisServer;
  /** Whether it is a node of a Redis Cluster. */
  readonly isCluster: boolean;
  readonly clock: Clock;
  /** Aborted when they are not wanted any more: opening them ends soon. */
  readonly signal?: AbortSignal | undefined;
  /** Called once, with the reason, when a client fails after `open` has resolved. */
  readonly onFailure: (reason: string) => void;
}

/** Two clients that fail together. */
export class RedisClients {
  readonly #commands: RedisClient;
  readonly #channels: RedisClient;
  readonly #clock: Clock;
  /** The text and the hash of each script as it is run here. */
  readonly #scripts = new Map<string, { readonly text: string; readonly hash: string }>();
  readonly #onFailure: (reason: string) => void;
  #state: "opening" | "open" | "closed" = "opening";
  /** Whether messages stay within the shard of a cluster, instead of going to each of its nodes. */
  #isSharded = false;
  #inFlight = 0;

  private constructor(
    clients: readonly [RedisClient, RedisClient],
    { clock, onFailure }: RedisClientsOptions,
  ) {
    [this.#commands, this.#channels] = clients;
    this.#clock = clock;
    this.#onFailure = onFailure;
    for (const client of clients) {
      client.on("error", (cause) => this.#fail(String(withoutArguments(cause))));
      client.on("end", () => this.#fail("Redis ended the connection"));
      client.on("sharded-channel-moved", () => this.#fail("MOVED: another node has the slot"));
    }
  }

  /** Connects both clients and loads the scripts; rejects when Redis does not answer in time. */
  static async open(options: RedisClientsOptions): Promise<RedisClients> {
    const { server, signal } = options;
    const both = await Promise.all([createRedisClient(server), createRedisClient(server)]);
    const clients = new RedisClients(both, options);
    try {
      await clients.within(Promise.all(both.map(connect)));
      signal?.throwIfAborted();
      clients.#isSharded = options.isCluster && await clients.#hasShardChannels();
      await clients.within(Promise.all(SCRIPTS.map((script) => clients.#load(script))));
      signal?.throwIfAborted();
      clients.#state = "open";
      return clients;
    } catch (cause) {
      clients.destroy();
      throw withoutArguments(cause);
    }
  }

  /** Commands that Redis has not answered yet. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Resolves as the promise does; rejects when that takes longer than Redis may. */
  within<T>(promise: Promise<T>): Promise<T> {
    return withinRedisTime(this.#clock, promise);
  }

  /** Calls a listener for every text that is published on a channel. */
  async subscribe(channels: string[], onText: (text: string) => void): Promise<void> {
    try {
      if (this.#isSharded) await this.#channels.sSubscribe(channels, onText);
      else await this.#channels.subscribe(channels, onText);
    } catch (cause) {
      throw withoutArguments(cause);
    }
  }

  /** Publishes a text and resolves with the number of subscribers. */
  async publish(channel: string, text: string): Promise<number> {
    const name = this.#isSharded ? "SPUBLISH" : "PUBLISH";
    return Number(await this.command([name, channel, text]));
  }

  /** The number of subscribers of a channel. */
  async subscribers(channel: string): Promise<number> {
    const name = this.#isSharded ? "SHARDNUMSUB" : "NUMSUB";
    const reply = await this.command(["PUBSUB", name, channel]);
    return Array.isArray(reply) ? Number(reply[1]) : 0;
  }

  /** Sends a command and resolves with the reply; Redis runs commands in the order of the calls. */
  async command(args: readonly string[]): Promise<unknown> {
    this.#inFlight++;
    try {
      return await this.#commands.sendCommand(args);
    } catch (cause) {
      throw withoutArguments(cause);
    } finally {
      this.#inFlight--;
    }
  }

  /** Runs a script by its hash, or sends its text if Redis has lost it. */
  async run({ script, keys, args }: ScriptCall): Promise<unknown> {
    const { hash = "", text = script } = this.#scripts.get(script) ?? {};
    const rest = [String(keys.length), ...keys, ...args];
    try {
      return await this.command(["EVALSHA", hash, ...rest]);
    } catch (cause) {
      if (!String(cause).includes("NOSCRIPT")) throw cause;
      return await this.command(["EVAL", text, ...rest]);
    }
  }

  /** Ends both connections at once. Nothing is reported afterwards. */
  destroy(): void {
    this.#state = "closed";
    for (const client of [this.#commands, this.#channels]) destroy(client);
  }

  /** Whether this is Redis 7 or newer, or Valkey. */
  async #hasShardChannels(): Promise<boolean> {
    try {
      await this.within(this.command(["PUBSUB", "SHARDNUMSUB"]));
      return true;
    } catch (cause) {
      if (/unknown/i.test(String(cause))) return false;
      throw cause;
    }
  }

  async #load(script: string): Promise<void> {
    const text = this.#isSharded ? script.replaceAll("'PUBLISH'", "'SPUBLISH'") : script;
    const hash = await this.command(["SCRIPT", "LOAD", text]);
    this.#scripts.set(script, { text, hash: String(hash) });
  }

  #fail(reason: string): void {
    if (this.#state !== "open") return;
    this.#state = "closed";
    this.#onFailure(reason);
  }
}
