import { assertEquals } from "@std/assert";
import { type Closable, Connections } from "../src/connections.ts";
import { FakeClock } from "./_clock.ts";

/** Opens a connection that answers `shutDown` by being told to close. */
function open(connections: Connections): Closable {
  const connection = { shutDown: () => connections.toldToClose(connection) };
  connections.opened(connection);
  return connection;
}

Deno.test("Connections.shutDown() waits until every socket has gone", async () => {
  const [connections, clock] = [new Connections(), new FakeClock()];
  const [a, b] = [open(connections), open(connections)];
  let isDone = false;
  const done = connections.shutDown(clock, 300).then(() => isDone = true);
  assertEquals([connections.open, connections.closing], [0, 2]);
  connections.gone(a);
  await Promise.resolve();
  assertEquals(isDone, false);
  connections.gone(b);
  connections.gone(b);
  await done;
  assertEquals(clock.pending, 0);
});

Deno.test("Connections.shutDown() does not wait longer than it was told to", async () => {
  const [connections, clock] = [new Connections(), new FakeClock()];
  open(connections);
  const done = connections.shutDown(clock, 300);
  clock.tick(300);
  await done;
  assertEquals(connections.closing, 1);
});

Deno.test("Connections.shutDown() has nothing to wait for without sockets", async () => {
  const clock = new FakeClock();
  await new Connections().shutDown(clock, 300);
  assertEquals(clock.pending, 0);
});
