/** A Redis of its own for a test: on loopback, on a free port, ended by `await using`. */

import { within } from "./patience.ts";
import { freePort } from "./port.ts";
import { hasPrograms, testWith } from "./program.ts";

export interface TestRedis extends AsyncDisposable {
  readonly url: string;
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
  let child = await spawn(options);
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
    get pid() {
      return child.pid;
    },
    stall: () => child.kill("SIGSTOP"),
    resume: () => child.kill("SIGCONT"),
    kill,
    async restart() {
      child = await spawn(options);
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

/** Starts a server and resolves once it takes connections. */
async function spawn(args: string[]): Promise<Deno.ChildProcess> {
  const child = new Deno.Command("redis-server", { args, stdout: "piped", stderr: "null" }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const ready = (async () => {
    for (let text = ""; !/Ready to accept connections|Sentinel ID is/.test(text);) {
      const { done, value } = await reader.read();
      if (done) throw new Error(`redis-server ended: ${text}`);
      text += value;
    }
  })();
  await within("redis-server to be ready", ready);
  (async () => {
    while (!(await reader.read()).done);
  })().catch(() => {});
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
