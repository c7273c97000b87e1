/** What is made of what nodes and Sentinels say, and of seeds that say nothing or nonsense. */

import { assertEquals, assertRejects } from "@std/assert";
import { ClusterNodes, inTurn, readSlots } from "../../../src/cluster/redis/cluster_nodes.ts";
import { readAddress, Turns } from "../../../src/cluster/redis/endpoint.ts";
import { shardTags, slotOf, SLOTS } from "../../../src/cluster/redis/slots.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { MAX_CLUSTER_SHARDS } from "../../../src/runtime/redis_url.ts";

const ASKED = { host: "asked", port: 1 };
const server = (port: number) => ({ host: "127.0.0.1", port, tls: false, database: 0 });

Deno.test("slots: a tag has the slot that the specification says, and shards have equal ranges", () => {
  assertEquals(slotOf("123456789"), 0x31c3);
  for (const count of [1, 2, 3, 16, MAX_CLUSTER_SHARDS]) {
    const ranges = shardTags(count).map((tag) => Math.floor(slotOf(tag) * count / SLOTS));
    assertEquals(ranges, Array.from({ length: count }, (_, shard) => shard));
  }
});

Deno.test("cluster nodes: a host that is not announced is that of the node that was asked", () => {
  const { ranges, nodes } = readSlots([
    [0, 1, ["::1", 7000, "id"], ["", 7001]],
    [2, 3, [null, 7002, "id", []]],
    [4, 5, ["?", 7003, "id", ["ip", "10.0.0.1"]]],
    [6, 7, ["?", 7004, "id", { ip: "10.0.0.2" }]],
    [8, 9, ["?", 7005]],
  ], ASKED);
  assertEquals(ranges.map(({ owner: { host, port } }) => `${host} ${port}`), [
    "::1 7000",
    "asked 7002",
    "10.0.0.1 7003",
    "10.0.0.2 7004",
    "asked 7005",
  ]);
  assertEquals(nodes.length, 6);
});

Deno.test("cluster nodes: what cannot be read is left out", () => {
  const odd = [
    null,
    1,
    [],
    [0],
    [0, 1],
    [0, 1, "x"],
    [0, 1, ["h", 0]],
    [0, 1, ["h", "x"]],
    [
      "0",
      1,
      ["h", 1],
    ],
    [0, 1, ["a b", 1]],
    [0, 1, [{}, 1]],
  ];
  assertEquals(readSlots(odd, ASKED), { ranges: [], nodes: [] });
  for (const port of [0, -1, 65_536, 1.5, "x", undefined, {}]) {
    assertEquals(readAddress("h", port), undefined);
  }
});

Deno.test("endpoint: servers are asked in turn, also after one has answered", async () => {
  const turns = new Turns([server(1), server(2), server(3)]);
  const { signal } = new AbortController();
  const ask = () => turns.ask(({ port }) => Promise.resolve(port), signal);
  assertEquals([await ask(), await ask(), await ask(), await ask()], [1, 2, 3, 1]);
  const fail = () => turns.ask(({ port }) => Promise.reject(new Error(`${port}`)), signal);
  await assertRejects(fail, Error, "1");
  await assertRejects(() => turns.ask(() => Promise.resolve(), AbortSignal.abort()), DOMException);
});

Deno.test("cluster nodes: a seed is asked after each node, in case that no node is where it was", () => {
  assertEquals(inTurn(["n1", "n2", "n3"], ["s1", "s2"]).join(" "), "n1 s1 n2 s2 n3 s1");
  assertEquals(inTurn(["n1"], ["s1", "s2"]).join(" "), "n1 s1 s2");
  assertEquals(inTurn(["n1", "n2"], []), ["n1", "n2"]);
  assertEquals(inTurn([], ["s1"]), ["s1"]);
});

Deno.test("endpoint: a server that is there twice is asked once, and keeps both places", async () => {
  const [node, seed] = [server(1), server(2)];
  const turns = new Turns([node, seed, server(3), seed]);
  const { signal } = new AbortController();
  const ports: number[] = [];
  const fail = ({ port }: { port: number }) => {
    ports.push(port);
    return Promise.reject(new Error("down"));
  };
  for (let n = 0; n < 2; n++) await assertRejects(() => turns.ask(fail, signal), Error, "down");
  assertEquals(ports, [1, 2, 3, 1, 2, 3]);
});

Deno.test("cluster nodes: a seed that hangs or answers nonsense costs a bounded time", async () => {
  using hanging = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const nonsense = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const answering = (async () => {
    for await (const conn of nonsense) {
      await conn.write(new TextEncoder().encode("HTTP/1.1 400 Bad\r\n\r\n")).catch(() => {});
      conn.close();
    }
  })();
  const seeds = [hanging, nonsense].map(({ addr: { port } }) => server(port));
  const nodes = new ClusterNodes(seeds, systemClock);
  await assertRejects(() => nodes.endpoint("0").resolve(new AbortController().signal));
  nonsense.close();
  await answering;
});
