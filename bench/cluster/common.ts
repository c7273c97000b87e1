// deno-lint-ignore-file no-console
/** What the measurements share: instances of `main.ts`, their clients, CPU, and the rows of a table. */

import { startDeno } from "../../tests/helpers/command.ts";
import { until, within } from "../../tests/helpers/patience.ts";
import type { TestRedis } from "../../tests/helpers/redis.ts";
import { cpuMs } from "../load/process.ts";

/** How much is measured. */
export interface Sizes {
  /** How long messages are relayed, in milliseconds. */
  readonly relayMs: number;
  readonly pairs: number;
  /** Joins into rooms of each size. */
  readonly joins: number;
  /** Joins all at once. */
  readonly storm: number;
  /** Joins into rooms that several Redis share. */
  readonly shardedJoins: number;
}

export const FULL: Sizes = {
  relayMs: 4000,
  pairs: 50,
  joins: 1000,
  storm: 5000,
  shardedJoins: 2000,
};

export const QUICK: Sizes = { relayMs: 200, pairs: 5, joins: 50, storm: 100, shardedJoins: 50 };

/** How long joins or leaves may take before it fails, so that it ends in any case. */
export const PATIENCE_MS = 30_000;

export const FRAME = JSON.stringify({
  type: "offer",
  to: "@",
  sdp: { type: "offer", sdp: "x".repeat(540) },
});

export interface Instance extends AsyncDisposable {
  readonly pid: number;
  readonly url: string;
}

/** An instance whose rooms are distributed over these Redis servers, once it has reached all. */
export async function startInstance(servers: readonly TestRedis[]): Promise<Instance> {
  const process = startDeno(["run", "--allow-all", "main.ts"], {
    env: {
      AUTH_DISABLED: "true",
      HOST: "127.0.0.1",
      PORT: "0",
      REDIS_URL: servers.map(({ url }) => url).join(","),
      LOG_FORMAT: "json",
      MAX_PENDING_CONNECTIONS: "0",
      MAX_PENDING_CONNECTIONS_PER_IP: "0",
      MAX_BYTES_PER_SECOND: "0",
      MAX_MESSAGES_PER_SECOND: "0",
    },
  });
  const [, url = ""] = await process.line(/Listening on (http:[^ "]*)/);
  await until("Redis", async () => {
    return servers.length === 0 || (await (await fetch(`${url}/health`)).json()).backplane === "up";
  });
  return { pid: process.pid, url, [Symbol.asyncDispose]: () => process[Symbol.asyncDispose]() };
}

export async function join({ url }: Instance, room: string, nodeId: string): Promise<WebSocket> {
  const socket = new WebSocket(`${url.replace("http", "ws")}/signal?room=${room}&nodeId=${nodeId}`);
  await new Promise<void>((resolve, reject) => {
    socket.onopen = () => socket.send('{"type":"register"}');
    socket.onmessage = () => resolve();
    socket.onclose = ({ code }) => reject(new Error(`closed with ${code}`));
  });
  socket.onclose = null;
  return socket;
}

export async function leaveAll(sockets: readonly WebSocket[]): Promise<void> {
  const closing = sockets.map((socket) =>
    new Promise<void>((resolve) => {
      socket.onclose = () => resolve();
      socket.close();
    })
  );
  await within("all to leave", Promise.all(closing), PATIENCE_MS);
}

/** Calls of a command since Redis was told to forget them. */
export async function calls(redis: TestRedis, command: string): Promise<number> {
  const lines = await redis.cli("info", "commandstats");
  const line = lines.find((text) => text.startsWith(`cmdstat_${command}:`)) ?? "";
  return Number(/calls=(\d+)/.exec(line)?.[1] ?? 0);
}

/** CPU of some processes while something runs, in milliseconds. */
export async function spent(pids: readonly number[], run: () => Promise<void>): Promise<number[]> {
  const before = pids.map(cpuMs);
  await run();
  return pids.map((pid, n) => cpuMs(pid) - (before[n] ?? 0));
}

export function us(ms: number, count: number): string {
  return `${(ms * 1000 / count).toFixed(1)} µs`;
}

/** Joins peers in rooms of a size, spread over the instances, and tells how long that took. */
export async function fill(
  instances: readonly Instance[],
  count: number,
  size: number,
  name: string,
): Promise<{ tookMs: number; sockets: WebSocket[] }> {
  const start = performance.now();
  const sockets: WebSocket[] = [];
  for (let n = 0; n < count;) {
    const batch = Array.from({ length: Math.min(50, count - n) }, () => {
      const instance = instances[n % instances.length] as Instance;
      return join(instance, `${name}${Math.floor(n / size)}`, `p${n++}`);
    });
    sockets.push(...await within("joins", Promise.all(batch), PATIENCE_MS));
  }
  return { tookMs: performance.now() - start, sockets };
}

export function row(what: string, ...figures: string[]): void {
  console.log(`| ${[what, ...figures].join(" | ")} |`);
}

/** The head of a table. */
export function head(...titles: string[]): void {
  const [first = "", ...others] = titles;
  row(first, ...others);
  row("---", ...others.map(() => "---"));
}
