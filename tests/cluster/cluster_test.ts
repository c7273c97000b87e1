/** Several instances that form one server, with every backplane there is. */

import { assert, assertEquals } from "@std/assert";
import type { ServerOptions } from "../../mod.ts";
import { Client, until, within } from "../helpers/client.ts";
import { RawClient } from "../helpers/raw_client.ts";
import { BACKPLANE_OPTIONS } from "../helpers/backplanes.ts";
import { startOpenServer, type TestServer } from "../helpers/server.ts";

interface Instances extends AsyncDisposable {
  readonly all: readonly [TestServer, TestServer, TestServer];
}

async function startInstances(
  kind: typeof BACKPLANE_OPTIONS[number],
  config: ServerOptions = {},
): Promise<Instances> {
  const connected = await kind.open();
  const start = () => startOpenServer({ ...config, backplane: connected.connect() });
  const all: Instances["all"] = [await start(), await start(), await start()];
  for (const server of all) {
    await until("the backplane", async () => (await server.health())["backplane"] === "up");
  }
  return {
    all,
    async [Symbol.asyncDispose]() {
      for (const server of all) await server.close();
      await connected[Symbol.asyncDispose]();
    },
  };
}

/** Tests servers over every backplane. */
function testEveryBackplane(
  sentence: string,
  test: (servers: Instances["all"]) => Promise<void>,
  config: ServerOptions = {},
): void {
  for (const kind of BACKPLANE_OPTIONS) {
    Deno.test({
      name: `cluster (${kind.name}): ${sentence}`,
      ignore: kind.ignore,
      fn: async () => {
        await using instances = await startInstances(kind, config);
        await test(instances.all);
      },
    });
  }
}

testEveryBackplane(
  "two tabs behind a balancer replace each other three times, on however many instances",
  async (servers) => {
    const comers: Client[] = [];
    const outcomes: (number | "list")[] = [];
    try {
      for (let turn = 0; turn < 7; turn++) {
        const server = servers[turn % 3] ?? servers[0];
        const client = await Client.connect(server.signal({ room: "alone", nodeId: "tab" }));
        comers.push(client);
        client.send({ type: "register", role: "normal" });
        outcomes.push(
          await client.next("peer-list")
            .then(() => "list" as const, async () => (await client.closed).code),
        );
      }
      assertEquals(outcomes, ["list", "list", "list", "list", 4409, 4409, 4409]);
      const open = comers.map(({ socket }) => socket.readyState === WebSocket.OPEN);
      assertEquals(open.indexOf(true), 3);
      assertEquals(open.lastIndexOf(true), 3);
    } finally {
      for (const client of comers) await client.close();
    }
  },
);

/** What a client gets that comes for a name: a list, or the code of its close. */
async function attempt(server: TestServer, nodeId: string): Promise<"list" | number> {
  const client = await Client.connect(server.signal({ room: "room", nodeId }));
  client.send({ type: "register" });
  const outcome = await Promise.race([
    client.closed.then(({ code }) => code),
    client.next("peer-list").then(() => "list" as const, async () => (await client.closed).code),
  ]);
  await client.close();
  return outcome;
}

testEveryBackplane(
  "a holder that answers no ping loses a kept name to a newcomer on any instance",
  async ([x, y, z]) => {
    for (const [nodeId, instance] of [["known", y], ["unknown", z]] as const) {
      const witness = await join(instance, "witness");
      const tabs = [];
      for (const server of [x, y, x]) tabs.push(await join(server, nodeId));
      using holder = await RawClient.join(x.port, `/signal?room=room&nodeId=${nodeId}`);
      assertEquals(holder.peers, ["witness"]);
      if (instance === z) await witness.close(); // Then its instance does not know the room.
      assertEquals(await within("an outcome", attempt(instance, nodeId), 5000), "list");
      holder.close();
      for (const client of [witness, ...tabs]) await client.close();
    }
  },
);

testEveryBackplane(
  "a holder that answers pings keeps a kept name on every instance, one that has left does not",
  async ([x, y, z]) => {
    await using _first = await join(x, "first");
    await using _second = await join(y, "second");
    const third = await join(z, "third");
    const tabs = [];
    for (const server of [x, y, x, y]) tabs.push(await join(server, "tab"));
    for (const server of [x, y, z]) assertEquals(await attempt(server, "tab"), 4409);
    await third.close(); // Then its instance does not know the room.
    assertEquals(await attempt(z, "tab"), 4409);
    for (const client of tabs) await client.close();
    for (const server of [x, z]) assertEquals(await attempt(server, "tab"), "list");
  },
);

function join(server: TestServer, nodeId: string, room = "room") {
  return Client.join(server.signal({ room, nodeId }));
}

async function consume(
  server: TestServer,
  nodeId: string,
): Promise<Client & { servers: string[] }> {
  const client = await Client.connect(server.signal({ room: "room", nodeId }));
  client.send({ type: "register", role: "consumer" });
  const { servers } = await client.next("server-list");
  return Object.assign(client, { servers });
}

testEveryBackplane(
  "peers of one room see and reach each other, in order of joining",
  async ([x, y, z]) => {
    await using a = await join(x, "a");
    await using b = await join(y, "b");
    await using c = await join(z, "c");
    await using d = await join(x, "d");
    assertEquals([a.peers, b.peers, c.peers, d.peers], [[], ["a"], ["a", "b"], ["a", "b", "c"]]);
    c.send({ type: "offer", to: "a", sdp: { any: "thing" } });
    const offer = { type: "offer", to: "a", sdp: { any: "thing" }, from: "c", fromRole: "normal" };
    assertEquals(await a.next(), offer);
    a.send({ type: "answer", to: "c", sdp: {} });
    assertEquals((await c.next("answer")).from, "a");
    assertEquals([(await x.health())["peers"], (await y.health())["peers"]], [2, 1]);
  },
);

testEveryBackplane("order between two peers is kept", async ([x, y]) => {
  await using a = await join(x, "a");
  await using b = await join(y, "b");
  for (let n = 0; n < 500; n++) b.send({ type: "ice-candidate", to: "a", candidate: { n } });
  for (let n = 0; n < 500; n++) assertEquals((await a.next("ice-candidate")).candidate.n, n);
});

testEveryBackplane(
  "rooms do not see each other, and their peers cannot signal each other",
  async ([x, y]) => {
    await using a = await join(x, "a", "one");
    await using b = await join(y, "b", "two");
    assertEquals(b.peers, []);
    b.send({ type: "offer", to: "a", sdp: {} });
    assertEquals((await b.next("error")).code, "PEER_NOT_FOUND");
    assertEquals(await a.drain(), []);
  },
);

testEveryBackplane(
  "a newcomer takes a nodeId over from another instance, and its place",
  async ([x, y, z]) => {
    await using a = await join(x, "a");
    await using b = await join(y, "b");
    await using again = await join(y, "a");
    assertEquals([again.peers, await a.closed], [["b"], {
      code: 1000,
      reason: "replaced by new connection",
    }]);
    await using c = await join(z, "c");
    assertEquals(c.peers, ["a", "b"]);
    c.send({ type: "offer", to: "a", sdp: {} });
    assertEquals((await again.next("offer")).from, "c");
    assertEquals(await b.drain(), []);
  },
);

testEveryBackplane(
  "of two that claim one nodeId at the same moment one remains",
  async ([x, y, z]) => {
    for (let round = 0; round < 10; round++) {
      const clients = await Promise.all(
        [x, y, z].map((server) => Client.connect(server.signal({ room: "room", nodeId: "a" }))),
      );
      for (const client of clients) client.send({ type: "register" });
      await until("one to remain", () => {
        const open = clients.filter(({ socket }) => socket.readyState === WebSocket.OPEN);
        return open.length === 1;
      });
      await using witness = await join(x, "witness");
      assertEquals(witness.peers, ["a"]);
      for (const client of clients) await client.close();
      await until("it to be gone", async () => {
        await using other = await join(z, "other");
        return other.peers.every((id) => id !== "a");
      });
    }
  },
);

testEveryBackplane(
  "of two that join at the same moment at least one sees the other",
  async ([x, y]) => {
    for (let round = 0; round < 20; round++) {
      const room = `room${round}`;
      const [a, b] = await Promise.all([join(x, "a", room), join(y, "b", room)]);
      assert(a.peers.includes("b") || b.peers.includes("a"));
      await Promise.all([a.close(), b.close()]);
    }
  },
);

testEveryBackplane("a name that the other role has is taken", async ([x, y]) => {
  await using _a = await join(x, "a");
  await using thief = await Client.connect(y.signal({ room: "room", nodeId: "a" }));
  thief.send({ type: "register", role: "consumer" });
  assertEquals((await thief.closed).code, 4409);
});

testEveryBackplane("a normal takes a name over from a consumer", async ([x, y, z]) => {
  await using holder = await consume(x, "a");
  await using a = await join(y, "a");
  assertEquals([a.peers, (await holder.closed).code], [[], 4409]);
  await using b = await join(z, "b");
  assertEquals(b.peers, ["a"]);
  b.send({ type: "offer", to: "a", sdp: {} });
  assertEquals((await a.next("offer")).from, "b");
});

testEveryBackplane(
  "consumers are bounded in all, and take no normal's place",
  async ([x, y, z]) => {
    await using _c1 = await consume(x, "c1");
    await using _c2 = await consume(y, "c2");
    await using c3 = await Client.connect(z.signal({ room: "room", nodeId: "c3" }));
    c3.send({ type: "register", role: "consumer" });
    assertEquals((await c3.closed).code, 1013);
    await using a = await join(z, "a");
    assertEquals(a.peers, []);
  },
  { limits: { maxPeersPerRoom: 1, maxConsumersPerRoom: 2 } },
);

testEveryBackplane("the limit of a room counts the peers of all instances", async ([x, y]) => {
  await using _a = await join(x, "a");
  await using _b = await join(y, "b");
  await using c = await Client.connect(x.signal({ room: "room", nodeId: "c" }));
  c.send({ type: "register" });
  assertEquals(await c.closed, { code: 1013, reason: "room is full" });
  await using again = await join(x, "b");
  assertEquals(again.peers, ["a"]);
}, { limits: { maxPeersPerRoom: 2 } });

testEveryBackplane(
  "a peer that leaves is in no list and can be reached no more",
  async ([x, y]) => {
    await using a = await join(x, "a");
    const b = await join(y, "b");
    b.send({ type: "offer", to: "a", sdp: {} });
    await a.next("offer");
    await b.close();
    await until("it to be gone", async () => {
      a.send({ type: "offer", to: "b", sdp: {} });
      return (await a.drain()).some(({ code }) => code === "PEER_NOT_FOUND");
    });
    await using c = await join(y, "c");
    assertEquals(c.peers, ["a"]);
  },
);

testEveryBackplane("a second answer to an offer is not relayed", async ([x, y]) => {
  await using a = await join(x, "a");
  await using b = await join(y, "b");
  b.send({ type: "offer", to: "a", sdp: {} });
  await a.next("offer");
  a.send({ type: "answer", to: "b", sdp: { n: 1 } });
  a.send({ type: "answer", to: "b", sdp: { n: 2 } });
  a.send({ type: "ice-candidate", to: "b", candidate: {} });
  assertEquals((await b.next("answer")).sdp.n, 1);
  await b.next("ice-candidate");
});

testEveryBackplane(
  "consumers are directed to the normals of all instances, in turn",
  async ([x, y, z]) => {
    await using a = await join(x, "a");
    await using b = await join(y, "b");
    await using c1 = await consume(z, "c1");
    await using c2 = await consume(y, "c2");
    await using c3 = await consume(x, "c3");
    assertEquals([c1.servers, c2.servers, c3.servers], [["a", "b"], ["b", "a"], ["a", "b"]]);
    c1.send({ type: "offer", to: "a", sdp: {} });
    assertEquals((await a.next("offer")).fromRole, "consumer");
    c1.send({ type: "offer", to: "c2", sdp: {} });
    assertEquals((await c1.next("error")).to, "c2");
    b.send({ type: "heartbeat", serveConsumers: false });
    assertEquals((await c1.next("server-list")).servers, ["a"]);
    b.send({ type: "heartbeat", serveConsumers: true });
    assertEquals((await c1.next("server-list")).servers, ["a", "b"]);
    await a.close();
    assertEquals((await c1.next("server-list")).servers, ["b"]);
    await using d = await join(z, "d");
    assertEquals(d.peers, ["b"]);
    assertEquals((await c1.next("server-list")).servers, ["b", "d"]);
  },
);

testEveryBackplane("a register that changes the role changes it everywhere", async ([x, y]) => {
  await using a = await join(x, "a");
  await using c = await consume(y, "c");
  assertEquals(c.servers, ["a"]);
  a.send({ type: "register", role: "consumer" });
  assertEquals((await c.next("server-list")).servers, []);
  await using b = await join(y, "b");
  assertEquals(b.peers, []);
});

testEveryBackplane("an instance that drains leaves no peer behind", async ([x, y]) => {
  await using a = await join(x, "a");
  await using c = await consume(x, "c");
  const b = await join(y, "b");
  assertEquals((await c.next("server-list")).servers, ["a", "b"]);
  await y.close();
  assertEquals((await b.closed).code, 1001);
  assertEquals((await c.next("server-list")).servers, ["a"]);
  a.send({ type: "offer", to: "b", sdp: {} });
  assertEquals((await a.next("error")).code, "PEER_NOT_FOUND");
  await using back = await join(x, "b");
  assertEquals(back.peers, ["a"]);
});

testEveryBackplane("names are any Unicode", async ([x, y]) => {
  const [room, id] = ['r"\n\\ 😀 /', 'n\t"💥\\u0000 :'];
  await using a = await join(x, id, room);
  await using b = await join(y, "b", room);
  assertEquals(b.peers, [id]);
  b.send({ type: "offer", to: id, sdp: "\n" });
  assertEquals((await a.next("offer")).sdp, "\n");
  a.send({ type: "answer", to: "b", sdp: {} });
  assertEquals((await b.next("answer")).from, id);
});
