/** What a client reads from its socket, checked field by field; it decides nothing. */

import type { PeerMessage } from "./peer.ts";
import type { Message } from "./socket.ts";

/** Reads one frame; `undefined` if it is no JSON object. */
export function parse(data: unknown): Message | undefined {
  try {
    const value = JSON.parse(String(data));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Whether it is an offer, answer or candidate of another client, with all that belongs to it. */
export function isPeerMessage(message: Message): message is Message & PeerMessage {
  const { type, sdp, candidate } = message;
  if (type === "ice-candidate") return isObject(candidate);
  return (type === "offer" || type === "answer") && isObject(sdp) && sdp["type"] === type &&
    isString(sdp["sdp"]);
}

function isObject(value: unknown): value is Message {
  return typeof value === "object" && value !== null;
}

/** Whether a value is a string. */
export function isString(value: unknown): value is string {
  return typeof value === "string";
}
