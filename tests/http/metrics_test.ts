import { assert, assertEquals, assertMatch } from "@std/assert";
import { createSignalingHandler } from "../../mod.ts";
import { createMemoryBackplane } from "../../src/cluster/memory_backplane.ts";
import { Client, until } from "../helpers/client.ts";
import { ROOT } from "../helpers/command.ts";
import { ADMIN_SECRET, startOpenServer, startServer, type TestServer } from "../helpers/server.ts";

function valuesOf(server: TestServer, name: string): Record<string, number> {
  const found = Object.entries(server.metrics()).filter(([key, value]) =>
    key.startsWith(`${name}{`) && value > 0
  );
  return Object.fromEntries(found.map(([key, value]) => [key.slice(name.length), value]));
}

Deno.test("metrics: peers, rooms and sockets are those of the moment", async () => {
  await using server = await startOpenServer();
  await using a = await Client.join(server.signal({ room: "r", nodeId: "a" }));
  await using _b = await Client.join(server.signal({ room: "r", nodeId: "b" }));
  await using c = await Client.connect(server.signal({ room: "s", nodeId: "c" }));
  c.send({ type: "register", role: "consumer" });
  await c.next("server-list");
  await using _pending = await Client.connect(server.signal({ room: "s", nodeId: "d" }));
  await until("the last socket to open", () => server.stats().pending === 1);
  assertEquals(valuesOf(server, "peers"), { '{role="normal"}': 2, '{role="consumer"}': 1 });
  assertEquals(server.metrics()["rooms"], 2);
  assertEquals(valuesOf(server, "sockets"), { '{state="pending"}': 1, '{state="joined"}': 3 });
  await a.close();
  await until("the peer to leave", () => server.stats().peers === 2);
  assertEquals(valuesOf(server, "peers"), { '{role="normal"}': 1, '{role="consumer"}': 1 });
  assertEquals(valuesOf(server, "client_closes_total"), { '{code="1005"}': 1 });
});

Deno.test("metrics: upgrades are counted by outcome, and joins by role and by how", async () => {
  await using server = await startOpenServer({ allowedOrigins: ["https://app.example"] });
  await using _a = await Client.join(server.signal({ room: "r", nodeId: "a" }));
  await using _again = await Client.join(server.signal({ room: "r", nodeId: "a" }));
  await using silent = await Client.connect(server.signal({ nodeId: "silent" }));
  await silent.next("peer-list");
  const headers = {
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
  };
  const foreign = { ...headers, origin: "https://other.example" };
  for (const [init, status] of [[{}, 426], [{ headers: foreign }, 403]] as const) {
    const response = await fetch(`${server.url}/signal`, init);
    assertEquals(response.status, status);
    await response.body?.cancel();
  }
  assertEquals(valuesOf(server, "upgrades_total"), {
    '{result="accepted"}': 3,
    '{result="malformed"}': 1,
    '{result="origin"}': 1,
  });
  assertEquals(valuesOf(server, "joins_total"), {
    '{role="normal",how="register"}': 1,
    '{role="normal",how="takeover"}': 1,
    '{role="normal",how="silent"}': 1,
  });
  assertEquals(valuesOf(server, "join_seconds_count"), { '{auth="none"}': 2 });
  assertEquals(valuesOf(server, "closes_total"), { '{code="1000"}': 1 });
});

Deno.test("metrics: messages are counted by type, and signals by what became of them", async () => {
  await using server = await startOpenServer();
  await using a = await Client.join(server.signal({ nodeId: "a" }));
  await using b = await Client.join(server.signal({ nodeId: "b" }));
  a.send({ type: "offer", to: "b", sdp: "é" });
  await b.next("offer");
  assertEquals(server.metrics()["waiting_offers"], 1);
  b.send({ type: "answer", to: "a", sdp: "" });
  b.send({ type: "answer", to: "a", sdp: "" });
  b.send({ type: "ice-candidate", to: "nobody", candidate: null });
  await a.next("answer");
  await b.next("error");
  a.send({ type: "heartbeat" });
  a.send({ type: "of the future" });
  a.send("no JSON");
  await a.next("error");
  a.socket.send(new Uint8Array(3));
  await a.next("error");
  assertEquals(valuesOf(server, "messages_received_total"), {
    '{type="register"}': 2,
    '{type="heartbeat"}': 1,
    '{type="offer"}': 1,
    '{type="answer"}': 2,
    '{type="ice-candidate"}': 1,
    '{type="unknown"}': 1,
    '{type="invalid"}': 2,
  });
  assertEquals(valuesOf(server, "signals_total"), {
    '{type="offer",outcome="local"}': 1,
    '{type="answer",outcome="local"}': 1,
    '{type="answer",outcome="duplicate"}': 1,
    '{type="ice-candidate",outcome="not_found"}': 1,
  });
  const metrics = server.metrics();
  assertEquals([metrics["waiting_offers"], metrics["answer_seconds_count"]], [0, 1]);
  assert((metrics["received_bytes_total"] ?? 0) > 200);
  assert((metrics["sent_bytes_total"] ?? 0) > 200);
});

Deno.test("metrics: tokens are counted by result, and those that were issued", async () => {
  await using server = await startServer();
  const token = await server.token("room");
  for (let n = 0; n < 2; n++) {
    await using _client = await Client.join(server.signal({ token, nodeId: `n${n}` }));
  }
  await using refused = await Client.connect(server.signal({ token: "forged" }));
  assertEquals((await refused.closed).code, 4003);
  assertEquals(valuesOf(server, "tokens_verified_total"), {
    '{kind="room",result="ok"}': 1,
    '{kind="room",result="cached"}': 1,
    '{kind="room",result="invalid"}': 1,
  });
  assertEquals(valuesOf(server, "closes_total"), { '{code="4003"}': 1 });
  assertEquals(valuesOf(server, "join_seconds_count"), { '{auth="room_token"}': 2 });
  assertEquals(server.metrics()["tokens_issued_total"], 1);
});

Deno.test("metrics: what crosses instances is counted on both, and only where there are several", async () => {
  const network = createMemoryBackplane();
  await using one = await startOpenServer({ backplane: network.connect() });
  await using two = await startOpenServer({ backplane: network.connect() });
  await until("both to be up", () => [one, two].every((s) => s.stats().backplane === "up"));
  await using a = await Client.join(one.signal({ nodeId: "a" }));
  await using b = await Client.join(two.signal({ nodeId: "b" }));
  a.send({ type: "offer", to: "b", sdp: "" });
  await b.next("offer");
  b.send({ type: "answer", to: "a", sdp: "" });
  await a.next("answer");
  assertEquals(valuesOf(one, "signals_total"), { '{type="offer",outcome="remote"}': 1 });
  assertEquals(valuesOf(two, "letters_total"), { '{outcome="delivered"}': 1 });
  const [first, second] = [one.metrics(), two.metrics()];
  assertEquals([first["answer_seconds_count"], second["answer_seconds_count"]], [1, 0]);
  assertEquals([first["backplane_up"], first["backplane_reconnects_total"]], [1, 0]);
  assertEquals(first['backplane_commands_total{op="send"}'], 1);
  assert((first["backplane_seconds_count"] ?? 0) >= 2);
  await using alone = await startOpenServer();
  assert(!Object.keys(alone.metrics()).some((name) => /^(backplane|letters|asks)/.test(name)));
});

Deno.test("handler.metrics() is a text for a route of the host's own, with the process in it", async () => {
  await using signaling = await createSignalingHandler({ authEnabled: false });
  const text = signaling.metrics();
  assertMatch(
    text,
    /^# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes \d+$/m,
  );
  assertMatch(text, /^process_start_time_seconds 1\d{9}/m);
  assertMatch(text, /^process_cpu_seconds_total [\d.]+$/m);
  assertMatch(text, /^client_db_sync_build_info\{version="\d+\.\d+\.\d+",deno="2\.[\d.]+"\} 1$/m);
});

Deno.test("docs/metrics.md has a row for each series, with the labels and the text of the code", async () => {
  const network = createMemoryBackplane();
  await using server = await startServer({ backplane: network.connect() });
  await server.token("room");
  const headers = { "x-admin-secret": ADMIN_SECRET };
  const text = await (await fetch(`${server.url}/metrics`, { headers })).text();
  const rows = [...text.matchAll(/^# HELP (\S+) (.*)\n# TYPE .*\n(.*)/gm)]
    .map(([, name = "", help, sample = ""]) => {
      const labels = [...sample.matchAll(/[{,](\w+)=/g)].map(([, label]) => label);
      const own = labels.filter((label) => label !== "le").join(", ");
      return [name.replace("client_db_sync_", ""), own, help];
    });
  const page = await Deno.readTextFile(`${ROOT}docs/metrics.md`);
  const table = [...page.matchAll(/^\| `(\w+)` *\| (.*?) *\| (.*?) *\|$/gm)]
    .map(([, name, labels = "", help]) => [name, labels.replaceAll("`", ""), help]);
  assertEquals(table, rows);
});
