/** Relays a signal of a session that has joined, counts it, and tells the client if it was not relayed. */

import {
  peerBusy,
  peerNotFound,
  type ServerMessage,
  type SignalMessage,
} from "../protocol/messages.ts";
import type { Peer } from "../rooms/peer.ts";
import type { Room } from "../rooms/room.ts";
import type { Traffic } from "./traffic.ts";

/** A session that has sent a signal. */
export interface SignalingSession extends Peer {
  readonly traffic: Traffic;
  readonly connection: { sendMessage(message: ServerMessage): boolean };
}

/** Relays a signal; `text` is what it was parsed from. */
export function relaySignal(
  session: SignalingSession,
  room: Room,
  message: SignalMessage,
  text: string,
): void {
  const outcome = room.relay(session, message, text);
  session.traffic.sentTo(message.to, message.type, outcome);
  if (outcome === "not found") session.connection.sendMessage(peerNotFound(message.to));
  else if (outcome === "busy") session.connection.sendMessage(peerBusy(message.to));
}
