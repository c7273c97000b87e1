/** Messages between two instances, as fast as they go or one at a time. */

import { within } from "../../tests/helpers/patience.ts";
import { FRAME, type Instance, join, leaveAll, PATIENCE_MS, type Sizes } from "./common.ts";

/** A peer on each, in one room. */
function joinBoth(from: Instance, to: Instance, room: string): Promise<[WebSocket, WebSocket]> {
  const joins = async (): Promise<[WebSocket, WebSocket]> => [
    await join(from, room, "a"),
    await join(to, room, "b"),
  ];
  return within("a pair", joins(), PATIENCE_MS);
}

/** Pairs that send a message back and forth as fast as it goes; how many arrived. */
export async function pingPong(
  from: Instance,
  to: Instance,
  { name, pairs, relayMs }: { readonly name: string } & Pick<Sizes, "pairs" | "relayMs">,
): Promise<() => Promise<number>> {
  let arrived = 0;
  let isOver = false;
  const sockets: WebSocket[] = [];
  for (let n = 0; n < pairs; n++) {
    const [a, b] = await joinBoth(from, to, `${name}${n}`);
    sockets.push(a, b);
    for (const [socket, other] of [[a, "b"], [b, "a"]] as const) {
      const frame = FRAME.replace("@", other);
      socket.onmessage = () => {
        arrived++;
        if (!isOver) socket.send(frame);
      };
    }
  }
  return async () => {
    for (let n = 1; n < sockets.length; n += 2) sockets[n]?.send(FRAME.replace("@", "a"));
    await new Promise((resolve) => setTimeout(resolve, relayMs));
    isOver = true;
    const count = arrived;
    await new Promise((resolve) => setTimeout(resolve, 200));
    await leaveAll(sockets);
    return count;
  };
}

/** One pair that sends a message back and forth: how long each took, in milliseconds. */
export async function latencies(
  from: Instance,
  to: Instance,
  { relayMs }: Pick<Sizes, "relayMs">,
): Promise<number[]> {
  const [a, b] = await joinBoth(from, to, "latency");
  const found: number[] = [];
  let sentAt = 0;
  let isOver = false;
  const send = (socket: WebSocket, other: string) => {
    sentAt = performance.now();
    socket.send(FRAME.replace("@", other));
  };
  for (const [socket, other] of [[a, "b"], [b, "a"]] as const) {
    socket.onmessage = () => {
      found.push(performance.now() - sentAt);
      if (!isOver) send(socket, other);
    };
  }
  send(b, "a");
  await new Promise((resolve) => setTimeout(resolve, relayMs));
  isOver = true;
  await new Promise((resolve) => setTimeout(resolve, 100));
  await leaveAll([a, b]);
  return found.sort((x, y) => x - y);
}
