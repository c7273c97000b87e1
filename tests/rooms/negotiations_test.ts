import { assert, assertEquals } from "@std/assert";
import { SilentPeer } from "../helpers/peer.ts";
import { RoomStage } from "../helpers/room_stage.ts";

Deno.test("a second answer to an offer is dropped and counted", () => {
  const stage = new RoomStage();
  const [a, b] = [stage.join("a"), stage.join("b")];
  stage.signal("offer", a, b);
  assertEquals(stage.signal("answer", b, a), "sent");
  assertEquals(stage.signal("answer", b, a), "duplicate");
  assertEquals(stage.negotiations.duplicateAnswers, 1);
  assertEquals(a.frames.length, 1);
});

Deno.test("a new offer may be answered again", () => {
  const stage = new RoomStage();
  const [a, b] = [stage.join("a"), stage.join("b")];
  for (let n = 0; n < 3; n++) {
    stage.signal("offer", a, b);
    assertEquals(stage.signal("answer", b, a), "sent");
  }
});

Deno.test("answers to different peers do not count as one", () => {
  const stage = new RoomStage();
  const [a, b, c] = [stage.join("a"), stage.join("b"), stage.join("c")];
  stage.signal("offer", a, c);
  stage.signal("offer", b, c);
  assertEquals([stage.signal("answer", c, a), stage.signal("answer", c, b)], ["sent", "sent"]);
  stage.signal("offer", c, a);
  assertEquals(stage.signal("answer", a, c), "sent");
});

Deno.test("an answer whose offer was never seen is relayed like anything else", () => {
  const stage = new RoomStage();
  const [a, b] = [stage.join("a"), stage.join("b")];
  assertEquals(stage.signal("answer", b, a), "sent");
  assertEquals(stage.signal("answer", b, a), "sent");
});

Deno.test("a newcomer under an old name has offered nothing yet", () => {
  const stage = new RoomStage();
  const [a, b] = [stage.join("a"), stage.join("b")];
  stage.signal("offer", a, b);
  stage.signal("answer", b, a);
  const newA = stage.join("a");
  assertEquals(stage.signal("answer", b, newA), "sent");
  assertEquals(newA.frames.length, 1);
});

Deno.test("every offer may be answered once, also when two were made before the first answer", () => {
  const stage = new RoomStage();
  const [a, b] = [stage.join("a"), stage.join("b")];
  stage.signal("offer", a, b);
  stage.signal("offer", a, b);
  const answers = [1, 2, 3].map(() => stage.signal("answer", b, a));
  assertEquals(answers, ["sent", "sent", "duplicate"]);
});

Deno.test("an answer in the other direction does not count as one to the own offer", () => {
  const stage = new RoomStage();
  const [a, b] = [stage.join("a"), stage.join("b")];
  stage.signal("offer", a, b);
  stage.signal("offer", b, a);
  const answers = [stage.signal("answer", b, a), stage.signal("answer", a, b)];
  assertEquals(answers, ["sent", "sent"]);
  assertEquals([stage.signal("answer", a, b), stage.signal("answer", b, a)], [
    "duplicate",
    "duplicate",
  ]);
});

Deno.test("what 500 peers offer and answer each other is forgotten within two minutes, and bounded until then", () => {
  const stage = new RoomStage();
  const peers = Array.from({ length: 500 }, (_, n) => {
    const peer = new SilentPeer(`peer ${n}`);
    stage.rooms.registry.join("room", peer);
    return peer;
  });
  for (const from of peers) {
    for (const to of peers) {
      if (from === to) continue;
      stage.negotiations.onSignal(from, to, "offer");
      stage.negotiations.onSignal(to, from, "answer");
    }
  }
  assert(stage.negotiations.pairs <= 500 * 128, `${stage.negotiations.pairs} pairs`);
  stage.clock.tick(120_000);
  assertEquals([stage.negotiations.pairs, stage.clock.pending], [0, 0]);
});
