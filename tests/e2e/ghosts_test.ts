/** No ghosts: a client that has left, in whatever way, soon leaves every list and every count. */

import { assertEquals } from "@std/assert";
import { Client, until, within } from "../helpers/client.ts";
import { startDeno } from "../helpers/command.ts";
import { frame, handshake } from "../helpers/raw.ts";
import { bytes, closeCode, probe, RawClient } from "../helpers/raw_client.ts";
import { startOpenServer, startServer, type TestServer } from "../helpers/server.ts";

const IDLE = { idleTimeoutSeconds: 2 };
const TARGET = "/signal?room=room";
const REGISTER = frame(1, '{"type":"register","role":"normal"}');
/** A text of about the most that a message may have. */
const BIG = "x".repeat(60_000);

/** Waits until nobody is left but `living` peers, and a newcomer is told of these normals alone. */
async function expectOnly(
  server: TestServer,
  names: string[],
  living = names.length,
  query: Record<string, string> = {},
): Promise<void> {
  await until("the ghosts to be gone", async () => {
    const { peers } = await server.health();
    return peers === living && server.stats().pending === 0;
  });
  await using newcomer = await Client.join(
    server.signal({ room: "room", ...query, nodeId: "newcomer" }),
  );
  assertEquals(newcomer.peers, names);
}

/** A consumer that has been directed to these servers. */
async function consumerOf(server: TestServer, servers: string[]): Promise<Client> {
  const consumer = await Client.connect(server.signal({ room: "room", nodeId: "consumer" }));
  consumer.send({ type: "register", role: "consumer" });
  assertEquals((await consumer.next("server-list")).servers.toSorted(), servers.toSorted());
  return consumer;
}

/** Waits until a consumer is told of as few servers as these, and expects these. */
async function expectServers(consumer: Client, servers: string[]): Promise<void> {
  while (true) {
    const list = await consumer.next("server-list");
    if (list.servers.length <= servers.length) return assertEquals(list.servers, servers);
  }
}

Deno.test("ghosts: a handshake that is cut short, ended or reset leaves no peer", async () => {
  await using server = await startOpenServer(IDLE);
  await using _a = await Client.join(server.signal({ room: "room", nodeId: "a" }));
  const head = bytes(handshake(`${TARGET}&nodeId=ghost`));
  for (let end = 0; end <= head.length; end += 10) {
    using cut = await RawClient.connect(server.port);
    await cut.write(head.subarray(0, end));
  }
  using halfClosed = await RawClient.connect(server.port);
  await halfClosed.write(head, REGISTER);
  await halfClosed.connection.closeWrite();
  for (let n = 0; n < 5; n++) {
    using reset = await RawClient.connect(server.port);
    await reset.write(head, REGISTER);
    await reset.connection.read(new Uint8Array(1)); // What it leaves unread makes it an RST.
  }
  await expectOnly(server, ["a"]);
});

Deno.test("ghosts: a client that leaves while its token is checked never joins", async () => {
  const verdict = Promise.withResolvers<void>();
  let asked = 0;
  await using server = await startServer({
    ...IDLE,
    authorize: async (request) => {
      const { searchParams } = new URL(request.url);
      if (searchParams.get("nodeId")?.startsWith("ghost")) {
        asked++;
        await verdict.promise;
      }
      return { room: "room" };
    },
  });
  await using _a = await Client.join(server.signal({ room: "room", nodeId: "a" }));
  for (let n = 0; n < 50; n++) {
    using ghost = await RawClient.connect(server.port);
    await ghost.write(handshake(`${TARGET}&nodeId=ghost${n}`), ...n % 2 ? [REGISTER] : []);
  }
  await until("them to have come and gone", () => asked === 50 && server.stats().pending === 0);
  verdict.resolve();
  await expectOnly(server, ["a"]);
});

Deno.test("ghosts: a client with a valid token that leaves at once is in no list", async () => {
  await using server = await startServer(IDLE);
  const token = await server.token("room");
  await using _a = await Client.join(server.signal({ token, nodeId: "a" }));
  await Promise.all(Array.from({ length: 100 }, async (_, n) => {
    using ghost = await RawClient.connect(server.port);
    const head = handshake(`${TARGET}&token=${token}&nodeId=ghost${n % 10}`);
    await ghost.write(head, REGISTER, frame(1, '{"type":"offer","to":"a","sdp":{}}'));
  }));
  await expectOnly(server, ["a"], 1, { token });
});

Deno.test("ghosts: half-open clients leave every list, joined or not, also with half a message sent", async () => {
  await using server = await startOpenServer(IDLE);
  await using _a = await Client.join(server.signal({ room: "room", nodeId: "a" }));
  using _silent = await RawClient.join(server.port, `${TARGET}&nodeId=silent`);
  using cut = await RawClient.join(server.port, `${TARGET}&nodeId=cut`);
  using fragment = await RawClient.join(server.port, `${TARGET}&nodeId=fragment`);
  using consuming = await RawClient.open(server.port, `${TARGET}&nodeId=consuming`);
  await consuming.write(frame(1, '{"type":"register","role":"consumer"}'));
  await cut.write(probe("nobody").slice(0, -1));
  await fragment.write(frame(1, "{", false));
  using _unregistered = await RawClient.open(server.port, "/signal?nodeId=unregistered");
  await until("the 0.1 client to join", async () => (await server.health())["peers"] === 6);
  await using consumer = await consumerOf(server, ["a", "silent", "cut", "fragment"]);
  await expectServers(consumer, ["a"]);
  await expectOnly(server, ["a"], 2);
});

Deno.test("ghosts: a client whose process is stopped leaves after the idle timeout", async () => {
  await using server = await startOpenServer(IDLE);
  await using a = await Client.join(server.signal({ room: "room", nodeId: "a" }));
  const url = server.signal({ room: "room", nodeId: "stopped" });
  await using child = startDeno([
    "eval",
    `const socket = new WebSocket(${JSON.stringify(url)});
    socket.onopen = () => socket.send('{"type":"register","role":"normal"}');
    socket.onmessage = () => console.log("joined");`,
  ]);
  await child.line(/joined/);
  await using consumer = await consumerOf(server, ["a", "stopped"]);
  child.kill("SIGSTOP");
  await expectServers(consumer, ["a"]);
  await expectOnly(server, ["a"], 2);
  a.send({ type: "offer", to: "stopped", sdp: {} });
  assertEquals((await a.next("error")).code, "PEER_NOT_FOUND");
});

Deno.test("ghosts: a client that never answers its close is no peer from then on", async () => {
  await using server = await startOpenServer({ ...IDLE, limits: { maxMessageBytes: 1000 } });
  await using a = await Client.join(server.signal({ room: "room", nodeId: "a" }));
  using old = await RawClient.join(server.port, `${TARGET}&nodeId=taken`);
  using big = await RawClient.join(server.port, `${TARGET}&nodeId=big`);
  await using consumer = await consumerOf(server, ["a", "big", "taken"]);
  const newcomer = await Client.join(server.signal({ room: "room", nodeId: "taken" }));
  assertEquals(newcomer.peers, ["a", "big"]);
  await big.write(frame(1, "x".repeat(1001)));
  for (const [client, code] of [[old, 1000], [big, 1009]] as const) {
    const close = await within("a close", client.next());
    assertEquals(close && closeCode(close), code);
  }
  assertEquals([server.stats().peers, server.stats().closing], [3, 2]);
  await newcomer.close();
  await expectServers(consumer, ["a"]);
  await expectOnly(server, ["a"], 2);
  old.close(); // Late: it must not remove anybody.
  big.close();
  await until("their sockets to go", () => server.stats().closing === 0);
  await expectOnly(server, ["a"], 2);
  a.send({ type: "offer", to: "taken", sdp: {} });
  assertEquals((await a.next("error")).code, "PEER_NOT_FOUND");
});

for (const [how, maxSendBufferBytes] of [["over", 65_536], ["under", 1 << 28]] as const) {
  Deno.test(`ghosts: a client that stops reading leaves, with its buffer ${how} the limit`, async () => {
    const limits = { maxSendBufferBytes, maxBytesPerSecond: 0 };
    await using server = await startOpenServer({ ...IDLE, limits });
    await using a = await Client.join(server.signal({ room: "room", nodeId: "a" }));
    using _stuck = await RawClient.join(server.port, `${TARGET}&nodeId=stuck`);
    await using consumer = await consumerOf(server, ["a", "stuck"]);
    for (let n = 0; n < 400; n++) a.send({ type: "offer", to: "stuck", sdp: BIG });
    await expectServers(consumer, ["a"]);
    await a.drain();
    await expectOnly(server, ["a"], 2);
    a.send({ type: "offer", to: "stuck", sdp: {} });
    assertEquals((await a.next("error")).code, "PEER_NOT_FOUND");
  });
}

/** Connects and does what the n-th client of a storm does; resolves to it if it stays. */
async function storm(server: TestServer, n: number): Promise<Client | RawClient | undefined> {
  const nodeId = `n${n % 139}`; // Three times each: not so often that the holder keeps it.
  const target = `${TARGET}&nodeId=${nodeId}`;
  const kind = n % 7;
  if (kind < 2) return await Client.join(server.signal({ room: "room", nodeId }));
  if (kind === 2) {
    await using _polite = await Client.join(server.signal({ room: "room", nodeId }));
  } else if (kind === 3) {
    using aborted = await RawClient.connect(server.port);
    await aborted.write(handshake(target).slice(0, n));
  } else if (kind === 4) {
    using rude = await RawClient.open(server.port, target, REGISTER);
    await rude.write(frame(3, ""));
  } else if (kind === 5) {
    using reset = await RawClient.join(server.port, target);
    await reset.reset();
  } else return await RawClient.join(server.port, target);
  return undefined;
}

Deno.test("ghosts: after a storm of 420 clients the peers are the sockets that live", async () => {
  await using server = await startOpenServer({
    ...IDLE,
    limits: { maxPendingConnectionsPerIp: 0 },
  });
  await using consumer = await consumerOf(server, []);
  const stayed: (Client | RawClient)[] = [];
  for (let n = 0; n < 420; n += 20) {
    const clients = await Promise.all(Array.from({ length: 20 }, (_, k) => storm(server, n + k)));
    stayed.push(...clients.filter((client) => client !== undefined));
  }
  const clients = stayed.filter((client) => client instanceof Client);
  const isLiving = (client: Client) => client.drain().then(() => true, () => false);
  const living: string[] = [];
  await until("the count to be that of the living", async () => {
    living.length = 0;
    for (const client of clients) {
      if (client.socket.readyState !== WebSocket.OPEN || !await isLiving(client)) continue;
      living.push(new URL(client.socket.url).searchParams.get("nodeId") ?? "");
    }
    const { pending } = server.stats();
    return pending === 0 && (await server.health())["peers"] === living.length + 1;
  });
  living.sort();
  assertEquals(new Set(living).size, living.length);
  await using newcomer = await Client.join(server.signal({ room: "room", nodeId: "newcomer" }));
  assertEquals(newcomer.peers.toSorted(), living);
  let servers: string[] = [];
  await until("the consumer to hear of the newcomer", async () => {
    servers = (await consumer.next("server-list")).servers;
    return servers.includes("newcomer");
  });
  assertEquals(servers.toSorted(), ["newcomer", ...living].sort());
  for (const client of stayed) await client.close();
  await until("all to be gone", () => server.stats().peers === 2 && server.stats().closing === 0);
});
