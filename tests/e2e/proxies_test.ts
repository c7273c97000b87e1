/** The configurations in `deploy/` for nginx, Caddy and HAProxy, with real clients through each. */

import { makeCertificate } from "../helpers/certificate.ts";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { createLogger, generateKeyPairJwk } from "../../mod.ts";
import { createMemoryBackplane } from "../../src/cluster/mod.ts";
import { Client, until } from "../helpers/client.ts";
import { ROOT, temporaryFolder } from "../helpers/command.ts";
import { hasPrograms } from "../helpers/program.ts";
import { ADMIN_SECRET, signalUrl, startServer, type TestServer } from "../helpers/server.ts";
import { PROXIES, type ProxyKind, startTlsProxy, type TlsProxy } from "../helpers/tls_proxy.ts";

/** An address of loopback that is not the proxy's. */
const CLIENT_ADDRESS = "127.0.0.2";

interface Fixture extends AsyncDisposable {
  readonly instances: readonly TestServer[];
  readonly proxy: TlsProxy;
  /** What the instances have logged. */
  readonly log: readonly string[];
  /** Connects as a client from {@linkcode CLIENT_ADDRESS}, and trusts the certificate. */
  readonly client: Deno.HttpClient;
}

/** Two instances that are one server, and a proxy in front of so many of them. */
async function startBehind(kind: ProxyKind, count: number): Promise<Fixture> {
  await using stack = new AsyncDisposableStack();
  const { path: folder } = stack.use(await temporaryFolder());
  const certificate = await makeCertificate(folder);
  const log: string[] = [];
  const logger = createLogger({ level: "info", format: "json", write: (line) => log.push(line) });
  const memory = createMemoryBackplane();
  const keys = await generateKeyPairJwk();
  const startInstance = async () =>
    stack.use(
      await startServer({
        ...keys,
        logger,
        backplane: memory.connect(),
        trustedProxies: ["127.0.0.1"],
      }),
    );
  const instances = [await startInstance(), await startInstance()];
  const ports = instances.slice(0, count).map(({ port }) => port);
  const proxy = stack.use(await startTlsProxy(kind, ports, { folder, certificate }));
  const client = stack.use(
    Deno.createHttpClient({ caCerts: [certificate.pem], localAddress: CLIENT_ADDRESS }),
  );
  const isReady = () =>
    fetch(`${proxy.url}/readyz`, { client }).then(async (response) => {
      await response.body?.cancel();
      return response.ok;
    }, () => false);
  await until(`${kind.name} to be ready`, isReady);
  const resources = stack.move();
  return {
    instances,
    proxy,
    log,
    client,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

function join({ proxy, client }: Fixture, query: Record<string, string>) {
  return Client.join(signalUrl(proxy.url, query), {}, { client });
}

async function assertReach(from: Client, to: Client, sender: string, receiver: string) {
  from.send({ type: "offer", to: receiver, sdp: {} });
  assertEquals((await to.next("offer")).from, sender);
}

for (const kind of PROXIES) {
  const ignore = !await hasPrograms(kind.name, "openssl");
  const test = (name: string, fn: (behind: Fixture) => Promise<void>, count = 2) =>
    Deno.test({
      name: `${kind.file}: ${name}`,
      ignore,
      async fn() {
        await using behind = await startBehind(kind, count);
        await fn(behind);
      },
    });

  test("clients meet across two instances, over TLS", async (behind) => {
    const { instances, proxy, client } = behind;
    const minted = await fetch(`${proxy.url}/token`, {
      client,
      method: "POST",
      headers: { "content-type": "application/json", "x-admin-secret": ADMIN_SECRET },
      body: '{"ttl":"1h","subject":"todos"}',
    });
    const { token } = await minted.json();
    await using stack = new AsyncDisposableStack();
    const [a, , , d] = [
      stack.use(await join(behind, { token, nodeId: "a" })),
      stack.use(await join(behind, { token, nodeId: "b" })),
      stack.use(await join(behind, { token, nodeId: "c" })),
      stack.use(await join(behind, { token, nodeId: "d" })),
    ];
    for (const instance of instances) assert(instance.stats().peers > 0, "a client on each");
    await assertReach(d, a, "d", "a");
    for (const path of ["/metrics", "/admin/rooms"]) {
      const response = await fetch(proxy.url + path, { client });
      await response.body?.cancel();
      assertEquals(response.status, 404, `${path} is for operators`);
    }
  });

  test("the server counts a client by its own address, not by one that it claims", async (behind) => {
    const headers = { "x-forwarded-for": "203.0.113.9", forwarded: "for=203.0.113.9" };
    const refused = await Client.connect(
      signalUrl(behind.proxy.url, { token: "not-a-token" }),
      { client: behind.client, headers },
    );
    assertEquals((await refused.closed).code, 4003);
    const line = behind.log.find((line) => line.includes('"address"')) ?? "";
    assertEquals(JSON.parse(line).address, CLIENT_ADDRESS, behind.log.join("\n"));
  });

  test("a client is sent to the instance that is ready, and logs have neither query nor secret", async (behind) => {
    const { instances: [one, two], proxy, client } = behind;
    assert(one !== undefined && two !== undefined);
    const token = await one.token("todos");
    await one.close();
    await using a = await join(behind, { token, nodeId: "a" });
    await using b = await Client.join(signalUrl(proxy.url, { nodeId: "b" }), {}, {
      client,
      protocols: ["client-db-sync", `bearer.${token}`],
    });
    await assertReach(b, a, "b", "a");
    await Promise.all([two.close(), a.closed, b.closed]);
    const failed = await Promise.allSettled([
      join(behind, { token }),
      fetch(`${proxy.url}/token?hush`, {
        client,
        method: "POST",
        headers: { "x-admin-secret": ADMIN_SECRET, authorization: `Bearer ${ADMIN_SECRET}` },
      }).then(async (response) => {
        await response.body?.cancel();
        if (!response.ok) throw new Error(`${response.status}`);
      }),
    ]);
    assertEquals(failed.map(({ status }) => status), ["rejected", "rejected"]);
    await proxy.stop();
    const { log } = proxy;
    assertMatch(log, /\/signal/);
    for (const secret of [token, ADMIN_SECRET, "token=", "nodeId", "hush", "bearer."]) {
      assert(!log.includes(secret), `${secret} is in the log:\n${log}`);
    }
  });

  if (kind.name === "caddy") continue; // Its /readyz check finds out within two seconds.
  test("when an instance answers 503, a client gets the answer of another", async (behind) => {
    const { instances: [one], proxy } = behind;
    assert(one !== undefined);
    let asked = 0;
    await using full = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      ({ url }) => {
        const isReady = new URL(url).pathname === "/readyz";
        if (!isReady) asked++;
        return new Response(null, { status: isReady ? 200 : 503 });
      },
    );
    await proxy.reload([full.addr.port, one.port]);
    const token = await one.token("todos");
    await until("the full instance to be asked, too", async () => {
      await using _client = await join(behind, { token, nodeId: "a" });
      return asked > 0;
    });
  });

  // Caddy 2.6 closes them all: see the file.
  test("a reload cuts no WebSocket", async (behind) => {
    const { instances: [one, two], proxy } = behind;
    assert(one !== undefined && two !== undefined);
    const token = await one.token("todos");
    await using a = await join(behind, { token, nodeId: "a" });
    await using b = await join(behind, { token, nodeId: "b" });
    assertEquals([one.stats().peers, two.stats().peers], [2, 0]);
    await proxy.reload([two.port]);
    await until("new clients to be sent to the other instance", async () => {
      await using c = await join(behind, { token, nodeId: "c" });
      assertEquals(c.peers, ["a", "b"]);
      return two.stats().peers > 0;
    });
    await assertReach(b, a, "b", "a");
    assertEquals([a.socket.readyState, b.socket.readyState], [WebSocket.OPEN, WebSocket.OPEN]);
  }, 1);
}

Deno.test("the proxies keep a WebSocket that only answers pings", async () => {
  const timeouts = {
    "deploy/nginx/nginx.conf": /location = \/signal \{[^}]*proxy_read_timeout (\d+)h;/,
    "deploy/haproxy/haproxy.cfg": /timeout tunnel (\d+)h/,
  };
  for (const [file, pattern] of Object.entries(timeouts)) {
    assertMatch(await Deno.readTextFile(ROOT + file), pattern);
  }
  // Caddy has no such timeout.
  assert(!/stream_timeout|idle/.test(await Deno.readTextFile(`${ROOT}deploy/caddy/Caddyfile`)));
});
