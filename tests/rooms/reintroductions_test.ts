import { assert, assertEquals } from "@std/assert";
import { MAX_DUE_IDS } from "../../src/rooms/newcomers.ts";
import { MAX_TURN_IDS, REINTRODUCE_AFTER_MS } from "../../src/rooms/reintroductions.ts";
import type { SignalMessage } from "../../src/protocol/messages.ts";
import type { FakePeer } from "../helpers/peer.ts";
import { RoomStage } from "../helpers/room_stage.ts";

/** The seconds after which a pair that has not negotiated is reintroduced. */
const SECONDS = [6, 15, 40];

Deno.test("the smaller id is told of the larger 6, 15 and 40 s after an offer without an answer, then no more", () => {
  assertEquals(REINTRODUCE_AFTER_MS.map((ms) => ms / 1000), SECONDS);
  for (const [from, to] of [["ada", "ben"], ["ben", "ada"]] as const) {
    const stage = new RoomStage();
    const peers = { ada: stage.join("ada"), ben: stage.join("ben") };
    stage.connect(peers.ada, peers.ben);
    stage.clock.tick(50_000);
    stage.signal("offer", peers[from], peers[to]);
    const lists = stage.listsWithin(120, peers.ada);
    assertEquals(lists, SECONDS.map((second) => [second, ["ben"]]));
    assertEquals(stage.lists(peers.ben), []);
    assertEquals([stage.negotiations.reintroductions, stage.clock.pending], [3, 0]);
  }
});

Deno.test("the smaller id is told of the larger 6, 15 and 40 s after a join without an offer, whoever came first", () => {
  for (const order of [["ada", "ben"], ["ben", "ada"]]) {
    const stage = new RoomStage();
    const peers: Record<string, FakePeer> = {};
    for (const id of order) {
      stage.clock.tick(30_000);
      peers[id] = stage.join(id);
    }
    const { ada, ben } = peers;
    if (!ada || !ben) throw new Error("Two peers");
    assertEquals(stage.listsWithin(120, ada), SECONDS.map((second) => [second, ["ben"]]));
    assertEquals(stage.lists(ben), []);
    assertEquals(stage.clock.pending, 0);
  }
});

Deno.test("a pair that negotiates within 6 s of the join is not told of each other", () => {
  const stage = new RoomStage();
  const [a, b] = [stage.join("a"), stage.join("b")];
  stage.clock.tick(5999);
  stage.connect(b, a);
  stage.clock.tick(120_000);
  assertEquals([stage.lists(a), stage.lists(b)], [[], []]);
});

Deno.test("one answer settles two offers that crossed: the other is never answered", () => {
  for (const [answering, offering] of [["a", "b"], ["b", "a"]] as const) {
    const stage = new RoomStage();
    const peers = { a: stage.join("a"), b: stage.join("b") };
    stage.signal("offer", peers.a, peers.b);
    stage.signal("offer", peers.b, peers.a);
    stage.signal("answer", peers[answering], peers[offering]);
    stage.clock.tick(120_000);
    assertEquals(stage.negotiations.reintroductions, 0);
  }
});

Deno.test("an answer ends it, an offer starts over, a candidate changes nothing", () => {
  const cases: [SignalMessage["type"], "there" | "back", number[]][] = [
    ["answer", "back", []],
    ["offer", "back", [5 + 6, 5 + 15, 5 + 40]],
    ["offer", "there", [5 + 6, 5 + 15, 5 + 40]],
    ["ice-candidate", "back", SECONDS],
  ];
  for (const [type, direction, expected] of cases) {
    const stage = new RoomStage();
    const [a, b] = [stage.join("a"), stage.join("b")];
    stage.signal("offer", a, b);
    stage.clock.tick(5000);
    if (direction === "there") stage.signal(type, a, b);
    else stage.signal(type, b, a);
    const seconds = stage.listsWithin(60, a).map(([second]) => second + 5);
    assertEquals(seconds, expected, `${type} ${direction}`);
  }
});

Deno.test("all ids that are due come in one list, 64 at most and none twice", () => {
  const stage = new RoomStage();
  const first = stage.join("a");
  for (const id of ["b", "c", "d"]) stage.join(id);
  stage.clock.tick(6000);
  assertEquals(stage.lists(first), [["b", "c", "d"]]);

  const crowd = new RoomStage();
  for (let n = 0; n < 200; n++) crowd.join(`peer ${n}`);
  const newcomer = crowd.join("a newcomer");
  const lists = crowd.listsWithin(60, newcomer).map(([, ids]) => ids);
  assertEquals(lists.map((ids) => ids.length), [MAX_DUE_IDS, MAX_DUE_IDS, MAX_DUE_IDS]);
  for (const ids of lists) assertEquals(new Set(ids).size, MAX_DUE_IDS);
  assert(new Set(lists.flat()).size > MAX_DUE_IDS, "not the same ids each time");
});

Deno.test("nobody is told of a peer that has left, was replaced, is closed or is a consumer, nor such a peer of others", () => {
  const stage = new RoomStage();
  const [a, b, c, d] = [stage.join("a"), stage.join("b"), stage.join("c"), stage.join("d")];
  const x = stage.join("x", "consumer");
  stage.signal("offer", a, b);
  stage.signal("offer", c, d);
  stage.signal("offer", x, a);
  stage.signal("offer", a, x);
  stage.leave(b);
  const newC = stage.join("c");
  Object.assign(d, { isClosed: true });
  stage.clock.tick(6000);
  assertEquals(stage.lists(a), [["c"]]);
  assertEquals([b, c, d, newC, x].map((peer) => stage.lists(peer)), [[], [], [], [], []]);
});

Deno.test("a peer that becomes a consumer is told nothing, and counts as a newcomer once it is a normal peer again", () => {
  const stage = new RoomStage(60_000);
  const [a, b] = [stage.join("a"), stage.join("b")];
  stage.connect(a, b);
  a.role = "consumer";
  stage.rooms.registry.update(stage.room, a);
  stage.clock.tick(120_000);
  assertEquals(stage.lists(a), []);
  a.role = "normal";
  stage.rooms.registry.update(stage.room, a);
  const seconds = stage.listsWithin(59, a).map(([second]) => second);
  assertEquals(seconds, SECONDS);
});

Deno.test("of a pair on two instances the instance of the smaller id tells it, the other nobody", () => {
  const stage = new RoomStage(60_000);
  const [remoteA, b] = [stage.join("a", "normal", false), stage.join("b")];
  const remoteC = stage.join("c", "normal", false);
  const lists = stage.listsWithin(60, b);
  assertEquals(lists, [...SECONDS, 60].map((second) => [second, ["c"]]));
  assertEquals([stage.lists(remoteA), stage.lists(remoteC)], [[], []]);
});

Deno.test("signals of a pair on two instances are seen by both", () => {
  const message = { type: "offer", to: "" } as const;
  const text = JSON.stringify(message);
  for (const localId of ["a", "z"]) {
    const stage = new RoomStage();
    const local = stage.join(localId);
    const remote = stage.join("m", "normal", false);
    assertEquals(stage.room.deliver(remote, local, "offer", text), "sent");
    assertEquals(stage.signal("answer", local, remote), "sent");
    assertEquals(stage.signal("answer", local, remote), "duplicate");
    assertEquals(stage.signal("offer", local, remote), "sent");
    assertEquals(stage.room.deliver(remote, local, "answer", text), "sent");
    assertEquals(stage.room.deliver(remote, local, "answer", text), "duplicate");
    stage.clock.tick(120_000);
    assertEquals(stage.lists(local), []);
  }
});

Deno.test("each normal is told of the larger ids of its room once in every REINTRODUCE_SECONDS", () => {
  const stage = new RoomStage(60_000);
  const [a, b, c] = [stage.join("a"), stage.join("b"), stage.join("c")];
  const consumer = stage.join("x", "consumer");
  for (const [from, to] of [[b, a], [c, a], [c, b]] as const) stage.connect(from, to);
  for (let minute = 1; minute <= 3; minute++) {
    stage.clock.tick(60_000);
    assertEquals([stage.lists(a), stage.lists(b)], [[["b", "c"]], [["c"]]]);
  }
  assertEquals([stage.lists(c), stage.lists(consumer)], [[], []]);
  assertEquals(stage.negotiations.reintroductions, 0);
  for (const peer of [a, b, c]) stage.leave(peer);
  assertEquals(stage.clock.pending, 0);
});

Deno.test("a list in turn has 50 ids at most, and each id comes before any comes again", () => {
  const stage = new RoomStage(1000);
  const first = stage.join("a");
  const others = Array.from({ length: 120 }, (_, n) => stage.join(`peer ${n}`));
  for (const other of others) stage.connect(other, first);
  const lists = stage.listsWithin(5, first).map(([, ids]) => ids);
  assertEquals(lists.map(({ length }) => length), Array(5).fill(MAX_TURN_IDS));
  const names = others.map(({ id }) => id);
  assertEquals(lists.flat(), [...names, ...names, ...names].slice(0, 5 * MAX_TURN_IDS));
});

Deno.test("many peers that came at once get their turns one after the other, and all of them", () => {
  const stage = new RoomStage(60_000);
  const peers = Array.from({ length: 1000 }, (_, n) => stage.join(`peer ${n}`));
  const largest = peers.toSorted((p, q) => p.id < q.id ? 1 : -1)[0];
  stage.clock.tick(59_999);
  for (const peer of peers) stage.lists(peer);
  const told = [];
  for (let n = 0; n < 30; n++) {
    stage.clock.tick(1000);
    told.push(peers.filter((peer) => stage.lists(peer).length > 0).length);
  }
  assert(Math.max(...told) <= 250, `${Math.max(...told)} in a second`);
  assertEquals(
    told.reduce((sum, each) => sum + each),
    peers.length - Number(largest !== undefined),
  );
});

Deno.test("with REINTRODUCE_SECONDS at 0 nobody is told in turn, and no timer stays", () => {
  const stage = new RoomStage(0);
  const [a, b] = [stage.join("a"), stage.join("b")];
  stage.connect(b, a);
  stage.clock.tick(200_000);
  assertEquals([stage.lists(a), stage.lists(b), stage.clock.pending], [[], [], 0]);
});

Deno.test("closing ends every reintroduction", () => {
  const stage = new RoomStage(60_000);
  stage.signal("offer", stage.join("a"), stage.join("b"));
  stage.negotiations.close();
  stage.join("c");
  assertEquals(stage.clock.pending, 0);
});
