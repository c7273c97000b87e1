/**
 * The metrics as Prometheus reads them: what they look like to `promtool`, and that every expression
 * of the dashboard and of the alert rules is about metrics that there are.
 */

import { assert, assertEquals } from "@std/assert";
import dashboard from "../../deploy/grafana/dashboard.json" with { type: "json" };
import { createRedisBackplane } from "../../src/cluster/redis/backplane.ts";
import { Client, until } from "../helpers/client.ts";
import { ROOT, start, temporaryFolder } from "../helpers/command.ts";
import { freePort } from "../helpers/port.ts";
import { hasPrograms } from "../helpers/program.ts";
import { hasRedis, startRedis } from "../helpers/redis.ts";
import { ADMIN_SECRET, startServer, type TestServer } from "../helpers/server.ts";

const ignore = !hasRedis || !await hasPrograms("prometheus", "promtool");

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
  readonly panels?: readonly Panel[];
}

/** The expressions of the dashboard, each with the title of its panel. */
function expressions(
  panels: readonly Panel[] = dashboard.panels,
): { title: string; expr: string }[] {
  return panels.flatMap(({ title, targets = [], panels: inner = [] }) => [
    ...targets.map(({ expr }) => ({ title, expr })),
    ...expressions(inner),
  ]);
}

/** Two instances over one Redis. */
async function startInstances() {
  const stack = new AsyncDisposableStack();
  const { url } = stack.use(await startRedis());
  const servers: TestServer[] = [];
  for (let n = 0; n < 2; n++) {
    const backplane = createRedisBackplane({ url });
    const turn = { urls: ["turn:turn.example.com"], secret: "a-secret-of-thirty-two-bytes-or-so" };
    const keys = servers[0] && { privateKeyJwk: servers[0].privateKeyJwk };
    const options = { backplane, turn, limits: { maxPeersPerRoom: 3 }, publicKeyJwk: undefined };
    servers.push(stack.use(await startServer({ ...options, ...keys })));
  }
  const [one, two] = servers;
  assert(one !== undefined && two !== undefined);
  await until("both to be up", () => servers.every((s) => s.stats().backplane === "up"));
  return { one, two, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** Lets clients do something of everything, on both instances. */
async function visit(one: TestServer, two: TestServer, room: string): Promise<void> {
  const token = await one.token(room);
  await using a = await Client.join(one.signal({ token, nodeId: "a" }));
  await using b = await Client.join(two.signal({ token, nodeId: "b" }));
  await using _c = await Client.join(one.signal({ token, nodeId: "c" }));
  await using full = await Client.connect(one.signal({ token, nodeId: "d" }));
  full.send({ type: "register" });
  assertEquals((await full.closed).code, 1013);
  await using refused = await Client.connect(one.signal({ token: "forged" }));
  assertEquals((await refused.closed).code, 4003);
  a.send({ type: "offer", to: "b", sdp: "" });
  await b.next("offer");
  b.send({ type: "answer", to: "a", sdp: "" });
  await a.next("answer");
  a.send({ type: "ice-candidate", to: "c", candidate: null });
  a.send({ type: "offer", to: "nobody", sdp: "" });
  await a.next("error");
  for (const path of ["/ice-servers", "/signal"]) {
    const headers = { authorization: `Bearer ${token}` };
    await (await fetch(one.url + path, { headers })).body?.cancel();
  }
}

Deno.test({
  name: "metrics: promtool finds nothing to complain of, whatever the server has done",
  ignore,
  async fn() {
    await using both = await startInstances();
    await visit(both.one, both.two, "room");
    const child = new Deno.Command("promtool", {
      args: ["check", "metrics"],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(both.one.metricsText()));
    await writer.close();
    const { code, stdout, stderr } = await child.output();
    const text = new TextDecoder();
    assertEquals([code, text.decode(stdout), text.decode(stderr)], [0, "", ""]);
  },
});

Deno.test("metrics: dashboard and alert rules use only names that there are", async () => {
  await using server = await startServer({
    backplane: createRedisBackplane({ url: "redis://127.0.0.1:1" }),
  });
  await server.token("room");
  const text = server.metricsText();
  const names = new Set([...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name = ""]) => name));
  const rules = await Deno.readTextFile(`${ROOT}deploy/prometheus/alerts.yml`);
  const all = [
    JSON.stringify(dashboard.templating),
    ...expressions().map(({ expr }) => expr),
    ...[...rules.matchAll(/expr: (.*)/g)].map(([, expr = ""]) => expr),
  ];
  assert(all.length > 40);
  const used = new Set(all.flatMap((expr) => expr.match(/\b(client_db_sync|process)_\w+/g) ?? []));
  for (const name of used) {
    assert(names.has(name) || names.has(name.replace(/_(bucket|sum|count)$/, "")), name);
  }
  const unused = [...names].filter((name) => !used.has(name) && !used.has(`${name}_bucket`));
  assertEquals(unused, [], "The dashboard shows every metric");
});

Deno.test({
  name: "prometheus: the configuration is valid, and the alert rules pass their tests",
  ignore,
  async fn() {
    const cwd = `${ROOT}deploy/prometheus`;
    for (
      const args of [["check", "config", "prometheus.yml"], ["test", "rules", "alerts_test.yml"]]
    ) {
      await using run = start("promtool", args, { cwd });
      assertEquals(await run.exited, 0, run.stdout() + run.stderr());
    }
  },
});

Deno.test({
  name: "prometheus: every expression of the dashboard gives a number under load",
  ignore,
  async fn() {
    await using both = await startInstances();
    await using folder = await temporaryFolder();
    const port = freePort();
    const target = new URL(both.one.url).host;
    const config = `
global: { scrape_interval: 1s }
scrape_configs:
  - job_name: client-db-sync
    authorization: { credentials: ${ADMIN_SECRET} }
    static_configs: [{ targets: ["${target}"] }]
`;
    await Deno.writeTextFile(`${folder.path}/prometheus.yml`, config);
    await using _prometheus = start("prometheus", [
      `--config.file=${folder.path}/prometheus.yml`,
      `--storage.tsdb.path=${folder.path}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
    ], { cwd: folder.path });
    const query = async (expr: string): Promise<number[]> => {
      const search = new URLSearchParams({
        query: expr.replaceAll(/\$(job|instance)/g, ".+").replaceAll("$quantile", "0.99")
          .replaceAll("$__rate_interval", "10s"),
      });
      const response = await fetch(`http://127.0.0.1:${port}/api/v1/query?${search}`);
      const { status, data, error } = await response.json();
      assertEquals(status, "success", `${expr}: ${error}`);
      return data.result.map(({ value }: { value: [number, string] }) => Number(value[1]));
    };
    await until(
      "Prometheus to start",
      async () => await query("up").then(([up]) => up === 1, () => false),
      30_000,
    );
    // The event loop is watched while there are sockets.
    await using _watched = await Client.connect(
      both.one.signal({ token: await both.one.token("quiet") }),
    );
    let visits = 0;
    const missing = async () => {
      await visit(both.one, both.two, `room-${visits++}`);
      const results = await Promise.all(
        expressions().map(async ({ title, expr }) => {
          const values = await query(expr);
          return values.length > 0 && !values.every(Number.isNaN) ? [] : [`${title}: ${expr}`];
        }),
      );
      return results.flat();
    };
    let last: string[] = [];
    await until("every expression to give a number", async () => {
      last = await missing();
      return last.length === 0;
    }, 30_000).catch(() => assertEquals(last, []));
  },
});
