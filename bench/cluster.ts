// deno-lint-ignore-file no-console
/**
 * The `bench:cluster` command: what many instances over Redis cost. Relaying within one and across two,
 * joining, a storm of joins; and the rooms of two instances distributed over 1, 2 and 4 Redis servers.
 * CPU is the kernel's account of each process.
 */

import { startRedis } from "../tests/helpers/redis.ts";
import {
  calls,
  fill,
  FULL,
  head,
  leaveAll,
  QUICK,
  row,
  type Sizes,
  spent,
  startInstance,
  us,
} from "./cluster/common.ts";
import { latencies, pingPong } from "./cluster/relaying.ts";
import { measureAllShards } from "./cluster/shards.ts";

const HELP = `Usage: deno task bench:cluster [--quick] [--shards]

Starts private Redis servers and instances, and prints two tables: one of instances that share a Redis,
one of two instances whose rooms 1, 2 and 4 Redis share. It takes about one and a half minutes on two cores.

  --quick     a tenth of everything, to see that it works: about 20 seconds
  --shards    the second table alone

In the second table "All Redis could do" is what they do together when the busiest of them has used up
a core of its own.`;

const ROOM_SIZES = [2, 50, 500];

function percentile(sorted: readonly number[], share: number): string {
  return (sorted[Math.floor(sorted.length * share)] ?? NaN).toFixed(2);
}

/** Instances that share one Redis, and one without. */
async function measureInstances(sizes: Sizes): Promise<void> {
  const { relayMs, joins, storm: stormJoins } = sizes;
  await using redis = await startRedis();
  await using alone = await startInstance([]);
  await using x = await startInstance([redis]);
  await using y = await startInstance([redis]);
  await using z = await startInstance([redis]);
  const all = [x, y, z];
  head("What", "Figure", "Instances' CPU each", "Redis' CPU each", "Redis commands each");
  for (
    const [what, from, to] of [
      ["relay 600 B, no backplane", alone, alone],
      ["relay 600 B within an instance", x, x],
      ["relay 600 B across two", x, y],
    ] as const
  ) {
    const run = await pingPong(from, to, { ...sizes, name: `relay${what.length}` });
    await redis.cli("config", "resetstat");
    let count = 0;
    const [a = 0, b = 0, r = 0] = await spent([from.pid, to.pid, redis.pid], async () => {
      count = await run();
    });
    const published = await calls(redis, "publish");
    const cpu = from === to ? a : a + b;
    const perSecond = `${Math.round(count * 1000 / relayMs)} msg/s`;
    const commands = from === to ? "0" : (published / count).toFixed(2);
    row(what, perSecond, us(cpu, count), from === to ? "" : us(r, count), commands);
  }
  for (const [what, from, to] of [["within", x, x], ["across two", x, y]] as const) {
    const found = await latencies(from, to, sizes);
    const figures = `p50 ${percentile(found, 0.5)} ms, p99 ${percentile(found, 0.99)} ms`;
    row(`latency ${what}, one message at a time`, figures, "", "", "");
  }
  for (const size of ROOM_SIZES) {
    for (const [what, instances] of [["no backplane", [alone]], ["across three", all]] as const) {
      await redis.cli("config", "resetstat");
      const pids = [...instances.map(({ pid }) => pid), redis.pid];
      let sockets: WebSocket[] = [];
      const cpu = await spent(pids, async () => {
        ({ sockets } = await fill(instances, joins, size, `size${size}-`));
      });
      const redisCpu = cpu.pop() ?? 0;
      const scripts = (await calls(redis, "evalsha")) / joins;
      const ours = cpu.reduce((sum, ms) => sum + ms, 0);
      const isAlone = instances.length === 1;
      row(
        `join, rooms of ${size}, ${what}`,
        "",
        us(ours, joins),
        isAlone ? "" : us(redisCpu, joins),
        isAlone ? "" : `${scripts.toFixed(2)} EVALSHA`,
      );
      await leaveAll(sockets);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
  const storm = await fill(all, stormJoins, 10, "storm");
  const health = await Promise.all(
    all.map(async ({ url }) => (await fetch(`${url}/health`)).json()),
  );
  const peers = health.reduce((sum, answer) => sum + answer.peers, 0);
  row(
    `storm of ${stormJoins} joins over three`,
    `${peers} joined in ${Math.round(storm.tookMs)} ms`,
    "",
    "",
    "",
  );
  await leaveAll(storm.sockets);
  await new Promise((resolve) => setTimeout(resolve, 500));
  const left = await redis.cli("keys", "*room:*");
  row("rooms left in Redis", String(left.length), "", "", "");
}

const unknown = Deno.args.filter((arg) => !["--quick", "--shards", "--help"].includes(arg));
if (unknown.length > 0) {
  console.error("Unknown argument. Try: deno task bench:cluster --help");
  Deno.exit(2);
}
if (Deno.args.includes("--help")) {
  console.log(HELP);
  Deno.exit();
}
const sizes = Deno.args.includes("--quick") ? QUICK : FULL;
if (!Deno.args.includes("--shards")) {
  await measureInstances(sizes);
  console.log("");
}
await measureAllShards(sizes);
