/**
 * The backplane over Redis 6 or newer, or Valkey. `docs/redis.md` has the data model, what each
 * operation costs and what happens on each failure. It owns two connections, one that sends commands
 * and one that hears; both are given up together as soon as one fails or stalls, so that nothing
 * which was waiting in one of them can arrive late.
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
import {
  decodeMessage,
  encodeEnvelope,
  encodeJoin,
  encodeMember,
  encodeUndeliverable,
} from "./messages.ts";
import { RedisKeys } from "./keys.ts";
import { RedisConnection, STALLED_MS } from "./connection.ts";
import { HEARTBEAT, JOIN, LEAVE, REAP, UPDATE } from "./scripts.ts";

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

/** How often an instance says that it lives, in milliseconds. */
const HEARTBEAT_MS = 500;

/** How long an instance may be silent before the others take its peers out, in milliseconds. */
const INSTANCE_TIMEOUT_MS = 10_000;

/** The same when nobody listens on its channel, as after a kill. */
const NO_SUBSCRIBER_TIMEOUT_MS = 3000;

/** How old a letter may be when it is delivered, in milliseconds. */
const MAX_MESSAGE_AGE_MS = 2000;

/** Commands that may wait for Redis; beyond, nobody elsewhere can be reached. */
const MAX_IN_FLIGHT = 20_000;

/** How long keys outlive the last instance, in seconds. */
const LIFETIME_SECONDS = "3600";

/** Rooms of a dead instance that are cleared in one step. */
const REAP_ROOMS = 50;

const TAKEN_FOR_DEAD = "The other instances took this one for dead";

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
    const link = this.#connection;
    if (link === undefined) throw new Error("Redis is down");
    const keys = [this.#keys.members(room), this.#keys.meta(room), this.#keys.instances];
    const args = [this.#keys.prefix, ...encodeJoin(room, member, options), LIFETIME_SECONDS];
    const reply = await this.#orDisconnect(link, link.run(JOIN, keys, args));
    if (reply !== "gone") return reply as JoinReply;
    this.#failed(link, TAKEN_FOR_DEAD);
    throw new Error(TAKEN_FOR_DEAD);
  }

  update(room: string, member: Member): void {
    const [instance, number, role, acceptsConsumers] = encodeMember(member);
    const { id } = member;
    const args = [
      JSON.stringify(room),
      id,
      JSON.stringify(id),
      instance,
      number,
      role,
      acceptsConsumers,
    ];
    this.#runWithoutReply(UPDATE, room, args);
  }

  leave(room: string, id: string, { instance, number }: MemberId): void {
    const args = [room, JSON.stringify(room), id, JSON.stringify(id), instance, String(number)];
    this.#runWithoutReply(LEAVE, room, args);
  }

  async send(envelope: Envelope): Promise<boolean> {
    const link = this.#connection;
    if (link === undefined || link.inFlight > MAX_IN_FLIGHT) return false;
    const channel = this.#keys.channel(envelope.target.instance);
    try {
      const text = encodeEnvelope(envelope, link.redisNow());
      const heard = await this.#orDisconnect(link, link.command(["PUBLISH", channel, text]));
      if (heard !== 0) link.trackSent(envelope);
      return heard !== 0;
    } catch {
      return false;
    }
  }

  reportUndeliverable(envelope: Envelope): void {
    this.#publish(this.#keys.channel(envelope.sender.instance), encodeUndeliverable(envelope));
  }

  authFailed(address: string): void {
    const from = this.#connection?.instance;
    this.#publish(this.#keys.all, JSON.stringify(["f", address, from]));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#retry !== undefined) this.#clock.clearTimeout(this.#retry);
    const link = this.#connection;
    this.#connection = undefined;
    if (link === undefined) return;
    await link.within(this.#reap(link, link.instance)).catch(() => {});
    link.destroy();
  }

  #publish(channel: string, text: string): void {
    const link = this.#connection;
    if (link) this.#orDisconnect(link, link.command(["PUBLISH", channel, text])).catch(() => {});
  }

  #runWithoutReply(script: string, room: string, args: readonly string[]): void {
    const link = this.#connection;
    const keys = [this.#keys.members(room), this.#keys.meta(room)];
    if (link) {
      this.#orDisconnect(link, link.run(script, keys, [this.#keys.prefix, ...args])).catch(
        () => {},
      );
    }
  }

  /** Gives the link up when Redis refuses a command: what it holds is no longer what is true. */
  async #orDisconnect<T>(link: RedisConnection, answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (cause) {
      this.#failed(link, String(cause));
      throw cause;
    }
  }

  async #connect(): Promise<void> {
    this.#retry = undefined;
    let link: RedisConnection | undefined;
    try {
      const opened = link = await RedisConnection.open(this.#url, this.#clock);
      const { instance } = link;
      const onText = (text: string) => this.#onMessage(opened, text);
      link.onFailure = (reason) => this.#failed(opened, reason);
      await link.within(link.listen([this.#keys.channel(instance), this.#keys.all], onText));
      await link.within(this.#heartbeat(link, true));
      if (this.#previous !== "") await link.within(this.#reap(link, this.#previous));
      if (this.#isClosed) return link.destroy();
      this.#previous = instance;
      this.#connection = link;
      this.#retryMs = MIN_RETRY_MS;
      this.#listener?.up(instance);
      this.#watch(link);
    } catch (cause) {
      link?.destroy();
      this.#retryLater(String(cause));
    }
  }

  #failed(link: RedisConnection, reason: string): void {
    if (link !== this.#connection) return;
    this.#connection = undefined;
    link.destroy();
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

  /** Beats, and gives the link up when no beat has come back in time. */
  #watch(link: RedisConnection): void {
    const dueAt = this.#clock.elapsed() + HEARTBEAT_MS;
    link.timer = this.#clock.setTimeout(() => {
      const now = this.#clock.elapsed();
      const isPunctual = now - dueAt < HEARTBEAT_MS; // Else this process was stalled, not Redis.
      if (isPunctual && now - link.lastReceivedAt > STALLED_MS) {
        return this.#failed(link, "Redis does not answer");
      }
      this.#heartbeat(link, false).catch((cause) => this.#failed(link, String(cause)));
      this.#watch(link);
    }, HEARTBEAT_MS);
  }

  async #heartbeat(link: RedisConnection, isFirst: boolean): Promise<void> {
    const sentAt = this.#clock.elapsed();
    const [now, cursor, ...dead] = await link.run(HEARTBEAT, [this.#keys.instances], [
      this.#keys.prefix,
      link.instance,
      isFirst ? "1" : "0",
      String(INSTANCE_TIMEOUT_MS),
      String(NO_SUBSCRIBER_TIMEOUT_MS),
      link.cursor,
      LIFETIME_SECONDS,
    ]) as string[];
    if (now === "gone" || now === undefined) throw new Error(TAKEN_FOR_DEAD);
    link.cursor = cursor ?? "0";
    link.synchronize(Number(now), sentAt);
    this.#verifyDelivered(link);
    for (const instance of dead) await this.#reap(link, instance);
  }

  /**
   * Makes sure that the instances to which letters went since the last beat still listen: Redis may
   * have handed a letter to one that had just died.
   */
  #verifyDelivered(link: RedisConnection): void {
    for (const [instance, envelopes] of link.takeSent()) {
      link.command(["PUBLISH", this.#keys.channel(instance), '["p"]']).then((heard) => {
        if (heard !== 0 || link !== this.#connection) return;
        for (const envelope of envelopes) this.#listener?.undeliverable(envelope);
      }, (cause) => this.#failed(link, String(cause)));
    }
  }

  async #reap(link: RedisConnection, instance: string): Promise<void> {
    const args = [this.#keys.prefix, instance, String(REAP_ROOMS)];
    while (await link.run(REAP, [this.#keys.instances], args) === REAP_ROOMS);
  }

  #onMessage(link: RedisConnection, text: string): void {
    const message = decodeMessage(text);
    if (message?.type === "beat") link.lastReceivedAt = this.#clock.elapsed();
    if (link !== this.#connection || this.#listener === undefined || message === undefined) return;
    switch (message.type) {
      case "room event":
        return this.#listener.roomChanged(message.event);
      case "letter":
        if (link.redisNow() - message.sentAt > MAX_MESSAGE_AGE_MS) {
          return this.reportUndeliverable(message.envelope);
        }
        return this.#listener.received(message.envelope);
      case "returned":
        return this.#listener.undeliverable(message.envelope);
      case "auth failed":
        if (message.from !== link.instance) this.#listener.authFailed(message.address);
    }
  }
}
