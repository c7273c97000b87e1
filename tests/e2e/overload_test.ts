/** What happens beyond each limit, as clients of a running server meet it. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { createSignalingHandler, generateKeyPairJwk, type ServerOptions } from "../../mod.ts";
import { Client, until, within } from "../helpers/client.ts";
import { newProvider } from "../helpers/provider.ts";
import { exchange, frame, handshake, openRaw } from "../helpers/raw.ts";
import { json, RawClient } from "../helpers/raw_client.ts";
import { ADMIN_SECRET, startOpenServer, startServer, type TestServer } from "../helpers/server.ts";

/** A server whose clients may be pending for ten seconds: consumers that have not shown a token. */
async function startWaitingServer(limits: ServerOptions["limits"] = {}): Promise<TestServer> {
  const { jwks } = await newProvider();
  return await startServer({
    consumerAuth: { jwks },
    trustedProxies: ["127.0.0.1"],
    limits,
  });
}

/** The head of the answer to a handshake for this target, from this address. */
function ask(port: number, target: string, from = "192.0.2.1", headers: string[] = []) {
  return exchange(
    port,
    handshake(target, [`X-Forwarded-For: ${from}`, ...headers]),
    /\r\n\r\n/,
  );
}

/** A socket that is open until it is closed. */
async function hold(port: number, target: string, from: string): Promise<Deno.TcpConn> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(
    new TextEncoder().encode(handshake(target, [`X-Forwarded-For: ${from}`])),
  );
  const buffer = new Uint8Array(1024);
  const count = await connection.read(buffer) ?? 0;
  assertMatch(new TextDecoder().decode(buffer.subarray(0, count)), /^HTTP\/1\.1 101 /);
  return connection;
}

function assertTurnedAway(answer: string, status: number): void {
  assert(answer.startsWith(`HTTP/1.1 ${status} `), answer);
  assertMatch(answer, /\r\nretry-after: \d+\r\n/i);
}

Deno.test("overload: sockets that have not joined are bounded, per address and in all", async () => {
  await using server = await startWaitingServer({
    maxPendingConnections: 3,
    maxPendingConnectionsPerIp: 2,
  });
  const target = "/signal?room=r";
  const held = [
    await hold(server.port, target, "192.0.2.1"),
    await hold(server.port, target, "192.0.2.1"),
  ];
  assertTurnedAway(await ask(server.port, target), 429);
  held.push(await hold(server.port, target, "192.0.2.2"));
  assertTurnedAway(await ask(server.port, target, "192.0.2.3"), 503);
  held.pop()?.close();
  await until("its place to be free", async () => {
    return (await ask(server.port, target, "192.0.2.3")).startsWith("HTTP/1.1 101");
  });
  for (const connection of held) connection.close();
});

Deno.test("overload: a peer that has joined is not counted as pending", async () => {
  await using server = await startOpenServer({
    limits: { maxPendingConnections: 1, maxPendingConnectionsPerIp: 1 },
  });
  const peers = [];
  for (let n = 0; n < 5; n++) peers.push(await Client.join(server.signal({ nodeId: `p${n}` })));
  assertEquals(peers[4]?.peers, ["p0", "p1", "p2", "p3"]);
  for (const peer of peers) await peer.close();
});

Deno.test("overload: sockets are bounded, in all and per address, by the /64 for IPv6", async () => {
  await using server = await startWaitingServer({ maxConnections: 3, maxConnectionsPerIp: 2 });
  const target = "/signal?room=r";
  const held = [
    await hold(server.port, target, "2001:db8::1"),
    await hold(server.port, target, "2001:db8::2"),
  ];
  assertTurnedAway(await ask(server.port, target, "2001:db8:0:0:9::"), 429);
  held.push(await hold(server.port, target, "2001:db8:0:1::1"));
  assertTurnedAway(await ask(server.port, target, "192.0.2.1"), 503);
  for (const connection of held) connection.close();
});

Deno.test("overload: where refused sockets stay open, a refused client gets an HTTP status", async () => {
  await using server = await startServer({ limits: { maxRefusedConnections: 2 } });
  const token = await server.token("room");
  const rude = [
    await openRaw(server.port, "/signal"),
    await openRaw(server.port, "/signal?token=x"),
  ];
  const isRefusing = async () => (await ask(server.port, "/signal")).startsWith("HTTP/1.1 401");
  await until("refusals to need no socket", isRefusing);
  for (
    const [target, status] of [["/signal?token=x", 401], [`/signal?room=a&token=${token}`, 403]]
  ) {
    const answer = await exchange(server.port, handshake(String(target)), /\{.*\}/);
    assert(answer.startsWith(`HTTP/1.1 ${status} `), answer);
    assertMatch(answer, /\{"error":"[^"]+"\}/);
  }
  await using welcome = await Client.join(server.signal({ token, nodeId: "a" }));
  assertEquals(welcome.peers, []);
  for (const connection of rude) connection.close();
});

Deno.test("overload: an address whose tokens do not hold is turned away, and no other", async () => {
  await using server = await startWaitingServer({ maxFailedAuthPerMinute: 3 });
  const token = await server.token("room");
  const asToken = (secret: string, from: string) =>
    fetch(`${server.url}/token`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "x-admin-secret": secret,
        "x-forwarded-for": from,
      },
      body: '{"ttl":"1h"}',
    });
  const [here, there] = ["192.0.2.1", "192.0.2.2"];
  for (let n = 0; n < 3; n++) {
    const wrong = await asToken("wrong", here);
    assertEquals([wrong.status, (await wrong.json()).error.length > 0], [401, true]);
  }
  for (let n = 0; n < 3; n++) (await hold(server.port, "/signal?token=x", here)).close();
  await until("the failures to count", async () => {
    return (await ask(server.port, `/signal?token=${token}`, here)).startsWith("HTTP/1.1 429");
  });
  assertTurnedAway(await ask(server.port, `/signal?token=${token}`, here), 429);
  const right = await asToken(ADMIN_SECRET, here);
  assertEquals([right.status, Number(right.headers.get("retry-after")) > 50], [429, true]);
  await right.body?.cancel();
  assertMatch(await ask(server.port, `/signal?token=${token}`, there), /^HTTP\/1\.1 101 /);
  const other = await asToken(ADMIN_SECRET, there);
  assertEquals([other.status, (await other.json()).subject], [201, "default"]);
});

Deno.test("overload: consumer tokens that do not hold count, too", async () => {
  await using server = await startWaitingServer({ maxFailedAuthPerMinute: 1 });
  await using client = await Client.connect(server.signal({ room: "r" }));
  client.send({ type: "register", role: "consumer", token: "x" });
  assertEquals((await client.next()).type, "auth-err");
  assertEquals((await client.closed).code, 4003);
  assertTurnedAway(await exchange(server.port, handshake("/signal?room=r"), /\r\n\r\n/), 429);
});

Deno.test("overload: pages of other origins are refused, and programs without one are not", async () => {
  await using server = await startOpenServer({
    allowedOrigins: ["https://app.example.com", "https://*.example.org"],
  });
  for (
    const [origin, status] of [
      ["https://app.example.com", 101],
      ["https://a.example.org", 101],
      ["https://evil.example", 403],
      ["null", 403],
    ]
  ) {
    const answer = await ask(server.port, "/signal", "192.0.2.1", [`Origin: ${origin}`]);
    assert(answer.startsWith(`HTTP/1.1 ${status} `), answer);
  }
  await using program = await Client.join(server.signal());
  assertEquals(program.peers, []);
});

Deno.test("overload: a full room is closed with 1013, and its own peers may come back", async () => {
  await using server = await startOpenServer({ limits: { maxPeersPerRoom: 2 } });
  await using a = await Client.join(server.signal({ nodeId: "a" }));
  await using _b = await Client.join(server.signal({ nodeId: "b" }));
  await using c = await Client.connect(server.signal({ nodeId: "c" }));
  c.send({ type: "register" });
  assertEquals(await c.closed, { code: 1013, reason: "room is full" });
  await using again = await Client.join(server.signal({ nodeId: "a" }));
  assertEquals([again.peers, (await a.closed).code], [["b"], 1000]);
});

Deno.test("overload: a client that floods is closed with 4429, one that joins a big room is not", async () => {
  await using server = await startOpenServer();
  await using b = await Client.join(server.signal({ nodeId: "b" }));
  await using newcomer = await Client.join(server.signal({ nodeId: "newcomer" }));
  for (let n = 0; n < 50; n++) newcomer.send({ type: "offer", to: "b", sdp: { n } });
  for (let n = 0; n < 500; n++) newcomer.send({ type: "ice-candidate", to: "b", candidate: { n } });
  assertEquals(await newcomer.drain(), []);
  assertEquals((await b.drain()).length, 550);
  await using flood = await Client.join(server.signal({ nodeId: "flood" }));
  for (let n = 0; n < 4000; n++) flood.send({ type: "heartbeat" });
  assertEquals(await flood.closed, { code: 4429, reason: "too many messages" });
});

Deno.test("overload: a peer that falls behind keeps its place, and the sender that fills its buffer is told", async () => {
  await using server = await startOpenServer();
  using slow = await RawClient.join(server.port, "/signal?nodeId=slow");
  await using flood = await Client.connect(server.signal({ nodeId: "flood" }));
  flood.send({ type: "register", role: "consumer" });
  await flood.next("server-list");
  await using friend = await Client.join(server.signal({ nodeId: "friend" }));
  for (let n = 0; n < 100; n++) flood.send({ type: "offer", to: "slow", sdp: "x".repeat(60_000) });
  // A new list may come meanwhile: there is another normal.
  const told = (await flood.drain()).filter(({ type }) => type !== "server-list");
  assert(told.length > 0, "it is told");
  for (const { code, to } of told) assertEquals([code, to], ["PEER_BUSY", "slow"]);
  friend.send({ type: "offer", to: "slow", sdp: "v=0" });
  assertEquals(await friend.drain(), []);
  const heard: string[] = [];
  while (heard.at(-1) !== "friend") {
    const next = await within("the friend's offer", slow.next());
    if (next?.opcode === 1) heard.push(json(next).from);
  }
  assertEquals(heard.length, 100 - told.length + 1);
  assertEquals((await server.health())["peers"], 3);
});

Deno.test("overload: no token is made or taken that is valid for longer than it may be", async () => {
  const keys = await generateKeyPairJwk();
  await using lenient = await startServer(keys);
  await using strict = await startServer({ ...keys, maxTokenTtl: "1h" });
  const response = await fetch(`${strict.url}/token`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-admin-secret": ADMIN_SECRET },
    body: '{"ttl":"61m"}',
  });
  assertEquals([response.status, await response.json()], [
    400,
    { error: "`ttl` must be 3600 seconds at most" },
  ]);
  const long = await Client.connect(strict.signal({ token: await lenient.token("r", "2h") }));
  assertEquals((await long.closed).code, 4003);
  await using short = await Client.join(strict.signal({ token: await lenient.token("r", "1h") }));
  assertEquals(short.peers, []);
});

Deno.test("overload: short of memory, nobody new is let in, pending sockets go, peers stay", async () => {
  await using server = await startWaitingServer({ maxMemoryMb: 1 });
  const token = await server.token("room");
  await using a = await Client.join(server.signal({ token, nodeId: "a" }));
  await using b = await Client.join(server.signal({ token, nodeId: "b" }));
  await using pending = await Client.connect(server.signal({ room: "room" }));
  assertEquals(await pending.closed, { code: 1013, reason: "server is short of memory" });
  assertTurnedAway(await exchange(server.port, handshake("/signal"), /\r\n\r\n/), 503);
  const health = await fetch(`${server.url}/health`);
  assertEquals([health.status, (await health.json()).status], [503, "overloaded"]);
  b.send({ type: "offer", to: "a", sdp: {} });
  assertEquals((await a.next("offer")).from, "b");
});

Deno.test("createSignalingHandler() refuses limits, origins, proxies and durations that are none", async () => {
  const open = { authEnabled: false };
  const configs = [
    { limits: { messageBurst: -1 } },
    { allowedOrigins: ["example.com"] },
    { trustedProxies: ["proxy"] },
    { maxTokenTtl: "soon" },
  ];
  for (const config of configs) {
    const error = await createSignalingHandler({ ...open, ...config }).catch((cause) => cause);
    assert(error instanceof TypeError, JSON.stringify(config));
  }
});

Deno.test("overload: a message before joining may be smaller only", async () => {
  await using server = await startOpenServer();
  const early = await openRaw(server.port, "/signal");
  await early.write(frame(1, JSON.stringify({ type: "register", pad: "x".repeat(16384) })));
  const buffer = new Uint8Array(64);
  const count = await early.read(buffer) ?? 0;
  assertEquals([...buffer.subarray(0, 4)], [0x88, count - 2, 1009 >> 8, 1009 & 255]);
  early.close();
  await using joined = await Client.join(server.signal());
  joined.send({ type: "heartbeat", pad: "x".repeat(60_000) });
  assertEquals(await joined.drain(), []);
});
