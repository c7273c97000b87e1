/**
 * One connection of an instance to Redis, under a name of its own: its heartbeat, the check that Redis
 * and the other instances still live, and what it has sent. It ends as soon as Redis fails, stalls or
 * rejects a command; to connect again is left to the backplane.
 */

import type { Envelope, EnvelopeHeader, SendOutcome } from "../backplane.ts";
import type { Clock, Timer } from "../../runtime/clock.ts";
import { AddressWatch } from "./address_watch.ts";
import { STALLED_MS } from "./client.ts";
import { RedisClients } from "./clients.ts";
import { Delivery } from "./delivery.ts";
import type { Endpoint } from "./endpoint.ts";
import { evictionPolicyOf } from "./eviction.ts";
import { InstanceWatch, type SilentInstance } from "./instance_watch.ts";
import type { RedisKeys } from "./keys.ts";
import { decodeMessage, type RedisMessage } from "./messages.ts";
import { decodeHeartbeatReply, heartbeatCall } from "./scripts/heartbeat.ts";
import { INSTANCE_REMOVED } from "./scripts/join.ts";
import { reap } from "./scripts/reap.ts";
import type { ScriptCall } from "./scripts/shared.ts";

/** How often an instance tells Redis that it lives, in milliseconds. */
export const HEARTBEAT_MS = 500;

/** Turns of the event loop in which a heartbeat that is overdue may still be read. */
const TURNS = 20;

/** How long a turn takes at least, in milliseconds. */
const TURN_MS = 10;

const TAKEN_FOR_DEAD = "The other instances took this one for dead";

/** How old an envelope may be when it is received, in milliseconds. */
const MAX_ENVELOPE_AGE_MS = 2000;

/** The same in heartbeats of the target's instance, of which the sender's knows a little later. */
const MAX_ENVELOPE_AGE_HEARTBEATS = 6;

/** What a connection reports, after `open` has resolved and until it is destroyed. */
export interface ConnectionEvents {
  /** It does not work any more and has been destroyed. */
  failed(reason: string): void;
  /** A message was published for this instance. */
  message(message: RedisMessage): void;
  /** An envelope was published for an instance that does not exist any more. */
  undeliverable(envelope: EnvelopeHeader): void;
  /** Some of the rooms in which this instance has members. */
  roomsListed(rooms: readonly string[]): void;
}

/** Options of {@linkcode RedisConnection.open}. */
export interface RedisConnectionOptions {
  readonly endpoint: Endpoint;
  readonly keys: RedisKeys;
  readonly clock: Clock;
  /** The name of this instance's last connection, whose members are removed; "" if there is none. */
  readonly previous: string;
  /** Aborted when the connection is not wanted any more. */
  readonly signal: AbortSignal;
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
  /** Where the next heartbeat continues the list of rooms. */
  #cursor = "0";
  /** When the heartbeats were sent that have not come back: another one is none of this instance. */
  readonly #awaited = new Set<number>();
  /** When the last heartbeat that has come back was sent and received. */
  #heartbeat: { readonly sentAt: number; readonly receivedAt: number };
  readonly #watch = new InstanceWatch();
  readonly #delivery: Delivery;
  readonly #address: AddressWatch;

  private constructor(options: RedisConnectionOptions) {
    this.#options = options;
    const { clock, keys } = options;
    const now = clock.elapsed();
    this.#heartbeat = { sentAt: now, receivedAt: now };
    this.#delivery = new Delivery({
      instance: this.instance,
      keys,
      watch: this.#watch,
      publish: (channel, text) => this.#publish(channel, text),
      undeliverable: (envelope) => {
        if (this.#isOpen) options.events.undeliverable(envelope);
      },
      now: () => clock.elapsed(),
    });
    const watched = { ...options, instance: this.instance };
    this.#address = new AddressWatch(watched, (reason) => this.#fail(reason));
  }

  /** Connects, sends the first heartbeat and removes what an earlier connection has left. */
  static async open(options: RedisConnectionOptions): Promise<RedisConnection> {
    const { endpoint, keys, clock, previous } = options;
    const connection = new RedisConnection(options);
    const onFailure = (reason: string) => connection.#fail(reason);
    const server = await endpoint.resolve(options.signal);
    const isCluster = endpoint.kind === "cluster";
    // What an earlier connection has left is removed even when nobody wants this one any more.
    const signal = previous === "" ? options.signal : undefined;
    const clients = await RedisClients.open({ server, isCluster, clock, signal, onFailure });
    connection.#clients = clients;
    try {
      const channels = [keys.channel(connection.instance), keys.all];
      await clients.within(clients.subscribe(channels, (text) => connection.#onText(text)));
      await clients.within(connection.#sendHeartbeat(clients, true));
      if (previous !== "") await clients.within(reap(clients, keys, previous));
      return connection;
    } catch (cause) {
      connection.destroy();
      throw cause;
    }
  }

  /** Reports events and sends heartbeats from now on. */
  start(): void {
    this.#isOpen = true;
    this.#schedule();
  }

  /** What Redis does when its memory is full; `undefined` where the user may not ask. */
  async evictionPolicy(): Promise<string | undefined> {
    // A hosted Redis may forbid it.
    return await this.#clients?.command(["INFO", "memory"]).then(evictionPolicyOf, () => undefined);
  }

  /** Runs a script. The connection fails if Redis rejects it: what we know may then be wrong. */
  async run(call: ScriptCall): Promise<unknown> {
    const reply = await this.#orFail((clients) => clients.run(call));
    if (reply !== INSTANCE_REMOVED) return reply;
    this.#fail(TAKEN_FOR_DEAD);
    throw new Error(TAKEN_FOR_DEAD);
  }

  /** Publishes a text. The connection fails if Redis rejects that. */
  post(channel: string, text: string): void {
    this.#publish(channel, text).catch(() => {});
  }

  /** Sends an envelope, now or once its target has received what was sent before. */
  send(envelope: Envelope): Promise<SendOutcome> {
    return this.#delivery.send(envelope);
  }

  /** Whether an envelope was sent so recently that its sender still counts on it. */
  isFresh(heartbeats: number): boolean {
    const own = this.#watch.heartbeatsOf(this.instance) ?? 0;
    if (heartbeats > 0 && own - heartbeats > MAX_ENVELOPE_AGE_HEARTBEATS) return false;
    // What comes before the next heartbeat was sent after the last one.
    return this.#options.clock.elapsed() - this.#heartbeat.sentAt <= MAX_ENVELOPE_AGE_MS;
  }

  /** Removes the members of this instance and ends the connection. */
  async leave(): Promise<void> {
    this.#isOpen = false;
    const clients = this.#clients;
    if (clients !== undefined) {
      await clients.within(reap(clients, this.#options.keys, this.instance)).catch(() => {});
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
    this.#delivery.close();
    this.#address.stop();
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

  async #publish(channel: string, text: string): Promise<number> {
    return await this.#orFail((clients) => clients.publish(channel, text));
  }

  /** Sends heartbeats, one at a time, and fails when none has come back in time. */
  #schedule(): void {
    const { clock } = this.#options;
    const dueAt = clock.elapsed() + HEARTBEAT_MS;
    this.#timer = clock.setTimeout(() => {
      const now = clock.elapsed();
      const isPunctual = now - dueAt < HEARTBEAT_MS; // Else this process was stalled, not Redis.
      if (isPunctual && this.#isOverdue()) return this.#failUnlessReceived(TURNS);
      this.#beat();
      this.#schedule();
    }, HEARTBEAT_MS);
  }

  #isOverdue(): boolean {
    return this.#options.clock.elapsed() - this.#heartbeat.receivedAt > STALLED_MS;
  }

  /** Fails, unless a heartbeat that has arrived is read within some turns of a busy event loop. */
  #failUnlessReceived(turns: number): void {
    if (turns === 0) return this.#fail("Redis does not answer");
    this.#timer = this.#options.clock.setTimeout(() => {
      if (this.#isOverdue()) this.#failUnlessReceived(turns - 1);
      else this.#schedule();
    }, TURN_MS);
  }

  async #beat(): Promise<void> {
    if (this.#isBeating) return;
    this.#isBeating = true;
    try {
      await this.#orFail((clients) => this.#sendHeartbeat(clients, false));
    } catch {
      // The connection has failed and said so.
    } finally {
      this.#isBeating = false;
    }
  }

  async #sendHeartbeat(clients: RedisClients, isFirst: boolean): Promise<void> {
    const { keys, clock, events } = this.#options;
    const { instance } = this;
    const sentAt = Math.round(clock.elapsed());
    this.#awaited.add(sentAt);
    const call = heartbeatCall(keys, { instance, isFirst, sentAt, cursor: this.#cursor });
    const reply = decodeHeartbeatReply(await clients.run(call));
    if (reply === undefined) throw new Error(TAKEN_FOR_DEAD);
    this.#cursor = reply.cursor;
    if (this.#isOpen) events.roomsListed(reply.rooms);
    this.#delivery.check((other) => reply.heartbeats.has(other));
    this.#address.beat(reply.heartbeats.get(instance) ?? 0);
    for (const silent of this.#watch.observe(reply.heartbeats, instance)) {
      await this.#reapIfDead(clients, silent);
    }
  }

  async #reapIfDead(
    clients: RedisClients,
    { instance, heartbeats, isTimedOut }: SilentInstance,
  ): Promise<void> {
    const channel = this.#options.keys.channel(instance);
    if (!isTimedOut && await clients.subscribers(channel) > 0) return;
    await reap(clients, this.#options.keys, instance, heartbeats);
  }

  #heartbeatReceived(sentAt: number): void {
    if (!this.#awaited.has(sentAt)) return;
    for (const other of this.#awaited) if (other <= sentAt) this.#awaited.delete(other);
    this.#heartbeat = { sentAt, receivedAt: this.#options.clock.elapsed() };
  }

  #onText(text: string): void {
    const message = decodeMessage(text);
    if (message === undefined) return;
    switch (message.kind) {
      case "heartbeat":
        return this.#heartbeatReceived(message.sentAt);
      case "mark":
        return this.#delivery.marked(message.from, message.position);
      case "mark reached":
        return this.#delivery.reached(message.from, message.position);
      default:
        if (this.#isOpen) this.#options.events.message(message);
    }
  }
}
