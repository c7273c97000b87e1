import { assert, assertEquals, assertInstanceOf, assertMatch, assertRejects } from "@std/assert";
import { createServer, InternalListenError, type ServerOptions } from "../../mod.ts";
import { checked } from "../helpers/checked.ts";
import { Client } from "../helpers/client.ts";
import { freePort } from "../helpers/port.ts";
import { exchange } from "../helpers/raw.ts";
import { ADMIN_SECRET, signalUrl, startOpenServer, startServer } from "../helpers/server.ts";

/** Status and text of an answer. */
async function get(url: string, init: RequestInit = {}): Promise<[number, string]> {
  const response = await fetch(url, init);
  return [response.status, await response.text()];
}

const BEARER = { headers: { authorization: `Bearer ${ADMIN_SECRET}` } };

/** A server that listens on two ports. */
async function startBoth(options: ServerOptions = {}) {
  const server = checked(
    await createServer({ authEnabled: false, internalPort: 0, ...options }),
  );
  const { url, internalUrl = "" } = await server.listen({ port: 0, host: "127.0.0.1" });
  return { server, url, internalUrl, [Symbol.asyncDispose]: () => server.close({ drainMs: 0 }) };
}

Deno.test("GET /metrics: with the admin secret it is text of Prometheus 0.0.4 that nobody stores", async () => {
  await using server = await startServer();
  const response = await fetch(`${server.url}/metrics`, BEARER);
  assertEquals(response.status, 200);
  assertEquals(
    response.headers.get("content-type"),
    "text/plain; version=0.0.4; charset=utf-8",
  );
  assertEquals(response.headers.get("cache-control"), "no-store");
  assertMatch(await response.text(), /^client_db_sync_peers\{role="normal"\} 0$/m);
  const head = await fetch(`${server.url}/metrics`, { ...BEARER, method: "HEAD" });
  assertEquals([head.status, await head.text()], [200, ""]);
  assertEquals((await get(`${server.url}/metrics`, { ...BEARER, method: "POST" }))[0], 405);
});

Deno.test("GET /metrics: without the secret it is 401 and counted, in a series by path and status", async () => {
  await using server = await startServer({ limits: { maxFailedAuthPerMinute: 2 } });
  const wrong = { headers: { "x-admin-secret": "wrong" } };
  for (const status of [401, 401, 429]) {
    assertEquals((await get(`${server.url}/metrics`, wrong))[0], status);
  }
  const metrics = server.metrics();
  const counted = Object.entries(metrics).filter(([name]) => name.startsWith("admin_requests"));
  assertEquals(Object.fromEntries(counted), {
    'admin_requests_total{route="/metrics",status="401"}': 2,
    'admin_requests_total{route="/metrics",status="429"}': 1,
  });
});

Deno.test("GET /metrics: without authentication it is there if there is a secret, and only then", async () => {
  await using open = await startOpenServer({ adminSecret: undefined });
  const [status, text] = await get(`${open.url}/metrics`);
  assertEquals(status, 404);
  assertMatch(text, /metrics need ADMIN_SECRET, or INTERNAL_PORT/);
  await using guarded = await startOpenServer();
  assertEquals((await get(`${guarded.url}/metrics`))[0], 401);
  assertEquals((await get(`${guarded.url}/metrics`, BEARER))[0], 200);
  assertEquals((await get(`${guarded.url}/token`, { ...BEARER, method: "POST" }))[0], 404);
});

Deno.test("internal port: it has the metrics without a secret, and the other port has none", async () => {
  await using both = await startBoth({ adminSecret: ADMIN_SECRET });
  const { url, internalUrl } = both;
  assertMatch(internalUrl, /^http:\/\/127\.0\.0\.1:\d+$/);
  await using _client = await Client.join(signalUrl(url));
  const [status, text] = await get(`${internalUrl}/metrics`);
  assertEquals(status, 200);
  assertMatch(text, /^client_db_sync_peers\{role="normal"\} 1$/m);
  assertEquals((await get(`${url}/metrics`, BEARER))[0], 404);
});

Deno.test("internal port: it has the probes, and nothing that clients use", async () => {
  await using both = await startBoth();
  for (const path of ["/livez", "/readyz", "/health"]) {
    assertEquals((await get(both.internalUrl + path))[0], 200, path);
    assertEquals((await get(both.url + path))[0], 200, path);
  }
  for (const path of ["/signal", "/ice-servers", "/token", "/"]) {
    const [status, text] = await get(both.internalUrl + path);
    assertEquals(status, 404, path);
    assertMatch(JSON.parse(text).error, /not on the internal port, which has .*\/metrics/);
  }
  assertEquals((await get(`${both.internalUrl}/metrics`, { method: "POST" }))[0], 405);
  const { port } = new URL(both.internalUrl);
  const answer = await exchange(
    Number(port),
    "GET /x HTTP/1.1\r\nHost: a/metrics?\r\nConnection: close\r\n\r\n",
  );
  assertMatch(answer, /^HTTP\/1\.1 400 /);
});

Deno.test("internal port: it ends with the server", async () => {
  const both = await startBoth();
  assertEquals((await get(`${both.internalUrl}/metrics`))[0], 200);
  await both.server.close();
  await assertRejects(() => fetch(`${both.internalUrl}/metrics`), TypeError);
});

Deno.test("internal port: if it cannot be listened on, the server does not listen at all", async () => {
  await using other = await startOpenServer();
  const port = freePort();
  await using server = await createServer({ authEnabled: false, internalPort: other.port });
  const listen = () => server.listen({ port, host: "127.0.0.1" });
  const { code, cause } = await assertRejects(listen, InternalListenError);
  assertEquals(code, "ERR_INTERNAL_LISTEN");
  assertInstanceOf(cause, Deno.errors.AddrInUse);
  await assertRejects(() => fetch(`http://127.0.0.1:${port}/health`), TypeError);
  await other.close();
  const { internalUrl } = await listen();
  assertEquals(internalUrl, `http://127.0.0.1:${other.port}`);
});

Deno.test("internal port: it has to be a port", async () => {
  for (const internalPort of [-1, 65_536, 1.5]) {
    await assertRejects(
      () => createServer({ authEnabled: false, internalPort }),
      TypeError,
      "internalPort must be a whole number from 0 to 65535",
    );
  }
  await using server = await createServer({ authEnabled: false });
  const address = await server.listen({ port: 0, host: "127.0.0.1" });
  assert(!("internalUrl" in address));
});
