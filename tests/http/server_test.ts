import { assert, assertEquals, assertRejects } from "@std/assert";
import { createServer, generateKeyPairJwk, type SignalingServer } from "../../mod.ts";
import { Client, until } from "../helpers/client.ts";
import { frame, openRaw } from "../helpers/raw.ts";
import { signalUrl, startOpenServer } from "../helpers/server.ts";

function openServer(): Promise<SignalingServer> {
  return createServer({ authEnabled: false });
}

Deno.test("createServer() has auth on unless told otherwise, and needs a secret and a key", async () => {
  await assertRejects(() => createServer(), TypeError, "adminSecret");
  await assertRejects(() => createServer({ adminSecret: "secret" }), TypeError, "privateKeyJwk");
  await assertRejects(
    async () => createServer({ ...await generateKeyPairJwk(), adminSecret: "" }),
    TypeError,
    "adminSecret",
  );
});

Deno.test("createServer() refuses an admin secret that no header can carry", async () => {
  for (const adminSecret of [" padded ", "sécret", "two\nlines"]) {
    const keys = await generateKeyPairJwk();
    await assertRejects(() => createServer({ ...keys, adminSecret }), TypeError, "ASCII");
  }
});

Deno.test("server.listen() tells the port it got", async () => {
  await using server = await openServer();
  const { host, port, url } = await server.listen({ port: 0, host: "127.0.0.1" });
  assert(port > 0);
  assertEquals([host, url], ["127.0.0.1", `http://127.0.0.1:${port}`]);
  assertEquals((await (await fetch(`${url}/health`)).json()).status, "ok");
});

Deno.test("server.listen() takes the port of the configuration and listens everywhere", async () => {
  const adminSecret = "a-secret-of-thirty-two-bytes-or-so";
  await using server = await createServer({
    ...await generateKeyPairJwk(),
    adminSecret,
    port: 0,
  });
  const { host, url, port } = await server.listen();
  assertEquals([host, url], ["0.0.0.0", `http://127.0.0.1:${port}`]);
  await (await fetch(`${url}/health`)).body?.cancel();
});

Deno.test("server.listen() without authentication listens for this machine alone, unless told otherwise", async () => {
  await using server = await createServer({ authEnabled: false, port: 0 });
  assertEquals((await server.listen()).host, "127.0.0.1");
  await using open = await createServer({ authEnabled: false, port: 0 });
  assertEquals((await open.listen({ host: "0.0.0.0" })).host, "0.0.0.0");
});

Deno.test("server.listen() speaks IPv6", async () => {
  await using server = await openServer();
  const { url, port } = await server.listen({ port: 0, host: "::" });
  assertEquals(url, `http://[::1]:${port}`);
  await (await fetch(`${url}/health`)).body?.cancel();
});

Deno.test("server.listen() rejects when the port is taken, and can be called again", async () => {
  await using one = await openServer();
  const { port } = await one.listen({ port: 0, host: "127.0.0.1" });
  await using other = await openServer();
  await assertRejects(() => other.listen({ port, host: "127.0.0.1" }), Deno.errors.AddrInUse);
  await other.listen({ port: 0, host: "127.0.0.1" });
});

Deno.test("server.listen() rejects a second call and one after close()", async () => {
  const server = await openServer();
  await server.listen({ port: 0, host: "127.0.0.1" });
  await assertRejects(() => server.listen({ port: 0 }), TypeError);
  await Promise.all([server.close(), server.close()]);
  await server.close();
  await assertRejects(() => server.listen({ port: 0 }), TypeError);
});

Deno.test("server.close() stops a server that never listened", async () => {
  await (await openServer()).close();
});

Deno.test("server.fetch() answers without a listener", async () => {
  await using server = await openServer();
  const response = await server.fetch(new Request("http://any.host/health"));
  assertEquals((await response.json()).auth, "disabled");
  assertEquals((await server.fetch(new Request("http://any.host/nothing"))).status, 404);
});

Deno.test("server.close() closes every client with 1001 and its own reason", async () => {
  const server = await startOpenServer();
  const clients = [
    await Client.join(server.signal({ nodeId: "a" })),
    await Client.join(server.signal({ nodeId: "b" })),
    await Client.connect(server.signal({ nodeId: "pending" })),
  ];
  await server.close();
  for (const client of clients) {
    assertEquals(await client.closed, { code: 1001, reason: "server shutting down" });
  }
});

Deno.test("server.close() is bounded with clients that never answer and requests that never end", async () => {
  const server = await startOpenServer();
  const silent = await openRaw(server.port, "/signal?nodeId=silent");
  await silent.write(frame(1, '{"type":"register"}'));
  const half = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  await half.write(new TextEncoder().encode("POST /token HTTP/1.1\r\nHost: x\r\n"));
  await until("the silent client to join", async () => (await server.health())["peers"] === 1);
  await server.close({ drainMs: 0 });
  silent.close();
  half.close();
  await assertRejects(() => Deno.connect({ hostname: "127.0.0.1", port: server.port }));
});

Deno.test("server.close() lets a running request be answered", async () => {
  const keys = await generateKeyPairJwk();
  const server = await createServer({ ...keys, adminSecret: "secret" });
  const { port } = await server.listen({ port: 0, host: "127.0.0.1" });
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const body = '{"ttl":"1h"}';
  const head = "POST /token HTTP/1.1\r\nHost: x\r\nx-admin-secret: secret\r\n" +
    `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
  await connection.write(new TextEncoder().encode(head + body.slice(0, 5)));
  await until("the request to arrive", async () => (await fetchHealth(port)).status === 200);
  const closed = server.close();
  await connection.write(new TextEncoder().encode(body.slice(5)));
  const buffer = new Uint8Array(64);
  await connection.read(buffer);
  await closed;
  connection.close();
  assert(new TextDecoder().decode(buffer).startsWith("HTTP/1.1 201"));
});

Deno.test("a server that stops says so and takes nobody in", async () => {
  const server = await openServer();
  const { port, url } = await server.listen({ port: 0, host: "127.0.0.1" });
  const silent = await openRaw(port, "/signal");
  await until("the silent client", async () => (await fetchHealth(port)).peers === 1);
  const closed = server.close();
  const health = await server.fetch(new Request(`${url}/health`));
  assertEquals([health.status, (await health.json()).status], [503, "draining"]);
  const upgrade = { upgrade: "websocket", "sec-websocket-version": "13" };
  const refused = await server.fetch(
    new Request(signalUrl(url).replace("ws", "http"), {
      headers: upgrade,
    }),
  );
  assertEquals(refused.status, 503);
  await closed;
  silent.close();
});

async function fetchHealth(port: number): Promise<{ status: number; peers: number }> {
  const response = await fetch(`http://127.0.0.1:${port}/health`);
  return { status: response.status, peers: (await response.json()).peers };
}

Deno.test("createServer() refuses an option that it does not know, and one that is another's", async () => {
  const wrong: [object, string][] = [
    [{ adminSecrt: "s" }, 'There is no option "adminSecrt": is adminSecret meant?'],
    [{ host: "127.0.0.1" }, "listen()"],
    [{ path: "/rtc" }, "createSignalingHandler"],
    [{ adminSecret: 5 }, "adminSecret"],
    [{ onExhausted: 5 }, "onExhausted"],
  ];
  for (const [options, message] of wrong) {
    await assertRejects(() => createServer({ authEnabled: false, ...options }), TypeError, message);
  }
  const npm: object = { port: 8080, path: "/signal", adminSecret: "of no use" };
  await using _server = await createServer({ authEnabled: false, ...npm });
});
