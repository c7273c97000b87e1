import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { createSignalingHandler, generateKeyPairJwk } from "../../mod.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import { FakeClock } from "../helpers/clock.ts";
import { Client, until, within } from "../helpers/client.ts";
import { exchange, frame, handshake, openRaw } from "../helpers/raw.ts";
import { startOpenServer, startServer, type TestServer } from "../helpers/server.ts";

const REGISTER = '{"type":"register","nodeId":"x","role":"normal"}';

/** What comes until the server ends or nothing more does. */
async function readAll(connection: Deno.TcpConn): Promise<string> {
  const buffer = new Uint8Array(4096);
  let text = "";
  while (!/token$/.test(text)) {
    const count = await within("a close frame", connection.read(buffer).catch(() => null));
    if (count === null) break;
    text += new TextDecoder().decode(buffer.subarray(0, count));
  }
  return text;
}

/** Connects, expects to be closed, and tells how. */
async function refusal(url: string): Promise<{ code: number; reason: string }> {
  const client = await Client.connect(url);
  return await client.closed;
}

Deno.test("signal: a normal peer is told of the others and reaches them", async () => {
  await using server = await startServer();
  const token = await server.token("room");
  await using a = await Client.join(server.signal({ token, room: "room", nodeId: "a" }));
  await using b = await Client.join(server.signal({ token, room: "room", nodeId: "b" }));
  await using c = await Client.join(server.signal({ token, room: "room", nodeId: "c" }));
  assertEquals([a.peers, b.peers, c.peers], [[], ["a"], ["a", "b"]]);
  const sdp = { type: "offer", sdp: "v=0\r\n" };
  c.send({ type: "offer", to: "a", from: "forged", fromRole: "consumer", sdp, extra: "kept" });
  assertEquals(await a.next(), {
    type: "offer",
    to: "a",
    from: "c",
    fromRole: "normal",
    sdp,
    extra: "kept",
  });
  a.send({ type: "answer", to: "c", sdp: { type: "answer", sdp: "v=0\r\n" } });
  assertEquals((await c.next("answer")).from, "a");
  a.send({ type: "ice-candidate", to: "c", candidate: { candidate: "c", sdpMid: "0" } });
  assertEquals((await c.next("ice-candidate")).candidate, { candidate: "c", sdpMid: "0" });
  assertEquals(await b.drain(), []);
});

Deno.test("signal: order between two peers is kept", async () => {
  await using server = await startOpenServer();
  await using a = await Client.join(server.signal({ nodeId: "a" }));
  await using b = await Client.join(server.signal({ nodeId: "b" }));
  for (let n = 0; n < 500; n++) b.send({ type: "ice-candidate", to: "a", candidate: n });
  for (let n = 0; n < 500; n++) assertEquals((await a.next("ice-candidate")).candidate, n);
});

Deno.test("signal: rooms do not see each other", async () => {
  await using server = await startServer();
  const url = async (room: string, nodeId: string) =>
    server.signal({ token: await server.token(room), room, nodeId });
  await using a = await Client.join(await url("one", "a"));
  await using b = await Client.join(await url("other", "b"));
  assertEquals(b.peers, []);
  b.send({ type: "offer", to: "a", sdp: {} });
  assertEquals(await b.next(), {
    type: "error",
    code: "PEER_NOT_FOUND",
    message: "Peer a is not connected",
    to: "a",
  });
  assertEquals(await a.drain(), []);
});

Deno.test("signal: room and nodeId default to the token's subject", async () => {
  await using server = await startServer();
  const token = await server.token("room");
  await using _a = await Client.join(server.signal({ token }));
  await using b = await Client.join(server.signal({ token, nodeId: "b" }));
  assertEquals(b.peers, ["room"]);
});

Deno.test("signal: without auth the room defaults to default and the nodeId to a new UUID", async () => {
  await using server = await startOpenServer();
  await using _a = await Client.join(server.signal());
  await using _b = await Client.join(server.signal({ room: "", nodeId: "" }));
  await using c = await Client.join(server.signal({ room: "default" }));
  assertEquals(c.peers.length, 2);
  for (const id of c.peers) assertMatch(id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  assertNotEquals(c.peers[0], c.peers[1]);
});

Deno.test("signal: without auth a token in the URL is of no account", async () => {
  await using server = await startOpenServer();
  await using a = await Client.join(server.signal({ token: "rubbish", room: "r" }));
  assertEquals(a.peers, []);
});

Deno.test("signal: any Unicode names a room and a peer, within the bounds", async () => {
  await using server = await startServer();
  const room = "räume & 部屋?/#%+ \u0000\n" + "🚪".repeat(200);
  const nodeId = "👩‍👩‍👧 #1 \"'<>\u202e";
  const token = await server.token(room);
  await using _a = await Client.join(server.signal({ token, room, nodeId }));
  await using b = await Client.join(server.signal({ token, room, nodeId: "😀".repeat(128) }));
  assertEquals(b.peers, [nodeId]);
});

Deno.test("signal: names that are too long are refused", async () => {
  await using server = await startOpenServer();
  await using ok = await Client.join(
    server.signal({ room: "r".repeat(256), nodeId: "n".repeat(128) }),
  );
  assertEquals(ok.peers, []);
  assertEquals((await refusal(server.signal({ room: "r".repeat(257) }))).code, 4003);
  assertEquals((await refusal(server.signal({ nodeId: "n".repeat(129) }))).code, 4003);
});

Deno.test("signal: a client that asks for no name has its room's, as far as that fits", async () => {
  await using server = await startServer();
  for (const room of ["todos", "r".repeat(256), "😀".repeat(200)]) {
    const token = await server.token(room);
    await using _unnamed = await Client.join(server.signal({ token }));
    await using other = await Client.join(server.signal({ token, room, nodeId: "other" }));
    assertEquals(other.peers, [[...room].slice(0, 128).join("")]);
  }
});

Deno.test("signal: clients append room and nodeId to whatever query is there", async () => {
  await using server = await startServer();
  const token = await server.token("my db");
  await using a = await Client.join(
    `${server.signal({ app: "x", token })}&room=my%20db&nodeId=a%2Fb%20c`,
  );
  assertEquals(a.peers, []);
  await using b = await Client.join(server.signal({ token, room: "my db", nodeId: "b" }));
  assertEquals(b.peers, ["a/b c"]);
});

Deno.test("signal: of a repeated room or nodeId the one that the client appended counts", async () => {
  await using server = await startOpenServer();
  const query = "?room=app&nodeId=app&room=mine&nodeId=";
  await using _a = await Client.join(`${server.signal()}${query}a`);
  await using b = await Client.join(`${server.signal()}${query}b`);
  assertEquals(b.peers, ["a"]);
});

Deno.test("signal: a close code arrives although more is on its way", async () => {
  await using server = await startServer();
  for (const path of ["/signal?room=r", "/signal?room=r&token=x"]) {
    for (let n = 0; n < 20; n++) {
      using raw = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
      const head = new TextEncoder().encode(handshake(path));
      await raw.write(new Uint8Array([...head, ...frame(1, REGISTER), ...frame(1, REGISTER)]));
      assertMatch(await readAll(raw), /(missing|invalid or expired) token$/, `${path} ${n}`);
    }
  }
});

Deno.test("signal: tokens that are missing, bad, or for another room are refused by close code", async () => {
  await using server = await startServer();
  const token = await server.token("room");
  const foreign = await createSignalingHandler(await generateKeyPairJwk());
  const forged = (await foreign.issueToken({ ttl: "1h", subject: "room" })).token;
  const cases: [Record<string, string>, number][] = [
    [{}, 4001],
    [{ room: "room" }, 4001],
    [{ room: "room", token: "" }, 4001],
    [{ room: "room", token: "rubbish" }, 4003],
    [{ room: "room", token: forged }, 4003],
    [{ room: "room", token: `${token}x` }, 4003],
    [{ room: "room", token: "x".repeat(20_000) }, 4003],
    [{ room: "Room", token }, 4003],
  ];
  for (const [query, code] of cases) {
    const closed = await refusal(server.signal(query));
    assertEquals(closed.code, code, JSON.stringify(query).slice(0, 80));
    assert(closed.reason.length > 0);
  }
  assertEquals((await server.health())["peers"], 0);
});

Deno.test("signal: a token that is bound to a nodeId opens its room under that name alone", async () => {
  const keys = await generateKeyPairJwk();
  await using server = await startServer(keys);
  await using issuer = await createSignalingHandler(keys);
  const { token } = await issuer.issueToken({ ttl: "1h", subject: "room", nodeId: "ada" });
  for (const query of [{ token, room: "room", nodeId: "ada" }, { token }]) {
    await using _ada = await Client.join(server.signal(query));
    const other = { token: await server.token("room"), nodeId: "b" };
    await using b = await Client.join(server.signal(other));
    assertEquals(b.peers, ["ada"]);
  }
  const { code, reason } = await refusal(server.signal({ token, nodeId: "bob" }));
  assertEquals([code, reason], [4003, "nodeId does not match token"]);
});

Deno.test("signal: an expired token is refused", async () => {
  await using server = await startServer();
  const token = await server.token("room", "1s");
  await until("the token to expire", async () => {
    const client = await Client.connect(server.signal({ token }));
    client.send(REGISTER);
    const end = await Promise.race([client.closed, client.next().then(() => null, () => null)]);
    await client.close();
    return end?.code === 4003 || (await client.closed).code === 4003;
  });
});

Deno.test("signal: a refused socket is nobody, even if it never answers its close", async () => {
  await using server = await startServer();
  const token = await server.token("room");
  await using a = await Client.join(server.signal({ token, nodeId: "a" }));
  using raw = await openRaw(server.port, "/signal?room=room&nodeId=b");
  await raw.write(frame(1, REGISTER));
  await raw.write(frame(1, '{"type":"offer","to":"a","sdp":{}}'));
  await until("both frames to be read", async () => (await server.health())["peers"] === 1);
  assertEquals(await a.drain(), []);
  await using c = await Client.join(server.signal({ token, nodeId: "c" }));
  assertEquals(c.peers, ["a"]);
});

Deno.test("signal: what is sent in the same packet as the handshake is not lost", async () => {
  await using server = await startServer();
  const token = await server.token("room");
  await using a = await Client.join(server.signal({ token, nodeId: "a" }));
  using raw = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  const head = new TextEncoder().encode(handshake(`/signal?token=${token}&nodeId=b`));
  const register = frame(1, REGISTER);
  const offers = [1, 2, 3].map((n) => frame(1, `{"type":"offer","to":"a","n":${n}}`));
  await raw.write(new Uint8Array([...head, ...register, ...offers.flatMap((f) => [...f])]));
  for (const n of [1, 2, 3]) assertEquals((await a.next("offer")).n, n);
});

Deno.test("signal: a client that never registers joins with its first signal", async () => {
  await using server = await startOpenServer();
  await using a = await Client.join(server.signal({ nodeId: "a" }));
  await using old = await Client.connect(server.signal({ nodeId: "old" }));
  old.send({ type: "offer", to: "a", sdp: {} });
  assertEquals((await a.next("offer")).from, "old");
  assertEquals(await old.next(), { type: "peer-list", peers: ["a"] });
});

Deno.test("signal: a client that says nothing gets its peer list and can be reached", async () => {
  await using server = await startOpenServer();
  await using a = await Client.join(server.signal({ nodeId: "a" }));
  await using old = await Client.connect(server.signal({ nodeId: "old" }));
  assertEquals(await old.next(), { type: "peer-list", peers: ["a"] });
  a.send({ type: "offer", to: "old", sdp: {} });
  assertEquals((await old.next("offer")).from, "a");
  old.send({ type: "register", role: "normal" });
  assertEquals(await old.next(), { type: "peer-list", peers: ["a"] });
});

Deno.test("signal: a newcomer takes over a nodeId and its place in the order", async () => {
  await using server = await startOpenServer();
  await using old = await Client.join(server.signal({ nodeId: "a" }));
  await using b = await Client.join(server.signal({ nodeId: "b" }));
  await using newcomer = await Client.join(server.signal({ nodeId: "a" }));
  assertEquals(newcomer.peers, ["b"]);
  assertEquals(await old.closed, { code: 1000, reason: "replaced by new connection" });
  b.send({ type: "offer", to: "a", sdp: {} });
  assertEquals((await newcomer.next("offer")).from, "b");
  await using c = await Client.join(server.signal({ nodeId: "c" }));
  assertEquals(c.peers, ["a", "b"]);
});

Deno.test("signal: a replaced socket that stays can neither speak nor be heard", async () => {
  await using server = await startOpenServer();
  await using b = await Client.join(server.signal({ nodeId: "b" }));
  using raw = await openRaw(server.port, "/signal?nodeId=a");
  await raw.write(frame(1, REGISTER));
  await until("the raw client to join", async () => (await server.health())["peers"] === 2);
  await using a = await Client.join(server.signal({ nodeId: "a" }));
  await raw.write(frame(1, '{"type":"offer","to":"b","sdp":{}}'));
  raw.close();
  b.send({ type: "offer", to: "a", sdp: {} });
  assertEquals((await a.next("offer")).from, "b");
  assertEquals(await b.drain(), []);
  assertEquals((await server.health())["peers"], 2);
});

Deno.test("signal: a peer that leaves, in whatever way, is in no list", async () => {
  await using server = await startOpenServer();
  const polite = await Client.join(server.signal({ nodeId: "polite" }));
  const rude = await openRaw(server.port, "/signal?nodeId=rude");
  await rude.write(frame(1, REGISTER));
  await until("both to join", async () => (await server.health())["peers"] === 2);
  await polite.close();
  rude.close();
  await until("both to be gone", async () => (await server.health())["rooms"] === 0);
  await using late = await Client.join(server.signal({ nodeId: "late" }));
  assertEquals(late.peers, []);
});

Deno.test("signal: a peer that answers no ping is removed within the idle timeout", async () => {
  await using server = await startOpenServer({ idleTimeoutSeconds: 2 });
  await using lively = await Client.join(server.signal({ nodeId: "lively" }));
  using silent = await openRaw(server.port, "/signal?nodeId=silent");
  await silent.write(frame(1, REGISTER));
  await until("both to join", async () => (await server.health())["peers"] === 2);
  await until("the silent one to be gone", async () => (await server.health())["peers"] === 1);
  lively.send({ type: "offer", to: "silent", sdp: {} });
  assertEquals((await lively.next("error")).code, "PEER_NOT_FOUND");
  await using late = await Client.join(server.signal({ nodeId: "late" }));
  assertEquals(late.peers, ["lively"]);
});

Deno.test("signal: messages that cannot be read get INVALID_MESSAGE and end nothing", async () => {
  await using server = await startOpenServer();
  await using a = await Client.join(server.signal({ nodeId: "a" }));
  await using b = await Client.join(server.signal({ nodeId: "b" }));
  const bad = ["null", "5", '"x"', "[]", "", "{", '{"type":5}', '{"type":"offer","to":{}}'];
  for (const text of [...bad, "[".repeat(60_000), '{"a":'.repeat(10_000)]) {
    a.send(text);
    assertEquals((await a.next("error")).code, "INVALID_MESSAGE", text.slice(0, 40));
  }
  a.socket.send(new Uint8Array([1, 2, 3]));
  assertEquals((await a.next("error")).code, "INVALID_MESSAGE");
  a.send({ type: "from-the-future", to: "b" });
  a.send({ type: "heartbeat", load: { sessions: 1 } });
  a.send(`{"type":"offer","to":"b","__proto__":{"polluted":1},"toJSON":1,"sdp":"\\ud800"}`);
  const { __proto__: _, ...offer } = await b.next("offer");
  assertEquals(offer, {
    type: "offer",
    to: "b",
    from: "a",
    fromRole: "normal",
    toJSON: 1,
    sdp: "\ud800",
  });
  assertEquals(({} as Record<string, unknown>)["polluted"], undefined);
});

Deno.test("signal: a deeply nested message is relayed as it came", async () => {
  await using server = await startOpenServer();
  await using a = await Client.join(server.signal({ nodeId: "a" }));
  await using b = await Client.join(server.signal({ nodeId: "b" }));
  const deep = "[".repeat(20_000) + "]".repeat(20_000);
  a.send(`{"type":"offer","to":"b","sdp":${deep}}`);
  const { sdp } = await b.next("offer");
  assertEquals(JSON.stringify(sdp), deep);
});

Deno.test("signal: a message over 64 KiB closes its sender with 1009 and harms nobody", async () => {
  await using server = await startOpenServer();
  await using a = await Client.join(server.signal({ nodeId: "a" }));
  await using b = await Client.join(server.signal({ nodeId: "b" }));
  const text = JSON.stringify({ type: "offer", to: "b", sdp: "x".repeat(65_500) });
  assertEquals(text.length < 65_536, true);
  a.send(text);
  assertEquals((await b.next("offer")).sdp.length, 65_500);
  a.send(JSON.stringify({ type: "offer", to: "b", sdp: "x".repeat(65_536) }));
  assertEquals((await a.closed).code, 1009);
  assertEquals(await b.drain(), []);
});

Deno.test("signal: malformed frames and handshakes harm nobody", async () => {
  await using server = await startOpenServer();
  await using a = await Client.join(server.signal({ nodeId: "a" }));
  await using b = await Client.join(server.signal({ nodeId: "b" }));
  const frames = [
    new Uint8Array([0xc1, 0x80, 0, 0, 0, 0]), // a reserved bit
    new Uint8Array([0x83, 0x80, 0, 0, 0, 0]), // a reserved opcode
    frame(0, "continues nothing"),
    frame(1, new Uint8Array([0xff, 0xfe])), // not UTF-8
    new Uint8Array([0x89, 0xfe, 0, 126, 0, 0, 0, 0]), // a ping that is too long
    new Uint8Array([0x81, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0]), // 8 EiB
    frame(8, new Uint8Array([3])), // a close code cut short
    frame(8, new Uint8Array([0x03, 0xe7])), // close code 999
    new Uint8Array([0x81]), // cut short
  ];
  for (const bytes of frames) {
    using raw = await openRaw(server.port, "/signal?nodeId=raw");
    await raw.write(bytes);
  }
  const heads = [
    handshake("/signal").replace(/Sec-WebSocket-Key.*\r\n/, ""),
    handshake("/signal").replace("Connection: Upgrade\r\n", ""),
    handshake("/signal", ["Sec-WebSocket-Protocol: ,,a,b , c"]),
    handshake("/signal").replace("GET", "HEAD"),
    handshake("/signal").replace("Version: 13", "Version: 8"),
    handshake("//"),
    handshake("/signal?%zz=%ff&room=%c3%28&nodeId=%"),
  ];
  for (const head of heads) {
    assertMatch(await exchange(server.port, head, /\r\n\r\n/), /^HTTP\/1\.1 (101|4\d\d) /);
  }
  for (const head of heads.slice(0, 2)) {
    assertMatch(await exchange(server.port, head, /\r\n\r\n/), /^HTTP\/1\.1 4\d\d /);
  }
  a.send({ type: "offer", to: "b", sdp: {} });
  assertEquals((await b.next("offer")).from, "a");
  await until("the others to be gone", async () => (await server.health())["peers"] === 2);
});

Deno.test("signal: clients that leave during the handshake leave nobody behind", async () => {
  await using server = await startServer();
  const token = await server.token("room");
  const head = new TextEncoder().encode(handshake(`/signal?token=${token}&nodeId=ghost`));
  const register = frame(1, REGISTER);
  await Promise.all(Array.from({ length: 100 }, async (_, n) => {
    using raw = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
    await raw.write(n % 2 ? head : new Uint8Array([...head, ...register]));
  }));
  await until("every ghost to be gone", async () => (await server.health())["peers"] === 0);
  await using a = await Client.join(server.signal({ token, nodeId: "a" }));
  assertEquals(a.peers, []);
});

Deno.test("createSignalingHandler() answers its own path and leaves every other to the host", async () => {
  const handler = await createSignalingHandler({ authEnabled: false, path: "/rtc" });
  assertEquals(handler.path, "/rtc");
  assertEquals(await handler.fetch(new Request("http://h/signal")), null);
  assertEquals((await handler.fetch(new Request("http://h/rtc?x")))?.status, 426);
  assertEquals(handler.publicJwk(), null);
  await assertRejects(() => handler.issueToken({ ttl: "1h" }), TypeError);
  const everywhere = await createSignalingHandler({ authEnabled: false, path: null });
  assertEquals((await everywhere.fetch(new Request("http://h/anything")))?.status, 426);
});

Deno.test("createSignalingHandler() has auth on unless told otherwise, and needs a key for it", async () => {
  await assertRejects(() => createSignalingHandler(), TypeError, "privateKeyJwk");
  const handler = await createSignalingHandler(await generateKeyPairJwk());
  assertEquals(handler.stats(), {
    auth: "enabled",
    peers: 0,
    rooms: 0,
    pending: 0,
    closing: 0,
    backplaneCorrections: 0,
    duplicateAnswers: 0,
    reintroductions: 0,
    neverOpened: 0,
    memory: "ok",
    backplane: "none",
    backplaneShards: { up: 0, total: 0 },
  });
});

Deno.test("fetch() without info says once that limits per address are off", async () => {
  const warnings: string[] = [];
  const logger = { ...silentLogger, warn: (message: string) => void warnings.push(message) };
  await using handler = await createSignalingHandler({ authEnabled: false, logger });
  const request = () => new Request("http://h/signal");
  await handler.fetch(new Request("http://h/elsewhere"));
  await handler.fetch(request(), { remoteAddr: { hostname: "192.0.2.1" } });
  assertEquals(warnings, []);
  for (let n = 0; n < 3; n++) await handler.fetch(request());
  assertEquals(warnings.length, 1);
  assertMatch(warnings[0] ?? "", /Limits per address are off.*info/);
});

Deno.test("fetch() answers a request whose Host is malformed, and never throws", async () => {
  await using handler = await createSignalingHandler({ authEnabled: false });
  for (const url of ["http://[/signal", "http://x y/signal", "http://x/token?/signal"]) {
    const host = url.slice("http://".length, -"/signal".length);
    const request = {
      url,
      method: "GET",
      headers: new Headers({ host }),
    } as unknown as Request;
    assertEquals((await handler.fetch(request))?.status, 400, host);
  }
});

Deno.test("createSignalingHandler() mints and verifies by its clock", async () => {
  const clock = new FakeClock();
  const keys = await generateKeyPairJwk();
  const handler = await createSignalingHandler({ ...keys, clock, maxTokenTtl: "1h" });
  const { token, expiresAt } = await handler.issueToken({ ttl: "1h", subject: "r" });
  assertEquals(Date.parse(expiresAt), Math.floor(clock.now() / 1000) * 1000 + 3_600_000);
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request, info) => await handler.fetch(request, info) ?? new Response(),
  );
  const url = `ws://127.0.0.1:${server.addr.port}/signal?token=${token}`;
  const client = await Client.join(url);
  clock.tick(3_600_000);
  const late = await Client.connect(url);
  late.send(REGISTER);
  let code: number | undefined;
  late.closed.then((closed) => code = closed.code);
  await until("the close", () => {
    clock.tick(100); // closes are delayed
    return code !== undefined;
  });
  assertEquals(code, 4003);
  await client.close();
  await server.shutdown();
});

Deno.test("no log line holds a token, a secret or an SDP", async () => {
  const lines: string[] = [];
  const log = (message: string, fields?: unknown) =>
    void lines.push(message + JSON.stringify(fields ?? {}));
  const adminSecret = "an-admin-secret-that-nobody-may-see";
  const server: TestServer = await startServer({
    adminSecret,
    logger: { debug: log, info: log, warn: log, error: log },
  });
  const response = await fetch(`${server.url}/token`, {
    method: "POST",
    headers: { "x-admin-secret": adminSecret, "content-type": "application/json" },
    body: '{"ttl":"1h","subject":"room"}',
  });
  const { token } = await response.json();
  const a = await Client.join(server.signal({ token, nodeId: "a" }));
  a.send({ type: "offer", to: "a", sdp: "v=0 secret-address" });
  await a.next();
  await refusal(server.signal({ token: `${token}x` }));
  await a.close();
  await server.close();
  const text = lines.join("\n");
  assert(text.includes("Peer joined"));
  const [, payload = "", signature = ""] = token.split(".");
  for (const secret of [payload, signature, adminSecret, "secret-address", server.privateKeyJwk]) {
    assertEquals(text.includes(secret), false);
  }
});
