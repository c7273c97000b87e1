import { assertEquals, assertStrictEquals } from "@std/assert";
import { Negotiations } from "../../src/rooms/negotiations.ts";
import type { SignalMessage } from "../../src/protocol/messages.ts";
import { type RelayOutcome, Room } from "../../src/rooms/room.ts";
import { createRooms } from "../../src/rooms/rooms.ts";
import { FakeClock } from "../helpers/clock.ts";
import { FakePeer } from "../helpers/peer.ts";

const LIMITS = { maxPeersPerRoom: 3, maxConsumersPerRoom: 3, maxConsumersPerIdentity: 2 };

function roomOf(...peers: FakePeer[]): Room {
  const negotiations = new Negotiations({ clock: new FakeClock(), reintroduceMs: 0 });
  const room = new Room("room", { negotiations, limits: LIMITS });
  for (const peer of peers) room.join(peer);
  return room;
}

function offerTo(to: string, fields: Record<string, unknown> = {}): SignalMessage {
  return { type: "offer", to, sdp: "v=0", ...fields };
}

function relay(room: Room, sender: FakePeer, message: SignalMessage): RelayOutcome {
  return room.relay(sender, message, JSON.stringify(message));
}

Deno.test("Room.otherNormalIds() lists the other normal peers in order of joining", () => {
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

function consumer(id: string, consumerIdentity = ""): FakePeer {
  return Object.assign(new FakePeer(id, "consumer"), { consumerIdentity });
}

Deno.test("Room.join() bounds normal peers and consumers apart, so that neither takes the other's place", () => {
  const consumers = ["x", "y", "z"].map((id) => consumer(id));
  const room = roomOf(...consumers);
  assertEquals(room.join(consumer("w")), { kind: "full" });
  for (const id of ["a", "b", "c"]) assertEquals(room.join(new FakePeer(id)).kind, "joined");
  assertEquals(room.join(new FakePeer("d")), { kind: "full" });
  assertEquals(room.join(new FakePeer("x")), { kind: "full" }); // It would be the fourth normal peer.
  assertEquals(room.join(new FakePeer("a")).kind, "replaced");
  room.leave(consumers[0] as FakePeer);
  assertEquals(room.join(consumer("w")).kind, "joined");
});

Deno.test("Room.join() bounds the consumers of one identity, and of no identity only with all others", () => {
  const room = roomOf(consumer("x", "ada"), consumer("y", "ada"));
  assertEquals(room.join(consumer("z", "ada")), { kind: "identityFull" });
  assertEquals(room.join(consumer("y", "ada")).kind, "replaced");
  assertEquals(room.join(consumer("z", "ben")).kind, "joined");
  const anyone = roomOf(consumer("x"), consumer("y"));
  assertEquals(anyone.join(consumer("z")).kind, "joined");
});

Deno.test("Room.relay() sets from and fromRole to the real sender and leaves the rest untouched", () => {
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

Deno.test("Room.relay() finds no peer under an unknown id, nor under a property name of JavaScript", () => {
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

Deno.test("Room.relay() lets an answer be repeated that its target was too busy for", () => {
  const [a, b] = [new FakePeer("a"), new FakePeer("b")];
  const { registry } = createRooms({ clock: new FakeClock() });
  registry.join("room", a);
  const { room } = registry.join("room", b);
  const answer: SignalMessage = { type: "answer", to: "a", sdp: "v=0" };
  relay(room, a, offerTo("b"));
  a.isBusy = true;
  assertEquals([relay(room, b, answer), relay(room, b, answer)], ["busy", "busy"]);
  a.isBusy = false;
  assertEquals([relay(room, b, answer), relay(room, b, answer)], ["sent", "duplicate"]);
});
