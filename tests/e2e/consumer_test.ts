/** Consumers and the ways of presenting a token, against a running server. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { ServerOptions } from "../../mod.ts";
import { Client, until } from "../helpers/client.ts";
import { newProvider, type Provider } from "../helpers/provider.ts";
import { exchange, handshake } from "../helpers/raw.ts";
import { startOpenServer, startServer } from "../helpers/server.ts";

/** A server with auth on that takes the provider's consumers into the rooms that they claim. */
function startDirectingServer(provider: Provider, config: ServerOptions = {}) {
  return startServer({ consumerAuth: { jwks: provider.jwks, roomClaim: "rooms" }, ...config });
}

Deno.test("consumer: it is directed to the normals, reaches them and is in no list", async () => {
  const provider = await newProvider();
  await using server = await startDirectingServer(provider);
  const token = await server.token("room");
  await using a = await Client.join(server.signal({ token, nodeId: "a" }));
  await using consumer = await Client.connect(server.signal({ room: "room", nodeId: "c" }));
  consumer.send({ type: "register", role: "consumer", token: await provider.token() });
  assertEquals(await consumer.next(), { type: "server-list", servers: ["a"] });
  consumer.send({ type: "offer", to: "a", sdp: {} });
  const { from, fromRole } = await a.next("offer");
  assertEquals([from, fromRole], ["c", "consumer"]);
  a.send({ type: "answer", to: "c", sdp: {} });
  assertEquals((await consumer.next("answer")).fromRole, "normal");
  await using b = await Client.join(server.signal({ token, nodeId: "b" }));
  assertEquals(b.peers, ["a"]);
  assertEquals(await consumer.next(), { type: "server-list", servers: ["a", "b"] });
});

Deno.test("consumer: a list that was empty fills, and a server that dies leaves it, unasked", async () => {
  const provider = await newProvider();
  await using server = await startDirectingServer(provider);
  await using consumer = await Client.connect(server.signal({ room: "room" }));
  consumer.send({ type: "register", role: "consumer", token: await provider.token() });
  assertEquals(await consumer.next(), { type: "server-list", servers: [] });
  const a = await Client.join(server.signal({ token: await server.token("room"), nodeId: "a" }));
  assertEquals(await consumer.next(), { type: "server-list", servers: ["a"] });
  await a.close();
  assertEquals(await consumer.next(), { type: "server-list", servers: [] });
});

Deno.test("consumer: a token that does not hold is told so, then closed with 4003", async () => {
  const provider = await newProvider();
  await using server = await startDirectingServer(provider);
  const otherProvider = await newProvider();
  const tokens = [
    undefined,
    "rubbish",
    await otherProvider.token(),
    await provider.token({ rooms: ["other"] }),
    await provider.token({ exp: 1 }),
    await server.token("room"),
  ];
  for (const token of tokens) {
    const client = await Client.connect(server.signal({ room: "room" }));
    client.send({ type: "register", role: "consumer", ...(token ? { token } : {}) });
    const { type, status } = await client.next();
    assertEquals([type, status, (await client.closed).code], ["auth-err", "UNAUTHENTICATED", 4003]);
  }
  assertEquals((await server.health())["peers"], 0);
});

Deno.test("consumer: a consumer token opens no room as a room token", async () => {
  const provider = await newProvider();
  await using server = await startDirectingServer(provider);
  const token = await provider.token({ sub: "room", aud: "aikofy:client-db" });
  const client = await Client.connect(server.signal({ token, room: "room" }));
  assertEquals((await client.closed).code, 4003);
});

Deno.test("consumer: where consumer auth is not configured nobody comes in without a room token", async () => {
  await using server = await startServer();
  const client = await Client.connect(server.signal({ room: "room" }));
  assertEquals(await client.closed, { code: 4001, reason: "missing token" });
  const token = await server.token("room");
  const consumer = await Client.connect(server.signal({ token }));
  consumer.send({ type: "register", role: "consumer", token: "any" });
  assertEquals((await consumer.next()).type, "auth-err");
  assertEquals((await consumer.closed).code, 4003);
});

Deno.test("consumer: one that names no room is refused at once, one that is silent after its time", async () => {
  const provider = await newProvider();
  await using server = await startDirectingServer(provider, { registerTimeoutMs: 50 });
  const roomless = await Client.connect(server.signal());
  assertEquals(await roomless.closed, { code: 4001, reason: "missing room" });
  const silent = await Client.connect(server.signal({ room: "room" }));
  assertEquals(await silent.closed, { code: 4002, reason: "registration timeout" });
});

Deno.test("consumer: without auth it needs no token, unless consumer auth is configured", async () => {
  await using open = await startOpenServer();
  await using any = await Client.connect(open.signal());
  any.send({ type: "register", role: "consumer" });
  assertEquals(await any.next(), { type: "server-list", servers: [] });
  const provider = await newProvider();
  await using server = await startOpenServer({ consumerAuth: { jwks: provider.jwks } });
  const refused = await Client.connect(server.signal());
  refused.send({ type: "register", role: "consumer" });
  assertEquals((await refused.next()).type, "auth-err");
  assertEquals((await refused.closed).code, 4003);
});

Deno.test("consumer: a key server that hangs holds up nobody else", async () => {
  const hanging = Promise.withResolvers<void>();
  const keyServer = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async () => {
    await hanging.promise;
    return Response.json({ keys: [] });
  });
  const provider = await newProvider();
  const server = await startServer({
    consumerAuth: { jwksUrl: `http://127.0.0.1:${keyServer.addr.port}/` },
  });
  const consumer = await Client.connect(server.signal({ room: "room" }));
  consumer.send({ type: "register", role: "consumer", token: await provider.token() });
  const token = await server.token("room");
  await using a = await Client.join(server.signal({ token, nodeId: "a" }));
  await using b = await Client.join(server.signal({ token, nodeId: "b" }));
  b.send({ type: "offer", to: "a", sdp: {} });
  assertEquals((await a.next("offer")).from, "b");
  hanging.resolve();
  assertEquals((await consumer.next()).type, "auth-err");
  await consumer.closed;
  await server.close();
  await keyServer.shutdown();
});

Deno.test("token: it may come as a bearer header or a subprotocol, and the answer names only ours", async () => {
  await using server = await startServer();
  const token = await server.token("room");
  const path = "/signal?nodeId=a";
  const header = await exchange(
    server.port,
    handshake(path, [`Authorization: Bearer ${token}`]),
    /"peer-list"/,
  );
  assert(!/sec-websocket-protocol/i.test(header));
  for (const comma of [", ", ","]) {
    const offered = [`Sec-WebSocket-Protocol: client-db-sync${comma}bearer.${token}`];
    const answer = await exchange(server.port, handshake(path, offered), /"peer-list"/);
    assertMatch(answer, /\r\nsec-websocket-protocol: client-db-sync\r\n/i);
    assert(!answer.includes(token));
  }
  const protocols = ["client-db-sync", `bearer.${token}`];
  {
    await using client = await Client.join(server.signal(), {}, { protocols });
    assertEquals(client.socket.protocol, "client-db-sync");
  }
  await until("all to be gone", async () => (await server.health())["peers"] === 0);
});

Deno.test("token: two at a time, or a malformed list of subprotocols, is 400", async () => {
  await using server = await startServer();
  const token = await server.token("room");
  const bearer = `Authorization: Bearer ${token}`;
  const heads = [
    handshake(`/signal?token=${token}`, [bearer]),
    handshake("/signal", [bearer, `Sec-WebSocket-Protocol: client-db-sync, bearer.${token}`]),
    handshake("/signal", ["Sec-WebSocket-Protocol: ,"]),
    handshake("/signal", ["Sec-WebSocket-Protocol: a,,b"]),
    handshake("/signal", ["Sec-WebSocket-Protocol: a b"]),
    handshake("/signal", [`Sec-WebSocket-Protocol: bearer.${token}`]),
  ];
  for (const head of heads) {
    const answer = await exchange(server.port, head, /"error":"[^"]+"\}/);
    assertMatch(answer, /^HTTP\/1\.1 400 /);
    assert(!answer.includes(token));
  }
});
