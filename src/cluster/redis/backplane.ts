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
  AuditReply,
  Backplane,
  BackplaneListener,
  Envelope,
  EnvelopeHeader,
  JoinOptions,
  JoinReply,
  Member,
  MemberId,
  PostReply,
  RoomView,
  SendOutcome,
  UndeliverableReason,
} from "../backplane.ts";
import type { Revocation } from "../../access/revocations.ts";
import { type Clock, systemClock, type Timer } from "../../runtime/clock.ts";
import { DEFAULTS } from "../../runtime/defaults.ts";
import { checkMethods, checkOptionNames } from "../../runtime/option_checks.ts";
import { checkRedisPrefix, checkRedisUrl, databaseOf } from "../../runtime/redis_url.ts";
import { Barriers } from "./barriers.ts";
import { RedisConnection } from "./connection.ts";
import { evictionWarning } from "./eviction.ts";
import { RedisKeys } from "./keys.ts";
import {
  encodeAuthFailed,
  encodeBarrier,
  encodeUndeliverable,
  type RedisMessage,
} from "./messages.ts";
import { auditCall, decodeAuditReply } from "./scripts/audit.ts";
import { decodeJoinReply, joinCall } from "./scripts/join.ts";
import { leaveCall } from "./scripts/leave.ts";
import { decodePostReply, postCall } from "./scripts/post.ts";
import type { ScriptCall } from "./scripts/shared.ts";
import {
  decodeRevocations,
  loadRevocationsCall,
  storeRevocationsCall,
} from "./scripts/revocations.ts";
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

const NAMES: Readonly<Record<keyof RedisBackplaneOptions, true>> = {
  url: true,
  prefix: true,
  clock: true,
};

const MIN_RETRY_MS = 100;
const MAX_RETRY_MS = 1000;

/**
 * Creates a backplane over Redis. The client is loaded when it starts, not before.
 *
 * @param options See {@linkcode RedisBackplaneOptions}.
 * @returns The backplane, for the option `backplane` of a server or handler.
 * @throws {TypeError} The URL is none of Redis or has a character that must be encoded, the prefix is
 * empty or has a brace or a control character, or the name of an option is not known.
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
  checkOptionNames(options, Object.keys(NAMES));
  return new RedisBackplane(options);
}

class RedisBackplane implements Backplane {
  readonly #url: string;
  readonly #keys: RedisKeys;
  readonly #clock: Clock;
  readonly #barriers = new Barriers();
  #listener: BackplaneListener | undefined;
  #connection: RedisConnection | undefined;
  /** The attempt to connect that is under way. */
  #connecting: Promise<void> | undefined;
  #retry: Timer | undefined;
  #retryMs = MIN_RETRY_MS;
  #previous = "";
  #isClosed = false;
  /** The policy that was warned of last. */
  #warnedPolicy = "noeviction";

  constructor({ url, prefix = DEFAULTS.redisPrefix, clock = systemClock }: RedisBackplaneOptions) {
    const checked = checkRedisUrl(url);
    this.#url = checked.href;
    this.#keys = new RedisKeys({ prefix: checkRedisPrefix(prefix), tag: databaseOf(checked) });
    checkMethods("clock", clock, ["now", "elapsed", "setTimeout", "clearTimeout"]);
    this.#clock = clock;
  }

  start(listener: BackplaneListener): void {
    this.#listener = listener;
    this.#connecting = this.#connect();
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

  send(envelope: Envelope): Promise<SendOutcome> {
    return this.#connection?.send(envelope) ?? Promise.resolve("not found");
  }

  reportUndeliverable(envelope: EnvelopeHeader, reason: UndeliverableReason): void {
    const channel = this.#keys.channel(envelope.sender.instance);
    this.#connection?.post(channel, encodeUndeliverable(envelope, reason));
  }

  async audit(views: readonly RoomView[]): Promise<AuditReply> {
    const connection = this.#connection;
    if (connection === undefined || views.length === 0) return { missing: [], removed: 0 };
    const { instance } = connection;
    const reply = await connection.run(auditCall(this.#keys, instance, views));
    const audited = decodeAuditReply(reply, views);
    // A member that seems to be missing may have been replaced.
    if (audited.missing.length > 0 && connection === this.#connection) {
      const channel = this.#keys.channel(instance);
      await this.#barriers.pass((id) => connection.post(channel, encodeBarrier(id)));
    }
    return audited;
  }

  authFailed(address: string): void {
    const from = this.#connection?.instance;
    if (from !== undefined) this.#connection?.post(this.#keys.all, encodeAuthFailed(address, from));
  }

  async post(text: string, to?: string): Promise<PostReply> {
    const connection = this.#connection;
    if (connection === undefined) throw new Error("Redis is down");
    const call = postCall(this.#keys, connection.instance, text, to);
    return decodePostReply(await connection.run(call));
  }

  async storeRevocations(revocations: readonly Revocation[]): Promise<void> {
    await this.#run(storeRevocationsCall(this.#keys, revocations, this.#clock.now()));
  }

  async loadRevocations(): Promise<readonly Revocation[]> {
    const all: Revocation[] = [];
    let cursor = "0";
    do {
      const reply = await this.#run(loadRevocationsCall(this.#keys, cursor));
      const page = decodeRevocations(reply);
      all.push(...page.revocations);
      cursor = page.cursor;
    } while (cursor !== "0");
    return all;
  }

  async #run(call: ScriptCall): Promise<unknown> {
    if (this.#connection === undefined) throw new Error("Redis is down");
    return await this.#connection.run(call);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#retry !== undefined) {
      this.#clock.clearTimeout(this.#retry);
      // What the last connection has left is removed by the next.
      if (this.#previous !== "") this.#connecting = this.#connect();
    }
    const connection = this.#connection;
    this.#connection = undefined;
    this.#barriers.clear();
    await connection?.leave();
    await this.#connecting; // It may have written to Redis already, and removes that.
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
          undeliverable: (envelope) => this.#listener?.undeliverable(envelope, "not found"),
          roomsListed: (rooms) => this.#listener?.roomsListed(rooms),
        },
      });
      if (this.#isClosed) return await connection.leave();
      this.#previous = connection.instance;
      this.#connection = connection;
      this.#retryMs = MIN_RETRY_MS;
      connection.start();
      this.#listener?.up(connection.instance);
      this.#warnOfEviction(await connection.evictionPolicy());
    } catch (cause) {
      if (this.#isClosed) return;
      this.#listener?.down(String(cause));
      this.#retryLater();
    }
  }

  #warnOfEviction(policy: string | undefined): void {
    const message = evictionWarning(policy);
    if (policy === undefined || message === undefined || policy === this.#warnedPolicy) return;
    this.#warnedPolicy = policy;
    this.#listener?.warn(message, { policy });
  }

  #failed(reason: string): void {
    this.#connection = undefined;
    this.#barriers.clear();
    this.#listener?.down(reason);
    this.#retryLater();
  }

  #retryLater(): void {
    if (this.#isClosed) return;
    const delayMs = this.#retryMs * (0.5 + Math.random() / 2);
    this.#retryMs = Math.min(this.#retryMs * 2, MAX_RETRY_MS);
    this.#retry = this.#clock.setTimeout(() => {
      this.#connecting = this.#connect();
    }, delayMs);
  }

  #onMessage(message: RedisMessage): void {
    const connection = this.#connection;
    if (connection === undefined || this.#listener === undefined) return;
    switch (message.kind) {
      case "room event":
        return this.#listener.roomChanged(message.event);
      case "envelope":
        return connection.isFresh(message.heartbeats)
          ? this.#listener.received(message.envelope)
          : this.reportUndeliverable(message.envelope, "not found");
      case "undeliverable":
        return this.#listener.undeliverable(message.envelope, message.reason);
      case "members lost":
        if (message.from !== connection.instance) this.#listener.membersLost(message.room);
        return;
      case "auth failed":
        if (message.from !== connection.instance) this.#listener.authFailed(message.address);
        return;
      case "barrier":
        return this.#barriers.received(message.id);
      case "post":
        return this.#listener.posted(message.text, message.from);
    }
  }
}
