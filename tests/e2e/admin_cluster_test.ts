/** The operator's view of several instances, from any one of them, over every backplane. */

import { assertEquals } from "@std/assert";
import type { Backplane } from "../../src/cluster/backplane.ts";
import { createMemoryBackplane } from "../../src/cluster/memory_backplane.ts";
import { BACKPLANE_OPTIONS } from "../helpers/backplanes.ts";
import { Client, type Message, until } from "../helpers/client.ts";
import { ADMIN_SECRET, startServer, type TestServer } from "../helpers/server.ts";

const HEADERS = { "x-admin-secret": ADMIN_SECRET };

async function answer(server: TestServer, path: string): Promise<Message> {
  return await (await fetch(`${server.url}/admin/${path}`, { headers: HEADERS })).json();
}

async function disconnect(server: TestServer, body: unknown): Promise<Message> {
  const response = await fetch(`${server.url}/admin/disconnect`, {
    method: "POST",
    headers: { ...HEADERS, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return await response.json();
}

async function join(
  server: TestServer,
  room: string,
  nodeId: string,
  keys: TestServer,
): Promise<Client> {
  const token = await keys.token(room);
  return await Client.join(server.signal({ token, room, nodeId }));
}

async function startTwo(connect: () => Backplane | Backplane[]) {
  const first = await startServer({ backplane: connect() });
  const { privateKeyJwk, publicKeyJwk } = first;
  const second = await startServer({ backplane: connect(), privateKeyJwk, publicKeyJwk });
  await until(
    "both to be up",
    () => [first, second].every((server) => server.stats().backplane === "up"),
  );
  return {
    first,
    second,
    async [Symbol.asyncDispose]() {
      await Promise.all([first.close(), second.close()]);
    },
  };
}

for (const { name, ignore, open } of BACKPLANE_OPTIONS) {
  Deno.test({
    name: `admin over ${name}: rooms, peers, pairs and refusals of every instance are one answer`,
    ignore,
    fn: async () => {
      await using backplane = await open();
      await using servers = await startTwo(() => backplane.connect());
      const { first, second } = servers;
      await using ada = await join(first, "todos", "ada", first);
      await using grace = await join(second, "todos", "grace", first);
      await using _hal = await join(second, "other", "hal", first);
      grace.send({ type: "offer", to: "ada", sdp: {} });
      await ada.next("offer");
      const refused = await Client.connect(second.signal({ room: "todos", nodeId: "eve" }));
      assertEquals((await refused.closed).code, 4001);

      for (const server of [first, second]) {
        assertEquals(await answer(server, "rooms"), {
          rooms: [
            { room: "other", normals: 1, consumers: 0 },
            { room: "todos", normals: 2, consumers: 0 },
          ],
          cursor: null,
        });
        const { peers, refusals, pair, ...rest } = await answer(
          server,
          "peers?room=todos&nodeId=ada&with=grace",
        );
        assertEquals(peers.map(({ nodeId }: Message) => nodeId), ["ada", "grace"]);
        assertEquals(new Set(peers.map(({ instance }: Message) => instance)).size, 2);
        assertEquals(pair[1].sent.offers, 1);
        assertEquals(pair[1].received.offers, 1);
        assertEquals([refusals, rest], [[], {}]);
        const whole = await answer(server, "peers?room=todos");
        assertEquals(
          whole.refusals.map(({ nodeId, reason }: Message) => [nodeId, reason]),
          [["eve", "missing token"]],
        );
        const { instances, instance } = await answer(server, "info");
        assertEquals(instances.length, 2);
        assertEquals(instances[0].instance, instance);
      }
    },
  });

  Deno.test({
    name: `admin over ${name}: a room is disconnected on every instance`,
    ignore,
    fn: async () => {
      await using backplane = await open();
      await using servers = await startTwo(() => backplane.connect());
      const { first, second } = servers;
      const ada = await join(first, "todos", "ada", first);
      const grace = await join(second, "todos", "grace", first);
      const hal = await join(second, "todos", "hal", first);
      const one = await disconnect(first, { room: "todos", nodeId: "hal" });
      assertEquals(one, { disconnected: 1 });
      assertEquals((await hal.closed).code, 4403);
      assertEquals(await disconnect(first, { room: "todos" }), { disconnected: 2 });
      for (const client of [ada, grace]) assertEquals((await client.closed).code, 4403);
    },
  });
}

Deno.test("admin: a room whose peers do not fit into one text between instances is listed whole", async () => {
  const backplane = createMemoryBackplane();
  await using servers = await startTwo(() => backplane.connect());
  const { first, second } = servers;
  const token = await first.token("todos");
  // Names that are six times as long in JSON.
  const names = Array.from({ length: 400 }, (_, n) => "\u0001".repeat(120) + n);
  const clients: Client[] = [];
  for (const nodeId of names) {
    clients.push(await Client.join(second.signal({ token, room: "todos", nodeId })));
  }
  const { peers, partial } = await answer(first, "peers?room=todos");
  assertEquals([peers.length, partial], [names.length, undefined]);
  assertEquals(new Set(peers.map(({ nodeId }: Message) => nodeId)), new Set(names));
  assertEquals(await disconnect(first, { room: "todos" }), { disconnected: names.length });
  await Promise.all(clients.map((client) => client.closed));
});

Deno.test("admin: an instance that does not answer within a second makes the answer partial", async () => {
  const backplane = createMemoryBackplane();
  let isStalled = false;
  await using servers = await startTwo(() => {
    const inner = backplane.connect();
    const post: Backplane["post"] = (text, to) =>
      // A reply is addressed to one instance; a question goes to all.
      isStalled && to !== undefined ? new Promise(() => {}) : inner.post(text, to);
    return new Proxy(inner, {
      get: (target, name) => {
        if (name === "post") return post;
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  });
  const { first, second } = servers;
  await using _ada = await join(first, "todos", "ada", first);
  const grace = await join(second, "todos", "grace", first);
  isStalled = true;
  const { rooms, partial } = await answer(first, "rooms");
  assertEquals([rooms, partial], [[{ room: "todos", normals: 1, consumers: 0 }], true]);
  const { peers, partial: isPartial } = await answer(first, "peers?room=todos");
  assertEquals([peers.length, isPartial], [1, true]);
  assertEquals((await answer(first, "info")).partial, true);
  // It does what it is told all the same; only how many there were is not known.
  const room = { room: "todos", nodeId: "grace" };
  assertEquals(await disconnect(first, room), { disconnected: 0, partial: true });
  assertEquals((await grace.closed).code, 4403);
});

Deno.test("admin: without the backplane the answer is that of one instance, and says so", async () => {
  const backplane = createMemoryBackplane().connect();
  await using server = await startServer({
    backplane: new Proxy(backplane, {
      get: (target, name) => {
        if (name === "start") return () => {};
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    }),
  });
  await using _ada = await join(server, "todos", "ada", server);
  const { peers, partial } = await answer(server, "peers?room=todos");
  assertEquals([peers.length, partial], [1, true]);
  assertEquals((await answer(server, "info")).stats.backplane, "down");
});
