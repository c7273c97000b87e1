import { assert, assertEquals } from "@std/assert";
import { MAX_DUE_IDS } from "../../src/rooms/newcomers.ts";
import { MAX_TURN_IDS, REINTRODUCE_AFTER_MS } from "../../src/rooms/reintroductions.ts";
import type { SignalMessage } from "../../src/protocol/messages.ts";
import type { FakePeer } from "../helpers/peer.ts";
import { RoomFixture } from "../helpers/room_fixture.ts";

/** The seconds after which a pair that has not negotiated is reintroduced. */
const SECONDS = [6, 15, 40];

Deno.test("the smaller id is told of the larger 6, 15 and 40 s after an offer without an answer, then no more", () => {
  assertEquals(REINTRODUCE_AFTER_MS.map((ms) => ms / 1000), SECONDS);
  for (const [from, to] of [["ada", "ben"], ["ben", "ada"]] as const) {
    const fixture = new RoomFixture();
    const peers = { ada: fixture.join("ada"), ben: fixture.join("ben") };
    fixture.connect(peers.ada, peers.ben);
    fixture.clock.tick(50_000);
    fixture.signal("offer", peers[from], peers[to]);
    const lists = fixture.listsWithin(120, peers.ada);
    assertEquals(lists, SECONDS.map((second) => [second, ["ben"]]));
    assertEquals(fixture.lists(peers.ben), []);
    assertEquals([fixture.negotiations.reintroductions, fixture.clock.pending], [3, 0]);
  }
});

Deno.test("the smaller id is told of the larger 6, 15 and 40 s after a join without an offer, in either order", () => {
  for (const order of [["ada", "ben"], ["ben", "ada"]]) {
    const fixture = new RoomFixture();
    const peers: Record<string, FakePeer> = {};
    for (const id of order) {
      fixture.clock.tick(30_000);
      peers[id] = fixture.join(id);
    }
    const { ada, ben } = peers;
    if (!ada || !ben) throw new Error("Two peers");
    assertEquals(fixture.listsWithin(120, ada), SECONDS.map((second) => [second, ["ben"]]));
    assertEquals(fixture.lists(ben), []);
    assertEquals(fixture.clock.pending, 0);
  }
});

Deno.test("a pair that negotiates within 6 s of the join is not told of each other", () => {
  const fixture = new RoomFixture();
  const [a, b] = [fixture.join("a"), fixture.join("b")];
  fixture.clock.tick(5999);
  fixture.connect(b, a);
  fixture.clock.tick(120_000);
  assertEquals([fixture.lists(a), fixture.lists(b)], [[], []]);
});

Deno.test("one answer settles two offers that crossed: the other is never answered", () => {
  for (const [answering, offering] of [["a", "b"], ["b", "a"]] as const) {
    const fixture = new RoomFixture();
    const peers = { a: fixture.join("a"), b: fixture.join("b") };
    fixture.signal("offer", peers.a, peers.b);
    fixture.signal("offer", peers.b, peers.a);
    fixture.signal("answer", peers[answering], peers[offering]);
    fixture.clock.tick(120_000);
    assertEquals(fixture.negotiations.reintroductions, 0);
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
    const fixture = new RoomFixture();
    const [a, b] = [fixture.join("a"), fixture.join("b")];
    fixture.signal("offer", a, b);
    fixture.clock.tick(5000);
    if (direction === "there") fixture.signal(type, a, b);
    else fixture.signal(type, b, a);
    const seconds = fixture.listsWithin(60, a).map(([second]) => second + 5);
    assertEquals(seconds, expected, `${type} ${direction}`);
  }
});

Deno.test("all ids that are due come in one list, 64 at most, and the others in the lists that follow", () => {
  const fixture = new RoomFixture();
  const first = fixture.join("a");
  for (const id of ["b", "c", "d"]) fixture.join(id);
  fixture.clock.tick(6000);
  assertEquals(fixture.lists(first), [["b", "c", "d"]]);

  const crowd = new RoomFixture();
  for (let n = 0; n < 200; n++) crowd.join(`peer ${n}`);
  const newcomer = crowd.join("a newcomer");
  const lists = crowd.listsWithin(60, newcomer);
  const sizes = [MAX_DUE_IDS, MAX_DUE_IDS, MAX_DUE_IDS, 200 - 3 * MAX_DUE_IDS];
  assertEquals(lists.map(([, ids]) => ids.length), [...sizes, ...sizes, ...sizes]);
  for (const [n, second] of SECONDS.entries()) {
    const names = new Set(lists.slice(4 * n, 4 * n + 4).flatMap(([, ids]) => ids));
    assertEquals([lists[4 * n]?.[0], names.size], [second, 200]);
  }
});

Deno.test("of more unanswered offers than a list has room for, the next lists name the others", () => {
  for (const isFromSmaller of [true, false]) {
    const fixture = new RoomFixture();
    const first = fixture.join("a");
    const others = Array.from({ length: 100 }, (_, n) => fixture.join(`peer ${n}`));
    for (const other of others) {
      if (isFromSmaller) fixture.signal("offer", first, other);
      else fixture.signal("offer", other, first);
    }
    const lists = fixture.listsWithin(120, first);
    assertEquals(lists.map(([, { length }]) => length), [64, 36, 64, 36, 64, 36]);
    for (const [n, second] of SECONDS.entries()) {
      const names = new Set(lists.slice(2 * n, 2 * n + 2).flatMap(([, ids]) => ids));
      assertEquals([lists[2 * n]?.[0], names.size], [second, 100]);
    }
    assertEquals(fixture.clock.pending, 0);
  }
});

Deno.test("newcomers that are due at the same time as unanswered offers are named as well", () => {
  const fixture = new RoomFixture();
  const first = fixture.join("a");
  for (let n = 0; n < 80; n++) fixture.signal("offer", first, fixture.join(`peer ${n}`));
  const newcomers = Array.from({ length: 70 }, (_, n) => fixture.join(`quiet ${n}`));
  const lists = fixture.listsWithin(9, first);
  assertEquals(lists.map(([, { length }]) => length), [64, 64, 22]);
  const names = new Set(lists.flatMap(([, ids]) => ids));
  assertEquals([names.size, newcomers.every(({ id }) => names.has(id))], [150, true]);
});

Deno.test("nobody is told of a peer that has left, was replaced, is closed or is a consumer, nor such a peer of others", () => {
  const fixture = new RoomFixture();
  const [a, b, c, d] = [fixture.join("a"), fixture.join("b"), fixture.join("c"), fixture.join("d")];
  const x = fixture.join("x", "consumer");
  fixture.signal("offer", a, b);
  fixture.signal("offer", c, d);
  fixture.signal("offer", x, a);
  fixture.signal("offer", a, x);
  fixture.leave(b);
  const newC = fixture.join("c");
  Object.assign(d, { isClosed: true });
  fixture.clock.tick(6000);
  assertEquals(fixture.lists(a), [["c"]]);
  assertEquals([b, c, d, newC, x].map((peer) => fixture.lists(peer)), [[], [], [], [], []]);
});

Deno.test("a peer that becomes a consumer is told nothing, and counts as a newcomer once it is a normal peer again", () => {
  const fixture = new RoomFixture(60_000);
  const [a, b] = [fixture.join("a"), fixture.join("b")];
  fixture.connect(a, b);
  a.role = "consumer";
  fixture.rooms.registry.update(fixture.room, a);
  fixture.clock.tick(120_000);
  assertEquals(fixture.lists(a), []);
  a.role = "normal";
  fixture.rooms.registry.update(fixture.room, a);
  const seconds = fixture.listsWithin(59, a).map(([second]) => second);
  assertEquals(seconds, SECONDS);
});

Deno.test("of a pair on two instances the instance of the smaller id tells it, the other nobody", () => {
  const fixture = new RoomFixture(60_000);
  const [remoteA, b] = [fixture.join("a", "normal", false), fixture.join("b")];
  const remoteC = fixture.join("c", "normal", false);
  const lists = fixture.listsWithin(60, b);
  assertEquals(lists, [...SECONDS, 60].map((second) => [second, ["c"]]));
  assertEquals([fixture.lists(remoteA), fixture.lists(remoteC)], [[], []]);
});

Deno.test("signals of a pair on two instances are seen by both", () => {
  const message = { type: "offer", to: "" } as const;
  const text = JSON.stringify(message);
  for (const localId of ["a", "z"]) {
    const fixture = new RoomFixture();
    const local = fixture.join(localId);
    const remote = fixture.join("m", "normal", false);
    assertEquals(fixture.room.deliver(remote, local, "offer", text), "sent");
    assertEquals(fixture.signal("answer", local, remote), "sent");
    assertEquals(fixture.signal("answer", local, remote), "duplicate");
    assertEquals(fixture.signal("offer", local, remote), "sent");
    assertEquals(fixture.room.deliver(remote, local, "answer", text), "sent");
    assertEquals(fixture.room.deliver(remote, local, "answer", text), "duplicate");
    fixture.clock.tick(120_000);
    assertEquals(fixture.lists(local), []);
  }
});

Deno.test("each normal is told of the larger ids of its room once in every REINTRODUCE_SECONDS", () => {
  const fixture = new RoomFixture(60_000);
  const [a, b, c] = [fixture.join("a"), fixture.join("b"), fixture.join("c")];
  const consumer = fixture.join("x", "consumer");
  for (const [from, to] of [[b, a], [c, a], [c, b]] as const) fixture.connect(from, to);
  for (let minute = 1; minute <= 3; minute++) {
    fixture.clock.tick(60_000);
    assertEquals([fixture.lists(a), fixture.lists(b)], [[["b", "c"]], [["c"]]]);
  }
  assertEquals([fixture.lists(c), fixture.lists(consumer)], [[], []]);
  assertEquals(fixture.negotiations.reintroductions, 0);
  for (const peer of [a, b, c]) fixture.leave(peer);
  assertEquals(fixture.clock.pending, 0);
});

Deno.test("a list in turn has 50 ids at most, and each id comes before any comes again", () => {
  const fixture = new RoomFixture(1000);
  const first = fixture.join("a");
  const others = Array.from({ length: 120 }, (_, n) => fixture.join(`peer ${n}`));
  for (const other of others) fixture.connect(other, first);
  const lists = fixture.listsWithin(5, first).map(([, ids]) => ids);
  assertEquals(lists.map(({ length }) => length), Array(5).fill(MAX_TURN_IDS));
  const names = others.map(({ id }) => id);
  assertEquals(lists.flat(), [...names, ...names, ...names].slice(0, 5 * MAX_TURN_IDS));
});

Deno.test("many peers that came at once get their turns one after the other, and all of them", () => {
  const fixture = new RoomFixture(60_000);
  const peers = Array.from({ length: 1000 }, (_, n) => fixture.join(`peer ${n}`));
  const largest = peers.toSorted((p, q) => p.id < q.id ? 1 : -1)[0];
  fixture.clock.tick(59_999);
  for (const peer of peers) fixture.lists(peer);
  const told = [];
  for (let n = 0; n < 30; n++) {
    fixture.clock.tick(1000);
    told.push(peers.filter((peer) => fixture.lists(peer).length > 0).length);
  }
  assert(Math.max(...told) <= 250, `${Math.max(...told)} in a second`);
  assertEquals(
    told.reduce((sum, each) => sum + each),
    peers.length - Number(largest !== undefined),
  );
});

Deno.test("with REINTRODUCE_SECONDS at 0 nobody is told in turn, and no timer stays", () => {
  const fixture = new RoomFixture(0);
  const [a, b] = [fixture.join("a"), fixture.join("b")];
  fixture.connect(b, a);
  fixture.clock.tick(200_000);
  assertEquals([fixture.lists(a), fixture.lists(b), fixture.clock.pending], [[], [], 0]);
});

Deno.test("closing ends every reintroduction", () => {
  const fixture = new RoomFixture(60_000);
  fixture.signal("offer", fixture.join("a"), fixture.join("b"));
  fixture.negotiations.close();
  fixture.join("c");
  assertEquals(fixture.clock.pending, 0);
});
