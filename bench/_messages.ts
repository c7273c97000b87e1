/** Messages and peers for the micro benchmarks. */

import type { Peer } from "../src/rooms/peer.ts";
import { DEFAULT_SERVING_STATE } from "../src/rooms/peer.ts";
import type { Role } from "../src/protocol/messages.ts";
import { payloadOf } from "./load/payloads.ts";
import { type Kind, PROTOCOLS } from "./load/protocols.ts";

/** A message to the peer `to`, with an SDP or a candidate of this size. */
export function signalText(kind: Kind, size: number, to = "to"): string {
  const sender = { id: "from", room: "room", token: undefined };
  return PROTOCOLS["client-db"].signal(kind, sender, to, payloadOf(kind, size));
}

/** A peer without a socket, which forgets what it is sent. */
export function fakePeer(id: string, role: Role = "normal"): Peer {
  return {
    id,
    role,
    servingState: DEFAULT_SERVING_STATE,
    joinOrder: 0,
    isLocal: true,
    isClosed: false,
    send: () => true,
    closeAsReplaced() {},
  };
}
