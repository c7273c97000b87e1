/**
 * One connection of an instance to Redis, under a name of its own: its heartbeat, the check that Redis
 * and the other instances still live, and what it has sent. It ends as soon as Redis fails, stalls or
 * rejects a command; to connect again is left to the backplane.
 */

import type { Envelope, EnvelopeHeader } from "../backplane.ts";
import type { Clock, Timer } from "../../runtime/clock.ts";
import { RedisClients, STALLED_MS } from "./clients.ts";
import type { RedisKeys } from "./keys.ts";
import { decodeMessage, PING, type RedisMessage } from "./messages.ts";
import { SCRIPTS } from "./scripts/all.ts";
import { decodeHeartbeatReply, heartbeatCall } from "./scripts/heartbeat.ts";
import { INSTANCE_REMOVED } from "./scripts/join.ts";
import { reapCall, REAPED_ROOMS } from "./scripts/reap.ts";
import type { ScriptCall } from "./scripts/shared.ts";

/** How often an instance tells Redis that it lives, in milliseconds. */
const HEARTBEAT_MS = 500;

const TAKEN_FOR_DEAD = "The other instances took this one for dead";

/** What a connection reports, after `open` has resolved and until it is destroyed. */
export interface ConnectionEvents {
  /** It does not work any more and has been destroyed. */
  failed(reason: string): void;
  /** A message was published for this instance. */
  message(message: RedisMessage): void;
  /** An envelope was published for an instance that does not exist any more. */
  undeliverable(envelope: EnvelopeHeader): void;
}

/** Options of {@linkcode RedisConnection.open}. */
export interface RedisConnectionOptions {
  readonly url: string;
  readonly keys: RedisKeys;
  readonly clock: Clock;
  /** The name of this instance's last connection, whose members are removed; "" if there is none. */
  readonly previous: string;
  readonly events: ConnectionEvents;
}

/** One connection, under a name of its own. */
export class RedisConnection {
  /** The name of this instance while the connection lives. */
  readonly instance: string = crypto.randomUUID().slice(0, 13);
  readonly #options: RedisConnectionOptions;
  #clients: RedisClients | undefined;
  #isOpen = false;
  #timer: Timer | undefined;
  #isBeating = false;
  /** Where the next heartbeat continues to prolong the rooms of this instance. */
  #cursor = "0";
  #lastReceivedAt: number;
  #sent = new Map<string, EnvelopeHeader[]>();
  #redisClockOffset = 0;

  private constructor(options: RedisConnectionOptions) {
    this.#options = options;
    this.#lastReceivedAt = options.clock.elapsed();
  }

  /** Connects, sends the first heartbeat and removes what an earlier connection has left. */
  static async open(options: RedisConnectionOptions): Promise<RedisConnection> {
    const { url, keys, clock, previous } = options;
    const connection = new RedisConnection(options);
    const onFailure = (reason: string) => connection.#fail(reason);
    const clients = await RedisClients.open({ url, clock, scripts: SCRIPTS, onFailure });
    connection.#clients = clients;
    try {
      const channels = [keys.channel(connection.instance), keys.all];
      await clients.within(
        clients.subscribe(channels, (text) => connection.#onText(text)),
      );
      await clients.within(connection.#heartbeat(clients, true));
      if (previous !== "") await clients.within(connection.#reap(clients, previous));
      return connection;
    } catch (cause) {
      connection.destroy();
      throw cause;
    }
  }

  /** Reports events and sends heartbeats from now on. */
  start(): void {
    this.#isOpen = true;
    this.#watch();
  }

  /** Commands that Redis has not answered yet. */
  get inFlight(): number {
    return this.#clients?.inFlight ?? 0;
  }

  /** Runs a script. The connection fails if Redis rejects it: what we know may then be wrong. */
  async run(call: ScriptCall): Promise<unknown> {
    const reply = await this.#orFail((clients) => clients.run(call));
    if (reply !== INSTANCE_REMOVED) return reply;
    this.#fail(TAKEN_FOR_DEAD);
    throw new Error(TAKEN_FOR_DEAD);
  }

  /** Publishes a text and resolves with the number of subscribers that it went to. */
  async publish(channel: string, text: string): Promise<number> {
    return Number(await this.#orFail((clients) => clients.command(["PUBLISH", channel, text])));
  }

  /** Remembers that an envelope was sent until a heartbeat has shown that its instance lives. */
  trackSent({ text: _, ...header }: Envelope): void {
    const headers = this.#sent.get(header.target.instance);
    if (headers === undefined) this.#sent.set(header.target.instance, [header]);
    else headers.push(header);
  }

  /** Milliseconds by the clock of Redis, as of the last heartbeat. */
  redisNow(): number {
    return this.#options.clock.elapsed() + this.#redisClockOffset;
  }

  /** Removes the members of this instance and ends the connection. */
  async leave(): Promise<void> {
    this.#isOpen = false;
    const clients = this.#clients;
    if (clients !== undefined) {
      await clients.within(this.#reap(clients, this.instance)).catch(() => {});
    }
    this.destroy();
  }

  /** Ends the connection at once; nothing is reported afterwards. */
  destroy(): void {
    this.#isOpen = false;
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#clients?.destroy();
    this.#clients = undefined;
  }

  async #orFail<T>(act: (clients: RedisClients) => Promise<T>): Promise<T> {
    try {
      if (this.#clients === undefined) throw new Error("The connection to Redis has ended");
      return await act(this.#clients);
    } catch (cause) {
      this.#fail(String(cause));
      throw cause;
    }
  }

  #fail(reason: string): void {
    const wasOpen = this.#isOpen;
    this.destroy();
    if (wasOpen) this.#options.events.failed(reason);
  }

  /** Sends heartbeats, one at a time, and fails when none has come back in time. */
  #watch(): void {
    const { clock } = this.#options;
    const dueAt = clock.elapsed() + HEARTBEAT_MS;
    this.#timer = clock.setTimeout(() => {
      const now = clock.elapsed();
      const isPunctual = now - dueAt < HEARTBEAT_MS; // Else this process was stalled, not Redis.
      if (isPunctual && now - this.#lastReceivedAt > STALLED_MS) {
        return this.#fail("Redis does not answer");
      }
      this.#beat();
      this.#watch();
    }, HEARTBEAT_MS);
  }

  async #beat(): Promise<void> {
    if (this.#isBeating) return;
    this.#isBeating = true;
    try {
      await this.#orFail((clients) => this.#heartbeat(clients, false));
    } catch {
      // The connection has failed and said so.
    } finally {
      this.#isBeating = false;
    }
  }

  async #heartbeat(clients: RedisClients, isFirst: boolean): Promise<void> {
    const { clock, keys } = this.#options;
    const sentAt = clock.elapsed();
    const call = heartbeatCall(keys, { instance: this.instance, isFirst, cursor: this.#cursor });
    const reply = decodeHeartbeatReply(await clients.run(call));
    if (reply === undefined) throw new Error(TAKEN_FOR_DEAD);
    this.#cursor = reply.cursor;
    this.#redisClockOffset = reply.now - (sentAt + clock.elapsed()) / 2;
    this.#verifyDelivered();
    for (const instance of reply.dead) await this.#reap(clients, instance);
  }

  /**
   * Checks that the instances to which envelopes went since the last heartbeat still subscribe: Redis
   * may have passed an envelope to one that had just died.
   */
  #verifyDelivered(): void {
    const sent = this.#sent;
    this.#sent = new Map();
    for (const [instance, headers] of sent) {
      this.publish(this.#options.keys.channel(instance), PING).then((subscribers) => {
        if (subscribers !== 0 || !this.#isOpen) return;
        for (const header of headers) this.#options.events.undeliverable(header);
      }, () => {});
    }
  }

  async #reap(clients: RedisClients, instance: string): Promise<void> {
    const call = reapCall(this.#options.keys, instance);
    while (await clients.run(call) === REAPED_ROOMS);
  }

  #onText(text: string): void {
    const message = decodeMessage(text);
    if (message === undefined) return;
    if (message.kind === "heartbeat") this.#lastReceivedAt = this.#options.clock.elapsed();
    else if (this.#isOpen) this.#options.events.message(message);
  }
}
