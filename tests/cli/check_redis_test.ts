/** What `check --connect` says of a Redis Cluster and of Sentinels: each fault is one line. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { checkRedis } from "../../src/cluster/redis/check.ts";
import { checkConnect } from "../helpers/check.ts";
import { runDeno } from "../helpers/command.ts";
import { MAIN, OPEN } from "../helpers/main.ts";
import { hasRedis } from "../helpers/redis.ts";
import { startRedisCluster } from "../helpers/redis_cluster.ts";
import { startSentinels } from "../helpers/redis_sentinels.ts";
import { allow, RIGHTS, SENTINEL_RIGHTS } from "../helpers/redis_users.ts";

const PREFIX = "client-db-sync:";
/** They are those of an instance, but that it may use no channel. */
const MUTE_RIGHTS = RIGHTS.replace(`&${PREFIX}*`, "resetchannels");
const CONNECTED = /Redis connected in \d+ ms and answers a PING in \d+ ms/.source;

/** Fails unless the checks of a URL are these, and show no secret. */
async function assertChecks(url: string, ...patterns: RegExp[]): Promise<void> {
  const checks = await checkRedis({ url, prefix: PREFIX });
  const lines = checks.map(({ kind, which, message }) => `${kind}, ${which}: ${message}`);
  assertLines(lines, patterns);
  assert(!lines.join().includes("hush"), lines.join("\n"));
}

/** Fails unless each line matches the pattern in its place. */
function assertLines(lines: readonly string[], patterns: readonly RegExp[]): void {
  assertEquals(lines.length, patterns.length, lines.join("\n"));
  for (const [index, pattern] of patterns.entries()) assertMatch(lines[index] ?? "", pattern);
}

async function assertPrinted(url: string, ...patterns: RegExp[]): Promise<void> {
  const { code, answers } = await checkConnect({ ...OPEN, REDIS_URL: url });
  assertEquals(code, 0, answers);
  assertLines(answers.trimEnd().split("\n"), patterns);
}

Deno.test({
  name: "check --connect tries every node and shard of a Redis Cluster, and each fault is one line",
  ignore: !hasRedis,
  fn: async () => {
    await using cluster = await startRedisCluster(3, 0);
    await allow(cluster.nodes, "me", RIGHTS);
    await allow(cluster.nodes, "mute", MUTE_RIGHTS);
    const at = (login: string) => cluster.url.replace("//", `//${login}@`);
    await assertPrinted(
      at("me:hush-me"),
      /^ok {4}REDIS_URL, 3 seeds: A node of a Redis Cluster that has 3 nodes$/,
      new RegExp(`^ok {4}REDIS_URL, 16 shards: ${CONNECTED}$`),
    );
    for (const node of cluster.nodes) assertEquals(await node.cli("keys", "*"), []);

    await assertChecks(
      at("me:hush-hush"),
      /^fails, 3 seeds: It refuses the user or the password: check both in REDIS_URL$/,
    );
    await assertChecks(
      at("mute:hush-mute"),
      /^works, 3 seeds: /,
      /^fails, 16 shards: Its user may do too little\. It needs: ACL .* &client-db-sync:\* /,
    );
    await cluster.nodes[0]?.kill();
    await assertChecks(
      at("me:hush-me"),
      /^fails, seed 1 of 3: Nothing listens there: check the port, and whether it runs$/,
      /^works, seeds 2, 3 of 3: A node of a Redis Cluster/,
      /^fails, \d of 16 shards: Nothing listens there.*\. The nodes announce its address$/,
      new RegExp(`^works, 1\\d of 16 shards: ${CONNECTED}$`),
    );
  },
});

Deno.test({
  name: "check --connect names the nodes of a Redis Cluster that Deno may not reach",
  ignore: !hasRedis,
  fn: async () => {
    await using cluster = await startRedisCluster(2, 0);
    const [one, two] = cluster.nodes.map(({ port }) => `127.0.0.1:${port}`);
    const permissions = ["--no-prompt", "--allow-env", `--allow-net=0.0.0.0:1,${one}`];
    const args = ["run", ...permissions, MAIN, "check", "--connect"];
    const REDIS_URL = `redis-cluster://${one}`;
    const { code, stdout, stderr } = await runDeno(args, {
      env: { AUTH_DISABLED: "true", PORT: "1", REDIS_URL },
    });
    assertEquals(code, 1, stderr);
    assertMatch(stdout, /^ok {4}REDIS_URL, 8 of 16 shards: Redis connected/m);
    const [line = ""] = /^FAIL .*/m.exec(stdout) ?? [];
    assertEquals(
      line,
      `FAIL  REDIS_URL, 8 of 16 shards: Deno may not reach ${two}: add it to --allow-net. ` +
        "The nodes announce its address",
    );
    assertMatch(stderr, /^To reach these hosts run: deno run -N -E .* check --connect$/m);
  },
});

Deno.test({
  name: "check --connect asks every Sentinel and tries the primary, and each fault is one line",
  ignore: !hasRedis,
  fn: async () => {
    await using started = await startSentinels();
    await allow(started.servers, "me", RIGHTS);
    await allow(started.servers, "mute", MUTE_RIGHTS);
    await allow(started.sentinels, "asker", SENTINEL_RIGHTS);
    await allow(started.sentinels, "idle", "+@connection");
    const asker = "&sentinel-user=asker&sentinel-password=hush-asker";
    const at = (login: string, more = asker) => started.url.replace("//", `//${login}@`) + more;
    await assertPrinted(
      at("me:hush-me"),
      /^ok {4}REDIS_URL, 3 Sentinels: A Sentinel that knows the primary$/,
      new RegExp(`^ok {4}REDIS_URL: ${CONNECTED}$`),
    );
    assertEquals(await started.servers[0].cli("keys", "*"), []);

    await assertChecks(
      at("me:hush-hush"),
      /^works, 3 Sentinels: /,
      /^fails, : It refuses the user or the password: check those before the @ in REDIS_URL; /,
    );
    await assertChecks(
      at("me:hush-me", "&sentinel-user=asker&sentinel-password=hush-hush"),
      /^fails, 3 Sentinels: It refuses .*: check sentinel-user and sentinel-password in REDIS_URL/,
    );
    await assertChecks(
      at("me:hush-me", "&sentinel-user=idle&sentinel-password=hush-idle"),
      /^fails, 3 Sentinels: .* ACL SETUSER … \+@connection \+sentinel\|get-master-addr-by-name$/,
    );
    await assertChecks(
      at("me:hush-me").replace("mymaster", "hush-name"),
      /^fails, 3 Sentinels: The Sentinels know no primary of that name: check \?name=$/,
    );
    await assertChecks(
      at("mute:hush-mute"),
      /^works, 3 Sentinels: /,
      /^fails, : Its user may do too little\. It needs: ACL .* &client-db-sync:\* /,
    );
    await started.sentinels[1]?.kill();
    await assertChecks(
      at("me:hush-me"),
      /^works, Sentinels 1, 3 of 3: A Sentinel that knows the primary$/,
      /^fails, Sentinel 2 of 3: Nothing listens there: check the port, and whether it runs$/,
      new RegExp(`^works, : ${CONNECTED}$`),
    );
  },
});
