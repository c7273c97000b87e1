/** Revoked tokens on real sockets: who is refused, who is closed, and what callers are answered. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { createMemoryBackplane } from "../../src/cluster/memory_backplane.ts";
import { createRedisBackplane } from "../../src/cluster/redis/backplane.ts";
import { generateKeyPairJwk, type ServerOptions } from "../../mod.ts";
import { Client, until } from "../helpers/client.ts";
import { RawClient } from "../helpers/raw_client.ts";
import { newProvider } from "../helpers/provider.ts";
import { hasRedis, startRedis, type TestRedis } from "../helpers/redis.ts";
import { ADMIN_SECRET, startServer, type TestServer } from "../helpers/server.ts";

interface Answer {
  readonly status: number;
  // deno-lint-ignore no-explicit-any
  readonly body: any;
}

async function post(
  server: TestServer,
  path: string,
  body: unknown,
  secret = ADMIN_SECRET,
): Promise<Answer> {
  const response = await fetch(`${server.url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-admin-secret": secret },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

const revoke = (server: TestServer, body: unknown) => post(server, "/revoke", body);

async function mint(server: TestServer, subject = "room", ttl = "1h") {
  const { body } = await post(server, "/token", { ttl, subject });
  return { token: String(body.token), jti: String(body.jti) };
}

const join = (server: TestServer, token: string, nodeId: string, register = {}) =>
  Client.join(server.signal({ token, nodeId }), register);

async function closeOf(server: TestServer, token: string) {
  const client = await Client.connect(server.signal({ token, nodeId: "late" }));
  return await client.closed;
}

const AT_CONNECT = { code: 4003, reason: "token revoked" };
const LIVE = { code: 4403, reason: "token revoked" };

Deno.test("revoke: one token is refused from now on, its clients are closed, and others stay", async () => {
  const provider = await newProvider();
  await using server = await startServer({
    consumerAuth: { jwks: provider.jwks },
    limits: { maxFailedAuthPerMinute: 3 },
  });
  const [revoked, other] = [await mint(server), await mint(server)];
  const normal = await join(server, revoked.token, "a");
  const pending = await Client.connect(
    server.signal({ token: revoked.token, room: "room", nodeId: "p" }),
  );
  const consumer = await Client.connect(server.signal({ token: revoked.token, nodeId: "c" }));
  consumer.send({ type: "register", role: "consumer", token: await provider.token() });
  await consumer.next("server-list");
  await using stays = await join(server, other.token, "b", { refresh: true });
  await stays.next("token");

  const answer = await revoke(server, { jti: revoked.jti });
  assertEquals(answer, { status: 200, body: { disconnected: 3 } });
  for (const client of [normal, pending, consumer]) assertEquals(await client.closed, LIVE);
  for (let n = 0; n < 10; n++) assertEquals(await closeOf(server, revoked.token), AT_CONNECT);
  stays.send({ type: "refresh", token: revoked.token });
  assertEquals(await stays.next("error"), {
    type: "error",
    code: "INVALID_TOKEN",
    message: "The token has been revoked",
  });
  assertEquals((await revoke(server, { jti: revoked.jti })).body, { disconnected: 0 });
  await (await join(server, other.token, "d")).close();
});

Deno.test("revoke: a client is closed that was refreshed to the token", async () => {
  await using server = await startServer();
  const [first, second] = [await mint(server), await mint(server)];
  const client = await join(server, first.token, "a", { refresh: true });
  await client.next("token");
  client.send({ type: "refresh", token: second.token });
  await client.next("token");
  assertEquals((await revoke(server, { jti: first.jti })).body, { disconnected: 0 });
  assertEquals((await revoke(server, { jti: second.jti })).body, { disconnected: 1 });
  assertEquals(await client.closed, LIVE);
});

Deno.test("revoke: the tokens of a room up to now are refused, and later ones are not", async () => {
  await using server = await startServer();
  const [old, elsewhere] = [await mint(server), await mint(server, "other")];
  const client = await join(server, old.token, "a");
  await using stays = await Client.join(server.signal({ token: elsewhere.token }));
  const issuedBefore = new Date().toISOString();
  const answer = await revoke(server, { subject: "room", issuedBefore });
  assertEquals(answer, { status: 200, body: { disconnected: 1 } });
  assertEquals(await client.closed, LIVE);
  assertEquals(await closeOf(server, old.token), AT_CONNECT);
  const isNextSecond = () =>
    Math.floor(Date.now() / 1000) > Math.floor(Date.parse(issuedBefore) / 1000);
  await until("the next second", isNextSecond);
  await using _ = await join(server, (await mint(server)).token, "b");
  assertEquals(await stays.drain(), []);
});

Deno.test("revoke: every mistake of a caller gets a clear answer", async () => {
  await using server = await startServer();
  assertEquals((await post(server, "/revoke", { jti: "a" }, "wrong")).status, 401);
  for (
    const [body, message] of [
      [{}, "`jti`"],
      [{ token: "eyJ" }, "`token`: use `jti`"],
      [{ room: "r", issuedBefore: "now" }, "`room`: use `subject`"],
      [{ subject: "r", issued_before: "now" }, "`issued_before`: use `issuedBefore`"],
      [{ subject: "r", nodeId: "a", issuedBefore: "now" }, "by the `jti` of its token"],
      [{ jti: "a", exp: 5 }, "`exp`: use `expiresAt`"],
      [{ subject: "r", issuedBefore: "yesterday" }, "`issuedBefore` must be a time"],
      [[], "The body must be a JSON object"],
    ] as const
  ) {
    const answer = await revoke(server, body);
    assertEquals(answer.status, 400);
    assertStringIncludes(answer.body.error, message);
  }
  await using open = await startServer({ authEnabled: false });
  assertEquals((await revoke(open, { jti: "a" })).status, 404);
  const get = await fetch(`${server.url}/revoke`);
  await get.body?.cancel();
  assertEquals([get.status, get.headers.get("allow")], [405, "POST"]);
});

Deno.test("revoke: clients that are refused and answer no close keep no other of their address out", async () => {
  await using server = await startServer({ limits: { maxPendingConnectionsPerIp: 3 } });
  const [revoked, good] = [await mint(server), await mint(server)];
  await revoke(server, { jti: revoked.jti });
  const { port } = new URL(server.url);
  const query = new URLSearchParams({ token: revoked.token, nodeId: "late" });
  const refused: RawClient[] = [];
  for (let n = 1; n <= 5; n++) {
    refused.push(await RawClient.open(Number(port), `/signal?${query}`));
    await until("it to be refused", () => server.stats().closing === n);
  }
  await using _ = await join(server, good.token, "a");
  for (const client of refused) client[Symbol.dispose]();
});

/** Servers of one key, so that a token of one is a token of all. */
async function group(): Promise<(config: ServerOptions) => Promise<TestServer>> {
  const keys = await generateKeyPairJwk();
  return (config) => startServer({ ...keys, ...config });
}

const isUp = (server: TestServer) => server.stats().backplane === "up";

Deno.test("revoke: it holds on every instance and on those that start later", async () => {
  const memory = createMemoryBackplane();
  const start = await group();
  const another = () => start({ backplane: memory.connect() });
  await using one = await another();
  await using two = await another();
  const { token, jti } = await mint(one);
  const clients = [await join(one, token, "a"), await join(two, token, "b")];
  assertEquals((await revoke(one, { jti })).body, { disconnected: 2 });
  for (const client of clients) assertEquals(await client.closed, LIVE);
  await using three = await another();
  for (const server of [one, two, three]) assertEquals(await closeOf(server, token), AT_CONNECT);
});

Deno.test("revoke: an instance that starts admits nobody by a token that was revoked before", async () => {
  const memory = createMemoryBackplane();
  const start = await group();
  await using one = await start({ backplane: memory.connect() });
  const [revoked, good] = [await mint(one), await mint(one)];
  await revoke(one, { jti: revoked.jti });

  const backplane = memory.connect();
  const { promise: mayRead, resolve } = Promise.withResolvers<void>();
  const load = backplane.loadRevocations.bind(backplane);
  backplane.loadRevocations = () => mayRead.then(load);
  await using two = await start({ backplane });
  const late = await Client.connect(two.signal({ token: revoked.token, nodeId: "late" }));
  const other = await Client.connect(two.signal({ token: good.token, nodeId: "a" }));
  for (const client of [late, other]) client.send({ type: "register" });
  const headers = { authorization: `Bearer ${revoked.token}` };
  const answer = fetch(`${two.url}/ice-servers`, { headers });
  await using _ = await join(one, good.token, "b");
  await until("both to wait", () => two.stats().pending === 2);
  assertEquals(two.stats().peers, 0);
  resolve();
  assertEquals(await late.closed, AT_CONNECT);
  const { status, body } = await answer;
  await body?.cancel();
  assertEquals(status, 401);
  await other.next("peer-list");
  await other.close();
  assertEquals(await closeOf(two, revoked.token), AT_CONNECT);
});

function redisTest(name: string, run: (redis: TestRedis) => Promise<void>): void {
  Deno.test({
    name: hasRedis ? name : `${name} (skipped: there is no redis-server)`,
    ignore: !hasRedis,
    async fn() {
      await using redis = await startRedis();
      await run(redis);
    },
  });
}

redisTest(
  "revoke: over Redis it holds on later instances, and through a restart that empties Redis",
  async (redis) => {
    const start = await group();
    const another = () => start({ backplane: createRedisBackplane({ url: redis.url }) });
    await using one = await another();
    const two = await another();
    await until("both to be up", () => isUp(one) && isUp(two));
    const { token, jti } = await mint(one);
    const old = await mint(one, "old");
    const client = await join(two, token, "a");
    assertEquals((await revoke(one, { jti })).body, { disconnected: 1 });
    assertEquals((await revoke(two, { subject: "old", issuedBefore: "now" })).status, 200);
    assertEquals(await client.closed, LIVE);
    assertEquals(await closeOf(one, old.token), AT_CONNECT);
    await two.close();

    await redis.cli("FLUSHALL");
    await until(
      "what is lost to be written back",
      async () => (await redis.cli("HLEN", "client-db-sync:{0}revocations"))[0] === "2",
    );
    await redis.kill();
    await until("the first to notice", () => !isUp(one));

    // Applied here, and the caller is told to repeat it.
    const during = await mint(one);
    const here = await join(one, during.token, "b");
    const answer = await revoke(one, { jti: during.jti });
    assertEquals(answer.status, 503);
    assertStringIncludes(answer.body.error, "repeat the request");
    assertEquals(await here.closed, LIVE);

    await redis.restart();
    await until("the first to be back", () => isUp(one));
    await using three = await another();
    await until("the third to be up", () => isUp(three));
    await until(
      "what is lost to be written back",
      async () => (await redis.cli("HLEN", "client-db-sync:{0}revocations"))[0] === "3",
    );
    assertEquals((await revoke(one, { jti: during.jti })).status, 200);
    for (const lost of [token, old.token, during.token]) {
      for (const server of [one, three]) assertEquals(await closeOf(server, lost), AT_CONNECT);
    }
    const lifetimes = await Promise.all(
      ["revocations", "revocation-ends"].map((key) => redis.cli("TTL", `client-db-sync:{0}${key}`)),
    );
    for (const [seconds] of lifetimes) assertEquals(Number(seconds) > 30 * 86_400 - 100, true);
  },
);

redisTest(
  "revoke: what Redis loses while instances are connected is written back",
  async (redis) => {
    const start = await group();
    await using one = await start({ backplane: createRedisBackplane({ url: redis.url }) });
    await until("it to be up", () => isUp(one));
    const { jti } = await mint(one);
    assertEquals((await revoke(one, { jti })).status, 200);
    const keys = () => redis.cli("keys", "*revocation*");
    const before = (await keys()).sort();
    await redis.cli("del", ...before);
    assertEquals(await keys(), []);
    await until(
      "it to be written back",
      async () => (await keys()).length === before.length,
      20_000,
    );
    assertEquals(one.metrics()["backplane_reconnects_total"], 0);
  },
);
