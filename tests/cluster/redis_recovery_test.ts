/**
 * What Redis loses, keeps too long or is sent too much of: servers of this process over a real Redis,
 * whose keys a test changes behind their backs.
 */

import { TAKEOVER_FUNCTIONS } from "../../src/cluster/redis/scripts/takeovers.ts";
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { createServer, type Logger, type ServerOptions } from "../../mod.ts";
import { createRedisBackplane } from "../../src/cluster/redis/backplane.ts";
import { SCRIPTS } from "../../src/cluster/redis/scripts/all.ts";
import { Client, until } from "../helpers/client.ts";
import { join, untilListed, untilReached } from "../helpers/meeting.ts";
import { hasRedis, startRedis, type TestRedis } from "../helpers/redis.ts";
import { startOpenServer, type TestServer } from "../helpers/server.ts";

interface Log {
  readonly message: string;
  readonly fields: Record<string, unknown>;
}

interface LoggingServer extends TestServer {
  readonly logs: readonly Log[];
}

async function startInstance(
  redis: TestRedis,
  options: ServerOptions = {},
): Promise<LoggingServer> {
  const logs: Log[] = [];
  const log = (message: string, fields = {}) => void logs.push({ message, fields });
  const logger: Logger = { debug() {}, info: log, warn: log, error: log };
  const backplane = createRedisBackplane({ url: redis.url });
  const server = await startOpenServer({ logger, backplane, ...options });
  return { ...server, logs };
}

async function isUp(server: TestServer): Promise<boolean> {
  return (await server.health())["backplane"] === "up";
}

/** Two instances over a Redis of their own. */
async function startPair(args: readonly string[] = [], options: ServerOptions = {}) {
  const resources = new AsyncDisposableStack();
  const redis = resources.use(await startRedis(args));
  const x = resources.use(await startInstance(redis, options));
  const y = resources.use(await startInstance(redis, options));
  for (const server of [x, y]) await until("the backplane", () => isUp(server));
  return { redis, x, y, resources, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

function corrections({ logs }: LoggingServer): Log[] {
  return logs.filter(({ message }) => message.startsWith("The backplane differed"));
}

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `redis recovery: ${name}`, ignore: !hasRedis, fn });
}

test("a room whose keys are deleted is whole again within seconds, for all, logged", async () => {
  await using pair = await startPair();
  const { redis, x, y } = pair;
  await using a = await join(x, "r", "a");
  await using b = await join(y, "r", "b");
  await untilReached(b, a, "a");
  await redis.cli("del", "client-db-sync:{0}room:r", "client-db-sync:{0}meta:r");
  await untilListed(x, "r", ["a", "b"]);
  await untilListed(y, "r", ["a", "b"]);
  await untilReached(a, b, "b");
  await untilReached(b, a, "a");
  for (const server of [x, y]) {
    assertEquals(server.stats().backplaneCorrections, 1);
    assertEquals(corrections(server)[0]?.fields, { restored: 1, removed: 0 });
  }
  const [order] = await redis.cli("hget", "client-db-sync:{0}room:r", "a");
  assertEquals(order?.trim().split(" ")[5], "1");
});

test("a room that has lost one of its keys or members is whole again", async () => {
  await using pair = await startPair();
  const { redis, x, y } = pair;
  await using a = await join(x, "r", "a");
  await using b = await join(y, "r", "b");
  const losses = [
    ["del", "client-db-sync:{0}room:r"],
    ["del", "client-db-sync:{0}meta:r"],
    ["hdel", "client-db-sync:{0}room:r", "b"],
  ];
  for (const command of losses) {
    await redis.cli(...command);
    await untilListed(x, "r", ["a", "b"]);
    await untilListed(y, "r", ["a", "b"]);
    await untilReached(a, b, "b");
    await untilReached(b, a, "a");
  }
  await using c = await join(y, "r", "c");
  await untilReached(c, a, "a");
  assertEquals(c.peers, ["a", "b"]);
});

test("peers that met in a room whose counters were lost see who came and who left meanwhile", async () => {
  await using pair = await startPair();
  const { redis, x, y } = pair;
  await using a = await join(x, "r", "a");
  const b = await join(y, "r", "b");
  await untilReached(b, a, "a");
  await redis.cli(
    "hdel",
    "client-db-sync:{0}meta:r",
    ...await redis.cli("hkeys", "client-db-sync:{0}meta:r"),
  );
  await b.close();
  await using c = await join(y, "r", "c");
  await untilReached(a, c, "c");
  a.send({ type: "offer", to: "b", sdp: {} });
  const answers = await a.drain();
  assertEquals(answers.filter(({ to }) => to === "b").map(({ code }) => code), ["PEER_NOT_FOUND"]);
});

test("a member in Redis without a socket is removed within seconds, and its name is free", async () => {
  await using pair = await startPair();
  const { redis, x, y } = pair;
  await using a = await join(x, "r", "a");
  const [stored = ""] = await redis.cli("hget", "client-db-sync:{0}room:r", "a");
  const [instance] = stored.split(" ");
  for (const room of ["r", "nobody is here"]) {
    const ghost = `${instance} 999 normal 1 1 99 `;
    await redis.cli("hset", `client-db-sync:{0}room:${room}`, "ghost", ghost);
    await redis.cli("hincrby", `client-db-sync:{0}meta:${room}`, `i:${instance}`, "1");
    await redis.cli("sadd", `client-db-sync:{0}rooms:${instance}`, room);
  }
  await untilListed(y, "r", ["a"]);
  await untilListed(y, "nobody is here", []);
  assertEquals(x.stats().backplaneCorrections, 2);
  await using ghost = await Client.connect(y.signal({ room: "r", nodeId: "ghost" }));
  ghost.send({ type: "register", role: "consumer" });
  assertEquals((await ghost.next("server-list")).servers, ["a"]);
  assertEquals(a.socket.readyState, WebSocket.OPEN);
});

test("peers find each other again when Redis evicts keys, and an operator is warned", async () => {
  await using pair = await startPair(["--maxmemory-policy", "allkeys-random"]);
  const { redis, x, y, resources } = pair;
  for (const { logs } of [x, y]) {
    await until("the warning", () => logs.some(({ message }) => /maxmemory-policy/.test(message)));
    const [warning] = logs.filter(({ message }) => /maxmemory-policy/.test(message));
    assertEquals(warning?.fields, { policy: "allkeys-random" });
  }
  const rooms = Array.from({ length: 20 }, (_, n) => `r${n}`);
  const pairs = new Map<string, [Client, Client]>();
  for (const room of rooms) {
    const a = resources.use(await join(x, room, "a"));
    pairs.set(room, [a, resources.use(await join(y, room, "b"))]);
  }
  await redis.cli(
    "eval",
    "for n = 1, 300 do redis.call('SET', 'filler' .. n, string.rep('x', 5000)) end",
    "0",
  );
  const used = /used_memory:(\d+)/.exec((await redis.cli("info", "memory")).join("\n"))?.[1];
  await redis.cli("config", "set", "maxmemory", String(Number(used) - 1_000_000));
  const evicted = async () =>
    Number(/evicted_keys:(\d+)/.exec((await redis.cli("info", "stats")).join("\n"))?.[1]);
  await until("keys to be evicted", async () => await evicted() > 100);
  await redis.cli("config", "set", "maxmemory", "0");
  for (const server of [x, y]) await until("the backplane", () => isUp(server));
  for (const [room, [a, b]] of pairs) {
    await untilListed(x, room, ["a", "b"], 10_000);
    await untilReached(a, b, "b", 10_000); // Each instance repairs its own view.
    await untilReached(b, a, "a", 10_000);
  }
});

test("an eviction policy that keeps every key is no reason for a warning", async () => {
  await using pair = await startPair();
  await join(pair.x, "r", "a").then((a) => a.close());
  assert(!pair.x.logs.some(({ message }) => /maxmemory-policy/.test(message)));
});

test("each new reason why Redis cannot be reached is logged", async () => {
  await using redis = await startRedis();
  await using x = await startInstance(redis);
  await until("the backplane", () => isUp(x));
  await redis.cli("config", "set", "requirepass", "hush-hush");
  await redis.cli("-a", "hush-hush", "client", "kill", "type", "pubsub");
  const reasons = () =>
    x.logs.filter(({ message }) => message.startsWith("Backplane down")).map(({ fields }) =>
      String(fields["reason"])
    );
  await until("the password to be missed", () => reasons().some((text) => /NOAUTH/.test(text)));
  await redis.kill();
  await until("Redis to be missed", () => reasons().some((text) => /ECONNREFUSED/.test(text)));
  assertEquals(new Set(reasons()).size, reasons().length);
  assert(reasons().every((text) => !text.includes("hush")));
});

test("no script reads the clock of Redis, which an operator may set, but to count takeovers", () => {
  // A takeover that seems to be in the future does not count.
  for (const script of SCRIPTS) assert(!/'TIME'/.test(script.replace(TAKEOVER_FUNCTIONS, "")));
  return Promise.resolve();
});

test("a flood costs its sender alone, and no instance its subscriber", async () => {
  await using pair = await startPair([], {
    limits: { maxMessagesPerSecond: 0, maxBytesPerSecond: 0 },
  });
  const { x, y } = pair;
  await using flooder = await join(x, "r", "flooder");
  await using a = await join(x, "r", "a");
  await using b = await join(y, "r", "b");
  await untilReached(a, b, "b");
  const offer = JSON.stringify({ type: "offer", to: "b", sdp: "x".repeat(65_000) });
  for (let n = 0; n < 2000; n++) flooder.send(offer);
  const startedAt = performance.now();
  await untilReached(a, b, "b", 20_000);
  const tookMs = Math.round(performance.now() - startedAt);
  const refused = new Set((await flooder.drain()).map(({ code }) => code));
  assert(refused.size === 0 || refused.has("PEER_BUSY"), `${[...refused]}`);
  for (const server of [x, y]) {
    const downs = server.logs.filter(({ message }) => message.startsWith("Backplane down"));
    assertEquals([await isUp(server), downs], [true, []], `after ${tookMs} ms`);
  }
  assertEquals([a.socket.readyState, b.socket.readyState], [WebSocket.OPEN, WebSocket.OPEN]);
});

Deno.test("redis: a URL that cannot work is refused with what to encode, and never shown", () => {
  const urls = [
    "redis:h:6379",
    "http://hush-hush@h",
    "redis://:hush/hush@h:6379",
    "redis://:hush#hush@h:6379",
    "redis://:hush?hush@h:6379",
    "redis://:hush%hush@h:6379",
    "redis://h:6379/hush",
  ];
  for (const url of urls) {
    const error = assertThrows(() => createRedisBackplane({ url }), TypeError);
    assertMatch(error.message, /redis:\/\/|%25/);
    assert(!error.message.includes("hush"), error.message);
  }
});

Deno.test("redis: a backplane of the host that rejects everything ends nothing", async () => {
  const fail = () => Promise.reject(new Error("told to"));
  let isStarted = false;
  await using server = await createServer({
    authEnabled: false,
    backplane: {
      start: (listener) => {
        isStarted = true;
        listener.up("x");
      },
      join: fail,
      update() {},
      leave() {},
      send: fail,
      reportUndeliverable() {},
      audit: fail,
      authFailed() {},
      post: fail,
      storeRevocations: fail,
      loadRevocations: fail,
      close: () => Promise.resolve(),
    },
  });
  const { url } = await server.listen({ port: 0, host: "127.0.0.1" });
  await using client = await Client.connect(`${url.replace("http", "ws")}/signal?nodeId=a`);
  client.send({ type: "register" });
  assertEquals([isStarted, (await client.closed).code], [true, 1011]);
});
