/** Sessions whose join waits for other instances, and what their clients send meanwhile. */

import { assertEquals } from "@std/assert";
import { CLOSE } from "../../src/protocol/messages.ts";
import type { Opened } from "../helpers/session_fixture.ts";
import { FAILED_JOIN, SessionFixture } from "../helpers/session_fixture.ts";

const NORMAL = '{"type":"register"}';
const CONSUMER = '{"type":"register","role":"consumer","token":"t"}';

function signal(to: string, n: number): string {
  return JSON.stringify({ type: "offer", to, n });
}

/** A fixture with a peer `a`, in which every later join waits to be answered. */
function slowWorld(authorize?: ConstructorParameters<typeof SessionFixture>[1]) {
  const world = new SessionFixture({}, authorize);
  const a = world.join("a");
  world.isJoinSlow = () => true;
  const answer = async ({ session }: Opened, isAnswered = true) => {
    world.answerJoin(session, isAnswered);
    for (let n = 0; n < 4; n++) await Promise.resolve();
  };
  return { world, a, answer };
}

Deno.test("a session reads what came during its join afterwards, in order", async () => {
  const { world, a, answer } = slowWorld();
  const b = world.open("b");
  b.session.receive(NORMAL);
  for (let n = 0; n < 3; n++) b.session.receive(signal("a", n));
  assertEquals([a.socket.sent, b.socket.sent, world.registry.peers], [[], [], 1]);
  await answer(b);
  b.session.receive(signal("a", 3));
  assertEquals(b.socket.sent, [{ type: "peer-list", peers: ["a"] }]);
  assertEquals(a.socket.sent.map(({ n }) => n), [0, 1, 2, 3]);
});

Deno.test("a session that signals first relays that signal once it has joined, before what follows", async () => {
  const { world, a, answer } = slowWorld();
  const b = world.open("b");
  for (let n = 0; n < 3; n++) b.session.receive(signal("a", n));
  await answer(b);
  assertEquals(b.socket.sent, [{ type: "peer-list", peers: ["a"] }]);
  assertEquals(a.socket.sent.map(({ n }) => n), [0, 1, 2]);
});

Deno.test("a session that registers again during its join is answered twice and keeps its socket", async () => {
  const { world, answer } = slowWorld();
  const b = world.open("b");
  b.session.receive(NORMAL);
  b.session.receive(NORMAL);
  assertEquals(world.joins.size, 1);
  await answer(b);
  assertEquals(b.socket.sent.map(({ type }) => type), ["peer-list", "peer-list"]);
  assertEquals([world.joins.size, b.socket.closedWith, world.registry.peers], [0, undefined, 2]);
});

Deno.test("a consumer whose token and then whose join take time loses nothing that it sent", async () => {
  const verdict = Promise.withResolvers<null>();
  const { world, a, answer } = slowWorld(() => verdict.promise);
  const c = world.open("c", "room", false);
  c.session.receive(CONSUMER);
  for (let n = 0; n < 2; n++) c.session.receive(signal("a", n));
  verdict.resolve(null);
  for (let n = 0; n < 4; n++) await Promise.resolve();
  c.session.receive(signal("a", 2));
  assertEquals([a.socket.sent, world.joins.size], [[], 1]);
  await answer(c);
  c.session.receive(signal("a", 3));
  assertEquals(c.socket.sent.map(({ type }) => type), ["server-list"]);
  assertEquals(a.socket.sent.map(({ n }) => n), [0, 1, 2, 3]);
});

Deno.test("a session that is lost during its join withdraws it", async () => {
  const { world, answer } = slowWorld();
  const b = world.open("b");
  b.session.receive(NORMAL);
  b.session.handleEvent(new Event("close"));
  assertEquals(world.joins.size, 0);
  await answer(b);
  assertEquals([world.registry.peers, world.clock.pending], [1, 0]);
});

Deno.test("a session that is lost just when its join was answered leaves the room again", () => {
  const { world } = slowWorld();
  const b = world.open("b");
  b.session.receive(NORMAL);
  world.answerJoin(b.session);
  assertEquals(world.registry.peers, 2);
  b.session.handleEvent(new Event("close"));
  assertEquals(world.registry.peers, 1);
});

Deno.test("a session whose join fails, or is never answered, is closed and leaves no peer", async () => {
  const { world, answer } = slowWorld();
  const [b, c] = [world.open("b"), world.open("c")];
  for (const { session } of [b, c]) session.receive(NORMAL);
  await answer(b, false);
  world.clock.tick(10_000);
  assertEquals(b.socket.closedWith, CLOSE.internalError);
  assertEquals(c.socket.closedWith, CLOSE.registrationTimeout);
  assertEquals(world.errors, [`A session failed: Error: ${FAILED_JOIN}`]);
  assertEquals([world.registry.peers, world.joins.size], [1, 0]);
});
