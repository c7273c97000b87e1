/** What it costs that a peer joins a room, is told who is there and leaves, by the room's size. */

import { LocalMembers } from "../src/cluster/local_members.ts";
import { systemClock } from "../src/runtime/clock.ts";
import { encode } from "../src/protocol/messages.ts";
import { createRooms } from "../src/rooms/rooms.ts";
import { SilentPeer } from "../tests/helpers/peer.ts";

for (const size of [2, 50, 1000]) {
  const { registry } = createRooms({ clock: systemClock });
  for (let number = 1; number < size; number++) {
    registry.join("room", new SilentPeer(`peer-${number}`));
  }
  const newcomer = new SilentPeer("newcomer");
  const group = `room of ${size}`;
  Deno.bench(`join and leave, ${group}`, { group, baseline: true }, () => {
    const { room } = registry.join("room", newcomer);
    registry.leave(room, newcomer);
  });
  Deno.bench(`join, peer-list and leave, ${group}`, { group }, () => {
    const { room } = registry.join("room", newcomer);
    newcomer.send(encode({ type: "peer-list", peers: room.otherNormalIds(newcomer) }));
    registry.leave(room, newcomer);
  });
}

for (const rooms of [1, 16_000]) {
  const { registry } = createRooms({ clock: systemClock });
  const members = new LocalMembers();
  const join = (name: string) => {
    const peer = new SilentPeer("peer");
    const { room } = registry.join(name, peer);
    return {
      room,
      peer,
      member: members.add({ room: name, peer, joinedAt: 0, acceptsConsumers: true }),
    };
  };
  for (let number = 1; number < rooms; number++) join(`room-${number}`);
  const group = `${rooms} rooms on this instance of several`;
  Deno.bench(`a room of one fills and empties, ${group}`, () => {
    const { room, peer, member } = join("room");
    registry.leave(room, peer);
    members.delete(member);
    if (members.hasMembersIn("room")) throw new Error("The room is not empty");
  });
}
