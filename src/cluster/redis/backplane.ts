/**
 * The backplane over Redis 6 or newer, or Valkey: every instance that shares the Redis and the prefix
 * is one server. It owns one connection at a time and connects again when that fails. `docs/redis.md`
 * has the data model, what each operation costs and what happens on each failure.
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

import type {
  Backplane,
  BackplaneListener,
  Envelope,
  JoinOptions,
  JoinReply,
  Member,
  MemberId,
} from "../backplane.ts";
import { type Clock, systemClock, type Timer } from "../../runtime/clock.ts";
import { DEFAULTS } from "../../runtime/defaults.ts";
import { RedisConnection } from "./connection.ts";
import { RedisKeys } from "./keys.ts";
import {
  encodeAuthFailed,
  encodeEnvelope,
  encodeUndeliverable,
  type RedisMessage,
} from "./messages.ts";
import { decodeJoinReply, joinCall } from "./scripts/join.ts";
import { leaveCall } from "./scripts/leave.ts";
import type { ScriptCall } from "./scripts/shared.ts";
import { updateCall } from "./scripts/update.ts";

/** Options of {@linkcode createRedisBackplane}. */
export interface RedisBackplaneOptions {
  /** `redis://` or `rediss://` (TLS), with user, password and number of the database if need be. */
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

/** How old an envelope may be when it is delivered, in milliseconds. */
const MAX_MESSAGE_AGE_MS = 2000;

/** Commands that may wait for Redis; beyond, peers of other instances cannot be reached. */
const MAX_IN_FLIGHT = 20_000;

const MIN_RETRY_MS = 100;
const MAX_RETRY_MS = 1000;

/**
 * Creates a backplane over Redis. The client is loaded when it starts, not before.
 *
 * @param options See {@linkcode RedisBackplaneOptions}.
 * @returns The backplane, for the option `backplane` of a server or handler.
 */
export function createRedisBackplane(options: RedisBackplaneOptions): Backplane {
  return new RedisBackplane(options);
}

class RedisBackplane implements Backplane {
  readonly #url: string;
  readonly #keys: RedisKeys;
  readonly #clock: Clock;
  #listener: BackplaneListener | undefined;
  #connection: RedisConnection | undefined;
  #retry: Timer | undefined;
  #retryMs = MIN_RETRY_MS;
  #previous = "";
  #isClosed = false;

  constructor({ url, prefix = DEFAULTS.redisPrefix, clock = systemClock }: RedisBackplaneOptions) {
    this.#url = url;
    this.#keys = new RedisKeys(prefix);
    this.#clock = clock;
  }

  start(listener: BackplaneListener): void {
    this.#listener = listener;
    this.#connect();
  }

  async join(room: string, member: Member, options: JoinOptions): Promise<JoinReply> {
    const connection = this.#connection;
    if (connection === undefined) throw new Error("Redis is down");
    return decodeJoinReply(await connection.run(joinCall(this.#keys, room, member, options)));
  }

  update(room: string, member: Member): void {
    this.#runWithoutReply(updateCall(this.#keys, room, member));
  }

  leave(room: string, id: string, memberId: MemberId): void {
    this.#runWithoutReply(leaveCall(this.#keys, room, id, memberId));
  }

  async send(envelope: Envelope): Promise<boolean> {
    const connection = this.#connection;
    if (connection === undefined || connection.inFlight > MAX_IN_FLIGHT) return false;
    const channel = this.#keys.channel(envelope.target.instance);
    try {
      const text = encodeEnvelope(envelope, connection.redisNow());
      const isReceived = await connection.publish(channel, text) !== 0;
      if (isReceived) connection.trackSent(envelope);
      return isReceived;
    } catch {
      return false;
    }
  }

  reportUndeliverable(envelope: Envelope): void {
    this.#publish(this.#keys.channel(envelope.sender.instance), encodeUndeliverable(envelope));
  }

  authFailed(address: string): void {
    const from = this.#connection?.instance;
    if (from !== undefined) this.#publish(this.#keys.all, encodeAuthFailed(address, from));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#retry !== undefined) this.#clock.clearTimeout(this.#retry);
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.leave();
  }

  #publish(channel: string, text: string): void {
    this.#connection?.publish(channel, text).catch(() => {}); // The connection says that it failed.
  }

  #runWithoutReply(call: ScriptCall): void {
    this.#connection?.run(call).catch(() => {});
  }

  async #connect(): Promise<void> {
    this.#retry = undefined;
    try {
      const connection = await RedisConnection.open({
        url: this.#url,
        keys: this.#keys,
        clock: this.#clock,
        previous: this.#previous,
        events: {
          failed: (reason) => this.#failed(reason),
          message: (message) => this.#onMessage(message),
          undeliverable: (envelope) => this.#listener?.undeliverable(envelope),
        },
      });
      if (this.#isClosed) return connection.destroy();
      this.#previous = connection.instance;
      this.#connection = connection;
      this.#retryMs = MIN_RETRY_MS;
      connection.start();
      this.#listener?.up(connection.instance);
    } catch (cause) {
      this.#retryLater(String(cause));
    }
  }

  #failed(reason: string): void {
    this.#connection = undefined;
    this.#listener?.down(reason);
    this.#retryLater(reason);
  }

  #retryLater(reason: string): void {
    if (this.#isClosed) return;
    if (this.#previous === "" && this.#retryMs === MIN_RETRY_MS) this.#listener?.down(reason);
    const delayMs = this.#retryMs * (0.5 + Math.random() / 2);
    this.#retryMs = Math.min(this.#retryMs * 2, MAX_RETRY_MS);
    this.#retry = this.#clock.setTimeout(() => this.#connect(), delayMs);
  }

  #onMessage(message: RedisMessage): void {
    const connection = this.#connection;
    if (connection === undefined || this.#listener === undefined) return;
    switch (message.kind) {
      case "room event":
        return this.#listener.roomChanged(message.event);
      case "envelope":
        if (connection.redisNow() - message.sentAt > MAX_MESSAGE_AGE_MS) {
          return this.reportUndeliverable(message.envelope);
        }
        return this.#listener.received(message.envelope);
      case "undeliverable":
        return this.#listener.undeliverable(message.envelope);
      case "auth failed":
        if (message.from !== connection.instance) this.#listener.authFailed(message.address);
    }
  }
}
