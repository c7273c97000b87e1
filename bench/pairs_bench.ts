/** What pairs of peers cost: to negotiate, to leave afterwards, and to look for pairs that have not. */

import { createRooms } from "../src/rooms/rooms.ts";
import { systemClock } from "../src/runtime/clock.ts";
import { FakeClock } from "../tests/helpers/clock.ts";
import { SilentPeer } from "../tests/helpers/peer.ts";

function crowd(size: number): SilentPeer[] {
  return Array.from({ length: size }, (_, n) => new SilentPeer(`peer-${n}`));
}

for (const size of [10, 500]) {
  const { registry, negotiations } = createRooms({ clock: systemClock });
  const peers = crowd(size);
  for (const peer of peers) registry.join("room", peer);
  const negotiateAll = () => {
    for (const from of peers) {
      for (const to of peers) {
        if (from.id <= to.id) continue;
        negotiations.onSignal(from, to, "offer");
        negotiations.onSignal(to, from, "answer");
      }
    }
  };
  negotiateAll();
  const [last] = peers.slice(-1);
  const room = registry.get("room");
  if (last === undefined || room === undefined) throw new Error("There is no room");
  const group = `room of ${size}`;
  Deno.bench(`every pair offers and answers, ${group}`, { group }, negotiateAll);
  Deno.bench(`one that has negotiated with all leaves and joins, ${group}`, { group }, () => {
    registry.leave(room, last);
    registry.join("room", last);
  });
}

for (const [rooms, size] of [[1, 1000], [100, 10]] as const) {
  Deno.bench(`a minute after ${size} peers have joined each of ${rooms} rooms at once`, (b) => {
    const clock = new FakeClock();
    const { registry, negotiations } = createRooms({ clock, reintroduceMs: 60_000 });
    for (let n = 0; n < rooms; n++) {
      for (const peer of crowd(size)) registry.join(`room-${n}`, peer);
    }
    b.start();
    clock.tick(60_000);
    b.end();
    negotiations.close();
  });
}
