import { assertEquals } from "@std/assert";
import { CLOSE } from "../../src/protocol/messages.ts";
import type { SignalingRegistry } from "../../src/rooms/registry.ts";
import { createRooms } from "../../src/rooms/rooms.ts";
import { FakeClock } from "../helpers/clock.ts";
import { FakePeer } from "../helpers/peer.ts";

function newRegistry(onChange: (room: { name: string }) => void = () => {}): SignalingRegistry {
  const { registry } = createRooms({ clock: new FakeClock() });
  registry.subscribe(onChange);
  return registry;
}

function peer(id: string): FakePeer {
  return new FakePeer(id);
}

Deno.test("SignalingRegistry keeps a room from the first join to the last leave", () => {
  const registry = newRegistry();
  const [a, b] = [peer("a"), peer("b")];
  const { room } = registry.join("room", a);
  registry.join("room", b);
  registry.join("other room", peer("a"));
  assertEquals([registry.peers, registry.rooms], [3, 2]);
  registry.leave(room, a);
  registry.leave(room, a);
  assertEquals([registry.peers, registry.rooms], [2, 2]);
  registry.leave(room, b);
  assertEquals([registry.peers, registry.rooms], [1, 1]);
});

Deno.test("SignalingRegistry counts a replaced peer once", () => {
  const registry = newRegistry();
  const old = peer("a");
  const { room } = registry.join("room", old);
  registry.join("room", peer("a"));
  registry.leave(room, old);
  assertEquals([registry.peers, registry.rooms], [1, 1]);
});

Deno.test("SignalingRegistry closes the peer that is replaced, and says whether by its own kind", () => {
  const registry = newRegistry();
  const [first, second, consumer] = [peer("a"), peer("a"), new FakePeer("b", "consumer")];
  registry.join("room", first);
  registry.join("room", second);
  assertEquals([first.closedWith, second.closedWith], [CLOSE.replaced, undefined]);
  registry.join("room", consumer);
  registry.place("room", peer("b"), 1);
  assertEquals(consumer.closedWith, CLOSE.nodeIdInUse);
});

Deno.test("SignalingRegistry creates no room for a newcomer that is refused", () => {
  const registry = newRegistry();
  const { outcome } = registry.join("room", peer("a"));
  assertEquals(outcome.kind, "joined");
  registry.join("room", new FakePeer("a", "consumer"));
  assertEquals([registry.peers, registry.rooms], [1, 1]);
});

Deno.test("SignalingRegistry accepts property names of JavaScript as names of rooms", () => {
  const registry = newRegistry();
  for (const name of ["__proto__", "constructor", "hasOwnProperty", ""]) {
    registry.join(name, peer(name));
  }
  assertEquals([registry.peers, registry.rooms], [4, 4]);
});

Deno.test("SignalingRegistry calls its listeners for every join, leave and update, and for nothing else", () => {
  const changes: string[] = [];
  const registry = newRegistry(({ name }) => changes.push(name));
  const a = peer("a");
  const { room } = registry.join("room", a);
  registry.join("room", new FakePeer("a", "consumer"));
  registry.update(room, a);
  registry.leave(room, peer("a"));
  registry.leave(room, a);
  assertEquals(changes, ["room", "room", "room"]);
});
