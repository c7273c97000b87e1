/** The demonstrations of many instances: `deno task cluster`, and `compose.yaml` as text. */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import metadata from "../../deno.json" with { type: "json" };
import { SETTINGS } from "../../src/config/settings.ts";
import { Client, until } from "../helpers/client.ts";
import { ROOT, runDeno, start, startDeno, temporaryFolder } from "../helpers/command.ts";
import { listening, OPEN, serve } from "../helpers/main.ts";
import { freePort } from "../helpers/port.ts";
import { hasPrograms } from "../helpers/program.ts";
import { hasRedis, startRedis } from "../helpers/redis.ts";
import { signalUrl } from "../helpers/server.ts";

const CLUSTER = ["task", "--quiet", "cluster"];

/** The port of everything that a run has started. */
function portsIn(stdout: string): number[] {
  const addresses = stdout.matchAll(/(?:Proxy http|redis):\/\/127\.0\.0\.1:(\d+)/g);
  const instances = stdout.matchAll(/^ +[123] +(\d+) /gm);
  return [...new Set([...addresses, ...instances].map(([, port]) => Number(port)))];
}

async function assertAllEnded(stdout: string): Promise<void> {
  const ports = portsIn(stdout);
  assertEquals(ports.length, 5, stdout);
  for (const port of ports) {
    await assertRejects(() => Deno.connect({ hostname: "127.0.0.1", port }), Error);
  }
}

Deno.test({
  name:
    "cluster: peers meet across three instances, the table shows it, and nothing is left running",
  ignore: !hasRedis,
  async fn() {
    const { code, stdout, stderr } = await runDeno([...CLUSTER, "--seconds", "6", "--peers", "12"]);
    assertEquals(code, 0, stdout + stderr);
    const blocks = stdout.split("\n\n").filter((block) => block.includes("backplane"));
    assert(blocks.length >= 3, stdout);
    const [title = "", headings = "", ...rows] = blocks.at(-1)?.split("\n") ?? [];
    assertMatch(title, /^\d+ s: (\d+) of \1 pairs on different instances have met$/);
    assertMatch(headings, /^instance +port +peers +rooms +backplane +joins +within +across +p50/);
    const cells = rows.map((row) => row.trim().split(/ +/));
    const sum = (column: number) => cells.reduce((all, row) => all + Number(row[column]), 0);
    assertEquals([cells.length, sum(2), sum(5)], [3, 12, 12], stdout);
    for (const [instance, , peers, , backplane, , within, across, p50] of cells) {
      const isAlive = backplane === "up" &&
        [peers, within, across, p50].every((n) => Number(n) > 0);
      assert(isAlive, `Instance ${instance}:\n${stdout}`);
    }
    assertMatch(stdout, /^ok: all \d+ pairs/m);
    await assertAllEnded(stdout);
  },
});

Deno.test({
  name: "cluster: without --seconds it runs until a signal, which ends everything",
  ignore: !hasRedis,
  async fn() {
    await using running = startDeno(CLUSTER);
    await running.line(/^ +3 +\d+ .* ms$/m);
    running.kill("SIGINT");
    assertEquals(await running.exited, 0, running.stdout() + running.stderr());
    assertMatch(running.stdout(), /^ok: all \d+ pairs/m);
    await assertAllEnded(running.stdout());
  },
});

Deno.test("cluster: it says what it takes, what it does not, and when there is no Redis", async () => {
  const help = await runDeno([...CLUSTER, "--help"]);
  assertEquals(help.code, 0);
  assertMatch(help.stdout, /--seconds N[\s\S]*--peers N/);
  for (const args of [["--seconds", "none"], ["--seconds"], ["--peers", "1"], ["--other", "1"]]) {
    const { code, stderr } = await runDeno([...CLUSTER, ...args]);
    assertEquals(code, 2, args.join(" "));
    assertMatch(stderr, /not understood/);
  }
  await using folder = await temporaryFolder();
  const script = `${ROOT}scripts/cluster.ts`;
  const { code, stderr } = await runDeno(["run", "-A", script], { env: { PATH: folder.path } });
  assertEquals(code, 1);
  assertMatch(stderr, /^cluster: redis-server and valkey-server are not installed/);
});

const COMPOSE = await Deno.readTextFile(`${ROOT}compose.yaml`);

/** The lines below the first of this name, as long as they are further in. */
function section(name: string): string[] {
  const match = new RegExp(`^( *)${name}:.*\\n((?:\\1 +.*\\n|\\n)+)`, "m").exec(COMPOSE);
  return (match?.[2] ?? "").split("\n").map((line) => line.trim()).filter((line) => line !== "");
}

/** The settings of an instance. */
const ENVIRONMENT = new Map(
  section("environment").map((line) => {
    const [name = "", ...value] = line.split(": ");
    return [name, value.join(": ").replaceAll('"', "")];
  }),
);

Deno.test("compose.yaml: an instance is run as in the Dockerfile, but that it may reach Redis", async () => {
  const dockerfile = (await Deno.readTextFile(`${ROOT}Dockerfile`)).replaceAll("\\\n", "");
  const expected: string[] = JSON.parse(/^CMD (\[.*\])$/m.exec(dockerfile)?.[1] ?? "");
  const command = section("command").map((line) => JSON.parse(line.replace(/^- /, "")));
  const { hostname } = new URL(ENVIRONMENT.get("REDIS_URL") ?? "");
  const main = expected.pop() ?? ""; // A flag replaces the hosts of the set: all have to be there.
  const hosts = [...metadata.permissions.server.net, hostname].join(",");
  assertEquals(command, [...expected, `--allow-net=${hosts}`, main]);
  assertMatch(COMPOSE, new RegExp(`^  ${hostname}:\\n    image: `, "m"));
});

Deno.test("compose.yaml: its settings exist, and fit its network and memory", () => {
  const names = SETTINGS.map(({ name }) => name);
  assert(ENVIRONMENT.size > 4);
  for (const name of ENVIRONMENT.keys()) assert(names.includes(name), name);
  const [, subnet] = /subnet: (\S+)/.exec(COMPOSE) ?? [];
  assertEquals(ENVIRONMENT.get("TRUSTED_PROXIES"), subnet);
  const [, limit] = /mem_limit: (\d+)m/.exec(section("x-instance").join("\n")) ?? [];
  assert(Number(ENVIRONMENT.get("MAX_MEMORY_MB")) < Number(limit));
});

Deno.test("compose.yaml: three instances behind a proxy that logs no query, all pinned and restarted", () => {
  const instances = [...COMPOSE.matchAll(/^ {2}(\w+): \*instance$/gm)].map(([, name]) => name);
  assertEquals(instances.length, 3);
  const content = section("content");
  const { PORT } = Object.fromEntries(ENVIRONMENT);
  for (const name of instances) assert(content.includes(`server ${name}:${PORT} resolve;`), name);
  assert(content.includes("proxy_set_header Upgrade $$http_upgrade;"));
  assertEquals(content.join("\n").match(/\$\$(request|request_uri|args|query_string)\b/g), null);
  const substituted =
    /\$(?!\{(AUTH_DISABLED:-false|TURN_(PREVIOUS_)?SECRET:-|TURN_EXTERNAL_IP:-)\})/g;
  assertEquals(COMPOSE.replaceAll("$$", "").match(substituted), null);
  const images = [...COMPOSE.matchAll(/image: (.*)/g)].map(([, image = ""]) => image);
  for (const image of images) assertMatch(image, /^[a-z/]+:\d+\.\d+-alpine$/);
  assertEquals(COMPOSE.match(/restart: unless-stopped/g)?.length, images.length + 1);
  assertEquals(COMPOSE.match(/healthcheck:/g)?.length, images.length + 1);
});

Deno.test("compose.yaml: its proxy has no setting that deploy/nginx does not have, but names and paths", async () => {
  const known = (await Deno.readTextFile(`${ROOT}deploy/nginx/nginx.conf`)).split("\n")
    .map((line) => line.trim());
  const own = /^(#|listen |access_log |error_log |resolver |zone |server \w+:)/;
  const lines = section("content").map((line) => line.replaceAll("$$", "$"))
    .filter((line) => !own.test(line));
  assert(lines.length > 20);
  for (const line of lines) assert(known.includes(line), line);
});

/** The configuration of the proxy, with what the nginx of this machine and loopback need replaced. */
function nginxConfig(port: number, instances: readonly number[], folder: string): string {
  const names = ["one", "two", "three"];
  const upstreams = names.map((name, index) =>
    [`server ${name}:8080 resolve;`, `server 127.0.0.1:${instances[index]};`] as const
  );
  const replacements = [
    ...upstreams,
    ["resolver 127.0.0.11 valid=5s;", ""],
    ["listen 80;", `listen 127.0.0.1:${port};`],
    ["access_log /dev/stdout", `access_log ${folder}/access.log`],
    // One process, so that a test that fails leaves no worker behind.
    [
      "error_log /dev/stderr",
      `daemon off; master_process off; pid ${folder}/pid; error_log /dev/stderr`,
    ],
  ] as const;
  let text = section("content").join("\n").replaceAll("$$", "$");
  for (const [from, to] of replacements) {
    assert(text.includes(from), from);
    text = text.replace(from, to);
  }
  return text;
}

Deno.test({
  name: "compose.yaml: its proxy lets clients of three instances meet, and logs no query",
  ignore: !hasRedis || !await hasPrograms("nginx"),
  async fn() {
    await using folder = await temporaryFolder();
    await using redis = await startRedis();
    const env = { ...OPEN, REDIS_URL: redis.url, TRUSTED_PROXIES: "127.0.0.1", DRAIN_SECONDS: "0" };
    await using one = serve({ cwd: folder.path, env });
    await using two = serve({ cwd: folder.path, env });
    await using three = serve({ cwd: folder.path, env });
    const instances = await Promise.all([one, two, three].map(listening));
    const port = freePort();
    const config = `${folder.path}/nginx.conf`;
    const ports = instances.map((instance) => instance.port);
    await Deno.writeTextFile(config, nginxConfig(port, ports, folder.path));

    const options = ["-e", "stderr", "-c", config];
    await using check = start("nginx", ["-t", ...options]);
    assertEquals(await check.exited, 0, check.stderr());

    await using proxy = start("nginx", options);
    const url = `http://127.0.0.1:${port}`;
    await until("the proxy to answer", () => fetch(`${url}/health`).then((r) => r.json(), () => 0));
    const nodeIds = ["a", "b", "c", "d"];
    await using stack = new AsyncDisposableStack();
    const clients: Client[] = [];
    for (const nodeId of nodeIds) {
      const query = { room: "todos", nodeId, token: "not-looked-at" };
      clients.push(stack.use(await Client.join(signalUrl(url, query))));
    }
    for (const { port } of instances) { // The proxy takes one after the other.
      const health = await (await fetch(`http://127.0.0.1:${port}/health`)).json();
      assert(health.peers > 0, JSON.stringify(health));
    }
    const [first, , , last] = clients;
    last?.send({ type: "offer", to: "a", sdp: {} });
    const offer = await first?.next("offer");
    assertEquals(offer.from, "d");
    await stack.disposeAsync();

    proxy.kill("SIGTERM");
    assertEquals(await proxy.exited, 0, proxy.stderr());
    const log = await Deno.readTextFile(`${folder.path}/access.log`);
    assertEquals(log.match(/"GET \/signal" 101/g)?.length, nodeIds.length, log);
    assert(!/[?=]|todos|not-looked-at/.test(log), log);
    const output = [one, two, three].map((instance) => instance.stdout()).join("");
    assert(!output.includes("X-Forwarded-For"), output);
  },
});
