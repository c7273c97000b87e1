/** A room of fake peers, with a clock that stands still until a test moves it. */

import type { Role, SignalMessage } from "../../src/protocol/messages.ts";
import type { Room } from "../../src/rooms/room.ts";
import { createRooms } from "../../src/rooms/rooms.ts";
import { FakeClock } from "./clock.ts";
import { FakePeer } from "./peer.ts";

export class RoomFixture {
  readonly clock = new FakeClock();
  readonly rooms;
  readonly negotiations;

  constructor(reintroduceMs = 0) {
    this.rooms = createRooms({ clock: this.clock, reintroduceMs });
    this.negotiations = this.rooms.negotiations;
  }

  get room(): Room {
    const room = this.rooms.registry.get("room");
    if (room === undefined) throw new Error("Nobody has joined");
    return room;
  }

  join(id: string, role: Role = "normal", isLocal = true): FakePeer {
    const peer = Object.assign(new FakePeer(id, role), { isLocal });
    this.rooms.registry.join("room", peer);
    return peer;
  }

  leave(peer: FakePeer): void {
    this.rooms.registry.leave(this.room, peer);
  }

  signal(type: SignalMessage["type"], from: FakePeer, to: FakePeer): string {
    const message = { type, to: to.id };
    return this.room.relay(from, message, JSON.stringify(message));
  }

  /** Lets two peers connect, as clients do. */
  connect(from: FakePeer, to: FakePeer): void {
    this.signal("offer", from, to);
    this.signal("answer", to, from);
  }

  /** The ids in each list that a peer was sent since the last call, without the relayed signals. */
  lists(peer: FakePeer): string[][] {
    return peer.frames.splice(0).filter(({ type }) => type === "peer-list")
      .map(({ peers }) => peers);
  }

  /** The seconds at which a peer is sent a list within some seconds from now, and the ids in each. */
  listsWithin(seconds: number, peer: FakePeer): [second: number, ids: string[]][] {
    const found: [number, string[]][] = [];
    for (let second = 1; second <= seconds; second++) {
      this.clock.tick(1000);
      for (const ids of this.lists(peer)) found.push([second, ids]);
    }
    return found;
  }
}
