/**
 * `doctor` through nginx, Caddy and HAProxy, each with its file in `deploy/` as it is, and with what
 * people get wrong.
 */

import { assertEquals, assertMatch } from "@std/assert";
import { createServer, generateKeyPairJwk } from "../../mod.ts";
import type { DoctorOptions } from "../../src/doctor/doctor.ts";
import { until } from "../helpers/client.ts";
import { temporaryFolder } from "../helpers/command.ts";
import { type Examined, examineUrl } from "../helpers/examine.ts";
import { hasPrograms } from "../helpers/program.ts";
import { ADMIN_SECRET } from "../helpers/server.ts";
import { makeCertificate } from "../helpers/certificate.ts";
import { PROXIES, type ProxyKind, startTlsProxy } from "../helpers/tls_proxy.ts";

type Changes = readonly (readonly [string, string])[];

/** What people get wrong in each file. */
const MISTAKES: Readonly<
  Record<string, Readonly<Record<"upgrade" | "timeout" | "address", Changes>>>
> = {
  nginx: {
    upgrade: [
      ["    proxy_set_header Upgrade $http_upgrade;\n", ""],
      ["    proxy_set_header Connection $connection_upgrade;\n", ""],
    ],
    timeout: [["proxy_read_timeout 1h", "proxy_read_timeout 2s"]],
    address: [["proxy_set_header X-Forwarded-For $remote_addr;", ""]],
  },
  caddy: {
    upgrade: [["\t\tlb_policy", "\t\theader_up -Upgrade\n\t\tlb_policy"]],
    timeout: [[
      "\t\tlb_policy",
      "\t\ttransport http {\n\t\t\tread_timeout 2s\n\t\t}\n\t\tlb_policy",
    ]],
    address: [["\t\tlb_policy", "\t\theader_up -X-Forwarded-For\n\t\tlb_policy"]],
  },
  haproxy: {
    upgrade: [["\tbalance", "\thttp-request del-header Upgrade\n\tbalance"]],
    timeout: [["timeout tunnel 1h", "timeout tunnel 2s"]],
    address: [["\thttp-request set-header X-Forwarded-For %[src]\n", ""]],
  },
};

/** The proxy connects to the server from here, so that its address is not the client's. */
const SERVER_HOST = "::1";

/** What the server calls it. */
const SEEN_PROXY = "0:0:0:0::/64";

const hasIPv6 = Deno.networkInterfaces().some(({ address }) => address === SERVER_HOST);

interface Setup {
  readonly kind: ProxyKind;
  readonly changes?: Changes;
  /** Those of the server; the proxy by default. */
  readonly trustedProxies?: readonly string[];
  /** Of the URL that is examined. */
  readonly path?: string;
  readonly options?: Partial<DoctorOptions>;
}

async function examineBehind(setup: Setup): Promise<Examined> {
  const { kind, changes = [], path = "", trustedProxies = [SERVER_HOST], options } = setup;
  await using folder = await temporaryFolder();
  const certificate = await makeCertificate(folder.path);
  await using server = await createServer({
    adminSecret: ADMIN_SECRET,
    ...await generateKeyPairJwk(),
    trustedProxies,
  });
  const { port, url } = await server.listen({ host: SERVER_HOST, port: 0 });
  await using proxy = await startTlsProxy(kind, [port], {
    folder: folder.path,
    certificate,
    changes: [[`127.0.0.1:${port}`, `[${SERVER_HOST}]:${port}`], ...changes],
  });
  using client = Deno.createHttpClient({ caCerts: [certificate.pem] });
  await until(
    `${kind.name} to be ready`,
    () =>
      fetch(`${proxy.url}/readyz`, { client }).then(async (response) => {
        await response.body?.cancel();
        return response.ok;
      }, () => false),
  );
  return await examineUrl(proxy.url + path, {
    adminSecret: ADMIN_SECRET,
    adminBase: url,
    caCerts: [certificate.pem],
    ...options,
  });
}

for (const kind of PROXIES) {
  const ignore = !hasIPv6 || !await hasPrograms(kind.name, "openssl");
  const test = (name: string, fn: () => Promise<void>) =>
    Deno.test({ name: `doctor through ${kind.name}: ${name}`, ignore, fn });
  const mistakes = MISTAKES[kind.name];
  if (mistakes === undefined) throw new Error(`No mistakes of ${kind.name}`);

  test("its file in deploy/ has nothing wrong", async () => {
    const examined = await examineBehind({ kind, options: { idleSeconds: [1, 3] } });
    assertEquals(examined.failures, []);
    assertEquals(examined.ok, true);
    assertEquals(examined.step("tls").status, "ok");
    assertEquals(examined.step("idle", "3 s").status, "ok");
    assertEquals(examined.step("address").seen, "127.0.0.1, which is this machine");
  });

  test("without Upgrade headers", async () => {
    const examined = await examineBehind({ kind, changes: mistakes.upgrade });
    assertEquals(examined.step("health").status, "ok");
    assertEquals(examined.failures.length, 1, examined.failures.join("\n"));
    assertMatch(examined.failures[0] ?? "", /^upgrade: got 4\d\d.*Upgrade and Connection headers/);
    assertEquals([examined.ok, examined.step("meet").status], [false, "skipped"]);
  });

  test("with a read timeout that is shorter than the time between pings", async () => {
    const examined = await examineBehind({
      kind,
      changes: mistakes.timeout,
      options: { idleSeconds: [1, 8] },
    });
    assertEquals(examined.step("idle", "1 s").status, "ok");
    const { status, seen, change = "" } = examined.step("idle", "8 s");
    assertEquals([examined.failures.length, status, examined.ok], [1, "fail", false], seen);
    assertMatch(seen, /^cut after [23]\.\d s, without a close frame$/);
    assertMatch(change, /Raise the idle timeout/);
  });

  test("with a prefix that is not removed", async () => {
    const examined = await examineBehind({ kind, path: "/sync" });
    assertMatch(
      examined.failures.join("\n"),
      /^health: got 404 from the server.*remove the prefix.*\nupgrade: got 404.*remove the prefix/,
    );
    assertEquals(examined.ok, false);
  });
  test("with a server that does not trust it", async () => {
    const examined = await examineBehind({ kind, trustedProxies: [] });
    assertEquals(examined.failures.length, 1, examined.failures.join("\n"));
    const { seen, change = "" } = examined.step("address");
    assertEquals(seen, `it sees ${SEEN_PROXY}, which is not this machine: a proxy's`);
    assertMatch(change, /TRUSTED_PROXIES/);
  });

  test("without X-Forwarded-For of its own", async () => {
    const examined = await examineBehind({ kind, changes: mistakes.address });
    assertEquals(examined.failures.length, 1, examined.failures.join("\n"));
    // nginx and HAProxy pass on what the client claims.
    assertMatch(
      examined.failures[0] ?? "",
      kind.name === "caddy"
        ? /^address: it sees 0:0:0:0::\/64, which is not this machine.*set X-Forwarded-For/
        : /^address: the server believes an address that the client claimed.*overwrite/,
    );
  });
}
