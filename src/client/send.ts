/** Sending without filling the memory: waits while a data channel has too much to send. */

import type { DataChannel } from "./dom.ts";

/** Bytes that may wait in a channel before a sender has to wait, by default. */
const HIGH_WATER = 1 << 20;

/**
 * Sends data over a channel, once it is open, and resolves as soon as the channel has room for more.
 * Whoever awaits it before sending again needs little memory, however much is sent.
 *
 * @param channel The channel. Its `bufferedAmountLowThreshold` is set.
 * @param data What to send: at most 16 KiB reaches every browser, more depends on both of them.
 * @param highWater Bytes that may wait in the channel; the default is 1 MiB. Past it, the sender
 * waits until a quarter is left.
 * @throws {Error} The channel was closed, or the browser refused the data.
 *
 * @example Sends a file
 * ```ts ignore
 * import { sendWhenReady } from "@aikofy/client-db-sync/client";
 *
 * for (let at = 0; at < file.size; at += 16_384) {
 *   await sendWhenReady(peer.channel, await file.slice(at, at + 16_384).arrayBuffer());
 * }
 * ```
 */
export async function sendWhenReady(
  channel: DataChannel,
  data: string | ArrayBuffer,
  highWater: number = HIGH_WATER,
): Promise<void> {
  if (channel.readyState === "connecting") await next(channel, "open");
  channel.bufferedAmountLowThreshold = highWater / 4;
  if (typeof data === "string") channel.send(data);
  else channel.send(data);
  while (channel.bufferedAmount > highWater) await next(channel, "bufferedamountlow");
}

/** Resolves at the next event of this type, and rejects when the channel is closed before. */
function next(channel: DataChannel, type: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const onEvent = (event: { readonly type: string }): void => {
      for (const each of [type, "close"]) channel.removeEventListener(each, onEvent);
      if (event.type === type) resolve();
      else reject(new Error("The channel is closed"));
    };
    for (const each of [type, "close"]) channel.addEventListener(each, onEvent);
  });
}
