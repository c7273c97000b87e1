// deno-lint-ignore-file no-console
/**
 * What many instances over Redis cost: relaying within one and across two, joining, a storm of joins,
 * and the same with the rooms distributed over 1, 2 and 4 Redis servers. Starts a private Redis and instances of `main.ts`, and prints one table. CPU is the kernel's account
 * of each process.
 */

import { startRedis, type TestRedis } from "../tests/helpers/redis.ts";
import { startDeno } from "../tests/helpers/command.ts";
import { cpuMs } from "./load/process.ts";

const RELAY_MS = 4000;
const PAIRS = 50;
const STORM = 5000;
const ROOM_SIZES = [2, 50, 500];
const JOINS = 1000;
const SHARDED_JOINS = 2000;
const FRAME = JSON.stringify({
  type: "offer",
  to: "@",
  sdp: { type: "offer", sdp: "x".repeat(540) },
});

interface Instance extends AsyncDisposable {
  readonly pid: number;
  readonly url: string;
}

async function startInstance(redisUrl: string): Promise<Instance> {
  const process = startDeno(["run", "--allow-all", "main.ts"], {
    env: {
      AUTH_DISABLED: "true",
      HOST: "127.0.0.1",
      PORT: "0",
      REDIS_URL: redisUrl,
      LOG_FORMAT: "json",
      MAX_PENDING_CONNECTIONS: "0",
      MAX_PENDING_CONNECTIONS_PER_IP: "0",
      MAX_BYTES_PER_SECOND: "0",
      MAX_MESSAGES_PER_SECOND: "0",
    },
  });
  const [, url = ""] = await process.line(/Listening on (http:[^ "]*)/);
  if (redisUrl !== "") await process.line(/Backplane up/);
  return { pid: process.pid, url, [Symbol.asyncDispose]: () => process[Symbol.asyncDispose]() };
}

/** An instance whose rooms are distributed over these Redis servers. */
async function startSharded(redisUrls: readonly string[]): Promise<Instance> {
  const process = startDeno(["run", "--allow-all", "bench/_sharded.ts", ...redisUrls]);
  const [, url = ""] = await process.line(/Listening on (http:[^ ]*) over/);
  return { pid: process.pid, url, [Symbol.asyncDispose]: () => process[Symbol.asyncDispose]() };
}

async function join({ url }: Instance, room: string, nodeId: string): Promise<WebSocket> {
  const socket = new WebSocket(`${url.replace("http", "ws")}/signal?room=${room}&nodeId=${nodeId}`);
  await new Promise<void>((resolve, reject) => {
    socket.onopen = () => socket.send('{"type":"register"}');
    socket.onmessage = () => resolve();
    socket.onclose = ({ code }) => reject(new Error(`closed with ${code}`));
  });
  socket.onclose = null;
  return socket;
}

async function leaveAll(sockets: readonly WebSocket[]): Promise<void> {
  await Promise.all(sockets.map((socket) =>
    new Promise<void>((resolve) => {
      socket.onclose = () => resolve();
      socket.close();
    })
  ));
}

/** Calls of a command since Redis was told to forget them. */
async function calls(redis: TestRedis, command: string): Promise<number> {
  const lines = await redis.cli("info", "commandstats");
  const line = lines.find((text) => text.startsWith(`cmdstat_${command}:`)) ?? "";
  return Number(/calls=(\d+)/.exec(line)?.[1] ?? 0);
}

/** CPU of some processes while something runs, in milliseconds. */
async function spent(pids: readonly number[], run: () => Promise<void>): Promise<number[]> {
  const before = pids.map(cpuMs);
  await run();
  return pids.map((pid, n) => cpuMs(pid) - (before[n] ?? 0));
}

function us(ms: number, count: number): string {
  return `${(ms * 1000 / count).toFixed(1)} µs`;
}

function percentile(sorted: readonly number[], share: number): string {
  return (sorted[Math.floor(sorted.length * share)] ?? NaN).toFixed(2);
}

/** Pairs that send a message back and forth as fast as it goes; how many arrived. */
async function pingPong(
  from: Instance,
  to: Instance,
  name: string,
): Promise<() => Promise<number>> {
  let arrived = 0;
  let isOver = false;
  const sockets: WebSocket[] = [];
  for (let n = 0; n < PAIRS; n++) {
    const [a, b] = [await join(from, `${name}${n}`, "a"), await join(to, `${name}${n}`, "b")];
    sockets.push(a, b);
    for (const [socket, other] of [[a, "b"], [b, "a"]] as const) {
      const frame = FRAME.replace("@", other);
      socket.onmessage = () => {
        arrived++;
        if (!isOver) socket.send(frame);
      };
    }
  }
  return async () => {
    for (let n = 1; n < sockets.length; n += 2) sockets[n]?.send(FRAME.replace("@", "a"));
    await new Promise((resolve) => setTimeout(resolve, RELAY_MS));
    isOver = true;
    const count = arrived;
    await new Promise((resolve) => setTimeout(resolve, 200));
    await leaveAll(sockets);
    return count;
  };
}

/** One pair that sends a message back and forth: how long each took, in milliseconds. */
async function latencies(from: Instance, to: Instance): Promise<number[]> {
  const [a, b] = [await join(from, "latency", "a"), await join(to, "latency", "b")];
  const found: number[] = [];
  let sentAt = 0;
  let isOver = false;
  const send = (socket: WebSocket, other: string) => {
    sentAt = performance.now();
    socket.send(FRAME.replace("@", other));
  };
  for (const [socket, other] of [[a, "b"], [b, "a"]] as const) {
    socket.onmessage = () => {
      found.push(performance.now() - sentAt);
      if (!isOver) send(socket, other);
    };
  }
  send(b, "a");
  await new Promise((resolve) => setTimeout(resolve, RELAY_MS));
  isOver = true;
  await new Promise((resolve) => setTimeout(resolve, 100));
  await leaveAll([a, b]);
  return found.sort((x, y) => x - y);
}

/** Joins peers in rooms of a size, spread over the instances, and tells how long that took. */
async function fill(instances: readonly Instance[], count: number, size: number, name: string) {
  const start = performance.now();
  const sockets: WebSocket[] = [];
  for (let n = 0; n < count;) {
    const batch = Array.from({ length: Math.min(50, count - n) }, () => {
      const instance = instances[n % instances.length] as Instance;
      return join(instance, `${name}${Math.floor(n / size)}`, `p${n++}`);
    });
    sockets.push(...await Promise.all(batch));
  }
  return { tookMs: performance.now() - start, sockets };
}

function row(what: string, ...figures: string[]): void {
  console.log(`| ${[what, ...figures].join(" | ")} |`);
}

/** Joins and messages across two instances, with so many Redis servers. */
async function measureShards(shards: number): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const servers: TestRedis[] = [];
  for (let n = 0; n < shards; n++) servers.push(stack.use(await startRedis()));
  const urls = servers.map(({ url }) => url);
  const two = [stack.use(await startSharded(urls)), stack.use(await startSharded(urls))] as const;
  const pids = [...two.map(({ pid }) => pid), ...servers.map(({ pid }) => pid)];
  const each = (cpu: number[], count: number) => {
    const ofRedis = cpu.slice(2);
    const redisMs = ofRedis.reduce((sum, ms) => sum + ms, 0);
    return [
      us((cpu[0] ?? 0) + (cpu[1] ?? 0), count),
      ofRedis.map((ms) => us(ms, count)).join(" + "),
      `${Math.round(count * 1000 / redisMs)} a second for one core of Redis`,
    ];
  };
  let [count, tookMs] = [0, 0];
  let sockets: WebSocket[] = [];
  const joined = await spent(pids, async () => {
    ({ sockets, tookMs } = await fill(two, SHARDED_JOINS, 4, `shards${shards}-`));
  });
  const joins = `${Math.round(SHARDED_JOINS * 1000 / tookMs)} joins/s`;
  row(`join, rooms of 4 over two, ${shards} Redis`, joins, ...each(joined, SHARDED_JOINS));
  await leaveAll(sockets);
  const run = await pingPong(two[0], two[1], `relayed${shards}-`);
  const relayed = await spent(pids, async () => {
    count = await run();
  });
  const messages = `${Math.round(count * 1000 / RELAY_MS)} msg/s`;
  row(`relay 600 B across two, ${shards} Redis`, messages, ...each(relayed, count));
}

if (Deno.args.includes("--shards")) {
  row("What", "Figure", "Instances' CPU each", "Each Redis' CPU each", "One Redis could do");
  row("---", "---", "---", "---", "---");
  for (const shards of [1, 2, 4]) await measureShards(shards);
  Deno.exit();
}

await using redis = await startRedis();
await using alone = await startInstance("");
await using x = await startInstance(redis.url);
await using y = await startInstance(redis.url);
await using z = await startInstance(redis.url);
const all = [x, y, z];
row("What", "Figure", "Instances' CPU each", "Redis' CPU each", "Redis commands each");
row("---", "---", "---", "---", "---");
for (
  const [what, from, to] of [
    ["relay 600 B, no backplane", alone, alone],
    ["relay 600 B within an instance", x, x],
    ["relay 600 B across two", x, y],
  ] as const
) {
  const run = await pingPong(from, to, `relay${what.length}`);
  await redis.cli("config", "resetstat");
  let count = 0;
  const [a = 0, b = 0, r = 0] = await spent([from.pid, to.pid, redis.pid], async () => {
    count = await run();
  });
  const published = await calls(redis, "publish");
  const cpu = from === to ? a : a + b;
  const perSecond = `${Math.round(count * 1000 / RELAY_MS)} msg/s`;
  const commands = from === to ? "0" : (published / count).toFixed(2);
  row(what, perSecond, us(cpu, count), from === to ? "" : us(r, count), commands);
}
for (const [what, from, to] of [["within", x, x], ["across two", x, y]] as const) {
  const found = await latencies(from, to);
  const figures = `p50 ${percentile(found, 0.5)} ms, p99 ${percentile(found, 0.99)} ms`;
  row(`latency ${what}, one message at a time`, figures, "", "", "");
}
for (const size of ROOM_SIZES) {
  for (const [what, instances] of [["no backplane", [alone]], ["across three", all]] as const) {
    await redis.cli("config", "resetstat");
    const pids = [...instances.map(({ pid }) => pid), redis.pid];
    let sockets: WebSocket[] = [];
    const cpu = await spent(pids, async () => {
      ({ sockets } = await fill(instances, JOINS, size, `size${size}-`));
    });
    const redisCpu = cpu.pop() ?? 0;
    const scripts = (await calls(redis, "evalsha")) / JOINS;
    const ours = cpu.reduce((sum, ms) => sum + ms, 0);
    const isAlone = instances.length === 1;
    row(
      `join, rooms of ${size}, ${what}`,
      "",
      us(ours, JOINS),
      isAlone ? "" : us(redisCpu, JOINS),
      isAlone ? "" : `${scripts.toFixed(2)} EVALSHA`,
    );
    await leaveAll(sockets);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
const storm = await fill(all, STORM, 10, "storm");
const health = await Promise.all(all.map(async ({ url }) => (await fetch(`${url}/health`)).json()));
const peers = health.reduce((sum, answer) => sum + answer.peers, 0);
row(
  `storm of ${STORM} joins over three`,
  `${peers} joined in ${Math.round(storm.tookMs)} ms`,
  "",
  "",
  "",
);
await leaveAll(storm.sockets);
await new Promise((resolve) => setTimeout(resolve, 500));
const left = await redis.cli("keys", "*room:*");
row("rooms left in Redis", String(left.length), "", "", "");
