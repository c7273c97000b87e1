/** What the host of the library gives may fail in any way: the process goes on, and clients stay. */

import { assertEquals } from "@std/assert";
import { createServer, type Logger } from "../../mod.ts";
import { type Backplane, createMemoryBackplane } from "../../src/cluster/mod.ts";
import { Client, until } from "../helpers/client.ts";
import { startOpenServer, startServer } from "../helpers/server.ts";

const FAILURES: Readonly<Record<string, () => unknown>> = {
  "throws": () => {
    throw new Error("out of order");
  },
  "throws what has no text": () => {
    throw Object.create(null);
  },
  "rejects": () => Promise.reject(new Error("out of order")),
  "rejects with what has no text": () => Promise.reject(Object.create(null)),
  "resolves to nonsense": () => Promise.resolve({ reached: 5 }),
};

/** A backplane one of whose methods fails. */
function failing(backplane: Backplane, method: string, fail: () => unknown): Backplane {
  return new Proxy(backplane, {
    get(target, name) {
      if (name === method) return fail;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** Lets two instances do everything that calls their backplanes. */
async function exercise(method: string, fail: () => unknown): Promise<void> {
  const memory = createMemoryBackplane();
  const errors: string[] = [];
  const logger: Logger = {
    debug() {},
    info() {},
    warn() {},
    error: (message) => void errors.push(message),
  };
  const backplane = failing(memory.connect(), method, fail);
  await using here = await startServer({ backplane, logger });
  await using there = await startOpenServer({ backplane: memory.connect() });
  const token = await here.token("room");
  const a = await Client.connect(here.signal({ token, room: "room", nodeId: "a" }));
  await using _a = a;
  a.send({ type: "register", role: "normal" });
  if (method !== "join") await a.next("peer-list");
  await using b = await Client.join(there.signal({ room: "room", nodeId: "b" }));
  a.send({ type: "heartbeat", serveConsumers: false });
  a.send({ type: "offer", to: "b", sdp: {} });
  b.send({ type: "offer", to: "a", sdp: {} });
  b.send({ type: "offer", to: "nobody", sdp: {} });
  const forged = here.signal({ token: `${token.slice(0, -4)}AAAA` });
  assertEquals((await (await Client.connect(forged)).closed).code, 4003);
  if (method === "join") assertEquals((await a.closed).code, 1011);
  else await a.drain();
  await a.close();
  await until("a to have left", () => here.stats().peers === 0);
  assertEquals((await here.health())["status"], "ok");
  await here.close();
  if (method === "leave" && fail !== FAILURES["resolves to nonsense"]) {
    assertEquals(errors[0], "The backplane failed");
  }
}

for (const [how, fail] of Object.entries(FAILURES)) {
  for (
    const method of [
      "leave",
      "update",
      "reportUndeliverable",
      "authFailed",
      "send",
      "post",
      "audit",
      "storeRevocations",
      "loadRevocations",
      "close",
    ]
  ) {
    Deno.test(`a backplane whose ${method}() ${how} ends no process and no connection`, async () => {
      await exercise(method, fail);
    });
  }
  if (how === "resolves to nonsense") continue;

  Deno.test(`a backplane whose join() ${how} refuses the peer`, async () => {
    await exercise("join", fail);
  });

  Deno.test(`a logger that ${how} ends no process and no connection`, async () => {
    const logger = { debug: fail, info: fail, warn: fail, error: fail };
    await using server = await startServer({ authorize: () => Promise.reject(fail), logger });
    const client = await Client.connect(server.signal());
    assertEquals((await client.closed).code, 1011);
    assertEquals((await server.health())["status"], "ok");
  });

  Deno.test(`an authorize() that ${how} refuses the client`, async () => {
    const authorize = fail as () => null;
    await using server = await startServer({ authorize });
    const client = await Client.connect(server.signal());
    assertEquals((await client.closed).code, 1011);
  });
}

Deno.test("an authorize() that returns nonsense refuses the client", async () => {
  const throwing = {
    get room(): string {
      throw Object.create(null);
    },
  };
  for (const found of [5, "room", {}, [], throwing, { room: "r", expiresAt: new Date(NaN) }]) {
    await using server = await startServer({ authorize: () => found as { room: string } });
    const client = await Client.connect(server.signal());
    assertEquals((await client.closed).code, 1011, String(typeof found));
  }
});

Deno.test("a server whose backplane cannot be closed closes its listener all the same", async () => {
  const backplane = failing(
    createMemoryBackplane().connect(),
    "close",
    () => Promise.reject(new Error("out of order")),
  );
  const server = await createServer({ authEnabled: false, backplane });
  const { port } = await server.listen({ port: 0, host: "127.0.0.1" });
  await server.close();
  Deno.listen({ hostname: "127.0.0.1", port }).close();
});
