import { assertEquals } from "@std/assert";
import { REINTRODUCE_AFTER_MS } from "../../src/rooms/negotiations.ts";
import type { SignalMessage } from "../../src/protocol/messages.ts";
import type { Room } from "../../src/rooms/room.ts";
import { createRooms } from "../../src/rooms/rooms.ts";
import { FakeClock } from "../helpers/clock.ts";
import { FakePeer } from "../helpers/peer.ts";

class Stage {
  readonly clock = new FakeClock();
  readonly rooms = createRooms({ clock: this.clock });
  readonly negotiations = this.rooms.negotiations;

  get room(): Room {
    const room = this.rooms.registry.get("room");
    if (room === undefined) throw new Error("Nobody has joined");
    return room;
  }

  join(id: string, role: "normal" | "consumer" = "normal"): FakePeer {
    const peer = new FakePeer(id, role);
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

  /** What a peer was sent, without the relayed signals. */
  lists(peer: FakePeer): unknown[] {
    return peer.frames.splice(0).filter(({ type }) => type === "peer-list");
  }
}

Deno.test("a second answer to an offer is dropped and counted", () => {
  const stage = new Stage();
  const [a, b] = [stage.join("a"), stage.join("b")];
  stage.signal("offer", a, b);
  assertEquals(stage.signal("answer", b, a), "sent");
  assertEquals(stage.signal("answer", b, a), "duplicate");
  assertEquals(stage.negotiations.duplicateAnswers, 1);
  assertEquals(a.frames.length, 1);
});

Deno.test("a new offer may be answered again", () => {
  const stage = new Stage();
  const [a, b] = [stage.join("a"), stage.join("b")];
  for (let n = 0; n < 3; n++) {
    stage.signal("offer", a, b);
    assertEquals(stage.signal("answer", b, a), "sent");
  }
});

Deno.test("answers to different peers do not count as one", () => {
  const stage = new Stage();
  const [a, b, c] = [stage.join("a"), stage.join("b"), stage.join("c")];
  stage.signal("offer", a, c);
  stage.signal("offer", b, c);
  assertEquals([stage.signal("answer", c, a), stage.signal("answer", c, b)], ["sent", "sent"]);
  stage.signal("offer", c, a);
  assertEquals(stage.signal("answer", a, c), "sent");
});

Deno.test("an answer whose offer was never seen is relayed like anything else", () => {
  const stage = new Stage();
  const [a, b] = [stage.join("a"), stage.join("b")];
  assertEquals(stage.signal("answer", b, a), "sent");
  assertEquals(stage.signal("answer", b, a), "sent");
});

Deno.test("a newcomer under an old name has offered nothing yet", () => {
  const stage = new Stage();
  const [a, b] = [stage.join("a"), stage.join("b")];
  stage.signal("offer", a, b);
  stage.signal("answer", b, a);
  const newA = stage.join("a");
  assertEquals(stage.signal("answer", b, newA), "sent");
  assertEquals(newA.frames.length, 1);
});

Deno.test("an unanswered offer makes the smaller id hear of the larger at 10, 20 and 40 s, then no more", () => {
  for (const [from, to] of [["ada", "ben"], ["ben", "ada"]] as const) {
    const stage = new Stage();
    const peers = { ada: stage.join("ada"), ben: stage.join("ben") };
    stage.signal("offer", peers[from], peers[to]);
    const heals: number[] = [];
    for (let second = 1; second <= 120; second++) {
      stage.clock.tick(1000);
      for (const list of stage.lists(peers.ada)) {
        assertEquals(list, { type: "peer-list", peers: ["ben"] });
        heals.push(second);
      }
    }
    assertEquals(heals, REINTRODUCE_AFTER_MS.map((ms) => ms / 1000));
    assertEquals(stage.lists(peers.ben), []);
    assertEquals([stage.negotiations.reintroductions, stage.clock.pending], [3, 0]);
  }
});

Deno.test("an answer, an offer the other way, or a new offer starts over or ends the healing", () => {
  const cases: [SignalMessage["type"], "there" | "back", number][] = [
    ["answer", "back", 0],
    ["offer", "back", 1], // the counteroffer's own
    ["offer", "there", 1],
    ["ice-candidate", "back", 1],
  ];
  for (const [type, direction, expected] of cases) {
    const stage = new Stage();
    const [a, b] = [stage.join("a"), stage.join("b")];
    stage.signal("offer", a, b);
    stage.clock.tick(9000);
    if (direction === "there") stage.signal(type, a, b);
    else stage.signal(type, b, a);
    stage.clock.tick(2000);
    assertEquals(stage.lists(a).length, type === "ice-candidate" ? 1 : 0, type);
    stage.clock.tick(8000);
    assertEquals(stage.negotiations.reintroductions, expected, `${type} ${direction}`);
  }
});

Deno.test("nobody is healed who has left, been replaced, or is a consumer", () => {
  const stage = new Stage();
  const [a, b, c, d] = [stage.join("a"), stage.join("b"), stage.join("c"), stage.join("d")];
  const x = stage.join("x", "consumer");
  stage.signal("offer", a, b);
  stage.signal("offer", c, d);
  stage.signal("offer", x, a);
  stage.signal("offer", a, x);
  stage.leave(b);
  stage.join("c");
  stage.clock.tick(60_000);
  assertEquals([stage.negotiations.reintroductions, stage.clock.pending], [0, 0]);
});

Deno.test("closing ends the healing", () => {
  const stage = new Stage();
  stage.signal("offer", stage.join("a"), stage.join("b"));
  stage.negotiations.close();
  assertEquals(stage.clock.pending, 0);
});

Deno.test("every offer may be answered once, also when two were made before the first answer", () => {
  const stage = new Stage();
  const [a, b] = [stage.join("a"), stage.join("b")];
  stage.signal("offer", a, b);
  stage.signal("offer", a, b);
  const answers = [1, 2, 3].map(() => stage.signal("answer", b, a));
  assertEquals(answers, ["sent", "sent", "duplicate"]);
});

Deno.test("nobody is healed who has become a consumer since the offer", () => {
  for (const changed of ["a", "b"]) {
    const stage = new Stage();
    const peers = { a: stage.join("a"), b: stage.join("b") };
    stage.signal("offer", peers.b, peers.a);
    peers[changed as "a" | "b"].role = "consumer";
    stage.clock.tick(60_000);
    assertEquals([stage.negotiations.reintroductions, stage.clock.pending], [0, 0]);
  }
});
