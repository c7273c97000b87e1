/**
 * A client of the signaling server for browsers: it joins a room, connects with the peers in it by
 * WebRTC, and comes back after whatever happens to the network, the server or a peer. It imports
 * nothing and needs no Deno.
 *
 * @example Two lines of a page
 * ```ts ignore
 * import { SignalingClient } from "@aikofy/client-db-sync/client";
 *
 * const client = new SignalingClient({ url: "wss://signal.example.com/signal", room: "todos" });
 * await client.connect();
 * ```
 *
 * @module
 */

export { SignalingClient } from "./client.ts";
export type * from "./dom.ts";
export type { TypedEventTarget, UsingTarget } from "./events.ts";
export * from "./options.ts";
export { sendWhenReady } from "./send.ts";
export type { Role } from "../protocol/messages.ts";
