/** A Redis of its own for a test: on loopback, on a free port, ended by `await using`. */

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
  /** Where it listens; without TLS when absent. */
  readonly portOption?: "--port" | "--tls-port";
  /** A file by which it is a Sentinel. */
  readonly sentinelFile?: string;
}

export async function startRedis(
  args: readonly string[] = [],
  { portOption = "--port", sentinelFile }: RedisStart = {},
): Promise<TestRedis> {
  const port = freePort();
  const plain = portOption === "--port" ? [] : ["--port", "0"];
  const address = [portOption, String(port), "--bind", "127.0.0.1"];
  const options = sentinelFile === undefined
    ? [...plain, ...address, "--save", "", ...args]
    : [sentinelFile, ...address, "--sentinel"];
  let child = await spawn(options, port);
  const kill = async () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await child.status;
  };
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    get pid() {
      return child.pid;
    },
    stall: () => child.kill("SIGSTOP"),
    resume: () => child.kill("SIGCONT"),
    kill,
    async restart() {
      child = await spawn(options, port);
    },
    async cli(...words) {
      const { stdout } = await new Deno.Command("redis-cli", {
        args: ["-p", String(port), ...words],
      }).output();
      return new TextDecoder().decode(stdout).trim().split("\n").filter((line) => line !== "");
    },
    [Symbol.asyncDispose]: kill,
  };
}

/** Starts a server and resolves once it accepts connections. */
async function spawn(args: string[], port: number): Promise<Deno.ChildProcess> {
  const child = new Deno.Command("redis-server", { args, stdout: "null", stderr: "null" }).spawn();
  let hasEnded = false;
  child.status.then(() => hasEnded = true);
  await until("redis-server to listen", async () => {
    if (hasEnded) throw new Error(`redis-server ended: ${args.join(" ")}`);
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return true;
    } catch {
      return false;
    }
  });
  return child;
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
