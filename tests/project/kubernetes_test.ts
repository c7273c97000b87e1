/** The manifests in `deploy/kubernetes`: valid against the API's schemas, and what the server needs. */

import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { ServiceMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor";
import { Deployment } from "kubernetes-models/apps/v1/Deployment";
import { PodDisruptionBudget } from "kubernetes-models/policy/v1/PodDisruptionBudget";
import { Secret } from "kubernetes-models/v1/Secret";
import { Service } from "kubernetes-models/v1/Service";
import { parse } from "yaml";
import metadata from "../../deno.json" with { type: "json" };
import { SETTINGS } from "../../src/config/settings.ts";
import { filesIn, ROOT, runDeno, start } from "../helpers/command.ts";

const FOLDER = "deploy/kubernetes";

async function read(name: string) {
  return parse(await Deno.readTextFile(`${ROOT}${FOLDER}/${name}`));
}

const deployment = new Deployment(await read("deployment.yaml"));
const service = new Service(await read("service.yaml"));
const budget = new PodDisruptionBudget(await read("pod-disruption-budget.yaml"));
const monitor = new ServiceMonitor(await read("service-monitor.yaml"));
const secret = new Secret(await read("secret.example.yaml"));
const kustomization = await read("kustomization.yaml");

/** Each manifest with the type of its kind, and where that is from. */
const MANIFESTS = [
  [deployment, "IDeployment", "kubernetes-models/apps/v1/Deployment"],
  [service, "IService", "kubernetes-models/v1/Service"],
  [budget, "IPodDisruptionBudget", "kubernetes-models/policy/v1/PodDisruptionBudget"],
  [
    monitor,
    "IServiceMonitor",
    "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor",
  ],
  [secret, "ISecret", "kubernetes-models/v1/Secret"],
] as const;

const pod = deployment.spec?.template.spec;
const [container] = pod?.containers ?? [];
assert(pod !== undefined && container !== undefined);

const environment = new Map(container.env?.map(({ name, value }) => [name, value ?? ""]));

Deno.test("kubernetes: every manifest is valid against the schema of its kind", async () => {
  for (const [manifest] of MANIFESTS) manifest.validate();
  const wrong = await read("deployment.yaml");
  wrong.spec.replicas = "2";
  assertThrows(() => new Deployment(wrong).validate(), Error, "replicas must be integer");
});

/** In the folder of the tests, so that it may import what they may. */
async function sourceFile(text: string): Promise<AsyncDisposable & { path: string }> {
  const path = await Deno.makeTempFile({
    dir: `${ROOT}tests`,
    prefix: "manifests_",
    suffix: ".ts",
  });
  await Deno.writeTextFile(path, text);
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path) };
}

// The schemas allow fields that they do not know; the types of literals do not.
Deno.test("kubernetes: no manifest has a field that its kind does not know", async () => {
  const lines = MANIFESTS.map(([manifest, type, module]) =>
    `import type { ${type} } from "${module}";\n` +
    `export const a${type}: ${type} = ${JSON.stringify(manifest)};\n`
  );
  const mistake = JSON.stringify(deployment).replace('"preStop"', '"preStopp"');
  await using file = await sourceFile(
    `${lines.join("")}export const wrong: IDeployment = ${mistake};\n`,
  );
  const { stderr } = await runDeno(["check", "--lock=tests/deno.lock", file.path]);
  assertMatch(stderr, /\[ERROR\].*"preStopp"/);
  assertEquals(stderr.match(/\[ERROR\]/g)?.length, 1, stderr);
});

Deno.test("kubernetes: the kustomization has every manifest but the secret and the monitor", async () => {
  const files = await Array.fromAsync(filesIn(FOLDER), ({ name }) => name);
  const optional = ["kustomization.yaml", "secret.example.yaml", "service-monitor.yaml"];
  assertEquals(
    new Set([...kustomization.resources, ...optional]),
    new Set(files),
  );
  assertEquals(kustomization.images[0].name, container.image);
  assertEquals(kustomization.images[0].newTag, metadata.version);
});

Deno.test({
  name: "kubernetes: kubectl builds the kustomization",
  // No Debian package has a kubectl that is new enough: not among what CI installs.
  ignore: !await new Deno.Command("kubectl", { args: ["kustomize", "--help"], stdout: "null" })
    .output().then(({ success }) => success, () => false),
  async fn() {
    await using kubectl = start("kubectl", ["kustomize", `${ROOT}${FOLDER}`]);
    assertEquals(await kubectl.exited, 0, kubectl.stderr());
    const kinds = kubectl.stdout().split("\n---\n").map((text) => parse(text).kind);
    assertEquals(kinds.sort(), ["Deployment", "PodDisruptionBudget", "Service"]);
    assert(kubectl.stdout().includes("image: registry.example.com/client-db-sync:"));
  },
});

Deno.test("kubernetes: all manifests select the same pods, and the port by its name", () => {
  const labels = { "app.kubernetes.io/name": "client-db-sync" };
  assertEquals<unknown>(
    [
      deployment.spec?.selector.matchLabels,
      deployment.spec?.template.metadata?.labels,
      service.spec?.selector,
      service.metadata?.labels,
      budget.spec?.selector?.matchLabels,
      monitor.spec?.selector.matchLabels,
    ],
    Array(6).fill(labels),
  );
  const [port] = container.ports ?? [];
  assertEquals(String(port?.containerPort), environment.get("PORT"));
  assertEquals(service.spec?.ports?.[0]?.targetPort, port?.name);
  assertEquals(monitor.spec?.endpoints?.[0]?.port, service.spec?.ports?.[0]?.name);
});

Deno.test("kubernetes: the pod has no privileges, by a numeric user, on a read-only root", async () => {
  const user = /^USER (\d+)$/m.exec(await Deno.readTextFile(`${ROOT}Dockerfile`))?.[1];
  assertEquals(String(pod.securityContext?.runAsUser), user);
  assertEquals(pod.securityContext?.runAsNonRoot, true);
  assertEquals(pod.automountServiceAccountToken, false);
  assertEquals(container.securityContext, {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ["ALL"] },
  });
});

Deno.test("kubernetes: it is restarted by /livez and gets clients by /readyz, and has time to drain", () => {
  assertEquals(container.livenessProbe?.httpGet?.path, "/livez");
  assertEquals(container.readinessProbe?.httpGet?.path, "/readyz");
  const sleep = container.lifecycle?.preStop?.sleep?.seconds ?? 0;
  const drain = Number(environment.get("DRAIN_SECONDS"));
  assert(sleep > 0 && drain > 0);
  assert((pod.terminationGracePeriodSeconds ?? 0) > sleep + drain + 2);
});

Deno.test("kubernetes: its settings exist, and fit the memory limit", () => {
  const names = SETTINGS.map(({ name }) => name);
  const used = [...environment.keys(), ...Object.keys(secret.stringData ?? {})];
  for (const name of used) assert(names.includes(name), name);
  const [, limit] = /^(\d+)Mi$/.exec(String(container.resources?.limits?.["memory"])) ?? [];
  assertEquals(Number(environment.get("MAX_MEMORY_MB")), Number(limit) * 0.8);
  const { key } = monitor.spec?.endpoints?.[0]?.authorization?.credentials ?? {};
  assert(key !== undefined && key in (secret.stringData ?? {}), key);
});

Deno.test("kubernetes: the server is run as in the Dockerfile, but that it may reach Redis", async () => {
  const dockerfile = (await Deno.readTextFile(`${ROOT}Dockerfile`)).replaceAll("\\\n", "");
  const expected: string[] = JSON.parse(/^CMD (\[.*\])$/m.exec(dockerfile)?.[1] ?? "");
  const main = expected.pop() ?? "";
  const { hostname } = new URL(environment.get("REDIS_URL") ?? "");
  const hosts = [...metadata.permissions.server.net, hostname].join(",");
  assertEquals(container.args, [...expected, `--allow-net=${hosts}`, main]);
});
