/** Mounting on a bare `node:http` server: no framework is there to help. */

import { assertEquals, assertMatch } from "@std/assert";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { createSignalingHandler, type SignalingHandler } from "../../mod.ts";
import { Client, until, within } from "../helpers/client.ts";
import { exchange, handshake } from "../helpers/raw.ts";

interface Mounted extends AsyncDisposable {
  readonly server: Server;
  readonly port: number;
}

async function mount(handler: SignalingHandler): Promise<Mounted> {
  const server = createServer();
  server.on("upgrade", (request, socket, head) => handler.handleUpgrade(request, socket, head));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const close = () => new Promise<void>((resolve) => server.close(() => resolve()));
  return { server, port, [Symbol.asyncDispose]: () => within("the server to close", close()) };
}

function connections(server: Server): Promise<number> {
  return new Promise((resolve) => server.getConnections((_, count) => resolve(count)));
}

async function resetAfter(port: number, head: string): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  await new Promise<void>((resolve) => socket.once("connect", resolve));
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.on("error", () => {});
  socket.write(head);
  socket.resetAndDestroy();
  await closed;
}

Deno.test("handleUpgrade(): the node server can close once the clients have gone", async () => {
  const handler = await createSignalingHandler({ authEnabled: false });
  await using mounted = await mount(handler);
  for (let n = 0; n < 3; n++) {
    await using _client = await Client.join(`ws://127.0.0.1:${mounted.port}/signal`);
  }
  await handler.close();
  await until("no connection", async () => await connections(mounted.server) === 0);
});

Deno.test("handleUpgrade(): a refused client leaves no connection behind", async () => {
  const handler = await createSignalingHandler({ authEnabled: false });
  await using mounted = await mount(handler);
  const head = handshake("/signal").replace(/Sec-WebSocket-Key.*\r\n/, "");
  for (let n = 0; n < 5; n++) {
    assertMatch(await exchange(mounted.port, head, /\r\n\r\n/), /^HTTP\/1\.1 400 /);
  }
  await until("no connection", async () => await connections(mounted.server) === 0);
});

Deno.test("handleUpgrade(): clients that reset their connections harm nobody", async () => {
  const handler = await createSignalingHandler({ authEnabled: false });
  await using mounted = await mount(handler);
  const bad = handshake("/signal").replace(/Sec-WebSocket-Key.*\r\n/, "");
  for (let n = 0; n < 40; n++) await resetAfter(mounted.port, n % 2 ? bad : handshake("/signal"));
  await using client = await Client.join(`ws://127.0.0.1:${mounted.port}/signal`);
  assertEquals(client.peers, []);
  await client.close();
  await handler.close();
});

Deno.test("handleUpgrade(): a list of subprotocols needs no space", async () => {
  const handler = await createSignalingHandler({ authEnabled: false });
  await using mounted = await mount(handler);
  const head = handshake("/signal", ["Sec-WebSocket-Protocol: client-db-sync,bearer.x"]);
  const answer = await exchange(mounted.port, head, /\r\n\r\n/);
  assertMatch(answer, /^HTTP\/1\.1 101 [\s\S]*sec-websocket-protocol: client-db-sync\r\n/i);
});

Deno.test("handleUpgrade(): a target that is a URL is found, and HEAD gets no upgrade", async () => {
  const handler = await createSignalingHandler({ authEnabled: false });
  await using mounted = await mount(handler);
  const absolute = await exchange(
    mounted.port,
    handshake("http://any.host/signal?room=r"),
    /\r\n\r\n/,
  );
  assertMatch(absolute, /^HTTP\/1\.1 101 /);
  const head = handshake("/signal").replace("GET", "HEAD");
  assertMatch(await exchange(mounted.port, head, /\r\n\r\n/), /^HTTP\/1\.1 426 /);
});
