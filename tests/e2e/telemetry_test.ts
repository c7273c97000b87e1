/** What Deno exports by OpenTelemetry: the metrics of the server, and no token. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Client, until } from "../helpers/client.ts";
import { ROOT, runDeno, startDeno, temporaryFolder } from "../helpers/command.ts";
import { listening, MAIN, OPEN, PERMISSIONS } from "../helpers/main.ts";
import { ADMIN_SECRET, readMetrics, requestToken, signalUrl } from "../helpers/server.ts";
import { generateKeyPairJwk } from "../../mod.ts";

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string };
}

interface Point {
  readonly attributes: readonly Attribute[];
  readonly asInt?: number | string;
  readonly asDouble?: number;
  readonly count?: string;
  readonly explicitBounds?: readonly number[];
}

interface Metric {
  readonly name: string;
  readonly unit: string;
  readonly sum?: { readonly dataPoints: readonly Point[] };
  readonly gauge?: { readonly dataPoints: readonly Point[] };
  readonly histogram?: { readonly dataPoints: readonly Point[] };
}

/** An OTLP receiver on loopback. */
function startReceiver() {
  const bodies: string[] = [];
  const paths = new Set<string>();
  const metrics = new Map<string, Metric>();
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    async (request) => {
      const { pathname } = new URL(request.url);
      const text = await request.text();
      paths.add(pathname);
      bodies.push(text);
      if (pathname === "/v1/metrics") {
        for (const { scopeMetrics } of JSON.parse(text).resourceMetrics) {
          for (const scope of scopeMetrics) {
            for (const metric of scope.metrics) metrics.set(metric.name, metric);
          }
        }
      }
      return Response.json({});
    },
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    bodies,
    paths,
    metrics,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** The environment that docs/metrics.md names, with a receiver and short times. */
function telemetryTo(url: string, env: Record<string, string> = {}): Record<string, string> {
  return {
    OTEL_DENO: "true",
    OTEL_EXPORTER_OTLP_ENDPOINT: url,
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    OTEL_METRIC_EXPORT_INTERVAL: "200",
    OTEL_BSP_SCHEDULE_DELAY: "200",
    OTEL_BLRP_SCHEDULE_DELAY: "200",
    ...env,
  };
}

function valueOf(metric: Metric | undefined, labels: Record<string, string> = {}) {
  const points = (metric?.sum ?? metric?.gauge ?? metric?.histogram)?.dataPoints ?? [];
  const point = points.find(({ attributes }) =>
    Object.entries(labels).every(([key, text]) =>
      attributes.some((one) => one.key === key && one.value.stringValue === text)
    )
  );
  return point === undefined ? undefined : Number(point.asInt ?? point.asDouble ?? point.count);
}

async function keysAndSecret(): Promise<Record<string, string>> {
  const { privateKeyJwk } = await generateKeyPairJwk();
  return {
    HOST: "127.0.0.1",
    PORT: "0",
    PRIVATE_KEY_JWK: privateKeyJwk,
    ADMIN_SECRET,
    LOG_LEVEL: "debug",
  };
}

Deno.test("telemetry: with OTEL_DENO=true Deno exports every metric, under the permissions of start", async () => {
  await using receiver = startReceiver();
  await using folder = await temporaryFolder();
  await using server = startDeno(["run", ...PERMISSIONS, MAIN], {
    cwd: folder.path,
    env: telemetryTo(receiver.url, { ...OPEN, INTERNAL_PORT: "0" }),
  });
  const { url } = await listening(server);
  const [, internal = ""] = await server.line(/Metrics on (http:[^"]*\/metrics)/);
  await using a = await Client.join(signalUrl(url, { nodeId: "a" }));
  await using b = await Client.join(signalUrl(url, { nodeId: "b" }));
  a.send({ type: "offer", to: "b", sdp: "" });
  await b.next("offer");
  b.send({ type: "answer", to: "a", sdp: "" });
  await a.next("answer");
  const { metrics } = receiver;
  await until(
    "the answer to be exported",
    () => valueOf(metrics.get("client_db_sync.answer")) === 1,
  );
  await until(
    "the peers to be exported",
    () => valueOf(metrics.get("client_db_sync.peers"), { role: "normal" }) === 2,
  );
  const labels = { type: "offer", outcome: "local" };
  assertEquals(valueOf(metrics.get("client_db_sync.signals"), labels), 1);
  assertEquals(metrics.get("client_db_sync.answer")?.unit, "s");
  const bounds = metrics.get("client_db_sync.answer")?.histogram?.dataPoints[0]?.explicitBounds;
  assertEquals(bounds, [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]);
  assertEquals(metrics.get("client_db_sync.received_bytes")?.unit ?? "", "");
  const text = await (await fetch(internal)).text();
  const names = [...text.matchAll(/^# TYPE client_db_sync_(\w+) (?!histogram)/gm)]
    .map(([, name = ""]) => name.replace(/(_bytes)?(_total)?$/, ""));
  const exported = (name: string) => metrics.has(`client_db_sync.${name}`);
  // A counter without a value yet has no series on either side.
  const missing = names.filter((name) => !exported(name) && name !== "admin_requests");
  assertEquals(missing, []);
  assert(metrics.has("process.memory.usage"));
  assertEquals(readMetrics(text)['peers{role="normal"}'], 2);
});

Deno.test("telemetry: no token leaves the server under the settings of docs/metrics.md", async () => {
  for (
    const setting of [
      { OTEL_TRACES_SAMPLER: "always_off" },
      { OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT: "40" },
    ]
  ) {
    await using receiver = startReceiver();
    await using folder = await temporaryFolder();
    await using server = startDeno(["run", ...PERMISSIONS, MAIN], {
      cwd: folder.path,
      env: telemetryTo(receiver.url, { ...await keysAndSecret(), ...setting }),
    });
    const { url } = await listening(server);
    const token = await requestToken(url, ADMIN_SECRET, "room");
    await using client = await Client.join(signalUrl(url, { token, nodeId: "a" }));
    await client.close();
    const { bodies, paths, metrics } = receiver;
    await until(
      "the join and its end to be exported",
      () => valueOf(metrics.get("client_db_sync.joins"), { how: "register" }) === 1,
    );
    await until("the log to be exported", () => bodies.join().includes("Peer left"));
    if ("OTEL_TRACES_SAMPLER" in setting) assert(!paths.has("/v1/traces"));
    else await until("a trace to be exported", () => paths.has("/v1/traces"));
    const all = bodies.join();
    const [, payload = "", signature = ""] = token.split(".");
    for (const secret of [payload, signature, ADMIN_SECRET]) {
      for (const part of [secret, secret.slice(-24)]) assert(!all.includes(part));
    }
  }
});

Deno.test("telemetry: without a setting of docs/metrics.md, traces do have the token", async () => {
  // If this fails, Deno has changed, and the docs ask for more than is needed.
  await using receiver = startReceiver();
  await using folder = await temporaryFolder();
  await using server = startDeno(["run", ...PERMISSIONS, MAIN], {
    cwd: folder.path,
    env: telemetryTo(receiver.url, await keysAndSecret()),
  });
  const { url } = await listening(server);
  const token = await requestToken(url, ADMIN_SECRET, "room");
  await using _client = await Client.join(signalUrl(url, { token, nodeId: "a" }));
  await until("the trace to be exported", () => receiver.bodies.join().includes(token));
});

Deno.test("telemetry: without OTEL_DENO nothing of OpenTelemetry is loaded", async () => {
  const code = `
    import { createServer } from ${JSON.stringify(`${ROOT}mod.ts`)};
    await using server = await createServer({ authEnabled: false });
    server.metrics();
    console.log(Symbol.for("opentelemetry.js.api.1") in globalThis);
  `;
  await using folder = await temporaryFolder();
  await Deno.writeTextFile(`${folder.path}/program.ts`, code);
  const config = ["--config", `${ROOT}deno.json`, "--no-lock"];
  const run = await runDeno(["run", ...config, `${folder.path}/program.ts`]);
  assertEquals([run.code, run.stdout, run.stderr], [0, "false\n", ""]);
  const info = await runDeno(["info", "--json", ...config, `${ROOT}main.ts`]);
  assertMatch(info.stdout, /src\/metrics\/telemetry\.ts/);
  assert(!info.stdout.includes("@opentelemetry"));
});
