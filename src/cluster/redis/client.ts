/**
 * One connection to one server: a client of `npm:@redis/client` that connects once, fails at once and
 * never again, and the single question to a server that tells where another one is.
 */

import type { RedisServer } from "../../runtime/redis_url.ts";
import type { Clock } from "../../runtime/clock.ts";
import { deadline } from "../../runtime/deadline.ts";
import { untilAborted } from "../../runtime/until_aborted.ts";

/** How long Redis may take to answer before it counts as down, in milliseconds. */
export const STALLED_MS = 1500;

/** UTF-16 units of a server's error message that are kept. */
const MAX_MESSAGE = 300;

/** The part of a client of `npm:@redis/client` that is used here. */
export interface RedisClient {
  connect(): Promise<unknown>;
  destroy(): void;
  on(event: string, listener: (cause: unknown) => void): unknown;
  sendCommand(args: readonly string[]): Promise<unknown>;
  subscribe(channels: string[], listener: (text: string) => void): Promise<unknown>;
  sSubscribe(channels: string[], listener: (text: string) => void): Promise<unknown>;
}

const destroyed = new WeakSet<RedisClient>();

/** Creates a client, which has no connection yet. It never connects again by itself. */
export async function createRedisClient(server: RedisServer): Promise<RedisClient> {
  const { createClient } = await import("@redis/client");
  const { host, port, tls, username, password, database } = server;
  const socket = { host, port, reconnectStrategy: false, connectTimeout: STALLED_MS } as const;
  return createClient({
    socket: tls ? { ...socket, tls } : socket,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    database,
    disableOfflineQueue: true,
    commandOptions: { timeout: 0 }, // Otherwise each command has a timer, which lasts 5 s.
    maintNotifications: "disabled", // Otherwise the client reads the environment.
  }) as unknown as RedisClient;
}

/** Resolves as the promise does; rejects when that takes longer than Redis may. */
export function withinRedisTime<T>(clock: Clock, promise: Promise<T>): Promise<T> {
  return deadline(promise, STALLED_MS, clock, "Redis does not answer");
}

/** Connects to a server, sends one command and returns the reply; a signal ends that early. */
export async function askServer(
  server: RedisServer,
  command: readonly string[],
  clock: Clock,
  signal?: AbortSignal,
): Promise<unknown> {
  const client = await createRedisClient(server);
  client.on("error", () => {}); // The command rejects.
  try {
    const ask = async () => {
      await connect(client);
      return await client.sendCommand(command);
    };
    const reply = withinRedisTime(clock, ask());
    return await (signal === undefined ? reply : untilAborted(reply, signal));
  } catch (cause) {
    throw withoutArguments(cause);
  } finally {
    destroy(client);
  }
}

/**
 * A failure as it may be logged. Redis repeats the arguments of a command that it does not know: those
 * of `HELLO` are the login, and others differ each time, so that the same failure would look new.
 */
export function withoutArguments(cause: unknown): Error {
  const message = cause instanceof Error ? cause.message : String(cause);
  return new Error(message.replace(/,? *with args beginning with:.*/is, "").slice(0, MAX_MESSAGE));
}

/** Connects, once. */
export async function connect(client: RedisClient): Promise<void> {
  await client.connect();
  if (!destroyed.has(client)) return;
  client.destroy(); // The first time, there was no socket yet.
  throw new Error("The connection was ended while it opened");
}

/** Ends a connection at once, if it is open or opens. */
export function destroy(client: RedisClient): void {
  destroyed.add(client);
  try {
    client.destroy();
  } catch {
    // It was never open, or is not any more.
  }
}
