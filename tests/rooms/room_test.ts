import { assertEquals, assertStrictEquals } from "@std/assert";
import { Negotiations } from "../../src/rooms/negotiations.ts";
import type { SignalMessage } from "../../src/protocol/messages.ts";
import { type RelayOutcome, Room } from "../../src/rooms/room.ts";
import { FakeClock } from "../helpers/clock.ts";
import { FakePeer } from "../helpers/peer.ts";

function roomOf(...peers: FakePeer[]): Room {
  const room = new Room("room", { negotiations: new Negotiations(new FakeClock()), maxPeers: 5 });
  for (const peer of peers) room.join(peer);
  return room;
}

function offerTo(to: string, fields: Record<string, unknown> = {}): SignalMessage {
  return { type: "offer", to, sdp: "v=0", ...fields };
}

function relay(room: Room, sender: FakePeer, message: SignalMessage): RelayOutcome {
  return room.relay(sender, message, JSON.stringify(message));
}

Deno.test("Room.normalsBeside() lists the other normal peers in order of joining", () => {
  const [a, b, c] = [new FakePeer("a"), new FakePeer("b"), new FakePeer("c")];
  const room = roomOf(c, a, new FakePeer("x", "consumer"), b);
  assertEquals(room.otherNormalIds(a), ["c", "b"]);
});

Deno.test("Room.join() lets a newcomer of the same role win and keep the place in the order", () => {
  const old = new FakePeer("a");
  const b = new FakePeer("b");
  const room = roomOf(old, b);
  const newcomer = new FakePeer("a");
  assertEquals(room.join(newcomer), { kind: "replaced", old });
  assertEquals(room.otherNormalIds(new FakePeer("z")), ["a", "b"]);
  assertEquals(room.leave(old), false);
  assertEquals(room.size, 2);
  assertEquals(room.leave(newcomer), true);
  assertEquals(room.size, 1);
});

Deno.test("Room.join() refuses a consumer the id of a normal peer", () => {
  const holder = new FakePeer("a");
  const room = roomOf(holder);
  assertEquals(room.join(new FakePeer("a", "consumer")), { kind: "idInUse" });
  const b = new FakePeer("b");
  room.join(b);
  relay(room, b, offerTo("a"));
  assertEquals(holder.frames.length, 1);
});

Deno.test("Room.join() gives a normal peer the id of a consumer, and its place in the order", () => {
  const holder = new FakePeer("a", "consumer");
  const room = roomOf(holder, new FakePeer("b"));
  const newcomer = new FakePeer("a");
  assertEquals(room.join(newcomer), { kind: "replaced", old: holder });
  assertEquals(room.otherNormalIds(new FakePeer("z")), ["a", "b"]);
  assertEquals(room.leave(holder), false);
});

Deno.test("Room.join() gives a consumer's id to a consumer of the same identity alone", () => {
  const holder = new FakePeer("c", "consumer");
  holder.consumerIdentity = "ada";
  const room = roomOf(holder);
  const [ben, nobody, ada] = ["ben", "", "ada"].map((consumerIdentity) =>
    Object.assign(new FakePeer("c", "consumer"), { consumerIdentity })
  );
  if (!ben || !nobody || !ada) throw new Error("Three consumers");
  assertEquals(room.join(ben), { kind: "idInUse" });
  assertEquals(room.join(nobody), { kind: "idInUse" });
  assertEquals(room.join(ada), { kind: "replaced", old: holder });
});

Deno.test("Room.relay() stamps who really sent it and leaves the rest untouched", () => {
  const [a, b] = [new FakePeer("a"), new FakePeer("b")];
  const room = roomOf(a, b);
  const message = offerTo("b", { from: "mallory", fromRole: "consumer", extra: { deep: [1] } });
  assertStrictEquals(relay(room, a, message), "sent");
  assertEquals(b.frames[0], {
    type: "offer",
    to: "b",
    sdp: "v=0",
    from: "a",
    fromRole: "normal",
    extra: { deep: [1] },
  });
});

Deno.test("Room.relay() finds neither strangers nor names of the language", () => {
  const a = new FakePeer("a");
  const room = roomOf(a);
  for (const name of ["b", "", "__proto__", "constructor", "toString", "A"]) {
    assertEquals(relay(room, a, offerTo(name)), "not found");
  }
});

Deno.test("Room.relay() hides consumers from each other and shows them to normals", () => {
  const [x, y] = [new FakePeer("x", "consumer"), new FakePeer("y", "consumer")];
  const n = new FakePeer("n");
  const room = roomOf(x, y, n);
  assertEquals(relay(room, x, offerTo("y")), "not found");
  assertEquals(relay(room, x, offerTo("n")), "sent");
  assertEquals(relay(room, n, offerTo("x")), "sent");
  assertEquals(y.frames, []);
});

Deno.test("Room.relay() reports a peer that can no longer be reached", () => {
  const [a, b] = [new FakePeer("a"), new FakePeer("b")];
  b.isReachable = false;
  assertEquals(relay(roomOf(a, b), a, offerTo("b")), "not found");
});
