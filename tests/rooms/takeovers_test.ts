import { assertEquals } from "@std/assert";
import type { JoinResult } from "../../src/rooms/registry.ts";
import { createRooms } from "../../src/rooms/rooms.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import { FakeClock } from "../helpers/clock.ts";
import { FakePeer } from "../helpers/peer.ts";

class Fixture {
  readonly clock = new FakeClock();
  readonly warnings: unknown[] = [];
  readonly rooms = createRooms({
    clock: this.clock,
    logger: { ...silentLogger, warn: (_message, fields) => this.warnings.push(fields) },
  });

  /** What comes of a newcomer under the id "tab". */
  async join(peer = new FakePeer("tab")): Promise<string> {
    const result: JoinResult = await this.rooms.join("room", peer);
    return result.outcome.kind;
  }

  /** What comes of several newcomers, one after the other, with so many milliseconds before each. */
  async joinAll(count: number, ms: number): Promise<string[]> {
    const kinds: string[] = [];
    for (let n = 0; n < count; n++) {
      this.clock.tick(ms);
      kinds.push(await this.join());
    }
    return kinds;
  }
}

const THREE_TIMES = ["joined", "replaced", "replaced", "replaced"];

Deno.test("an id that was taken over three times within 15 s stays with its holder for 30 s", async () => {
  const fixture = new Fixture();
  assertEquals(await fixture.joinAll(4, 5000), THREE_TIMES);
  assertEquals(await fixture.joinAll(3, 9999), ["idInUse", "idInUse", "idInUse"]);
  assertEquals(await fixture.joinAll(1, 3), ["replaced"]);
});

Deno.test("an id that is taken over less often is nobody's to keep", async () => {
  const fixture = new Fixture();
  assertEquals(await fixture.joinAll(8, 7501), ["joined", ...Array(7).fill("replaced")]);
  assertEquals(fixture.warnings, []);
});

Deno.test("the advice to give each tab its own nodeId is logged once for each id", async () => {
  const fixture = new Fixture();
  for (let n = 0; n < 5; n++) {
    await fixture.joinAll(4, 100);
    fixture.clock.tick(30_000);
  }
  assertEquals(fixture.warnings, [{ room: "room", nodeId: "tab" }]);
});

Deno.test("a holder that has left, is closed or answers no ping keeps no id", async () => {
  const cases: [(holder: FakePeer, fixture: Fixture) => void, string][] = [
    [(holder, { rooms }) => {
      const room = rooms.registry.get("room");
      if (room !== undefined) rooms.registry.leave(room, holder);
    }, "joined"],
    [(holder) => void Object.assign(holder, { isClosed: true }), "replaced"],
    [
      (holder) => void Object.assign(holder, { answersWithin: () => Promise.resolve(false) }),
      "replaced",
    ],
    [
      (holder) => void Object.assign(holder, { answersWithin: () => Promise.resolve(true) }),
      "idInUse",
    ],
    [(holder) => void Object.assign(holder, { answersWithin: () => undefined }), "idInUse"],
  ];
  for (const [change, expected] of cases) {
    const fixture = new Fixture();
    await fixture.joinAll(3, 100);
    const holder = new FakePeer("tab");
    await fixture.join(holder);
    change(holder, fixture);
    assertEquals(await fixture.join(), expected);
  }
});

Deno.test("a newcomer that may not have the id in any case has nobody pinged", async () => {
  const fixture = new Fixture();
  const consumer = (consumerIdentity: string) =>
    Object.assign(new FakePeer("tab", "consumer"), { consumerIdentity });
  for (let n = 0; n < 3; n++) await fixture.join(consumer("one"));
  let pings = 0;
  const answersWithin = () => Promise.resolve(++pings > 0);
  await fixture.join(Object.assign(consumer("one"), { answersWithin }));
  assertEquals([await fixture.join(consumer("two")), pings], ["idInUse", 0]);
  assertEquals([await fixture.join(consumer("one")), pings], ["idInUse", 1]);
});

Deno.test("a newcomer that has left while the holder is asked joins nothing", async () => {
  const fixture = new Fixture();
  await fixture.joinAll(3, 100);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const holder = Object.assign(new FakePeer("tab"), { answersWithin: () => promise });
  await fixture.join(holder);
  const newcomer = new FakePeer("tab");
  const outcome = fixture.join(newcomer);
  Object.assign(newcomer, { isClosed: true });
  resolve(false);
  assertEquals(await outcome, "idInUse");
  assertEquals(fixture.rooms.registry.get("room")?.find("tab"), holder);
});

Deno.test("of two newcomers that wait for one dead holder the first has the id, and keeps it", async () => {
  const fixture = new Fixture();
  await fixture.joinAll(3, 100);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  await fixture.join(Object.assign(new FakePeer("tab"), { answersWithin: () => promise }));
  const alive = () =>
    Object.assign(new FakePeer("tab"), { answersWithin: () => Promise.resolve(true) });
  const first = alive();
  const outcomes = [fixture.join(first), fixture.join(alive())];
  resolve(false);
  assertEquals(await Promise.all(outcomes), ["replaced", "idInUse"]);
  assertEquals(fixture.rooms.registry.get("room")?.find("tab"), first);
});

Deno.test("a newcomer joins when the holder leaves while it is asked, and not when another has joined", async () => {
  const fixture = new Fixture();
  const { registry } = fixture.rooms;
  await fixture.joinAll(3, 100);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const holder = Object.assign(new FakePeer("tab"), { answersWithin: () => promise });
  await fixture.join(holder);
  const outcomes = [fixture.join(), fixture.join()];
  const room = registry.get("room");
  if (room !== undefined) registry.leave(room, holder);
  resolve(false);
  assertEquals(await Promise.all(outcomes), ["joined", "idInUse"]);
});

Deno.test("takeovers of a peer that is closed, and of another role, do not count", async () => {
  const fixture = new Fixture();
  for (let n = 0; n < 8; n++) {
    const peer = new FakePeer("tab");
    assertEquals(await fixture.join(peer), n === 0 ? "joined" : "replaced");
    Object.assign(peer, { isClosed: true });
  }
  const consumers = new Fixture();
  await consumers.join(new FakePeer("tab", "consumer"));
  await consumers.joinAll(3, 100);
  assertEquals(await consumers.join(), "replaced");
});
