/**
 * Two clients of Redis: one sends commands, the other subscribes. They fail together: when one fails,
 * nothing that waits in the other may arrive later. What is sent and when is left to the connection.
 */

import type { Clock, Timer } from "../../runtime/clock.ts";
import type { ScriptCall } from "./scripts/shared.ts";

/** How long Redis may take to answer before it counts as down, in milliseconds. */
export const STALLED_MS = 1500;

/** The part of a client of `npm:@redis/client` that is used here. */
interface RedisClient {
  connect(): Promise<unknown>;
  destroy(): void;
  on(event: string, listener: (cause: unknown) => void): unknown;
  sendCommand(args: readonly string[]): Promise<unknown>;
  subscribe(channels: string[], listener: (text: string) => void): Promise<unknown>;
}

/** Options of {@linkcode RedisClients.open}. */
export interface RedisClientsOptions {
  readonly url: string;
  readonly clock: Clock;
  /** The scripts that `run` runs by their hash. */
  readonly scripts: readonly string[];
  /** Called once, with the reason, when a client fails after `open` has resolved. */
  readonly onFailure: (reason: string) => void;
}

/** Two clients that fail together. */
export class RedisClients {
  readonly #commands: RedisClient;
  readonly #channels: RedisClient;
  readonly #clock: Clock;
  readonly #hashes = new Map<string, string>();
  readonly #onFailure: (reason: string) => void;
  #state: "opening" | "open" | "closed" = "opening";
  #inFlight = 0;

  private constructor(
    clients: readonly [RedisClient, RedisClient],
    { clock, onFailure }: RedisClientsOptions,
  ) {
    [this.#commands, this.#channels] = clients;
    this.#clock = clock;
    this.#onFailure = onFailure;
    for (const client of clients) {
      client.on("error", (cause) => this.#fail(String(cause)));
      client.on("end", () => this.#fail("Redis ended the connection"));
    }
  }

  /** Connects both clients and loads the scripts; rejects when Redis does not answer in time. */
  static async open(options: RedisClientsOptions): Promise<RedisClients> {
    const { createClient } = await import("@redis/client");
    const create = () =>
      createClient({
        url: options.url,
        disableOfflineQueue: true,
        maintNotifications: "disabled", // Otherwise the client reads the environment.
        socket: { reconnectStrategy: false, connectTimeout: STALLED_MS },
      }) as unknown as RedisClient;
    const clients = new RedisClients([create(), create()], options);
    try {
      await clients.within(
        Promise.all([clients.#commands.connect(), clients.#channels.connect()]),
      );
      for (const script of options.scripts) {
        const hash = await clients.within(clients.command(["SCRIPT", "LOAD", script]));
        clients.#hashes.set(script, String(hash));
      }
      clients.#state = "open";
      return clients;
    } catch (cause) {
      clients.destroy();
      throw cause;
    }
  }

  /** Commands that Redis has not answered yet. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Resolves as the promise does; rejects when that takes longer than Redis may. */
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

  /** Calls a listener for every text that is published on a channel. */
  async subscribe(channels: string[], onText: (text: string) => void): Promise<void> {
    await this.#channels.subscribe(channels, onText);
  }

  /** Sends a command and resolves with the reply; Redis runs commands in the order of the calls. */
  async command(args: readonly string[]): Promise<unknown> {
    this.#inFlight++;
    try {
      return await this.#commands.sendCommand(args);
    } finally {
      this.#inFlight--;
    }
  }

  /** Runs a script by its hash, or sends its text if Redis has lost it. */
  async run({ script, keys, args }: ScriptCall): Promise<unknown> {
    const rest = [String(keys.length), ...keys, ...args];
    try {
      return await this.command(["EVALSHA", this.#hashes.get(script) ?? "", ...rest]);
    } catch (cause) {
      if (!String(cause).includes("NOSCRIPT")) throw cause;
      return await this.command(["EVAL", script, ...rest]);
    }
  }

  /** Ends both connections at once. Nothing is reported afterwards. */
  destroy(): void {
    this.#state = "closed";
    for (const client of [this.#commands, this.#channels]) {
      try {
        client.destroy();
      } catch {
        // It was never open, or is not any more.
      }
    }
  }

  #fail(reason: string): void {
    if (this.#state !== "open") return;
    this.#state = "closed";
    this.#onFailure(reason);
  }
}
