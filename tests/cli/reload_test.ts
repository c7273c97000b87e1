/** SIGHUP: real server processes read a changed `.env` again, with real Redis and connected clients. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { shardOf } from "../../src/cluster/room_hash.ts";
import { Client, until } from "../helpers/client.ts";
import { type Running, start, startDeno, temporaryFolder } from "../helpers/command.ts";
import { listening, MAIN, OPEN, PERMISSIONS, serve } from "../helpers/main.ts";
import { untilReached } from "../helpers/meeting.ts";
import { freePort } from "../helpers/port.ts";
import { hasRedis, startRedis, type TestRedis } from "../helpers/redis.ts";
import { startRedisCluster } from "../helpers/redis_cluster.ts";
import { signalUrl } from "../helpers/server.ts";

const ROOMS = Array.from({ length: 10 }, (_, n) => `room-${n}`);

/** How long peers may need to meet again. */
const PATIENCE_MS = 15_000;

/** A server process with a `.env` of its own. */
interface Instance extends AsyncDisposable {
  readonly process: Running;
  /** Writes `.env`. */
  write(lines: Record<string, string>): Promise<void>;
  /** Writes `.env`, sends SIGHUP and waits for a new line that matches. */
  reload(lines: Record<string, string>, expected: RegExp): Promise<string>;
  health(): Promise<Record<string, unknown>>;
  join(room: string, nodeId: string): Promise<Client>;
}

async function startInstance(
  lines: Record<string, string>,
  env: Record<string, string> = {},
): Promise<Instance> {
  const folder = await temporaryFolder();
  const write = (content: Record<string, string>) =>
    Deno.writeTextFile(
      `${folder.path}/.env`,
      Object.entries(content).map(([name, value]) => `${name}=${value}\n`).join(""),
    );
  await write(lines);
  const process = serve({ cwd: folder.path, env: { ...OPEN, LOG_FORMAT: "json", ...env } });
  const { url } = await listening(process);
  const health = async () => await (await fetch(`${url}/health`)).json();
  const { REDIS_URL = env["REDIS_URL"] } = lines;
  if (REDIS_URL) await until("Redis", async () => (await health())["backplane"] === "up", 20_000);
  return {
    process,
    write,
    health,
    async reload(content, expected) {
      await write(content);
      const before = process.stdout().length;
      process.kill("SIGHUP");
      const added = () => process.stdout().slice(before);
      await until(`a line like ${expected}`, () => expected.test(added()), 30_000);
      return added();
    },
    join: (room, nodeId) => Client.join(signalUrl(url, { room, nodeId })),
    async [Symbol.asyncDispose]() {
      await process[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

const APPLIED = /REDIS_URL has changed: the rooms are distributed over its shards/;

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `SIGHUP: ${name}`, ignore: Deno.build.os === "windows", fn });
}

function testOnLinux(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `SIGHUP: ${name}`, ignore: Deno.build.os !== "linux", fn });
}

function testWithRedis(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `SIGHUP: ${name}`, ignore: !hasRedis, fn });
}

/** Two instances over a Redis, with a pair of clients across them in each room. */
async function startPairs(url: string) {
  const resources = new AsyncDisposableStack();
  const x = resources.use(await startInstance({ REDIS_URL: url }));
  const y = resources.use(await startInstance({ REDIS_URL: url }));
  const pairs: (readonly [Client, Client])[] = [];
  for (const room of ROOMS) {
    pairs.push([resources.use(await x.join(room, "a")), resources.use(await y.join(room, "b"))]);
  }
  return {
    x,
    y,
    async reload(urls: readonly string[]) {
      for (const one of [x, y]) await one.reload({ REDIS_URL: urls.join(",") }, APPLIED);
    },
    /** Every pair meets, and nobody has been disconnected. */
    async meet() {
      for (const [a, b] of pairs) {
        await untilReached(b, a, "a", PATIENCE_MS);
        await untilReached(a, b, "b", PATIENCE_MS);
      }
      for (const client of pairs.flat()) {
        assertEquals(client.socket.readyState, WebSocket.OPEN);
      }
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

async function roomsIn(redis: TestRedis): Promise<number> {
  return (await redis.cli("keys", "*}room:*")).length;
}

/** The connections of the instances, by their ids. */
async function connectionsTo(redis: TestRedis): Promise<string[]> {
  const clients = await redis.cli("client", "list");
  return clients.filter((line) => !/ cmd=client/.test(line)).map((line) =>
    line.split(" ")[0] ?? ""
  );
}

testWithRedis(
  "one more Redis gets its rooms, and gives them back, and nobody reconnects",
  async () => {
    await using first = await startRedis();
    await using second = await startRedis();
    await using pairs = await startPairs(first.url);
    await pairs.meet();
    const connections = await connectionsTo(first);
    await pairs.reload([first.url, second.url]);
    await pairs.meet();
    assertEquals(await connectionsTo(first), connections, "the shard that stays is left alone");
    const moved = ROOMS.filter((room) => shardOf(room, 2) === 1).length;
    assert(moved > 0);
    assertEquals([await roomsIn(first), await roomsIn(second)], [ROOMS.length - moved, moved]);
    assertMatch(pairs.x.process.stdout(), /"shards":2,"added":1,"removed":0/);
    await pairs.reload([first.url]);
    await pairs.meet();
    assertEquals([await roomsIn(first), await roomsIn(second)], [ROOMS.length, 0]);
    await pairs.reload([second.url]);
    await pairs.meet();
    assertEquals([await roomsIn(first), await roomsIn(second)], [0, ROOMS.length]);
  },
);

testWithRedis("the same Redis with another login, and nobody reconnects", async () => {
  await using redis = await startRedis();
  await redis.cli("acl", "setuser", "other", "on", ">hush", "~*", "&*", "+@all");
  await using pairs = await startPairs(redis.url);
  await pairs.meet();
  await pairs.reload([redis.url.replace("//", "//other:hush@")]);
  await pairs.meet();
  assertEquals(await roomsIn(redis), ROOMS.length);
  await pairs.reload([redis.url]);
  await pairs.meet();
  assertEquals(await roomsIn(redis), ROOMS.length);
});

testWithRedis("a Redis Cluster instead of one Redis, and back, and nobody reconnects", async () => {
  await using redis = await startRedis();
  await using cluster = await startRedisCluster(3, 0);
  await using pairs = await startPairs(redis.url);
  await pairs.meet();
  await pairs.reload([cluster.url]);
  await pairs.meet();
  assertEquals(await redis.cli("keys", "*"), []);
  await pairs.reload([redis.url]);
  await pairs.meet();
  assertEquals(await roomsIn(redis), ROOMS.length);
});

testWithRedis(
  "what cannot be applied is said in a line without secrets, and all stays as it was",
  async () => {
    await using redis = await startRedis();
    await using locked = await startRedis(["--requirepass", "right-hush"]);
    const REDIS_URL = redis.url;
    await using x = await startInstance({ REDIS_URL });
    await using y = await startInstance({ REDIS_URL });
    await using a = await x.join("room", "a");
    await using b = await y.join("room", "b");
    await untilReached(b, a, "a", PATIENCE_MS);
    const wrong = locked.url.replace("//", "//:wrong-hush@");
    for (
      const [url, expected] of [
        ["https://:hush@127.0.0.1", /not applied: REDIS_URL .*begins with redis/],
        [`${redis.url},${redis.url}/0`, /not applied: REDIS_URL .*name the same Redis/],
        ["redis://:hush@redis.example", /not applied: REDIS_URL names a host that may not be/],
        [`${redis.url},redis://:hush@127.0.0.1:${freePort()}`, /REDIS_URL, shard 2 of 2: Nothing/],
        [wrong, /not applied: REDIS_URL: It refuses the user or the password/],
        [`redis-cluster://:hush@127.0.0.1:${redis.port}`, /It is no node of a Redis Cluster/],
      ] as const
    ) {
      const added = await x.reload({ REDIS_URL: url }, expected);
      assertEquals(/rooms are distributed|restart/.test(added), false, added);
    }
    await x.write({ REDIS_URL });
    await x.reload({ REDIS_URL, LOG_LEVEL: "loud" }, /not applied: LOG_LEVEL must be/);
    await x.reload({}, /These settings have changed and need a restart: REDIS_URL"/);
    await x.reload(
      { REDIS_URL, LOG_LEVEL: "debug", DRAIN_SECONDS: "1" },
      /restart: .*_SECONDS, LOG_/,
    );
    await x.reload({ REDIS_URLS: redis.url }, /REDIS_URLS is no setting: is REDIS_URL meant/);
    await x.reload({ REDIS_URL: ` ${redis.url} ` }, /No setting has changed"/);
    assertEquals(await x.health().then(({ backplane }) => backplane), "up");
    await untilReached(b, a, "a", PATIENCE_MS);
    await untilReached(a, b, "b", PATIENCE_MS);
    assert(!/hush/.test(x.process.stdout() + x.process.stderr()), x.process.stdout());
    // What was refused can be applied once it works.
    await locked.cli("config", "set", "requirepass", "wrong-hush");
    await locked.cli("-a", "right-hush", "config", "set", "requirepass", "wrong-hush");
    for (const one of [x, y]) await one.reload({ REDIS_URL: wrong }, APPLIED);
    await untilReached(b, a, "a", PATIENCE_MS);
  },
);

testWithRedis("several in quick succession do not overlap, and the last one applies", async () => {
  await using first = await startRedis();
  await using second = await startRedis();
  await using x = await startInstance({ REDIS_URL: first.url });
  await using a = await x.join("room", "a");
  for (let n = 1; n <= 20; n++) {
    await x.write({ REDIS_URL: n % 2 === 0 ? second.url : first.url });
    x.process.kill("SIGHUP");
  }
  await until("the room to move", async () => await roomsIn(second) === 1);
  await x.reload({ REDIS_URL: second.url }, /No setting has changed/);
  assertEquals([await roomsIn(first), await roomsIn(second)], [0, 1]);
  assertEquals(a.socket.readyState, WebSocket.OPEN);
});

testWithRedis("one while the server stops does nothing", async () => {
  await using redis = await startRedis();
  await using x = await startInstance({ REDIS_URL: redis.url });
  await using _client = await x.join("room", "a");
  await x.write({ REDIS_URL: `${redis.url},redis://127.0.0.1:${freePort()}` });
  for (const signal of ["SIGHUP", "SIGTERM", "SIGHUP"] as const) x.process.kill(signal);
  assertEquals(await x.process.exited, 0);
  assertEquals(/"level":"error"/.test(x.process.stdout()), false, x.process.stdout());
  assertEquals(await redis.cli("keys", "*"), []);
});

testOnLinux("one while the server starts is answered once it has started", async () => {
  await using folder = await temporaryFolder();
  await using server = serve({ cwd: folder.path, env: OPEN });
  await until("it to expect signals", async () => {
    const status = await Deno.readTextFile(`/proc/${server.pid}/status`);
    const [, caught = "0"] = /^SigCgt:\s*(\S+)/m.exec(status) ?? [];
    return (BigInt(`0x${caught}`) & 1n) === 1n;
  });
  server.kill("SIGHUP");
  await server.line(/Listening on [^]*No setting has changed/);
});

test("where there was no REDIS_URL, or the environment has it, the line says what to do", async () => {
  await using alone = await startInstance({});
  const redisUrl = `redis://127.0.0.1:${freePort()}`;
  await alone.reload({ REDIS_URL: redisUrl }, /need a restart: REDIS_URL"/);
  await alone.reload({}, /No setting has changed"/);
  await using folder = await temporaryFolder();
  const env = { ...OPEN, REDIS_URL: redisUrl };
  await using fixed = serve({ cwd: folder.path, env });
  await listening(fixed);
  fixed.kill("SIGHUP");
  await fixed.line(/No setting has changed\. REDIS_URL is in the environment of this process/);
});

test("deno task passes it on to the server", async () => {
  await using task = startDeno(["task", "--quiet", "start"], { env: OPEN });
  await listening(task);
  task.kill("SIGHUP");
  await task.line(/No setting has changed/);
  task.kill("SIGTERM");
  assertEquals(await task.exited, 0);
});

testOnLinux("a server whose terminal is closed stops, as for SIGTERM", async () => {
  await using folder = await temporaryFolder();
  const command = [Deno.execPath(), "run", ...PERMISSIONS, MAIN].join(" ");
  await using terminal = start("script", ["--quiet", "--command", command, "/dev/null"], {
    cwd: folder.path,
    env: OPEN,
  });
  const { url } = await listening(terminal);
  await using client = await Client.join(signalUrl(url, { room: "room", nodeId: "a" }));
  terminal.kill("SIGKILL");
  assertEquals(await client.closed, { code: 1001, reason: "server shutting down" });
});
