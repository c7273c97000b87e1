import { assert, assertEquals } from "@std/assert";
import { SilentPeer } from "../helpers/peer.ts";
import { RoomFixture } from "../helpers/room_fixture.ts";

Deno.test("a second answer to an offer is dropped and counted", () => {
  const fixture = new RoomFixture();
  const [a, b] = [fixture.join("a"), fixture.join("b")];
  fixture.signal("offer", a, b);
  assertEquals(fixture.signal("answer", b, a), "sent");
  assertEquals(fixture.signal("answer", b, a), "duplicate");
  assertEquals(fixture.negotiations.duplicateAnswers, 1);
  assertEquals(a.frames.length, 1);
});

Deno.test("a new offer may be answered again", () => {
  const fixture = new RoomFixture();
  const [a, b] = [fixture.join("a"), fixture.join("b")];
  for (let n = 0; n < 3; n++) {
    fixture.signal("offer", a, b);
    assertEquals(fixture.signal("answer", b, a), "sent");
  }
});

Deno.test("answers to different peers do not count as one", () => {
  const fixture = new RoomFixture();
  const [a, b, c] = [fixture.join("a"), fixture.join("b"), fixture.join("c")];
  fixture.signal("offer", a, c);
  fixture.signal("offer", b, c);
  assertEquals([fixture.signal("answer", c, a), fixture.signal("answer", c, b)], ["sent", "sent"]);
  fixture.signal("offer", c, a);
  assertEquals(fixture.signal("answer", a, c), "sent");
});

Deno.test("an answer whose offer was never seen is relayed like anything else", () => {
  const fixture = new RoomFixture();
  const [a, b] = [fixture.join("a"), fixture.join("b")];
  assertEquals(fixture.signal("answer", b, a), "sent");
  assertEquals(fixture.signal("answer", b, a), "sent");
});

Deno.test("a newcomer under an old name has offered nothing yet", () => {
  const fixture = new RoomFixture();
  const [a, b] = [fixture.join("a"), fixture.join("b")];
  fixture.signal("offer", a, b);
  fixture.signal("answer", b, a);
  const newA = fixture.join("a");
  assertEquals(fixture.signal("answer", b, newA), "sent");
  assertEquals(newA.frames.length, 1);
});

Deno.test("every offer may be answered once, also when two were made before the first answer", () => {
  const fixture = new RoomFixture();
  const [a, b] = [fixture.join("a"), fixture.join("b")];
  fixture.signal("offer", a, b);
  fixture.signal("offer", a, b);
  const answers = [1, 2, 3].map(() => fixture.signal("answer", b, a));
  assertEquals(answers, ["sent", "sent", "duplicate"]);
});

Deno.test("every offer may be answered once, however many were made before", () => {
  const fixture = new RoomFixture();
  const [a, b] = [fixture.join("a"), fixture.join("b")];
  for (let n = 0; n < 40; n++) fixture.signal("offer", a, b);
  const answers = Array.from({ length: 41 }, () => fixture.signal("answer", b, a));
  assertEquals(answers, [...Array(40).fill("sent"), "duplicate"]);
});

Deno.test("an answer in the other direction does not count as one to the own offer", () => {
  const fixture = new RoomFixture();
  const [a, b] = [fixture.join("a"), fixture.join("b")];
  fixture.signal("offer", a, b);
  fixture.signal("offer", b, a);
  const answers = [fixture.signal("answer", b, a), fixture.signal("answer", a, b)];
  assertEquals(answers, ["sent", "sent"]);
  assertEquals([fixture.signal("answer", a, b), fixture.signal("answer", b, a)], [
    "duplicate",
    "duplicate",
  ]);
});

Deno.test("what 500 peers offer and answer each other is forgotten within two minutes, and bounded until then", () => {
  const fixture = new RoomFixture();
  const peers = Array.from({ length: 500 }, (_, n) => {
    const peer = new SilentPeer(`peer ${n}`);
    fixture.rooms.registry.join("room", peer);
    return peer;
  });
  for (const from of peers) {
    for (const to of peers) {
      if (from === to) continue;
      fixture.negotiations.onSignal(from, to, "offer");
      fixture.negotiations.onSignal(to, from, "answer");
    }
  }
  assert(fixture.negotiations.pairs <= 500 * 128, `${fixture.negotiations.pairs} pairs`);
  fixture.clock.tick(120_000);
  assertEquals([fixture.negotiations.pairs, fixture.clock.pending], [0, 0]);
});
