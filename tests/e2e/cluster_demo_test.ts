/** The demonstrations of many instances: `deno task cluster`, and `compose.yaml` as text. */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import metadata from "../../deno.json" with { type: "json" };
import { SETTINGS } from "../../src/config/settings.ts";
import { ROOT, runDeno, startDeno, temporaryFolder } from "../helpers/command.ts";
import { hasRedis } from "../helpers/redis.ts";

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
  assertEquals(COMPOSE.replaceAll("$$", "").match(/\$(?!\{AUTH_DISABLED:-false\})/g), null);
  const images = [...COMPOSE.matchAll(/image: (.*)/g)].map(([, image = ""]) => image);
  for (const image of images) assertMatch(image, /^[a-z]+:\d+\.\d+-alpine$/);
  assertEquals(COMPOSE.match(/restart: unless-stopped/g)?.length, images.length + 1);
  assertEquals(COMPOSE.match(/healthcheck:/g)?.length, images.length + 1);
});
