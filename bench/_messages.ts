/** Messages for the micro benchmarks. */

import { payloadOf } from "./load/payloads.ts";
import { type Kind, PROTOCOLS } from "./load/protocols.ts";

/** A message to the peer `to`, with an SDP or a candidate of this size. */
export function signalText(kind: Kind, size: number, to = "to"): string {
  const sender = { id: "from", room: "room", token: undefined };
  return PROTOCOLS["client-db"].signal(kind, sender, to, payloadOf(kind, size));
}
