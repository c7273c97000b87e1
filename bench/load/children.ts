/**
 * The processes of a run: servers on one core, the generator on another. Whatever has been started is
 * stopped, also when the run fails or is interrupted.
 */

import type { Job, Report } from "./jobs.ts";
import type { Command, Server } from "./commands.ts";
import { freePort } from "../../tests/helpers/port.ts";

const SERVER_CORE = "0";
const GENERATOR_CORE = "1";
const START_DEADLINE_MS = 20_000;
const JOB_DEADLINE_MS = 120_000;
const STDERR_CHARACTERS = 500;
const GENERATOR = decodeURIComponent(new URL("generator.ts", import.meta.url).pathname);

/** V8's helpers would take the generator's core from it. */
const GENERATOR_FLAGS = "--v8-flags=--single-threaded-gc,--max-semi-space-size=64";

const running = new Set<Deno.ChildProcess>();
const folders = new Set<string>();

/** Kills everything that was started and has not been stopped, and removes its folders. */
export function stopAll(): void {
  for (const child of running) kill(child);
  for (const folder of folders) Deno.removeSync(folder, { recursive: true });
}

/** Moves this process, and thus what it starts, off the core of the servers. */
export async function leaveServerCore(): Promise<void> {
  try {
    const { success } = await new Deno.Command("taskset", {
      args: ["-acp", GENERATOR_CORE, String(Deno.pid)],
      stdout: "null",
      stderr: "null",
    }).output();
    if (success) return;
  } catch {
    // There is no taskset.
  }
  throw new Error("The load benchmark needs Linux, taskset (util-linux) and two cores");
}

/** A server that answers. */
export interface RunningServer extends AsyncDisposable {
  readonly port: number;
  readonly pid: number;
  /** Milliseconds from its start to its first answer. */
  readonly startMs: number;
}

/** Starts a server fresh, on its core, in an empty folder, and waits until it answers. */
export async function startServer(server: Server): Promise<RunningServer> {
  const port = freePort();
  const { args, env = {} }: Command = await server.command(port);
  const folder = await Deno.makeTempDir({ prefix: "client-db-sync-bench-" });
  folders.add(folder);
  const startedAt = performance.now();
  const child = spawn(SERVER_CORE, args, { cwd: folder, env, stdout: "null", stderr: "piped" });
  let errors = "";
  const read = (async () => {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      errors = (errors + text).slice(-STDERR_CHARACTERS);
    }
  })();
  let hasEnded = false;
  const ended = child.status.then(() => hasEnded = true);
  const stop = async () => {
    kill(child);
    await ended;
    await read;
    running.delete(child);
    folders.delete(folder);
    await Deno.remove(folder, { recursive: true });
  };
  while (!await answers(port, server.health)) {
    if (hasEnded || performance.now() - startedAt > START_DEADLINE_MS) {
      await stop();
      throw new Error(`${server.title} does not start: ${errors.trim().split("\n").at(-1)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const startMs = performance.now() - startedAt;
  return { port, pid: child.pid, startMs, [Symbol.asyncDispose]: stop };
}

/** Runs the generator on its core. */
export async function generate(job: Job): Promise<Report> {
  const child = spawn(
    GENERATOR_CORE,
    [Deno.execPath(), "run", "--allow-all", GENERATOR_FLAGS, GENERATOR, JSON.stringify(job)],
    { stdout: "piped", stderr: "piped" },
  );
  const deadline = setTimeout(() => kill(child), JOB_DEADLINE_MS);
  const { success, stdout, stderr } = await child.output();
  clearTimeout(deadline);
  running.delete(child);
  if (success) return JSON.parse(new TextDecoder().decode(stdout));
  const [line = ""] = /^.*Error.*$/m.exec(new TextDecoder().decode(stderr)) ?? [];
  throw new Error(line.replace(/^.*Error: /, "") || "the generator was stopped");
}

function spawn(
  core: string,
  args: readonly string[],
  options: Deno.CommandOptions,
): Deno.ChildProcess {
  const child = new Deno.Command("taskset", {
    args: ["-c", core, ...args],
    stdin: "null",
    ...options,
    env: { NO_COLOR: "1", ...options.env },
  }).spawn();
  running.add(child);
  return child;
}

function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch {
    // It has ended.
  }
}

async function answers(port: number, path: string): Promise<boolean> {
  try {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port });
    await connection.write(
      new TextEncoder().encode(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`),
    );
    return await connection.read(new Uint8Array(1024)) !== null;
  } catch {
    return false;
  }
}
