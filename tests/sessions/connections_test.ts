import { assert, assertEquals } from "@std/assert";
import { CLOSE } from "../../src/protocol/messages.ts";
import { Connections, type Phase, type TrackedConnection } from "../../src/sessions/connections.ts";
import { type Limits, resolveLimits } from "../../src/access/limits.ts";
import { FakeClock } from "../helpers/clock.ts";

class FakeConnection implements TrackedConnection {
  readonly #connections: Connections;
  readonly closesLast: boolean;
  readonly address: string | undefined;
  phase: Phase = "opening";
  checks = 0;
  onClose = () => {};

  constructor(
    connections: Connections,
    { phase = "joined" as Phase, closesLast = false, address = undefined as string | undefined } =
      {},
  ) {
    this.#connections = connections;
    this.closesLast = closesLast;
    this.address = address;
    connections.add(this);
    connections.setPhase(this, phase);
  }

  close(): void {
    if (this.phase === "closing" || this.phase === "refused") return;
    this.#connections.markClosing(this);
    this.onClose();
  }

  terminate(): void {
    this.#connections.setPhase(this, "closed");
  }

  keepAlive(): void {}

  closeIfStalled(): void {
    this.checks++;
  }
}

function connectionsOf(
  limits: Partial<Limits> = {},
  checkMs = 0,
): { clock: FakeClock; connections: Connections } {
  const clock = new FakeClock();
  return {
    clock,
    connections: new Connections({ clock, checkMs, tickMs: 0, limits: resolveLimits(limits) }),
  };
}

/** Moves the clock on in steps, letting what waits for each run. */
async function pass(clock: FakeClock, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 10) {
    clock.tick(10);
    for (let n = 0; n < 5; n++) await Promise.resolve();
  }
}

Deno.test("Connections.shutDown() waits until every socket is closed", async () => {
  const { clock, connections } = connectionsOf();
  const [a, b] = [new FakeConnection(connections), new FakeConnection(connections)];
  let isDone = false;
  const done = connections.shutDown(0, 300).then(() => isDone = true);
  assertEquals([connections.size, connections.closing], [2, 2]);
  connections.setPhase(a, "closed");
  await Promise.resolve();
  assertEquals(isDone, false);
  connections.setPhase(b, "closed");
  connections.setPhase(b, "closed");
  await done;
  assertEquals([connections.size, connections.closing, clock.pending], [0, 0, 0]);
});

Deno.test("Connections.shutDown() does not wait longer than it was told to", async () => {
  const { clock, connections } = connectionsOf();
  new FakeConnection(connections);
  const done = connections.shutDown(0, 300);
  clock.tick(300);
  await done;
  assertEquals([connections.size, clock.pending], [0, 0]);
});

Deno.test("Connections.shutDown() has nothing to wait for without sockets", async () => {
  const { clock, connections } = connectionsOf();
  await connections.shutDown(3000, 300);
  assertEquals(clock.pending, 0);
});

Deno.test("Connections.shutDown() closes 500 sockets a second, pending ones first, consumers last", async () => {
  const { clock, connections } = connectionsOf();
  const start = clock.elapsed();
  const closes: [string, number][] = [];
  const add = (name: string, options: { phase?: Phase; closesLast?: boolean }) => {
    const connection = new FakeConnection(connections, options);
    connection.onClose = () => closes.push([name, clock.elapsed() - start]);
  };
  add("consumer", { closesLast: true });
  for (let n = 0; n < 10; n++) add(`normal ${n}`, {});
  add("pending", { phase: "pending" });
  const done = connections.shutDown(1000, 300);
  await pass(clock, 2000);
  await done;
  assertEquals(closes, [
    ["pending", 0],
    ...Array.from({ length: 10 }, (_, n): [string, number] => [
      `normal ${n}`,
      n === 0 ? 0 : n <= 5 ? 10 : 20,
    ]),
    ["consumer", 20],
  ]);
});

Deno.test("Connections.shutDown() closes faster than that where it has not the time", async () => {
  const { clock, connections } = connectionsOf();
  const start = clock.elapsed();
  const times: number[] = [];
  for (let n = 0; n < 1000; n++) {
    new FakeConnection(connections).onClose = () => times.push(clock.elapsed() - start);
  }
  const done = connections.shutDown(1000, 300);
  await pass(clock, 1400);
  await done;
  assertEquals([times[0], times[499], times[999]], [0, 500, 1000]);
});

Deno.test("Connections checks sockets with one timer, and with none when all are closed", () => {
  const { clock, connections } = connectionsOf({}, 1000);
  const [a, b] = [new FakeConnection(connections), new FakeConnection(connections)];
  assertEquals(clock.pending, 1);
  clock.tick(2000);
  b.close();
  clock.tick(1000);
  assertEquals([a.checks, b.checks], [3, 2]);
  connections.setPhase(a, "closed");
  connections.setPhase(b, "closed");
  assertEquals(clock.pending, 0);
});

Deno.test("Connections stops counting a socket that never opens, and counts it again if it does", () => {
  const { clock, connections } = connectionsOf();
  const never = new FakeConnection(connections, { phase: "opening", address: "192.0.2.1" });
  assertEquals([connections.pending, connections.size, connections.neverOpened], [1, 1, 0]);
  clock.tick(2000);
  const another = new FakeConnection(connections, { phase: "opening", address: "192.0.2.1" });
  clock.tick(2000);
  assertEquals([connections.pending, connections.size, connections.neverOpened], [1, 1, 1]);
  connections.setPhase(another, "pending");
  connections.setPhase(never, "pending");
  assertEquals([connections.pending, connections.size, connections.neverOpened], [2, 2, 0]);
  assertEquals(clock.pending, 0);
});

Deno.test("Connections ends a socket whose client does not answer its close", () => {
  const { clock, connections } = connectionsOf();
  const [rude, polite] = [new FakeConnection(connections), new FakeConnection(connections)];
  rude.close();
  polite.close();
  connections.setPhase(polite, "closed");
  clock.tick(5000);
  assertEquals([rude.phase, polite.phase, connections.closing], ["closing", "closed", 1]);
  clock.tick(5000);
  assertEquals([rude.phase, connections.size, clock.pending], ["closed", 0, 0]);
});

Deno.test("Connections.exceededLimit() tells which limit is reached, of the address or of all", () => {
  const { connections } = connectionsOf({
    maxConnections: 4,
    maxConnectionsPerIp: 3,
    maxPendingConnections: 3,
    maxPendingConnectionsPerIp: 2,
  });
  const [here, there] = ["192.0.2.1", "192.0.2.2"];
  const pending = () => new FakeConnection(connections, { phase: "pending", address: here });
  const [a, b] = [pending(), pending()];
  assertEquals(connections.exceededLimit(here), "pending of address");
  assertEquals(connections.exceededLimit(there), undefined);
  assertEquals(connections.exceededLimit(undefined), undefined);
  connections.setPhase(a, "joined");
  const c = pending();
  connections.markClosing(b);
  assertEquals(connections.exceededLimit(here), "address");
  for (let n = 0; n < 1; n++) new FakeConnection(connections, { phase: "opening", address: there });
  assertEquals(connections.exceededLimit(there), "server");
  connections.setPhase(b, "closed");
  connections.setPhase(c, "closed");
  assertEquals(connections.exceededLimit(here), undefined);
  connections.setPhase(a, "closed");
  new FakeConnection(connections, { phase: "pending", address: "192.0.2.3" });
  new FakeConnection(connections, { phase: "pending", address: "192.0.2.4" });
  assertEquals(connections.exceededLimit(here), "pending");
});

Deno.test("Connections counts no client as pending that is refused for a token that was valid once", () => {
  const { connections } = connectionsOf({ maxPendingConnectionsPerIp: 2 });
  const here = "192.0.2.1";
  const pending = () => new FakeConnection(connections, { phase: "pending", address: here });
  for (const reason of [CLOSE.expiredToken, CLOSE.revokedToken, CLOSE.expiredConsumerToken]) {
    connections.markClosing(pending(), reason);
  }
  assertEquals([connections.exceededLimit(here), connections.closing], [undefined, 3]);
  for (let n = 0; n < 2; n++) connections.markClosing(pending(), CLOSE.invalidToken);
  assertEquals(connections.exceededLimit(here), "pending of address");
});

Deno.test("Connections.reduceCapacity() allows no more sockets than there were, less a reserve", () => {
  const { connections } = connectionsOf();
  const sockets = Array.from({ length: 32 }, () => new FakeConnection(connections));
  connections.reduceCapacity();
  assertEquals(connections.exceededLimit(undefined), "server");
  for (const socket of sockets.splice(0, 2)) connections.setPhase(socket, "closed");
  assertEquals(connections.exceededLimit(undefined), "server");
  connections.setPhase(sockets[0] as TrackedConnection, "closed");
  assertEquals(connections.exceededLimit(undefined), undefined);
});

Deno.test("Connections.reduceCapacity() changes nothing when there were few sockets", () => {
  const { connections } = connectionsOf();
  new FakeConnection(connections);
  connections.reduceCapacity();
  assertEquals(connections.exceededLimit(undefined), undefined);
});

Deno.test("Connections.mustVerifyBeforeUpgrade is true once a quarter of the sockets are closing, or fewer", () => {
  const crowdedAt = (limits: Partial<Limits>) => {
    const { connections } = connectionsOf(limits);
    for (let n = 0; n < 100; n++) {
      if (connections.mustVerifyBeforeUpgrade) return n;
      new FakeConnection(connections, { phase: "pending" }).close();
    }
  };
  assertEquals(crowdedAt({ maxConnections: 2 }), 1);
  assertEquals(crowdedAt({ maxConnections: 40 }), 10);
  assertEquals(crowdedAt({ maxConnections: 40, maxRefusedConnections: 3 }), 3);
});

Deno.test("Connections counts a refused socket for its address until it is closed", () => {
  const { connections } = connectionsOf({ maxPendingConnectionsPerIp: 2 });
  const address = "192.0.2.1";
  const refused = new FakeConnection(connections, { phase: "pending", address });
  const joined = new FakeConnection(connections, { address });
  refused.close();
  joined.close();
  assertEquals([connections.pending, connections.exceededLimit(address)], [0, undefined]);
  new FakeConnection(connections, { phase: "pending", address });
  assertEquals(connections.exceededLimit(address), "pending of address");
  connections.setPhase(refused, "closed");
  assertEquals(connections.exceededLimit(address), undefined);
});

Deno.test("Connections.reduceCapacity() applies for a minute", () => {
  const { clock, connections } = connectionsOf();
  for (let n = 0; n < 32; n++) new FakeConnection(connections);
  assert(!connections.isOutOfDescriptors);
  assertEquals(connections.reduceCapacity(), 30);
  assertEquals(connections.exceededLimit(undefined), "server");
  assert(connections.isOutOfDescriptors);
  clock.tick(60_000);
  assertEquals(connections.exceededLimit(undefined), undefined);
  assert(!connections.isOutOfDescriptors);
});
