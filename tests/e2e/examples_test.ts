/** The examples, as they stand: with real sockets, beside the frameworks that they mount into. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { io } from "socket.io-client";
import { start as startDenoServe } from "../../examples/deno_serve.ts";
import { start as startExpress } from "../../examples/express.ts";
import { start as startHono } from "../../examples/hono.ts";
import { start as startOwnAuth } from "../../examples/own_auth.ts";
import { type Authorize, createSignalingHandler, generateKeyPairJwk } from "../../mod.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import { Client, type Message, until, within } from "../helpers/client.ts";
import { hasRedis, startRedis } from "../helpers/redis.ts";
import { ROOT, type Running, startDeno } from "../helpers/command.ts";
import { exchange, frame, handshake, openRaw } from "../helpers/raw.ts";
import { assertMessage } from "../helpers/schemas.ts";
import { ADMIN_SECRET, requestToken, signalUrl } from "../helpers/server.ts";

interface App extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
}

/** Starts an example on a free port; `await using` stops it. */
async function run(
  start: (port: number) => Promise<{ port: number; close(): Promise<void> }>,
): Promise<App> {
  const { port, close } = await start(0);
  return { port, url: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: close };
}

/** Starts the Express example as a process of its own, where no client shares its event loop. */
async function spawnExpress(): Promise<App & { program: Running }> {
  const code = 'const { start } = await import("./examples/express.ts");' +
    "const { port } = await start(0); console.log(`port ${port}`);";
  const program = startDeno(["eval", "--lock=tests/deno.lock", code]);
  const [, port = ""] = await program.line(/^port (\d+)$/m);
  return {
    program,
    port: Number(port),
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}

/** The status and the text of an answer. */
async function answer(url: string, init: RequestInit = {}): Promise<[number, string]> {
  const response = await fetch(url, init);
  return [response.status, await response.text()];
}

/** The code and reason with which the server closes a client. */
function closeOf(client: Client): Promise<{ code: number; reason: string }> {
  return within("the close", client.closed);
}

/** Two clients join and exchange an offer. */
async function assertSignals(url: string, query: Record<string, string> = {}): Promise<void> {
  await using a = await Client.join(signalUrl(url, { ...query, nodeId: "a" }));
  await using b = await Client.join(signalUrl(url, { ...query, nodeId: "b" }));
  assertEquals(b.peers, ["a"]);
  await assertOffers(b, a);
}

async function assertOffers(from: Client, to: Client): Promise<void> {
  from.send({ type: "offer", to: "a", sdp: { type: "offer", sdp: "v=0" } });
  assertEquals(await to.next("offer"), {
    type: "offer",
    to: "a",
    from: "b",
    fromRole: "normal",
    sdp: { type: "offer", sdp: "v=0" },
  });
}

Deno.test("examples: each can be copied: it says how to run it, and names the files that it needs", async () => {
  const names = [...Deno.readDirSync(`${ROOT}examples`)].map(({ name }) => name);
  for (const name of names.filter((name) => name.endsWith(".ts"))) {
    const text = await Deno.readTextFile(`${ROOT}examples/${name}`);
    assert(text.startsWith("/**"), `${name} does not say what it shows`);
    const [head = ""] = text.split("*/");
    if (/^(if \(import\.meta\.main|export default )/m.test(text)) {
      assertMatch(head, new RegExp(`\\* {5}deno (run|serve) .*\\b${name}\n`));
    }
    for (const [, beside = ""] of text.matchAll(/ from "\.\/(.*)"/g)) {
      assert(head.includes(`\`${beside}\``), `${name} does not say that it needs ${beside}`);
    }
    assert(!/ from "\.\./.test(text), `${name} imports a file of another folder`);
  }
});

Deno.test("deno_serve.ts: a user who has logged in gets a token and joins", async () => {
  await using app = await run(startDenoServe);
  assertEquals(await answer(app.url), [200, "My own page"]);
  const session = { method: "POST", headers: { cookie: "a=b; session=cookie-of-ada" } };
  const [status, text] = await answer(`${app.url}/session`, session);
  assertEquals(status, 200);
  const { token, subject } = JSON.parse(text);
  assertEquals(subject, "todos");
  await assertSignals(app.url, { token, room: "todos" });
});

/** One address may have 100 sockets that have not joined: the app tells its address. */
async function assertLimitsAddress(port: number, query: string, headers: string[] = []) {
  const head = handshake(`/signal?room=todos&${query}`, headers);
  const connections: Deno.TcpConn[] = [];
  try {
    for (let n = 0; n < 100; n++) {
      const connection = await Deno.connect({ hostname: "127.0.0.1", port });
      connections.push(connection);
      await connection.write(new TextEncoder().encode(head));
    }
    await until("the limit to apply", async () => {
      return (await exchange(port, head, /\r\n\r\n/)).startsWith("HTTP/1.1 429");
    }, 4000);
  } finally {
    for (const connection of connections) connection.close();
  }
}

Deno.test("examples: limits per address apply in each that has tokens or sessions", async () => {
  {
    await using app = await run(startDenoServe);
    const session = { method: "POST", headers: { cookie: "session=cookie-of-ada" } };
    const [, text] = await answer(`${app.url}/session`, session);
    await assertLimitsAddress(app.port, `token=${JSON.parse(text).token}`);
  }
  {
    await using app = await run(startHono);
    const headers = { authorization: `Basic ${btoa("ada:change-me")}` };
    const [, text] = await answer(`${app.url}/session`, { method: "POST", headers });
    await assertLimitsAddress(app.port, `token=${JSON.parse(text).token}`);
  }
  {
    await using app = await run(startOwnAuth);
    await assertLimitsAddress(app.port, "", [`Cookie: ${await logIn(app.url)}`]);
  }
});

Deno.test("deno_serve.ts: who has not logged in gets no token and cannot join", async () => {
  await using app = await run(startDenoServe);
  for (const headers of [{}, { cookie: "session=guess" }, { cookie: "my-session=cookie-of-ada" }]) {
    const [status] = await answer(`${app.url}/session`, { method: "POST", headers });
    assertEquals(status, 401);
  }
  await using unauthenticated = await Client.connect(signalUrl(app.url, { room: "todos" }));
  assertEquals((await closeOf(unauthenticated)).code, 4001);
});

Deno.test("deno_serve.ts: SIGTERM tells every client and ends the process cleanly", async () => {
  await using program = startDeno(
    ["run", "--no-prompt", "--allow-net", "--allow-env=PORT", "examples/deno_serve.ts"],
    { env: { PORT: "0" } },
  );
  const [, port = ""] = await program.line(/Listening on http:\/\/[\d.]+:(\d+)/);
  const url = `http://127.0.0.1:${port}`;
  const headers = { cookie: "session=cookie-of-ada" };
  const [, text] = await answer(`${url}/session`, { method: "POST", headers });
  await using client = await Client.join(signalUrl(url, { token: JSON.parse(text).token }));
  program.kill("SIGTERM");
  assertEquals(await closeOf(client), { code: 1001, reason: "server shutting down" });
  assertEquals(await within("the end", program.exited), 0);
});

Deno.test("hono.ts: the app's own routes answer, and who has a token joins", async () => {
  await using app = await run(startHono);
  assertEquals(await answer(app.url), [200, "My own page"]);
  assertEquals((await answer(`${app.url}/nothing`))[0], 404);
  assertEquals((await answer(`${app.url}/signal`))[0], 426);
  assertEquals((await answer(`${app.url}/session`, { method: "POST" }))[0], 401);
  const headers = { authorization: `Basic ${btoa("ada:change-me")}` };
  const [status, text] = await answer(`${app.url}/session`, { method: "POST", headers });
  assertEquals(status, 200);
  await assertSignals(app.url, { token: JSON.parse(text).token });
});

Deno.test("express.ts: Express, Socket.IO and signaling work at the same time on one port", async () => {
  await using app = await run(startExpress);
  const chat = io(app.url, { forceNew: true });
  await using a = await Client.join(signalUrl(app.url, { nodeId: "a" }));
  await using b = await Client.join(signalUrl(app.url, { nodeId: "b" }));
  const talk = async (text: string): Promise<void> => {
    const heard = new Promise((resolve) => chat.once("chat", resolve));
    chat.emit("chat", text);
    assertEquals(await within("the chat", heard), text);
    assertEquals(await answer(app.url), [200, "My own page"]);
    await assertOffers(b, a);
  };
  await talk("first");
  // After one second, Engine.IO ends each upgrade that nobody has answered.
  await new Promise((resolve) => setTimeout(resolve, 2000));
  assertEquals(chat.io.engine.transport.name, "websocket");
  await talk("second");
  const closed = new Promise((resolve) => chat.io.engine.once("close", resolve));
  chat.disconnect();
  await within("Socket.IO to close", closed);
});

/** First as a consumer: a `server-list` is nothing that a silent client gets. */
const REGISTER_TWICE = new Uint8Array([
  ...frame(1, '{"type":"register","role":"consumer"}'),
  ...frame(1, '{"type":"register","role":"normal"}'),
]);

async function assertBothAnswered(connection: Deno.TcpConn): Promise<void> {
  let text = "";
  for await (const chunk of connection.readable.values({ preventCancel: true })) {
    text += new TextDecoder().decode(chunk);
    if (/"server-list".*"peer-list"/s.test(text)) return;
  }
  throw new Error(`Closed after: ${text}`);
}

Deno.test("express.ts: a message sent along with the handshake is never lost", async () => {
  await using app = await spawnExpress();
  for (let n = 1; n <= 100; n++) {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port: app.port });
    const head = new TextEncoder().encode(handshake(`/signal?room=${n}`));
    await connection.write(new Uint8Array([...head, ...REGISTER_TWICE]));
    await within(`the answers to client ${n}`, assertBothAnswered(connection));
  }
});

Deno.test("express.ts: a message sent on reading the 101 is never lost", async () => {
  await using app = await spawnExpress();
  for (let n = 1; n <= 100; n++) {
    using connection = await openRaw(app.port, `/signal?room=${n}`);
    await connection.write(REGISTER_TWICE);
    await within(`the answers to client ${n}`, assertBothAnswered(connection));
  }
});

Deno.test("express.ts: a malformed upgrade gets an HTTP error and harms nobody", async () => {
  await using app = await spawnExpress();
  const good = handshake("/signal");
  const heads = [
    good.replace(/Sec-WebSocket-Key.*\r\n/, ""),
    good.replace("Connection: Upgrade\r\n", ""),
    good.replace("Upgrade: websocket", "Upgrade: h2c"),
    good.replace("GET", "POST"),
    good.replace("GET", "TRACE"),
    handshake("/signal", ["Sec-WebSocket-Protocol: a,,b"]),
    ...["//", "//signal", "*", "http://[/signal", "\\signal", "@host/signal", "/x/../signal"]
      .map((target) => handshake(target)),
  ];
  for (const head of heads) {
    const text = await within(head, exchange(app.port, head, /\r\n\r\n/));
    assertMatch(text, /^HTTP\/1\.1 4\d\d /, head);
  }
  await assertSignals(app.url);
  assertEquals(app.program.stderr(), "");
});

Deno.test("express.ts: a client that resets its connection harms nobody", async () => {
  await using app = await spawnExpress();
  for (const target of ["/signal", "/signal?token=a&room=%", "/socket.io/", "/nothing"]) {
    for (let n = 0; n < 20; n++) await resetAfter(app.port, handshake(target));
  }
  await resetAfter(app.port, handshake("/signal").replace("GET", "POST"));
  await assertSignals(app.url);
  assertEquals(app.program.stderr(), "");
});

/** Connects, sends these bytes and resets the connection (RST). */
async function resetAfter(port: number, head: string): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  await new Promise<void>((resolve) => socket.once("connect", resolve));
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.on("error", () => {});
  await new Promise<void>((resolve) => socket.write(head, () => resolve()));
  socket.resetAndDestroy();
  await closed;
}

Deno.test("handleUpgrade() returns false for another path and leaves the socket untouched", async () => {
  const handler = await createSignalingHandler({ authEnabled: false });
  await using server = createServer();
  server.on("upgrade", (request, socket: Socket, head) => {
    const before = [socket.isPaused(), socket.eventNames()];
    const isTaken = handler.handleUpgrade(request, socket, head);
    const isUntouched = JSON.stringify([socket.isPaused(), socket.eventNames()]) ===
      JSON.stringify(before);
    socket.write(JSON.stringify({ isTaken, isUntouched }));
    socket.on("data", (data) => socket.end(`${data} came`));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;

  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(handshake("/other")));
  const buffer = new Uint8Array(1024);
  const read = async (): Promise<string> => {
    const count = await within("the host's answer", connection.read(buffer)) ?? 0;
    return new TextDecoder().decode(buffer.subarray(0, count));
  };
  assertEquals(await read(), '{"isTaken":false,"isUntouched":true}');
  await connection.write(new TextEncoder().encode("More"));
  assertEquals(await read(), "More came");
});

Deno.test("deploy.ts: deno serve answers every route of the standalone server", async () => {
  await using program = startDeploy({
    PRIVATE_KEY_JWK: (await generateKeyPairJwk()).privateKeyJwk,
    ADMIN_SECRET,
  });
  const [, port = ""] = await program.line(/Listening on http:\/\/[\d.]+:(\d+)/);
  const url = `http://127.0.0.1:${port}`;
  const { status, auth } = await (await fetch(`${url}/health`)).json();
  assertEquals({ status, auth }, { status: "ok", auth: "enabled" });
  assertEquals((await (await fetch(`${url}/public-key`)).json()).crv, "Ed25519");
  assertEquals((await answer(`${url}/nothing`))[0], 404);
  const token = await requestToken(url, ADMIN_SECRET, "todos");
  await assertSignals(url, { token });
  await using client = await Client.join(signalUrl(url, { token }));
  program.kill("SIGTERM");
  assertEquals((await closeOf(client)).code, 1001);
});

Deno.test({
  name: "deploy.ts: with REDIS_URL the workers of deno serve --parallel are one server",
  ignore: !hasRedis,
  fn: async () => {
    await using redis = await startRedis();
    const env = { AUTH_DISABLED: "true", REDIS_URL: redis.url, DENO_JOBS: "3" };
    await using program = startDeploy(env, "--parallel", "--allow-net");
    const [, port = ""] = await program.line(/Listening on http:\/\/[\d.]+:(\d+)/);
    const url = `http://127.0.0.1:${port}`;
    await until("three workers", async () => {
      return (await redis.cli("zcard", "client-db-sync:{0}instances")).join() === "3";
    }, 30_000);
    const clients: Client[] = [];
    for (let n = 0; n < 12; n++) {
      const client = await Client.join(signalUrl(url, { room: "room", nodeId: `p${n}` }));
      assertEquals(client.peers.length, n);
      clients.push(client);
    }
    const [first, last] = [clients[0], clients.at(-1)];
    assert(first && last);
    last.send({ type: "offer", to: "p0", sdp: {} });
    assertEquals((await first.next("offer")).from, "p11");
    for (const client of clients) await client.close();
  },
});

Deno.test("deploy.ts: SIGINT, as Deploy sends it, closes every client within five seconds, and ends with 0", async () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    await using program = startDeploy({ AUTH_DISABLED: "true" });
    const [, url = ""] = await program.line(/Listening on (http:\/\/[^\s/]*)/);
    await using a = await Client.join(signalUrl(url, { nodeId: "a" }));
    await using b = await Client.join(signalUrl(url, { nodeId: "b" }));
    program.kill(signal);
    const start = performance.now();
    for (const client of [a, b]) {
      assertEquals((await closeOf(client)).code, 1001); // The reason is the example's or deno serve's.
    }
    assertEquals(await within("the end", program.exited), 0);
    assert(performance.now() - start < 5000);
  }
});

Deno.test("deploy.ts: without keys it says what is missing", async () => {
  await using program = startDeploy({});
  assertEquals(await within("the end", program.exited), 1);
  assertMatch(program.stderr(), /`adminSecret` is required/);
});

function startDeploy(env: Record<string, string>, ...flags: string[]): Running {
  const settings = "--allow-env=AUTH_DISABLED,PRIVATE_KEY_JWK,ADMIN_SECRET,REDIS_URL";
  const args = ["serve", "--check", "--no-prompt", "--host", "127.0.0.1", "--port", "0"];
  return startDeno([...args, ...flags, settings, "examples/deploy.ts"], { env });
}

Deno.test("own_auth.ts: who has the session cookie joins, in the room of the session", async () => {
  await using app = await run(startOwnAuth);
  assertEquals(await answer(app.url), [200, "My own page"]);
  const cookie = await logIn(app.url);
  const a = await openWithCookie(signalUrl(app.url, { nodeId: "a" }), cookie);
  assertEquals(await register(a), { type: "peer-list", peers: [] });
  const b = await openWithCookie(signalUrl(app.url, { nodeId: "b", room: "todos" }), cookie);
  assertEquals(await register(b), { type: "peer-list", peers: ["a"] });
  b.send('{"type":"offer","to":"a","sdp":{}}');
  const { type, from } = JSON.parse((await next(a, "message")).data);
  assertEquals({ type, from }, { type: "offer", from: "b" });
  for (const socket of [a, b]) {
    socket.close();
    await next(socket, "close");
  }
});

Deno.test("own_auth.ts: without the cookie, or for another room, a client is closed with 4003", async () => {
  await using app = await run(startOwnAuth);
  assertEquals(await answer(`${app.url}/login`, { method: "POST", body: "guess" }), [
    401,
    "Wrong password",
  ]);
  await using unauthenticated = await Client.connect(signalUrl(app.url, { room: "todos" }));
  assertEquals(await closeOf(unauthenticated), { code: 4003, reason: "not authorized" });
  const forger = await openWithCookie(signalUrl(app.url), "session=guess");
  assertEquals((await next(forger, "close")).code, 4003);
  const cookie = await logIn(app.url);
  const climber = await openWithCookie(signalUrl(app.url, { room: "another" }), cookie);
  assertEquals((await next(climber, "close")).code, 4003);
});

Deno.test("authorize(): what the host throws closes the client with 1011 and is logged", async () => {
  const hosts: Authorize[] = [
    () => {
      throw new Error("thrown");
    },
    () => Promise.reject(new Error("rejected")),
  ];
  const errors: string[] = [];
  const logger = {
    ...silentLogger,
    error: (message: string, fields?: Record<string, unknown>) =>
      void errors.push(`${message}: ${fields?.["cause"]}`),
  };
  for (const authorize of hosts) {
    const handler = await createSignalingHandler({ authorize, logger, path: null });
    const server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      async (request) => await handler.fetch(request) ?? new Response(),
    );
    await using client = await Client.connect(signalUrl(`http://127.0.0.1:${server.addr.port}`));
    assertEquals(await closeOf(client), { code: 1011, reason: "internal error" });
    await server.shutdown();
  }
  assertEquals(errors, [
    "authorize() failed: Error: thrown",
    "authorize() failed: Error: rejected",
  ]);
});

async function logIn(url: string): Promise<string> {
  const response = await fetch(`${url}/login`, { method: "POST", body: "change-me" });
  await response.text();
  const [cookie = ""] = response.headers.get("set-cookie")?.split(";") ?? [];
  return cookie;
}

async function openWithCookie(url: string, cookie: string): Promise<WebSocket> {
  const socket = new WebSocket(url, { headers: { cookie } });
  await next(socket, "open");
  return socket;
}

/** Registers as a normal peer and returns the answer. */
async function register(socket: WebSocket): Promise<Message> {
  socket.send('{"type":"register"}');
  const message = JSON.parse((await next(socket, "message")).data);
  assertMessage("ServerMessage", message);
  return message;
}

function next<Type extends keyof WebSocketEventMap>(
  socket: WebSocket,
  type: Type,
): Promise<WebSocketEventMap[Type]> {
  const event = new Promise<WebSocketEventMap[Type]>((resolve) =>
    socket.addEventListener(type, resolve, { once: true })
  );
  return within(type, event);
}
