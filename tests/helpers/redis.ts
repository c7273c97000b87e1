/** A Redis of its own for a test: on loopback, on a free port, ended by `await using`. */

import type { Certificate } from "./certificate.ts";
import { type Running, start } from "./command.ts";
import { until } from "./patience.ts";
import { freePort } from "./port.ts";
import { hasPrograms, testWith } from "./program.ts";

export interface TestRedis extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Stops it without a word, as a stalled machine does. */
  stall(): void;
  /** Lets it go on. */
  resume(): void;
  /** Kills it. */
  kill(): Promise<void>;
  /** Starts it again, empty, on the same port. */
  restart(): Promise<void>;
  /** Runs a command of `redis-cli` and returns its lines. */
  cli(...args: string[]): Promise<string[]>;
}

/** How one is started. */
export interface RedisStart {
  /** It and its replicas use TLS with this certificate, and nothing else. */
  readonly tls?: Certificate | undefined;
  /** A file by which it is a Sentinel. */
  readonly sentinelFile?: string;
  /** Its address on loopback: 127.0.0.1 when absent. */
  readonly host?: string;
  /** Its port: a free one when absent. */
  readonly port?: number;
}

/** Nothing is written to the current folder, also by a replica that receives its data. */
const NO_FILES = [
  ...["--save", "", "--repl-diskless-sync", "yes"],
  ...["--repl-diskless-load", "swapdb"],
];

export async function startRedis(
  args: readonly string[] = [],
  { tls, sentinelFile, host = "127.0.0.1", port = freePort() }: RedisStart = {},
): Promise<TestRedis> {
  const address = [...portOptions(port, tls), "--bind", host];
  const options = sentinelFile === undefined
    ? [...address, ...NO_FILES, ...args]
    : [sentinelFile, ...address, "--sentinel"];
  const trust = tls === undefined ? [] : ["--tls", "--cacert", tls.certificateFile];
  let running = await spawn(options, host, port);
  const kill = async () => await running[Symbol.asyncDispose]();
  return {
    url: `${tls === undefined ? "redis" : "rediss"}://${host}:${port}`,
    port,
    get pid() {
      return running.pid;
    },
    stall: () => running.kill("SIGSTOP"),
    resume: () => running.kill("SIGCONT"),
    kill,
    async restart() {
      running = await spawn(options, host, port);
    },
    async cli(...words) {
      const { stdout } = await new Deno.Command("redis-cli", {
        args: ["-h", host, "-p", String(port), ...trust, ...words],
      }).output();
      return new TextDecoder().decode(stdout).trim().split("\n").filter((line) => line !== "");
    },
    [Symbol.asyncDispose]: kill,
  };
}

function portOptions(port: number, tls: Certificate | undefined): string[] {
  if (tls === undefined) return ["--port", String(port)];
  const { certificateFile, keyFile } = tls;
  return [
    ...["--port", "0", "--tls-port", String(port)],
    ...["--tls-cert-file", certificateFile, "--tls-key-file", keyFile],
    ...["--tls-ca-cert-file", certificateFile, "--tls-auth-clients", "no"],
    ...["--tls-replication", "yes", "--tls-cluster", "yes"],
  ];
}

/** Starts a server and resolves once it accepts connections. */
async function spawn(args: string[], hostname: string, port: number): Promise<Running> {
  const running = start("redis-server", args);
  let hasEnded = false;
  running.exited.then(() => hasEnded = true);
  await until("redis-server to listen", async () => {
    if (hasEnded) throw new Error(`redis-server ended: ${args.join(" ")}\n${running.stdout()}`);
    try {
      (await Deno.connect({ hostname, port })).close();
      return true;
    } catch {
      return false;
    }
  });
  return running;
}

/** Whether there is a Redis to start; where CI runs, there has to be. */
export const hasRedis = await hasPrograms("redis-server");

/** A test with a Redis of its own. */
export function testWithRedis(name: string, fn: (redis: TestRedis) => Promise<void>): void {
  testWith(hasRedis ? undefined : "redis-server", name, async () => {
    await using redis = await startRedis();
    await fn(redis);
  });
}
