/** When the close frame goes out: Deno loses it when it reads a frame right after sending it. */

import { assert, assertEquals } from "@std/assert";
import { CLOSE } from "../../src/protocol/messages.ts";
import { SessionFixture } from "../helpers/session_fixture.ts";
import { FakeSocket } from "../helpers/socket.ts";

const { code, reason } = CLOSE.invalidToken;
const CLOSE_FRAME = { code, reason };

/** A connection that was refused as soon as it opened. */
function refuse() {
  const world = new SessionFixture();
  const socket = new FakeSocket();
  const connection = world.start(socket, { kind: "rejected", close: CLOSE.invalidToken });
  connection.handleEvent(new Event("open"));
  assertEquals([socket.closedWith, socket.closeFrame], [CLOSE.invalidToken, undefined]);
  return { clock: world.clock, socket, connection };
}

Deno.test("Connection.close() sends the close frame once the client has been quiet for 50 ms", () => {
  const { clock, socket, connection } = refuse();
  clock.tick(20);
  connection.receive('{"type":"register"}');
  clock.tick(40);
  connection.receive('{"type":"offer","to":"a"}');
  clock.tick(49);
  assertEquals(socket.closeFrame, undefined);
  clock.tick(51);
  assertEquals(socket.closeFrame, CLOSE_FRAME);
  assertEquals([socket.sent, clock.pending], [[], 1]); // It waits for the answer.
});

Deno.test("Connection.close() waits 250 ms for the first frame of a client that has just opened", () => {
  const { clock, socket } = refuse();
  clock.tick(249);
  assertEquals(socket.closeFrame, undefined);
  clock.tick(1);
  assertEquals(socket.closeFrame, CLOSE_FRAME);
});

Deno.test("Connection.close() waits for a client that keeps sending no longer than a second", () => {
  const { clock, socket, connection } = refuse();
  for (let ms = 0; ms < 1000; ms += 20) {
    assertEquals(socket.closeFrame, undefined);
    clock.tick(20);
    connection.receive("{}");
  }
  clock.tick(50);
  assertEquals(socket.closeFrame, CLOSE_FRAME);
});

Deno.test("Connection.close() does not wait for a client that floods", () => {
  const { clock, socket, connection } = refuse();
  for (let n = 0; n < 2000; n++) connection.receive("{}");
  assertEquals(socket.closeFrame, CLOSE_FRAME);
  connection.receive("{}");
  clock.tick(60_000);
  assert(clock.pending <= 1);
});

Deno.test("Connection.close() sends nothing to a client that is lost meanwhile", () => {
  const { clock, socket, connection } = refuse();
  connection.handleEvent(new Event("close"));
  clock.tick(10_000);
  assertEquals([socket.closeFrame, clock.pending], [undefined, 0]);
});

Deno.test("Connection.close() closes a quiet peer at once", () => {
  const world = new SessionFixture();
  const { session, socket } = world.join("a");
  world.clock.tick(1000);
  session.close(CLOSE.shuttingDown);
  world.clock.tick(0);
  assertEquals(socket.closeFrame?.code, 1001);
});
