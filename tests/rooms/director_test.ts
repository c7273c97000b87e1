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
  const stage = new Fixture("a", "b", "c");
  assertEquals([1, 2, 3, 4].map(() => stage.consume().list.join("")), ["abc", "bca", "cab", "abc"]);
});

Deno.test("Director.register() puts every server first once in N registrations, also when the set changes size in between", () => {
  const random = generator(7);
  for (let run = 0; run < 200; run++) {
    const stage = new Fixture();
    const peers = ["a", "b", "c", "d"].map((id) => stage.join(id));
    for (let change = 0; change < 6; change++) {
      for (let n = random(5); n > 0; n--) stage.consume();
      const peer = peers[random(peers.length)];
      if (peer !== undefined && peers.length > 1 && random(2) === 0) {
        stage.leave(peer);
        peers.splice(peers.indexOf(peer), 1);
      } else peers.push(stage.join(`n${run}-${change}`));
      const firsts = peers.map(() => stage.consume().list[0]);
      assertEquals(firsts.toSorted(), peers.map(({ id }) => id).toSorted());
    }
  }
});

Deno.test("Director.register() lists only who serves, is below capacity and is healthy", () => {
  const stage = new Fixture("a");
  const now = stage.clock.elapsed();
  stage.join("opted out", { serveConsumers: false });
  stage.join("full", { capacity: 2, sessions: 2 });
  stage.join("none", { capacity: 0 });
  stage.join("has room", { capacity: 2, sessions: 1 });
  stage.join("silent", { heartbeatAt: now - HEARTBEAT_TIMEOUT_MS });
  stage.join("beats", { heartbeatAt: now - HEARTBEAT_TIMEOUT_MS + 1 });
  assertEquals(stage.consume().list, ["a", "has room", "beats"]);
});

Deno.test("Director fills an empty list as soon as a server arrives", () => {
  const stage = new Fixture();
  const { consumer, list } = stage.consume();
  assertEquals(list, []);
  stage.clock.tick(PUSH_INTERVAL_MS);
  stage.join("a");
  assertEquals(stage.pushed(consumer), [["a"]]);
});

Deno.test("Director takes a server that left out of every list", () => {
  const stage = new Fixture("a");
  const b = stage.join("b");
  const { consumer } = stage.consume();
  stage.clock.tick(PUSH_INTERVAL_MS);
  stage.leave(b);
  assertEquals(stage.pushed(consumer), [["a"]]);
});

Deno.test("Director pushes one list in 250 ms at most, the last of which is true", () => {
  const stage = new Fixture();
  const { consumer } = stage.consume();
  const start = stage.clock.elapsed();
  const sentAt: number[] = [];
  const send = consumer.send.bind(consumer);
  consumer.send = (text) => {
    sentAt.push(stage.clock.elapsed() - start);
    return send(text);
  };
  for (let n = 0; n < 50; n++) {
    stage.join(`n${n}`);
    stage.clock.tick(20);
  }
  stage.clock.tick(PUSH_INTERVAL_MS);
  assertEquals(sentAt, [1, 2, 3, 4].map((n) => n * PUSH_INTERVAL_MS));
  assertEquals(stage.pushed(consumer).at(-1)?.length, 50);
});

Deno.test("Director pushes nothing when the set of servers is what it was", () => {
  const stage = new Fixture("a");
  const { consumer } = stage.consume();
  const a = stage.join("b");
  stage.leave(a);
  stage.clock.tick(PUSH_INTERVAL_MS);
  stage.join("c", { serveConsumers: false });
  stage.consume();
  stage.clock.tick(10 * PUSH_INTERVAL_MS);
  assertEquals(stage.pushed(consumer), []);
  assertEquals(stage.clock.pending, 0);
});

Deno.test("Director keeps each consumer's rotation", () => {
  const stage = new Fixture("a", "b", "c");
  const [first, second, third] = [stage.consume(), stage.consume(), stage.consume()];
  stage.clock.tick(PUSH_INTERVAL_MS);
  stage.join("d");
  const lists = [first, second, third].map(({ consumer }) => stage.pushed(consumer)[0]?.join(""));
  assertEquals(lists, ["abcd", "bcda", "cdab"]);
});

Deno.test("Director spreads consumers that all waited for the first servers", () => {
  const stage = new Fixture();
  const consumers = [stage.consume(), stage.consume()].map(({ consumer }) => consumer);
  const a = stage.join("a");
  const b = stage.join("b");
  stage.clock.tick(PUSH_INTERVAL_MS);
  const firsts = consumers.map((consumer) => stage.pushed(consumer).at(-1)?.[0]);
  assertEquals(firsts, [a.id, b.id]);
});

Deno.test("Director leaves out a peer that stopped its heartbeats, until one comes", () => {
  const stage = new Fixture("a");
  const b = stage.join("b");
  const { consumer } = stage.consume();
  stage.set(b, { heartbeatAt: stage.clock.elapsed() });
  stage.clock.tick(HEARTBEAT_TIMEOUT_MS - 1);
  assertEquals(stage.pushed(consumer), []);
  stage.clock.tick(1);
  assertEquals(stage.pushed(consumer), [["a"]]);
  stage.clock.tick(PUSH_INTERVAL_MS);
  stage.set(b, { heartbeatAt: stage.clock.elapsed() });
  assertEquals(stage.pushed(consumer), [["a", "b"]]);
});

Deno.test("Director follows capacity and opting out", () => {
  const stage = new Fixture("a");
  const b = stage.join("b", { capacity: 1 });
  const { consumer } = stage.consume();
  const lists = [];
  for (const change of [{ sessions: 1 }, { sessions: 0 }, { serveConsumers: false }]) {
    stage.clock.tick(PUSH_INTERVAL_MS);
    stage.set(b, change);
    lists.push(...stage.pushed(consumer));
  }
  assertEquals(lists, [["a"], ["a", "b"], ["a"]]);
});

Deno.test("Director forgets consumers that left, changed role or cannot be reached", () => {
  const stage = new Fixture("a");
  const [left, changed, broken] = ["x", "y", "z"].map((id) => stage.consume(id).consumer);
  if (!left || !changed || !broken) throw new Error("Three consumers");
  stage.clock.tick(PUSH_INTERVAL_MS);
  stage.leave(left);
  changed.role = "normal";
  changed.servingState = { ...changed.servingState, serveConsumers: false };
  stage.registry.update(stage.room, changed);
  broken.isReachable = false;
  broken.isClosed = true;
  stage.clock.tick(PUSH_INTERVAL_MS);
  stage.join("b");
  assertEquals([left, changed, broken].flatMap(({ frames }) => frames), []);
  assertEquals(stage.clock.pending, 0);
});

Deno.test("Director goes on pushing after its last consumer left with a push due", () => {
  const stage = new Fixture("a");
  const { consumer: first } = stage.consume("first");
  stage.join("b");
  stage.leave(first);
  stage.clock.tick(PUSH_INTERVAL_MS);
  const { consumer: second } = stage.consume("second");
  stage.clock.tick(PUSH_INTERVAL_MS);
  stage.join("c");
  assertEquals(stage.pushed(second).map((list) => list.toSorted()), [["a", "b", "c"]]);
});

Deno.test("Director starts no timer for a room without consumers", () => {
  const stage = new Fixture();
  stage.join("a", { heartbeatAt: stage.clock.elapsed() });
  assertEquals(stage.clock.pending, 0);
});

Deno.test("Director examines a room at most once in 250 ms, however often a normal changes and whenever consumers came", () => {
  const stage = new Fixture("a");
  const consumers: FakePeer[] = [];
  for (let n = 0; n < 50; n++) {
    consumers.push(stage.consume().consumer);
    stage.clock.tick(5);
  }
  let looks = 0;
  const normals = stage.room.normals.bind(stage.room);
  stage.room.normals = () => {
    looks++;
    return normals();
  };
  const flapping = stage.join("b");
  for (let n = 0; n < 200; n++) { // a second
    stage.set(flapping, { serveConsumers: n % 2 === 1 });
    stage.clock.tick(5);
  }
  stage.clock.tick(PUSH_INTERVAL_MS);
  assert(looks <= 6, `${looks} looks`);
  for (const consumer of consumers) {
    const lists = stage.pushed(consumer);
    assert(lists.length <= 5, `${lists.length} lists`);
    assertEquals(lists.at(-1)?.toSorted(), ["a", "b"]);
  }
});

Deno.test("Director sends no list and keeps no timer once it is closed", () => {
  const stage = new Fixture("a");
  const { consumer } = stage.consume();
  stage.join("b");
  stage.director.close();
  stage.clock.tick(PUSH_INTERVAL_MS);
  stage.join("c");
  assertEquals([stage.pushed(consumer), stage.clock.pending], [[], 0]);
});

Deno.test("Director pushes what changed while it sent lists", () => {
  const stage = new Fixture("a");
  const { consumer: first } = stage.consume();
  const { consumer: second } = stage.consume();
  stage.clock.tick(PUSH_INTERVAL_MS);
  const c = stage.join("c", { serveConsumers: false });
  const send = first.send.bind(first);
  first.send = (text) => {
    if (!c.servingState.serveConsumers) stage.set(c, { serveConsumers: true });
    return send(text);
  };
  stage.clock.tick(PUSH_INTERVAL_MS);
  stage.join("b");
  stage.clock.tick(2 * PUSH_INTERVAL_MS);
  for (const consumer of [first, second]) {
    assertEquals(stage.pushed(consumer).at(-1)?.toSorted(), ["a", "b", "c"]);
  }
});

Deno.test("Director sends a list again that a consumer had no room for", () => {
  const stage = new Fixture("a");
  const { consumer } = stage.consume();
  stage.clock.tick(PUSH_INTERVAL_MS);
  consumer.isReachable = false;
  stage.join("b");
  stage.clock.tick(3 * PUSH_INTERVAL_MS);
  consumer.isReachable = true;
  stage.clock.tick(PUSH_INTERVAL_MS);
  assertEquals(consumer.frames, [{ type: "server-list", servers: ["a", "b"] }]);
  assertEquals(stage.clock.pending, 0);
});
