/**
 * Two connections to Redis, one that sends commands and one that hears, under a name of their own.
 * They live and die together: when one fails, nothing that waits in the other may arrive later.
 */

import type { Envelope, EnvelopeHeader } from "../backplane.ts";
import type { Clock, Timer } from "../../runtime/clock.ts";
import { HEARTBEAT, JOIN, LEAVE, REAP, UPDATE } from "./scripts.ts";

/** How long after the last sign of Redis it counts as down, in milliseconds. */
export const STALLED_MS = 1500;

/** What this needs of a client of `npm:@redis/client`. */
interface RedisClient {
  connect(): Promise<unknown>;
  destroy(): void;
  on(event: string, listener: (cause: unknown) => void): unknown;
  sendCommand(args: readonly string[]): Promise<unknown>;
  subscribe(channels: string[], listener: (text: string) => void): Promise<unknown>;
}

/** Two connections that live and die together, under a name of their own. */
export class RedisConnection {
  readonly instance = crypto.randomUUID().slice(0, 13);
  readonly #commands: RedisClient;
  readonly #channels: RedisClient;
  readonly #clock: Clock;
  readonly #hashes = new Map<string, string>();
  onFailure: (reason: string) => void = () => {};
  timer: Timer | undefined;
  cursor = "0";
  lastReceivedAt: number;
  inFlight = 0;
  #sent = new Map<string, EnvelopeHeader[]>();
  #offset = 0;
  #failure: string | undefined;

  private constructor(commands: RedisClient, channels: RedisClient, clock: Clock) {
    this.#commands = commands;
    this.#channels = channels;
    this.#clock = clock;
    this.lastReceivedAt = clock.elapsed();
    for (const client of [commands, channels]) {
      client.on("error", (cause) => this.#fail(String(cause)));
      client.on("end", () => this.#fail("Redis ended the connection"));
    }
  }

  static async open(url: string, clock: Clock): Promise<RedisConnection> {
    const { createClient } = await import("@redis/client");
    const create = () =>
      createClient({
        url,
        disableOfflineQueue: true,
        maintNotifications: "disabled", // Or it reads the environment.
        socket: { reconnectStrategy: false, connectTimeout: STALLED_MS },
      }) as unknown as RedisClient;
    const link = new RedisConnection(create(), create(), clock);
    try {
      await link.within(Promise.all([link.#commands.connect(), link.#channels.connect()]));
      for (const script of [HEARTBEAT, JOIN, LEAVE, REAP, UPDATE]) {
        const hash = await link.within(link.command(["SCRIPT", "LOAD", script]));
        link.#hashes.set(script, String(hash));
      }
      return link;
    } catch (cause) {
      link.destroy();
      throw cause;
    }
  }

  /** Rejects when something takes longer than Redis may. */
  async within<T>(promise: Promise<T>): Promise<T> {
    let timer: Timer | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = this.#clock.setTimeout(() => reject(new Error("Redis does not answer")), STALLED_MS);
    });
    try {
      return await Promise.race([promise, late]);
    } finally {
      if (timer !== undefined) this.#clock.clearTimeout(timer);
    }
  }

  async listen(channels: string[], onText: (text: string) => void): Promise<void> {
    await this.#channels.subscribe(channels, onText);
  }

  async command(args: readonly string[]): Promise<unknown> {
    this.inFlight++;
    try {
      return await this.#commands.sendCommand(args);
    } finally {
      this.inFlight--;
    }
  }

  /** Runs a script by its hash, or whole if Redis has forgotten it. */
  async run(script: string, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    const rest = [String(keys.length), ...keys, ...args];
    try {
      return await this.command(["EVALSHA", this.#hashes.get(script) ?? "", ...rest]);
    } catch (cause) {
      if (!String(cause).includes("NOSCRIPT")) throw cause;
      return await this.command(["EVAL", script, ...rest]);
    }
  }

  /** Keeps in mind that a letter was sent, until it is known that its instance lives. */
  trackSent({ text: _, ...envelope }: Envelope): void {
    const envelopes = this.#sent.get(envelope.target.instance);
    if (envelopes === undefined) this.#sent.set(envelope.target.instance, [envelope]);
    else envelopes.push(envelope);
  }

  /** The letters that were sent since the last call, by instance. */
  takeSent(): Map<string, EnvelopeHeader[]> {
    const recent = this.#sent;
    this.#sent = new Map();
    return recent;
  }

  /** Milliseconds by the clock of Redis, as well as that is known. */
  redisNow(): number {
    return this.#clock.elapsed() + this.#offset;
  }

  synchronize(redisNow: number, sentAt: number): void {
    this.#offset = redisNow - (sentAt + this.#clock.elapsed()) / 2;
  }

  destroy(): void {
    this.#failure ??= "closed";
    if (this.timer !== undefined) this.#clock.clearTimeout(this.timer);
    for (const client of [this.#commands, this.#channels]) {
      try {
        client.destroy();
      } catch {
        // It was never open, or is not any more.
      }
    }
  }

  #fail(reason: string): void {
    if (this.#failure !== undefined) return;
    this.#failure = reason;
    this.onFailure(reason);
  }
}
