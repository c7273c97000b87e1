/** Whether peers of several servers meet in a room: who is listed there, and who is reached. */

import { Client } from "./client.ts";
import type { Running } from "./command.ts";
import { listening } from "./main.ts";
import { until } from "./patience.ts";
import { signalUrl, type TestServer } from "./server.ts";

const PATIENCE_MS = 3000;

/** What a client needs of a server. */
export type Joinable = Pick<TestServer, "signal">;

/** Two instances of the program, once they listen. */
export async function bothJoinable(
  one: Running,
  two: Running,
): Promise<readonly [Joinable, Joinable]> {
  const joinable = async (program: Running) => {
    const { url } = await listening(program);
    return { signal: (query: Record<string, string> = {}) => signalUrl(url, query) };
  };
  return [await joinable(one), await joinable(two)];
}

/** Joins a room without authentication. */
export function join(
  server: Joinable,
  room: string,
  nodeId: string,
): ReturnType<typeof Client.join> {
  return Client.join(server.signal({ room, nodeId }));
}

/** Waits until a newcomer sees exactly these peers. */
export async function untilListed(
  server: Joinable,
  room: string,
  ids: string[],
  ms = PATIENCE_MS,
): Promise<void> {
  await until(`${ids} to be listed in ${room}`, async () => {
    await using witness = await join(server, room, "witness");
    return witness.peers.toSorted().join() === ids.join();
  }, ms);
}

/** Waits until a message from one client reaches the other, whose id is `id`. */
export async function untilReached(
  from: Client,
  to: Client,
  id: string,
  ms = PATIENCE_MS,
): Promise<void> {
  await until(`${id} to be reached`, async () => {
    from.send({ type: "ice-candidate", to: id, candidate: "hello" });
    await from.drain();
    return (await to.drain()).some(({ candidate }) => candidate === "hello");
  }, ms);
}
