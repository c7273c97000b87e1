/** What the list for a registering consumer costs, by how many servers are in it. */

import { systemClock } from "../src/runtime/clock.ts";
import { Director } from "../src/rooms/director.ts";
import { Negotiations } from "../src/rooms/negotiations.ts";
import { Room } from "../src/rooms/room.ts";
import { SilentPeer } from "../tests/helpers/peer.ts";

for (const size of [2, 50, 1000]) {
  const room = new Room("room", {
    negotiations: new Negotiations(systemClock),
    maxPeers: Infinity,
  });
  for (let number = 0; number < size; number++) room.join(new SilentPeer(`server-${number}`));
  const consumer = new SilentPeer("consumer", "consumer");
  room.join(consumer);
  const director = new Director(systemClock);
  const group = `${size} servers`;
  Deno.bench(`the ids, ${group}`, { group, baseline: true }, () => {
    room.normals().map(({ id }) => id);
  });
  Deno.bench(`rotated list, ${group}`, { group }, () => {
    director.register(room, consumer);
  });
}
