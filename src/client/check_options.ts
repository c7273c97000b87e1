/**
 * Checks the options of a client: a page in plain JavaScript has no compiler that does. What they mean
 * is in `options.ts`.
 */

import type { SignalingClientOptions } from "./options.ts";
import { isString } from "./parse.ts";

/** Each option, so that a new one cannot be forgotten here. */
const NAMES: Readonly<Record<keyof SignalingClientOptions, true>> = {
  url: true,
  room: true,
  nodeId: true,
  role: true,
  serveConsumers: true,
  capacity: true,
  getToken: true,
  getConsumerToken: true,
  tokenIn: true,
  reconnect: true,
  rtc: true,
  RTCPeerConnection: true,
  signal: true,
};

/**
 * Checks the names of the options, and the room.
 *
 * @throws {TypeError} There is no such option, or no room.
 */
export function checkOptions(options: SignalingClientOptions): void {
  const names = Object.keys(NAMES);
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new TypeError(`Option ${unknown} is none of ${names.join(", ")}`);
  }
  // The server counts an empty name as none.
  if (!isString(options.room) || !options.room) {
    throw new TypeError('Option room must be a name, such as "todos"');
  }
}

/**
 * Reads the address of a server.
 *
 * @throws {TypeError} It is no absolute URL.
 */
export function readUrl(url: string | URL): URL {
  try {
    return new URL(url);
  } catch {
    throw new TypeError('Option url must be an address, such as "wss://server/signal"');
  }
}
