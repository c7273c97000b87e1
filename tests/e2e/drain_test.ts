/** How a server stops: spread, in order, bounded; and how it survives what it cannot bound. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Client, until, within } from "../helpers/client.ts";
import { start } from "../helpers/command.ts";
import { listening, MAIN, OPEN, PERMISSIONS, serve } from "../helpers/main.ts";
import { newProvider } from "../helpers/provider.ts";
import { exchange, frame, handshake, openRaw } from "../helpers/raw.ts";
import { signalUrl, startOpenServer } from "../helpers/server.ts";

/** Joins so many normal peers that closing them, at 500 a second, takes half a second. */
const CROWD = 250;

function joinCrowd(url: string, size = CROWD): Promise<Client[]> {
  return Promise.all(
    Array.from({ length: size }, (_, n) => Client.join(signalUrl(url, { nodeId: `normal${n}` }))),
  );
}

Deno.test("drain: normals are closed at a rate, consumers last, and nobody new is let in", async () => {
  const server = await startOpenServer({ limits: { maxPendingConnectionsPerIp: 0 } });
  const consumer = await Client.connect(server.signal({ nodeId: "consumer" }));
  consumer.send({ type: "register", role: "consumer" });
  await consumer.next();
  const normals = await joinCrowd(server.url);
  const codes: string[] = [];
  for (const { closed } of normals) closed.then(({ code }) => codes.push(`normal ${code}`));
  consumer.closed.then(({ code }) => codes.push(`consumer ${code}`));
  const closed = server.close({ drainMs: 3000 });
  await until("a few to be closed", () => codes.length >= 5);
  assert(codes.length < CROWD / 2, "they are not closed at once");
  const health = await fetch(`${server.url}/health`);
  assertEquals([health.status, (await health.json()).status], [503, "draining"]);
  const answer = await exchange(server.port, handshake("/signal"), /\r\n\r\n/);
  assertMatch(answer, /^HTTP\/1\.1 503 [\s\S]*retry-after: \d/i);
  await closed;
  await until("all closes to arrive", () => codes.length > CROWD);
  assertEquals(codes, [...Array(CROWD).fill("normal 1001"), "consumer 1001"]);
});

Deno.test("drain: three clients are closed at once", async () => {
  const server = await startOpenServer();
  const clients = await joinCrowd(server.url, 3);
  const start = performance.now();
  await server.close({ drainMs: 3000 });
  for (const { closed } of clients) assertEquals((await closed).code, 1001);
  assert(performance.now() - start < 1000);
});

Deno.test("drain: peers that are still there go on meeting", async () => {
  const server = await startOpenServer({ limits: { maxPendingConnectionsPerIp: 0 } });
  const crowd = await joinCrowd(server.url);
  const [a, b] = [
    await Client.join(server.signal({ nodeId: "a" })),
    await Client.join(server.signal({ nodeId: "b" })),
  ];
  const closed = server.close({ drainMs: 1000 });
  await Promise.race(crowd.map(({ closed }) => closed));
  b.send({ type: "offer", to: "a", sdp: {} });
  assertEquals((await a.next("offer")).from, "b");
  await closed;
  await Promise.all([a, b, ...crowd].map(({ closed }) => closed));
});

Deno.test("main: a stop closes sockets at a rate, and a second signal ends it at once", async () => {
  await using server = serve({
    env: { ...OPEN, DRAIN_SECONDS: "60", MAX_PENDING_CONNECTIONS_PER_IP: "0" },
  });
  const { url } = await listening(server);
  const crowd = await joinCrowd(url, 600);
  const last = await Client.join(signalUrl(url, { nodeId: "last" }));
  server.kill("SIGTERM");
  await until("health to say so", async () => {
    return (await (await fetch(`${url}/health`)).json()).status === "draining";
  });
  await new Promise((resolve) => setTimeout(resolve, 600)); // Sooner, it is the same signal.
  assertEquals(last.socket.readyState, WebSocket.OPEN);
  server.kill("SIGTERM");
  assertEquals(await server.exited, 1);
  await Promise.all([last, ...crowd].map(({ closed }) => closed));
});

Deno.test("main: out of file descriptors, it keeps some free, is not ready and turns clients away", async () => {
  const args = [
    "-c",
    `ulimit -n 120; exec "$0" "$@"`,
    Deno.execPath(),
    "run",
    ...PERMISSIONS,
    MAIN,
  ];
  await using server = start("bash", args, { env: OPEN });
  const { url, port } = await listening(server);
  const clients: Client[] = [];
  const connect = async (n: number) => {
    clients.push(await Client.join(signalUrl(url, { nodeId: `p${n}` })));
  };
  let n = 0;
  const waiting: Promise<void>[] = [];
  await until("file descriptors to run out", () => {
    waiting.push(connect(n++).catch(() => {}));
    return server.stdout().includes("The listener failed");
  });
  await Promise.all(waiting);
  for (const client of clients.splice(0, 3)) await client.close();
  await until("it to turn clients away", async () => {
    const answer = await exchange(port, handshake("/signal"), /\r\n\r\n/).catch(() => "");
    return answer.startsWith("HTTP/1.1 503 ") && /retry-after/i.test(answer);
  });
  for (
    const [path, code, status] of [
      ["/health", 200, "ok"],
      ["/livez", 200, "ok"],
      ["/readyz", 503, "out of descriptors"],
    ]
  ) {
    const response = await fetch(url + path);
    assertEquals([response.status, (await response.json()).status], [code, status]);
  }
  for (const client of clients.splice(0, clients.length / 2)) await client.close();
  await until("it to take clients in again", () => connect(n++).then(() => true, () => false));
  for (const client of clients) await client.close();
});

Deno.test("main: when Deno has lost most file descriptors, it ends for a supervisor to start it again", async () => {
  const args = ["-c", `ulimit -n 80; exec "$0" "$@"`, Deno.execPath(), "run", ...PERMISSIONS, MAIN];
  await using server = start("bash", args, { env: OPEN });
  const { port } = await listening(server);
  const { connect } = await import("node:net");
  const resetInHandshake = () =>
    new Promise<void>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => {
        socket.write(handshake("/signal"));
        socket.resetAndDestroy();
      });
      socket.on("error", () => {});
      socket.on("close", () => resolve());
    });
  let hasEnded = false;
  server.exited.then(() => hasEnded = true);
  await until("it to end", async () => {
    for (let n = 0; n < 20; n++) await resetInHandshake();
    await new Promise((resolve) => setTimeout(resolve, 200));
    return hasEnded;
  }, 30_000);
  assertEquals(await server.exited, 75);
  assertMatch(server.stdout(), /Deno has lost most file descriptors/);
});

Deno.test("a client that never answers its close is cut off all the same", async () => {
  await using server = await startOpenServer();
  const rude = await openRaw(server.port, "/signal?nodeId=a");
  await rude.write(frame(1, '{"type":"register"}'));
  await until("it to join", async () => (await server.health())["peers"] === 1);
  await using _successor = await Client.join(server.signal({ nodeId: "a" }));
  const end = (async () => {
    while (await rude.read(new Uint8Array(1024)).catch(() => null) !== null);
  })();
  await within("its connection to end", end, 20_000);
  rude.close();
});

Deno.test("main: clients that stream unfinished messages are cut off, and the others served", async () => {
  const { jwks } = await newProvider();
  const [baseline, allowance] = [150, 100];
  const env = {
    ...OPEN,
    CONSUMER_PUBLIC_KEY_JWK: jwks,
    MAX_MEMORY_MB: String(baseline + allowance),
    REGISTER_TIMEOUT_MS: "60000",
    AUTH_DISABLED: "",
    ...await keys(),
  };
  await using server = serve({ env });
  const { url, port } = await listening(server);
  const token = await tokenOf(url, env.ADMIN_SECRET);
  await using a = await Client.join(signalUrl(url, { token, nodeId: "a" }));
  await using b = await Client.join(signalUrl(url, { token, nodeId: "b" }));
  const streams = Array.from({ length: 4 }, () => streamForEver(port));
  await server.line(/Memory limit exceeded/);
  b.send({ type: "offer", to: "a", sdp: {} });
  assertEquals((await a.next("offer")).from, "b");
  await Promise.all(streams); // Each is cut off.
  await server.line(/Memory is within its limit again/);
  await using c = await Client.join(signalUrl(url, { token, nodeId: "c" }));
  assertEquals(c.peers, ["a", "b"]);
});

/** A pending client that sends a message in fragments without an end, until it is cut off. */
async function streamForEver(port: number): Promise<void> {
  using connection = await openRaw(port, "/signal?room=room");
  const fragment = (opcode: number) => {
    const data = new Uint8Array(14 + 1_048_576);
    data.set([opcode, 0x80 | 127, 0, 0, 0, 0, 0, 0x10, 0, 0]);
    return data;
  };
  try {
    await connection.write(frame(1, "x", false));
    for (let n = 0; n < 4000; n++) {
      const data = fragment(0);
      for (let sent = 0; sent < data.length;) sent += await connection.write(data.subarray(sent));
      if (n > 100) await new Promise((resolve) => setTimeout(resolve, 5));
    }
  } catch {
    return;
  }
  throw new Error("It was never cut off");
}

async function keys(): Promise<{ PRIVATE_KEY_JWK: string; ADMIN_SECRET: string }> {
  const { generateKeyPairJwk } = await import("../../mod.ts");
  const { privateKeyJwk } = await generateKeyPairJwk();
  return { PRIVATE_KEY_JWK: privateKeyJwk, ADMIN_SECRET: "0123456789abcdef0123456789abcdef" };
}

async function tokenOf(url: string, secret: string): Promise<string> {
  const { requestToken } = await import("../helpers/server.ts");
  return await requestToken(url, secret, "room");
}
