import { assertEquals, assertMatch } from "@std/assert";
import { createServer, type ServerOptions, type SignalingServer } from "../../mod.ts";
import { createRedisBackplane } from "../../src/cluster/redis/backplane.ts";
import { checked } from "../helpers/checked.ts";
import { Client, until } from "../helpers/client.ts";
import { freePort } from "../helpers/port.ts";
import { signalUrl } from "../helpers/server.ts";

const PROBES = ["/health", "/livez", "/readyz"];

async function openServer(options: ServerOptions = {}): Promise<SignalingServer> {
  return checked(await createServer({ authEnabled: false, ...options }));
}

function probe(server: SignalingServer, path: string, method = "GET"): Promise<Response> {
  return server.fetch(new Request(`http://server${path}`, { method }));
}

/** What each probe answers: its status, and the one in its body. */
async function probeAll(server: SignalingServer): Promise<Record<string, [number, string]>> {
  const answers = PROBES.map(async (path) => {
    const response = await probe(server, path);
    return [path, [response.status, (await response.json()).status]];
  });
  return Object.fromEntries(await Promise.all(answers));
}

Deno.test("probes: a server that is well is live and ready, in the words of /health", async () => {
  await using server = await openServer();
  for (const path of PROBES) {
    const response = await probe(server, path);
    assertEquals([response.status, response.headers.get("cache-control")], [200, "no-store"], path);
    const { ts, ...rest } = await response.json();
    assertEquals(rest, { status: "ok", auth: "disabled", peers: 0, rooms: 0 }, path);
    assertMatch(ts, /^\d{4}-/);
    assertEquals((await probe(server, path, "HEAD")).status, 200, path);
    const wrong = await probe(server, path, "POST");
    assertEquals([wrong.status, wrong.headers.get("allow")], [405, "GET, HEAD"], path);
  }
});

Deno.test("probes: a server that stops is live and not ready", async () => {
  const server = await openServer();
  await server.close({ drainMs: 0 });
  assertEquals(await probeAll(server), {
    "/health": [503, "draining"],
    "/livez": [200, "draining"],
    "/readyz": [503, "draining"],
  });
});

Deno.test("probes: a server short of memory is live and not ready", async () => {
  await using server = await openServer({ limits: { maxMemoryMb: 1 } });
  const { url } = await server.listen({ port: 0, host: "127.0.0.1" });
  await using _client = await Client.join(signalUrl(url)); // With it, the server starts to look.
  await until("the memory to be read", () => server.stats().memory === "exceeded");
  assertEquals(await probeAll(server), {
    "/health": [503, "overloaded"],
    "/livez": [200, "overloaded"],
    "/readyz": [503, "overloaded"],
  });
});

Deno.test("probes: a server whose backplane is down is live and ready", async () => {
  const backplane = createRedisBackplane({ url: `redis://127.0.0.1:${freePort()}` });
  await using server = await openServer({ backplane });
  for (const path of PROBES) {
    const response = await probe(server, path);
    const { status, backplane } = await response.json();
    assertEquals([response.status, status, backplane], [200, "ok", "down"], path);
  }
});
