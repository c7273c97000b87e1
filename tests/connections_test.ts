import { assertEquals } from "@std/assert";
import { type Closable, Connections } from "../src/connections.ts";
import { FakeClock } from "./_clock.ts";

class FakeConnection implements Closable {
  readonly #connections: Connections;
  readonly closesLast: boolean;
  checks = 0;

  constructor(connections: Connections, closesLast = false) {
    this.#connections = connections;
    this.closesLast = closesLast;
    connections.opened(this);
  }

  shutDown(): void {
    this.#connections.toldToClose(this);
  }

  checkFlow(): void {
    this.checks++;
  }
}

Deno.test("Connections.shutDown() waits until every socket has gone", async () => {
  const clock = new FakeClock();
  const connections = new Connections(clock, 0);
  const [a, b] = [new FakeConnection(connections), new FakeConnection(connections)];
  let isDone = false;
  const done = connections.shutDown(300).then(() => isDone = true);
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
  const clock = new FakeClock();
  const connections = new Connections(clock, 0);
  new FakeConnection(connections);
  const done = connections.shutDown(300);
  clock.tick(300);
  await done;
  assertEquals(connections.closing, 1);
});

Deno.test("Connections.shutDown() has nothing to wait for without sockets", async () => {
  const clock = new FakeClock();
  await new Connections(clock, 0).shutDown(300);
  assertEquals(clock.pending, 0);
});

Deno.test("Connections looks after open sockets with one timer, and with none when all are closed", () => {
  const clock = new FakeClock();
  const connections = new Connections(clock, 1000);
  const [a, b] = [new FakeConnection(connections), new FakeConnection(connections)];
  assertEquals(clock.pending, 1);
  clock.tick(2000);
  b.shutDown();
  clock.tick(1000);
  assertEquals([a.checks, b.checks], [3, 2]);
  connections.gone(a);
  assertEquals(clock.pending, 0);
});

Deno.test("Connections.shutDown() closes those last that never come back", () => {
  const connections = new Connections(new FakeClock(), 0);
  const order: string[] = [];
  for (const [name, closesLast] of [["consumer", true], ["normal", false]] as const) {
    const connection = new FakeConnection(connections, closesLast);
    connection.shutDown = () => void order.push(name);
  }
  connections.shutDown(0);
  assertEquals(order, ["normal", "consumer"]);
});
