/**
 * `doctor` through nginx, Caddy and HAProxy, each with its file in `deploy/` as it is, and with what
 * people get wrong.
 */

import { assertEquals, assertMatch } from "@std/assert";
import type { DoctorOptions } from "../../src/doctor/doctor.ts";
import { until } from "../helpers/client.ts";
import { temporaryFolder } from "../helpers/command.ts";
import { type Examined, examineUrl } from "../helpers/examine.ts";
import { hasPrograms } from "../helpers/program.ts";
import { ADMIN_SECRET, startServer } from "../helpers/server.ts";
import { makeCertificate, PROXIES, type ProxyKind, startTlsProxy } from "../helpers/tls_proxy.ts";

type Changes = readonly (readonly [string, string])[];

/** What people get wrong in each file. */
const MISTAKES: Readonly<Record<string, Readonly<Record<"upgrade" | "timeout", Changes>>>> = {
  nginx: {
    upgrade: [
      ["    proxy_set_header Upgrade $http_upgrade;\n", ""],
      ["    proxy_set_header Connection $connection_upgrade;\n", ""],
    ],
    timeout: [["proxy_read_timeout 1h", "proxy_read_timeout 2s"]],
  },
  caddy: {
    upgrade: [["\t\tlb_policy", "\t\theader_up -Upgrade\n\t\tlb_policy"]],
    timeout: [[
      "\t\tlb_policy",
      "\t\ttransport http {\n\t\t\tread_timeout 2s\n\t\t}\n\t\tlb_policy",
    ]],
  },
  haproxy: {
    upgrade: [["\tbalance", "\thttp-request del-header Upgrade\n\tbalance"]],
    timeout: [["timeout tunnel 1h", "timeout tunnel 2s"]],
  },
};

interface Setup {
  readonly kind: ProxyKind;
  readonly changes?: Changes;
  /** Of the URL that is examined. */
  readonly path?: string;
  readonly options?: Partial<DoctorOptions>;
}

async function examineBehind({ kind, changes = [], path = "", options }: Setup): Promise<Examined> {
  await using folder = await temporaryFolder();
  const certificate = await makeCertificate(folder.path);
  await using server = await startServer({ trustedProxies: ["127.0.0.1"] });
  await using proxy = await startTlsProxy(kind, [server.port], {
    folder: folder.path,
    certificate,
    changes,
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
    caCerts: [certificate.pem],
    ...options,
  });
}

for (const kind of PROXIES) {
  const ignore = !await hasPrograms(kind.name, "openssl");
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
}
