import { assertEquals } from "@std/assert";
import { SignalingRegistry } from "../src/registry.ts";
import type { Peer } from "../src/room.ts";

function peer(id: string): Peer {
  return { id, role: "normal", send: () => true, replace() {} };
}

Deno.test("SignalingRegistry keeps a room from the first join to the last leave", () => {
  const registry = new SignalingRegistry();
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
  const registry = new SignalingRegistry();
  const old = peer("a");
  const { room } = registry.join("room", old);
  registry.join("room", peer("a"));
  registry.leave(room, old);
  assertEquals([registry.peers, registry.rooms], [1, 1]);
});

Deno.test("SignalingRegistry makes no room for a newcomer that is refused", () => {
  const registry = new SignalingRegistry();
  const { outcome } = registry.join("room", peer("a"));
  assertEquals(outcome.kind, "joined");
  registry.join("room", { ...peer("a"), role: "consumer" });
  assertEquals([registry.peers, registry.rooms], [1, 1]);
});

Deno.test("SignalingRegistry takes names of the language for rooms like any other", () => {
  const registry = new SignalingRegistry();
  for (const name of ["__proto__", "constructor", "hasOwnProperty", ""]) {
    registry.join(name, peer(name));
  }
  assertEquals([registry.peers, registry.rooms], [4, 4]);
});
