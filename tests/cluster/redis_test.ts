/**
 * What happens when an instance or Redis fails, with real server processes and a real Redis: it is
 * killed, stalled, restarted empty.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { makeCertificate } from "../helpers/certificate.ts";
import { Client, until, within } from "../helpers/client.ts";
import { type Running, temporaryFolder } from "../helpers/command.ts";
import { listening, OPEN, serve } from "../helpers/main.ts";
import { hasRedis, startRedis, type TestRedis } from "../helpers/redis.ts";
import { signalUrl } from "../helpers/server.ts";

interface Instance extends AsyncDisposable {
  readonly process: Running;
  join(nodeId: string, room?: string): Promise<Client & { peers: string[] }>;
  health(): Promise<Record<string, unknown>>;
}

async function startInstance(
  redis: TestRedis,
  env: Record<string, string> = {},
): Promise<Instance> {
  const process = serve({ env: { ...OPEN, REDIS_URL: redis.url, LOG_FORMAT: "json", ...env } });
  const { url } = await listening(process);
  const health = async () => await (await fetch(`${url}/health`)).json();
  const instance: Instance = {
    process,
    health,
    join: (nodeId, room = "room") => Client.join(signalUrl(url, { room, nodeId })),
    [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
  };
  await isBackplane(instance, "up");
  return instance;
}

async function isBackplane(instance: Instance, state: string): Promise<void> {
  await until(`the backplane to be ${state}`, async () => {
    return (await instance.health())["backplane"] === state;
  }, 20_000);
}

/** Signals until it arrives. */
async function untilReached(from: Client, to: Client, id: string): Promise<void> {
  await until(`${id} to be reached`, async () => {
    from.send({ type: "ice-candidate", to: id, candidate: "hello" });
    await from.drain();
    await new Promise((resolve) => setTimeout(resolve, 50));
    return (await to.drain()).some(({ candidate }) => candidate === "hello");
  }, 15_000);
}

/** Two instances over a Redis of their own, with a peer each that reach each other. */
async function startPair() {
  const resources = new AsyncDisposableStack();
  const redis = resources.use(await startRedis());
  const x = resources.use(await startInstance(redis));
  const y = resources.use(await startInstance(redis));
  const a = resources.use(await x.join("a"));
  const b = resources.use(await y.join("b"));
  await untilReached(b, a, "a");
  await untilReached(a, b, "b");
  return { redis, x, y, a, b, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `redis: ${name}`, ignore: !hasRedis, fn });
}

test("an instance that is killed leaves no peer in a list and no key behind", async () => {
  await using redis = await startRedis();
  await using x = await startInstance(redis);
  await using y = await startInstance(redis);
  await using a = await x.join("a");
  const b = await y.join("b");
  const alone = await y.join("alone", "another room");
  await untilReached(b, a, "a");
  const killedAt = Date.now();
  y.process.kill("SIGKILL");
  await Promise.all([b.closed, alone.closed]);
  a.send({ type: "offer", to: "b", sdp: {} });
  assertEquals((await a.next("error")).code, "PEER_NOT_FOUND");
  await until("its keys to be gone", async () => {
    const keys = await redis.cli("keys", "*");
    return !keys.some((key) => key.includes("another room")) &&
      (await redis.cli("hkeys", "client-db-sync:{0}room:room")).join() === "a";
  }, 15_000);
  assert(Date.now() - killedAt < 15_000);
  await using c = await x.join("c");
  assertEquals(c.peers, ["a"]);
});

test("a name is not kept by a holder whose instance is killed, or stalls", async () => {
  for (const signal of ["SIGKILL", "SIGSTOP"] as const) {
    await using redis = await startRedis();
    await using x = await startInstance(redis);
    await using y = await startInstance(redis);
    await using _witness = await x.join("witness");
    const tabs = [];
    for (const instance of [x, y, x, y]) tabs.push(await instance.join("tab"));
    await assertRejects(() => x.join("tab"));
    y.process.kill(signal);
    await using newcomer = await within("a list", x.join("tab"), 5000);
    assertEquals(newcomer.peers, ["witness"]);
    if (signal === "SIGSTOP") y.process.kill("SIGCONT");
    await Promise.all(tabs.map((client) => client.closed));
  }
});

test("while Redis is dead, peers of one instance meet, and others are not found at once", async () => {
  await using pair = await startPair();
  const { redis, x, y, a, b } = pair;
  await redis.kill();
  await isBackplane(x, "down");
  a.send({ type: "offer", to: "b", sdp: "stale" });
  assertEquals((await a.next("error")).code, "PEER_NOT_FOUND");
  await using c = await x.join("c");
  assertEquals(c.peers, ["a"]);
  c.send({ type: "offer", to: "a", sdp: "here" });
  assertEquals((await a.next("offer")).sdp, "here");
  await redis.restart();
  await Promise.all([isBackplane(x, "up"), isBackplane(y, "up")]);
  await untilReached(a, b, "b");
  assert((await b.drain()).every(({ sdp }) => sdp !== "stale"));
  await using d = await y.join("d");
  assertEquals(new Set(d.peers), new Set(["a", "b", "c"]));
});

test("a Redis that stalls is noticed, and nothing that waited in it arrives late", async () => {
  await using pair = await startPair();
  const { redis, x, y, a, b } = pair;
  redis.stall();
  a.send({ type: "offer", to: "b", sdp: "stale" });
  assertEquals((await a.next("error")).code, "PEER_NOT_FOUND");
  await isBackplane(x, "down");
  await isBackplane(y, "down");
  await using c = await x.join("c");
  assertEquals(c.peers, ["a"]);
  await b.close();
  await new Promise((resolve) => setTimeout(resolve, 3000));
  redis.resume();
  await Promise.all([isBackplane(x, "up"), isBackplane(y, "up")]);
  await using again = await y.join("b");
  await until("both sides to see each other", async () => {
    await using d = await y.join("d");
    return ["a", "b", "c"].every((id) => d.peers.includes(id));
  });
  assert((await again.drain()).every(({ sdp }) => sdp !== "stale"));
  await using witness = await x.join("witness");
  assertEquals(new Set(witness.peers.filter((id) => id !== "d")), new Set(["a", "b", "c"]));
});

test("peers that came while Redis was down are told of each other when it is back, once", async () => {
  await using redis = await startRedis();
  await using x = await startInstance(redis);
  await using y = await startInstance(redis);
  await using old = await x.join("old");
  await using older = await y.join("older");
  await untilReached(older, old, "old");
  await redis.kill();
  await Promise.all([isBackplane(x, "down"), isBackplane(y, "down")]);
  await using a = await x.join("a");
  await using b = await y.join("b");
  assertEquals([a.peers, b.peers], [["old"], ["older"]]);
  await redis.restart();
  const lists = [await a.next("peer-list"), await a.next("peer-list")];
  assertEquals(new Set(lists.flatMap(({ peers }) => peers)), new Set(["b", "older"]));
  assertEquals((await b.next("peer-list")).peers, ["old"]);
  await untilReached(a, b, "b");
  assertEquals([await old.drain(), await older.drain()], [[], []]);
});

test("of two that took one nodeId while Redis was down the later one remains", async () => {
  await using redis = await startRedis();
  await using x = await startInstance(redis);
  await using y = await startInstance(redis);
  await redis.kill();
  await Promise.all([isBackplane(x, "down"), isBackplane(y, "down")]);
  await using first = await x.join("a");
  await new Promise((resolve) => setTimeout(resolve, 20));
  await using second = await y.join("a");
  await redis.restart();
  assertEquals((await within("the earlier to be replaced", first.closed)).code, 1000);
  await using b = await x.join("b");
  assertEquals(b.peers, ["a"]);
  await untilReached(b, second, "a");
});

test("an instance that stalls is taken for dead, and is back when it goes on", async () => {
  await using pair = await startPair();
  const { x, y, a, b } = pair;
  y.process.kill("SIGSTOP");
  try {
    await until("its peer to be gone", async () => {
      await using c = await x.join("c");
      return c.peers.join() === "a";
    }, 15_000);
  } finally {
    y.process.kill("SIGCONT");
  }
  await untilReached(a, b, "b");
});

test("of what is sent to an instance that stalls nothing is lost without a word", async () => {
  await using pair = await startPair();
  const { y, a, b } = pair;
  y.process.kill("SIGSTOP");
  const sent = 30;
  try {
    for (let n = 0; n < sent; n++) {
      a.send({ type: "ice-candidate", to: "b", candidate: n });
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  } finally {
    y.process.kill("SIGCONT");
  }
  let delivered = 0;
  let notFound = 0;
  await until("every one to be accounted for", async () => {
    delivered += (await b.drain()).filter(({ type }) => type === "ice-candidate").length;
    notFound += (await a.drain()).filter(({ to }) => to === "b").length;
    return delivered + notFound >= sent;
  });
  assertEquals(delivered + notFound, sent);
  assert(notFound > 0, "what is too old is not delivered");
});

test("a Redis that refuses to store anything counts as down, and peers join all the same", async () => {
  await using redis = await startRedis();
  await using x = await startInstance(redis);
  await using a = await x.join("a");
  await redis.cli("config", "set", "maxmemory", "1");
  await using b = await x.join("b");
  assertEquals(b.peers, ["a"]);
  await isBackplane(x, "down");
  await redis.cli("config", "set", "maxmemory", "0");
  await isBackplane(x, "up");
  await redis.cli("script", "flush");
  await using c = await x.join("c");
  assertEquals([a.socket.readyState, c.peers], [WebSocket.OPEN, ["a", "b"]]);
  await redis.cli("client", "kill", "type", "pubsub");
  await isBackplane(x, "down");
  await isBackplane(x, "up");
  await using y = await startInstance(redis);
  await using d = await y.join("d");
  assertEquals(new Set(d.peers), new Set(["a", "b", "c"]));
});

test("an instance starts without Redis, and joins the others when it comes", async () => {
  await using redis = await startRedis();
  await redis.kill();
  await using x = serve({ env: { ...OPEN, REDIS_URL: redis.url } });
  const { url } = await listening(x);
  const health = async () => await (await fetch(`${url}/health`)).json();
  assertEquals((await health()).backplane, "down");
  await using a = await Client.join(signalUrl(url, { room: "room", nodeId: "a" }));
  await redis.restart();
  await until("the backplane", async () => (await health()).backplane === "up");
  await using y = await startInstance(redis);
  await using b = await y.join("b");
  assertEquals([a.socket.readyState, b.peers], [WebSocket.OPEN, ["a"]]);
});

test("failed tokens count on every instance", async () => {
  await using redis = await startRedis();
  const { generateKeyPairJwk } = await import("../../mod.ts");
  const { privateKeyJwk } = await generateKeyPairJwk();
  const env = {
    AUTH_DISABLED: "",
    PRIVATE_KEY_JWK: privateKeyJwk,
    ADMIN_SECRET: "0123456789abcdef0123456789abcdef",
    MAX_FAILED_AUTH_PER_MINUTE: "3",
  };
  await using x = await startInstance(redis, env);
  await using y = await startInstance(redis, env);
  const { url } = await listening(x.process);
  for (let n = 0; n < 3; n++) {
    const response = await fetch(`${url}/token`, {
      method: "POST",
      headers: { "x-admin-secret": "x" },
    });
    assertEquals(response.status, 401);
    await response.body?.cancel();
  }
  const { url: other } = await listening(y.process);
  await until("the other instance to know", async () => {
    const response = await fetch(`${other}/token`, { method: "POST" });
    await response.body?.cancel();
    return response.status === 429;
  });
});

test("it takes TLS, a user and a password, and a certificate that somebody vouches for", async () => {
  await using folder = await temporaryFolder();
  const tls = await makeCertificate(folder.path);
  const users = ["--user", "default", "off", "--user", "sig", "on", ">pass", "~*", "&*", "+@all"];
  await using redis = await startRedis(users, { tls });
  const url = redis.url.replace("127.0.0.1", "sig:pass@localhost");
  const env = { ...OPEN, REDIS_URL: url };
  await using trusting = serve({ env: { ...env, DENO_CERT: tls.certificateFile } });
  await using careful = serve({ env });
  await trusting.line(/Backplane up/);
  await careful.line(/Backplane down.*certificate/);
});

test("when every instance has stopped, nothing of them is left in Redis", async () => {
  await using redis = await startRedis();
  const x = await startInstance(redis);
  const y = await startInstance(redis);
  const clients = [await x.join("a"), await y.join("b"), await y.join("c", "other")];
  for (const { process } of [x, y]) {
    process.kill("SIGTERM");
    assertEquals(await process.exited, 0);
  }
  for (const client of clients) await client.closed;
  assertEquals(await redis.cli("keys", "*"), []);
});
