import { assert, assertEquals } from "@std/assert";
import { HEARTBEAT_TIMEOUT_MS, PUSH_INTERVAL_MS } from "../../src/rooms/director.ts";
import type { ServingState } from "../../src/rooms/peer.ts";
import { createRooms } from "../../src/rooms/rooms.ts";
import type { Room } from "../../src/rooms/room.ts";
import { FakeClock } from "../helpers/clock.ts";
import { FakePeer } from "../helpers/peer.ts";
import { generator } from "../helpers/random.ts";

class Fixture {
  readonly clock = new FakeClock();
  readonly rooms = createRooms({ clock: this.clock });
  readonly director = this.rooms.director;
  readonly registry = this.rooms.registry;
  readonly room: Room;

  /** A room with these normal peers, kept alive by a consumer that never registers. */
  constructor(...ids: string[]) {
    this.rooms.negotiations.close(); // Its timer is not the director's.
    this.room = this.registry.join("room", new FakePeer("keeper", "consumer")).room;
    for (const id of ids) this.join(id);
  }

  join(id: string, service: Partial<ServingState> = {}): FakePeer {
    const peer = new FakePeer(id, "normal", service);
    this.registry.join("room", peer);
    return peer;
  }

  leave(peer: FakePeer): void {
    this.registry.leave(this.room, peer);
  }

  set(peer: FakePeer, service: Partial<ServingState>): void {
    peer.servingState = { ...peer.servingState, ...service };
    this.registry.update(this.room, peer);
  }

  /** A consumer that registers now, and the list it gets. */
  consume(id = `consumer ${crypto.randomUUID()}`): { consumer: FakePeer; list: string[] } {
    const consumer = new FakePeer(id, "consumer");
    this.registry.join("room", consumer);
    return { consumer, list: this.director.register(this.room, consumer) };
  }

  /** The lists that were pushed to a consumer since the last look. */
  pushed(consumer: FakePeer): string[][] {
    return consumer.frames.splice(0).map(({ type, servers }) => {
      assertEquals(type, "server-list");
      return servers;
    });
  }
}

Deno.test("Director.register() rotates the list by one with every consumer", () => {
  const fixture = new Fixture("a", "b", "c");
  assertEquals([1, 2, 3, 4].map(() => fixture.consume().list.join("")), [
    "abc",
    "bca",
    "cab",
    "abc",
  ]);
});

Deno.test("Director.register() puts every server first once in N registrations, also when the set changes size in between", () => {
  const random = generator(7);
  for (let run = 0; run < 200; run++) {
    const fixture = new Fixture();
    const peers = ["a", "b", "c", "d"].map((id) => fixture.join(id));
    for (let change = 0; change < 6; change++) {
      for (let n = random(5); n > 0; n--) fixture.consume();
      const peer = peers[random(peers.length)];
      if (peer !== undefined && peers.length > 1 && random(2) === 0) {
        fixture.leave(peer);
        peers.splice(peers.indexOf(peer), 1);
      } else peers.push(fixture.join(`n${run}-${change}`));
      const firsts = peers.map(() => fixture.consume().list[0]);
      assertEquals(firsts.toSorted(), peers.map(({ id }) => id).toSorted());
    }
  }
});

Deno.test("Director.register() lists only who serves, is below capacity and is healthy", () => {
  const fixture = new Fixture("a");
  const now = fixture.clock.elapsed();
  fixture.join("opted out", { serveConsumers: false });
  fixture.join("full", { capacity: 2, sessions: 2 });
  fixture.join("none", { capacity: 0 });
  fixture.join("has room", { capacity: 2, sessions: 1 });
  fixture.join("silent", { heartbeatAt: now - HEARTBEAT_TIMEOUT_MS });
  fixture.join("beats", { heartbeatAt: now - HEARTBEAT_TIMEOUT_MS + 1 });
  assertEquals(fixture.consume().list, ["a", "has room", "beats"]);
});

Deno.test("Director fills an empty list as soon as a server arrives", () => {
  const fixture = new Fixture();
  const { consumer, list } = fixture.consume();
  assertEquals(list, []);
  fixture.clock.tick(PUSH_INTERVAL_MS);
  fixture.join("a");
  assertEquals(fixture.pushed(consumer), [["a"]]);
});

Deno.test("Director removes a server that left from every list", () => {
  const fixture = new Fixture("a");
  const b = fixture.join("b");
  const { consumer } = fixture.consume();
  fixture.clock.tick(PUSH_INTERVAL_MS);
  fixture.leave(b);
  assertEquals(fixture.pushed(consumer), [["a"]]);
});

Deno.test("Director pushes one list in 250 ms at most, the last of which is true", () => {
  const fixture = new Fixture();
  const { consumer } = fixture.consume();
  const start = fixture.clock.elapsed();
  const sentAt: number[] = [];
  const send = consumer.send.bind(consumer);
  consumer.send = (text) => {
    sentAt.push(fixture.clock.elapsed() - start);
    return send(text);
  };
  for (let n = 0; n < 50; n++) {
    fixture.join(`n${n}`);
    fixture.clock.tick(20);
  }
  fixture.clock.tick(PUSH_INTERVAL_MS);
  assertEquals(sentAt, [1, 2, 3, 4].map((n) => n * PUSH_INTERVAL_MS));
  assertEquals(fixture.pushed(consumer).at(-1)?.length, 50);
});

Deno.test("Director pushes nothing when the set of servers is what it was", () => {
  const fixture = new Fixture("a");
  const { consumer } = fixture.consume();
  const a = fixture.join("b");
  fixture.leave(a);
  fixture.clock.tick(PUSH_INTERVAL_MS);
  fixture.join("c", { serveConsumers: false });
  fixture.consume();
  fixture.clock.tick(10 * PUSH_INTERVAL_MS);
  assertEquals(fixture.pushed(consumer), []);
  assertEquals(fixture.clock.pending, 0);
});

Deno.test("Director keeps each consumer's rotation", () => {
  const fixture = new Fixture("a", "b", "c");
  const [first, second, third] = [fixture.consume(), fixture.consume(), fixture.consume()];
  fixture.clock.tick(PUSH_INTERVAL_MS);
  fixture.join("d");
  const lists = [first, second, third].map(({ consumer }) => fixture.pushed(consumer)[0]?.join(""));
  assertEquals(lists, ["abcd", "bcda", "cdab"]);
});

Deno.test("Director spreads consumers that all waited for the first servers", () => {
  const fixture = new Fixture();
  const consumers = [fixture.consume(), fixture.consume()].map(({ consumer }) => consumer);
  const a = fixture.join("a");
  const b = fixture.join("b");
  fixture.clock.tick(PUSH_INTERVAL_MS);
  const firsts = consumers.map((consumer) => fixture.pushed(consumer).at(-1)?.[0]);
  assertEquals(firsts, [a.id, b.id]);
});

Deno.test("Director leaves a peer out that stopped its heartbeats, until the next one comes", () => {
  const fixture = new Fixture("a");
  const b = fixture.join("b");
  const { consumer } = fixture.consume();
  fixture.set(b, { heartbeatAt: fixture.clock.elapsed() });
  fixture.clock.tick(HEARTBEAT_TIMEOUT_MS - 1);
  assertEquals(fixture.pushed(consumer), []);
  fixture.clock.tick(1);
  assertEquals(fixture.pushed(consumer), [["a"]]);
  fixture.clock.tick(PUSH_INTERVAL_MS);
  fixture.set(b, { heartbeatAt: fixture.clock.elapsed() });
  assertEquals(fixture.pushed(consumer), [["a", "b"]]);
});

Deno.test("Director follows capacity and opting out", () => {
  const fixture = new Fixture("a");
  const b = fixture.join("b", { capacity: 1 });
  const { consumer } = fixture.consume();
  const lists = [];
  for (const change of [{ sessions: 1 }, { sessions: 0 }, { serveConsumers: false }]) {
    fixture.clock.tick(PUSH_INTERVAL_MS);
    fixture.set(b, change);
    lists.push(...fixture.pushed(consumer));
  }
  assertEquals(lists, [["a"], ["a", "b"], ["a"]]);
});

Deno.test("Director forgets consumers that left, changed role or cannot be reached", () => {
  const fixture = new Fixture("a");
  const [left, changed, broken] = ["x", "y", "z"].map((id) => fixture.consume(id).consumer);
  if (!left || !changed || !broken) throw new Error("Three consumers");
  fixture.clock.tick(PUSH_INTERVAL_MS);
  fixture.leave(left);
  changed.role = "normal";
  changed.servingState = { ...changed.servingState, serveConsumers: false };
  fixture.registry.update(fixture.room, changed);
  broken.isReachable = false;
  broken.isClosed = true;
  fixture.clock.tick(PUSH_INTERVAL_MS);
  fixture.join("b");
  assertEquals([left, changed, broken].flatMap(({ frames }) => frames), []);
  assertEquals(fixture.clock.pending, 0);
});

Deno.test("Director goes on pushing after its last consumer left with a push due", () => {
  const fixture = new Fixture("a");
  const { consumer: first } = fixture.consume("first");
  fixture.join("b");
  fixture.leave(first);
  fixture.clock.tick(PUSH_INTERVAL_MS);
  const { consumer: second } = fixture.consume("second");
  fixture.clock.tick(PUSH_INTERVAL_MS);
  fixture.join("c");
  assertEquals(fixture.pushed(second).map((list) => list.toSorted()), [["a", "b", "c"]]);
});

Deno.test("Director starts no timer for a room without consumers", () => {
  const fixture = new Fixture();
  fixture.join("a", { heartbeatAt: fixture.clock.elapsed() });
  assertEquals(fixture.clock.pending, 0);
});

Deno.test("Director examines a room at most once in 250 ms, however often a normal changes and whenever consumers came", () => {
  const fixture = new Fixture("a");
  const consumers: FakePeer[] = [];
  for (let n = 0; n < 50; n++) {
    consumers.push(fixture.consume().consumer);
    fixture.clock.tick(5);
  }
  let looks = 0;
  const normals = fixture.room.normals.bind(fixture.room);
  fixture.room.normals = () => {
    looks++;
    return normals();
  };
  const flapping = fixture.join("b");
  for (let n = 0; n < 200; n++) { // a second
    fixture.set(flapping, { serveConsumers: n % 2 === 1 });
    fixture.clock.tick(5);
  }
  fixture.clock.tick(PUSH_INTERVAL_MS);
  assert(looks <= 6, `${looks} looks`);
  for (const consumer of consumers) {
    const lists = fixture.pushed(consumer);
    assert(lists.length <= 5, `${lists.length} lists`);
    assertEquals(lists.at(-1)?.toSorted(), ["a", "b"]);
  }
});

Deno.test("Director sends no list and keeps no timer once it is closed", () => {
  const fixture = new Fixture("a");
  const { consumer } = fixture.consume();
  fixture.join("b");
  fixture.director.close();
  fixture.clock.tick(PUSH_INTERVAL_MS);
  fixture.join("c");
  assertEquals([fixture.pushed(consumer), fixture.clock.pending], [[], 0]);
});

Deno.test("Director pushes what changed while it sent lists", () => {
  const fixture = new Fixture("a");
  const { consumer: first } = fixture.consume();
  const { consumer: second } = fixture.consume();
  fixture.clock.tick(PUSH_INTERVAL_MS);
  const c = fixture.join("c", { serveConsumers: false });
  const send = first.send.bind(first);
  first.send = (text) => {
    if (!c.servingState.serveConsumers) fixture.set(c, { serveConsumers: true });
    return send(text);
  };
  fixture.clock.tick(PUSH_INTERVAL_MS);
  fixture.join("b");
  fixture.clock.tick(2 * PUSH_INTERVAL_MS);
  for (const consumer of [first, second]) {
    assertEquals(fixture.pushed(consumer).at(-1)?.toSorted(), ["a", "b", "c"]);
  }
});

Deno.test("Director sends a list again that a consumer had no room for", () => {
  const fixture = new Fixture("a");
  const { consumer } = fixture.consume();
  fixture.clock.tick(PUSH_INTERVAL_MS);
  consumer.isReachable = false;
  fixture.join("b");
  fixture.clock.tick(3 * PUSH_INTERVAL_MS);
  consumer.isReachable = true;
  fixture.clock.tick(PUSH_INTERVAL_MS);
  assertEquals(consumer.frames, [{ type: "server-list", servers: ["a", "b"] }]);
  assertEquals(fixture.clock.pending, 0);
});
