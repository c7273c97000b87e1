/** The answer to a host that asks for a peer's ICE servers: it checks who the peer is said to be. */

import type { IcePeer, IceServersAnswer } from "../ice/ice_options.ts";
import type { IceServers } from "../ice/ice_servers.ts";
import { isObject } from "../protocol/messages.ts";

/** @throws {TypeError} The peer is no object, or a field of it is missing or malformed. */
export async function answerIceServers(
  ice: Pick<IceServers, "find">,
  peer: Omit<IcePeer, "role"> & Partial<IcePeer>,
): Promise<IceServersAnswer> {
  if (!isObject(peer)) throw new TypeError("The peer must be an object with room and nodeId");
  const { room, nodeId, role = "normal" } = peer;
  for (const [name, value] of Object.entries({ room, nodeId })) {
    if (typeof value !== "string" || value === "") {
      throw new TypeError(`The ${name} of the peer must be a non-empty string`);
    }
  }
  if (role !== "normal" && role !== "consumer") {
    throw new TypeError('The role of the peer must be "normal" or "consumer"');
  }
  return (await ice.find({ room, nodeId, role })).answer;
}
