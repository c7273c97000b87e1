/** Several backplanes as one server: what a failure of one of them changes, and what it does not. */

import { assertEquals, assertRejects } from "@std/assert";
import { createMemoryBackplane, type MemoryBackplane } from "../../src/cluster/memory_backplane.ts";
import { shardOf } from "../../src/cluster/room_hash.ts";
import { createSignalingHandler } from "../../mod.ts";
import type { LogFields } from "../../src/runtime/logger.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import { BreakableBackplane } from "../helpers/breakable_backplane.ts";
import { Client, type Message, until } from "../helpers/client.ts";
import { ADMIN_SECRET, startServer, type TestServer } from "../helpers/server.ts";

const COUNT = 3;

/** A room of each shard. */
const ROOMS = Array.from({ length: COUNT }, (_, shard) => {
  const names = Array.from({ length: 100 }, (_, n) => `room-${n}`);
  return names.find((name) => shardOf(name, COUNT) === shard) ?? "";
});
const [NORTH = "", SOUTH = "", EAST = ""] = ROOMS;

interface Instance {
  readonly server: TestServer;
  readonly backplanes: readonly [BreakableBackplane, BreakableBackplane, BreakableBackplane];
  readonly logs: { readonly message: string; readonly fields: LogFields | undefined }[];
}

type Memories = readonly [MemoryBackplane, MemoryBackplane, MemoryBackplane];

interface Two extends AsyncDisposable {
  readonly one: Instance;
  readonly two: Instance;
  readonly memories: Memories;
  /** One more instance of the same server. */
  start(): Promise<Instance>;
}

async function startTwo(config: { readonly authEnabled?: boolean } = {}): Promise<Two> {
  const newMemory = () => createMemoryBackplane();
  const memories: Memories = [newMemory(), newMemory(), newMemory()];
  const started: TestServer[] = [];
  const start = async (): Promise<Instance> => {
    const [a, b, c] = memories;
    const connect = (memory: MemoryBackplane) => new BreakableBackplane(memory);
    const backplanes: Instance["backplanes"] = [connect(a), connect(b), connect(c)];
    const logs: Instance["logs"][number][] = [];
    const log = (message: string, fields?: LogFields) => void logs.push({ message, fields });
    const logger = { ...silentLogger, info: log, error: log };
    const { privateKeyJwk, publicKeyJwk } = started[0] ?? {};
    const keys = privateKeyJwk && publicKeyJwk ? { privateKeyJwk, publicKeyJwk } : {};
    const server = await startServer({
      authEnabled: false,
      backplane: backplanes,
      logger,
      limits: { maxFailedAuthPerMinute: 3 },
      ...keys,
      ...config,
    });
    started.push(server);
    await until("it to be up", () => server.stats().backplane === "up");
    return { server, backplanes, logs };
  };
  return {
    one: await start(),
    two: await start(),
    memories,
    start,
    async [Symbol.asyncDispose]() {
      for (const server of started) await server.close();
    },
  };
}

function join({ server }: Instance, room: string, nodeId: string) {
  return Client.join(server.signal({ room, nodeId }));
}

/** Whether an offer of one reaches the other. */
async function reaches(from: Client, to: Client, nodeId: string): Promise<boolean> {
  from.send({ type: "offer", to: nodeId, sdp: {} });
  const answers = await from.drain();
  if (answers.some(({ code }: Message) => code === "PEER_NOT_FOUND")) return false;
  await to.next("offer");
  return true;
}

async function admin({ server }: Instance, path: string): Promise<Message> {
  const headers = { "x-admin-secret": ADMIN_SECRET };
  return await (await fetch(`${server.url}/admin/${path}`, { headers })).json();
}

async function revoke({ server }: Instance, jti: string): Promise<[number, Message]> {
  const response = await fetch(`${server.url}/revoke`, {
    method: "POST",
    headers: { "x-admin-secret": ADMIN_SECRET, "content-type": "application/json" },
    body: JSON.stringify({ jti }),
  });
  return [response.status, await response.json()];
}

async function mint(
  { server }: Instance,
  subject: string,
): Promise<{ token: string; jti: string }> {
  const response = await fetch(`${server.url}/token`, {
    method: "POST",
    headers: { "x-admin-secret": ADMIN_SECRET, "content-type": "application/json" },
    body: JSON.stringify({ ttl: "1h", subject }),
  });
  return await response.json();
}

function breakSecond(...instances: readonly Instance[]): void {
  for (const { backplanes } of instances) backplanes[1].fail();
}

async function mendSecond(...instances: readonly Instance[]): Promise<void> {
  for (const { backplanes } of instances) backplanes[1].recover();
  const isUp = ({ server }: Instance) => server.stats().backplane === "up";
  await until("all shards to be up", () => instances.every(isUp));
}

Deno.test("shards: one that fails separates the peers of its rooms, and nobody else is sent anything", async () => {
  await using servers = await startTwo();
  const { one, two } = servers;
  await using a = await join(one, SOUTH, "a");
  await using b = await join(two, SOUTH, "b");
  await using bystander = await join(one, NORTH, "a");
  await using other = await join(two, NORTH, "b");
  await using third = await join(two, EAST, "c");
  assertEquals([await reaches(b, a, "a"), await reaches(other, bystander, "a")], [true, true]);

  breakSecond(one, two);
  assertEquals(await reaches(b, a, "a"), false);
  assertEquals(await reaches(other, bystander, "a"), true);
  const { backplane, backplaneShards } = await one.server.health();
  assertEquals([backplane, backplaneShards], ["down", { up: 2, total: 3 }]);
  const metrics = one.server.metrics();
  const gauges = ["backplane_up", "backplane_shards", "backplane_shards_up"];
  assertEquals(gauges.map((name) => metrics[name]), [0, 3, 2]);
  const downs = one.logs.filter(({ message }) => message.startsWith("Backplane down"));
  assertEquals(downs.map(({ fields }) => fields), [{ reason: "told to", shard: 2, shards: 3 }]);
  await using local = await join(two, SOUTH, "aa");
  assertEquals(local.peers, ["b"]);

  await mendSecond(one, two);
  await until("the room to be whole", async () => (await reaches(b, a, "a")));
  assertEquals(one.server.metrics()["backplane_reconnects_total"], 1);
  assertEquals(one.logs.at(-1)?.message, "Backplane up");
  assertEquals(one.logs.at(-1)?.fields?.["shard"], 2);
  for (const client of [bystander, other, third]) assertEquals(await client.drain(), []);
  for (const client of [a, b, local]) assertEquals(client.socket.readyState, WebSocket.OPEN);
});

Deno.test("shards: rooms and instances are listed once, and partially while a shard is down", async () => {
  await using servers = await startTwo();
  const { one, two } = servers;
  const rooms = Array.from({ length: 30 }, (_, n) => `room-${n}`).sort();
  const clients: Client[] = [];
  for (const room of rooms) {
    clients.push(await join(one, room, "a"), await join(two, room, "b"));
  }
  const expected = rooms.map((room) => ({ room, normals: 2, consumers: 0 }));
  for (const instance of [one, two]) {
    assertEquals(await admin(instance, "rooms"), { rooms: expected, cursor: null });
    const first = await admin(instance, "rooms?limit=7");
    assertEquals(first.rooms, expected.slice(0, 7));
    const { instances, partial, stats } = await admin(instance, "info");
    assertEquals([instances.length, partial, stats.backplaneShards], [2, undefined, {
      up: 3,
      total: 3,
    }]);
  }
  two.backplanes[1].fail();
  assertEquals((await admin(two, "rooms")).partial, true);
  const { instances, partial } = await admin(two, "info");
  assertEquals([instances.length, partial], [2, true]);
  const south = await admin(two, `peers?room=${SOUTH}`);
  assertEquals([south.peers.length, south.partial], [1, true]);
  const north = await admin(two, `peers?room=${NORTH}`);
  assertEquals([north.peers.length, north.partial], [2, undefined]);
  for (const client of clients) await client.close();
});

Deno.test("shards: a revocation applies while a shard is down, and is on that one once it is back", async () => {
  await using servers = await startTwo({ authEnabled: true });
  const { one, two, memories } = servers;
  const { token, jti } = await mint(one, NORTH);
  const clients = await Promise.all(
    [one, two].map(({ server }, n) => Client.join(server.signal({ token, nodeId: `n${n}` }))),
  );
  breakSecond(one, two);
  assertEquals(await revoke(one, jti), [200, { disconnected: 2, partial: true }]);
  for (const client of clients) assertEquals((await client.closed).code, 4403);
  assertEquals(await revoke(two, jti), [200, { disconnected: 0, partial: true }]);
  await mendSecond(one, two);
  const stored = async (memory: MemoryBackplane | undefined) =>
    await memory?.connect().loadRevocations();
  await until("it to be stored everywhere", async () => {
    const all = await Promise.all(memories.map(stored));
    return all.every((one) => one?.length === 1);
  });
  assertEquals(await revoke(one, jti), [200, { disconnected: 0 }]);
  const late = await servers.start();
  const refused = await Client.connect(late.server.signal({ token, nodeId: "late" }));
  assertEquals((await refused.closed).code, 4003);

  for (const { backplanes } of [one, two, late]) for (const each of backplanes) each.fail();
  assertEquals((await revoke(one, "another"))[0], 503);
});

Deno.test("shards: a failed token counts once on every instance, also while the first shard is down", async () => {
  await using servers = await startTwo({ authEnabled: true });
  const { one, two } = servers;
  const attempt = async ({ server }: Instance) => {
    const client = await Client.connect(server.signal({ token: "wrong" })).catch(() => undefined);
    return client === undefined ? 429 : (await client.closed).code;
  };
  assertEquals(await attempt(one), 4003);
  for (const { backplanes } of [one, two]) backplanes[0].fail();
  assertEquals(await attempt(one), 4003);
  // Of three that are allowed, two were counted on the other one.
  assertEquals([await attempt(two), await attempt(two)], [4003, 429]);
});

Deno.test("shards: where one cannot be started, those that were are closed", async () => {
  const fine = new BreakableBackplane(createMemoryBackplane());
  const broken = new BreakableBackplane(createMemoryBackplane());
  broken.start = () => {
    throw new Error("out of order");
  };
  const options = { authEnabled: false, backplane: [fine, broken] };
  await assertRejects(() => createSignalingHandler(options), Error, "out of order");
  assertEquals(fine.isClosed, true);
});

Deno.test("shards: one more gets its rooms while clients stay, and an old one goes", async () => {
  await using servers = await startTwo();
  const { one, two } = servers;
  const rooms = Array.from({ length: 12 }, (_, n) => `room-${n}`);
  const pairs = await Promise.all(
    rooms.map(async (room) => [await join(one, room, "a"), await join(two, room, "b")] as const),
  );
  const added = createMemoryBackplane();
  const first = new BreakableBackplane(added);
  for (const { server, backplanes } of [one, two]) {
    const [, kept, other] = backplanes;
    const more = server === one.server ? first : new BreakableBackplane(added);
    await server.setBackplane([more, kept, other]);
    assertEquals(server.stats().backplaneShards, { up: 3, total: 3 });
  }
  assertEquals([one, two].map(({ backplanes }) => backplanes[0].isClosed), [true, true]);
  assertEquals(servers.memories[0].rooms, 0);
  assertEquals(added.rooms, rooms.filter((room) => shardOf(room, COUNT) === 0).length);
  for (const [a, b] of pairs) {
    await until("the room to be whole", () => reaches(b, a, "a"));
    assertEquals(await reaches(a, b, "b"), true);
  }
  first.fail();
  const { backplaneShards } = one.server.stats();
  assertEquals(backplaneShards, { up: 2, total: 3 });
  const [kept] = one.backplanes;
  await assertRejects(() => one.server.setBackplane([kept]), TypeError, "is closed");
  await assertRejects(() => one.server.setBackplane([]), TypeError, "at least one");
  for (const client of pairs.flat()) await client.close();
});

Deno.test("shards: a room that moves to a shard that is down is local until that is back", async () => {
  await using servers = await startTwo();
  const { one, two } = servers;
  await using a = await join(one, NORTH, "a");
  await using b = await join(two, NORTH, "b");
  assertEquals(await reaches(b, a, "a"), true);
  breakSecond(one, two);
  for (const { server, backplanes: [first, second, third] } of [one, two]) {
    await server.setBackplane([second, first, third]);
  }
  assertEquals([await reaches(b, a, "a"), await reaches(a, b, "b")], [false, false]);
  await using newcomer = await join(one, NORTH, "c");
  assertEquals(newcomer.peers, ["a"]);
  await mendSecond(one, two);
  await until("the room to be whole", () => reaches(b, a, "a"));
  for (const client of [a, b, newcomer]) assertEquals(client.socket.readyState, WebSocket.OPEN);
});

Deno.test("shards: a handler that closes waits for the backplanes that were left out before", async () => {
  const left = new BreakableBackplane(createMemoryBackplane());
  const end = Promise.withResolvers<void>();
  const close = left.close.bind(left);
  left.close = async () => {
    await end.promise;
    await close();
  };
  const handler = await createSignalingHandler({ authEnabled: false, backplane: left });
  const next = new BreakableBackplane(createMemoryBackplane());
  const exchanged = handler.setBackplane(next);
  await until("the new one to be used", () => handler.stats().backplane === "up");
  const closed = handler.close().then(() => left.isClosed);
  await until("the new one to be closed", () => next.isClosed);
  end.resolve();
  assertEquals(await closed, true);
  await exchanged;
});

Deno.test("shards: lists that differ, or name one server twice, leave a warning, and others none", async () => {
  const [a, b] = [createMemoryBackplane(), createMemoryBackplane()];
  await using resources = new AsyncDisposableStack();
  const warnings: LogFields[] = [];
  const start = async (...list: MemoryBackplane[]): Promise<LogFields[]> => {
    const before = warnings.length;
    const warn = (message: string, fields: LogFields = {}) => {
      if (message.includes("lists of backplanes")) warnings.push(fields);
    };
    const handler = await createSignalingHandler({
      authEnabled: false,
      backplane: list.map((memory) => memory.connect()),
      logger: { ...silentLogger, warn },
    });
    resources.use(handler);
    await handler.rooms(); // It is asked and answered later than the lists.
    return warnings.slice(before);
  };
  assertEquals([await start(a, b), await start(a, b)], [[], []]);
  assertEquals(await start(b, a), [
    { here: "shard 1 of 2", there: "shard 2 of 2" },
    { here: "shard 2 of 2", there: "shard 1 of 2" },
  ]);
  assertEquals(await start(a), [{ here: "shard 1 of 1", there: "shard 1 of 2" }]);
  const c = createMemoryBackplane();
  assertEquals(await start(c, c), [{ here: "shard 2 of 2", there: "shard 1 of 2" }]);
});

Deno.test("shards: a list that cannot be used changes nothing of what the log says", async () => {
  const logs: (LogFields | undefined)[] = [];
  const log = (_: string, fields?: LogFields) => void logs.push(fields);
  const logger = { ...silentLogger, info: log, error: log };
  const kept = new BreakableBackplane(createMemoryBackplane());
  const options = { authEnabled: false, backplane: kept, logger };
  await using handler = await createSignalingHandler(options);
  const broken = new BreakableBackplane(createMemoryBackplane());
  broken.start = () => {
    throw new Error("out of order");
  };
  await assertRejects(() => handler.setBackplane([broken, kept]), Error, "out of order");
  kept.fail();
  assertEquals(logs.at(-1), { reason: "told to" });
});

Deno.test("shards: backplanes are changed on a handler that has some, until it is closed", async () => {
  const connect = () => new BreakableBackplane(createMemoryBackplane());
  await using alone = await createSignalingHandler({ authEnabled: false });
  await assertRejects(() => alone.setBackplane(connect()), TypeError, "without a backplane");
  const handler = await createSignalingHandler({ authEnabled: false, backplane: connect() });
  for (const wrong of [undefined, null, [null]]) {
    const given = JSON.parse(JSON.stringify({ wrong })).wrong;
    await assertRejects(() => handler.setBackplane(given), TypeError, "must have the method");
  }
  const broken = connect();
  broken.start = () => {
    throw new Error("out of order");
  };
  const fine = connect();
  await assertRejects(() => handler.setBackplane([fine, broken]), Error, "out of order");
  assertEquals([fine.isClosed, handler.stats().backplaneShards.total], [true, 1]);
  await assertRejects(() => handler.setBackplane(fine), TypeError, "is closed");
  const [first, second] = [connect(), connect()];
  await Promise.all([handler.setBackplane([first, second]), handler.setBackplane([second])]);
  assertEquals([first.isClosed, second.isClosed], [true, false]);
  const never = connect();
  never.start = () => {};
  const exchanging = handler.setBackplane([second, never]);
  await handler.close();
  await assertRejects(() => exchanging, Error, "closed");
  assertEquals([second.isClosed, never.isClosed], [true, true]);
});
