/** The answer to a host that asks for a peer's ICE servers: it checks who the peer is said to be. */

import type { IcePeer, IceServersAnswer } from "../ice/ice_options.ts";
import type { IceServers } from "../ice/ice_servers.ts";

/** @throws {TypeError} A field of the peer is missing or malformed. */
export async function answerIceServers(
  ice: Pick<IceServers, "find">,
  { room, nodeId, role = "normal" }: Omit<IcePeer, "role"> & Partial<IcePeer>,
): Promise<IceServersAnswer> {
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
