/** The parent's end of the server process: starts it, asks it for samples, and makes sure it ends. */

import { within } from "../../tests/helpers/patience.ts";
import type { SignalingStats } from "../../mod.ts";

/** What the server process tells of itself. */
export interface Sample {
  readonly memory: Deno.MemoryUsage;
  readonly stats: SignalingStats;
  /** Open file descriptors; `null` where the system does not tell. */
  readonly fds: number | null;
  /** Timers of the server that are set. */
  readonly timers: number;
  /** Lines that the server logged as errors, and the first of them. */
  readonly errors: number;
  readonly firstErrors: readonly string[];
}

/** What the server process is told at its start. */
export interface ServerOptions {
  readonly adminSecret: string;
  readonly consumerJwks: string;
  readonly roomClaim: string;
  readonly idleTimeoutSeconds: number;
  readonly registerTimeoutMs: number;
}

/** How long the server may take to start, to answer, and to stop. */
const PATIENCE_MS = 20_000;

const SCRIPT = new URL("./server.ts", import.meta.url);

/** The server process; killed, if it still runs, when it is disposed of. */
export class ServerProcess implements AsyncDisposable {
  readonly url: string;
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: AsyncIterator<string>;
  #hasEnded = false;

  private constructor(
    child: Deno.ChildProcess,
    input: WritableStreamDefaultWriter<Uint8Array>,
    lines: AsyncIterator<string>,
    url: string,
  ) {
    this.#child = child;
    this.#input = input;
    this.#lines = lines;
    this.url = url;
    child.status.then(() => this.#hasEnded = true);
  }

  /** Starts it and waits until it listens. */
  static async start(options: ServerOptions): Promise<ServerProcess> {
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--v8-flags=--expose-gc,--no-flush-bytecode",
        "--no-prompt",
        "--allow-net=127.0.0.1",
        SCRIPT.href,
      ],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const input = child.stdin.getWriter();
    const lines = linesOf(child.stdout);
    try {
      await write(input, JSON.stringify(options));
      const first = await within("the server to start", lines.next(), PATIENCE_MS);
      if (first.done) throw new Error("The server ended before it listened");
      return new ServerProcess(child, input, lines, JSON.parse(first.value).url);
    } catch (error) {
      kill(child);
      throw error;
    }
  }

  /** Asks for a sample, after a garbage collection or as it is. */
  async sample(collect: boolean): Promise<Sample> {
    await write(this.#input, collect ? "collect" : "sample");
    const line = await within("a sample of the server", this.#lines.next(), PATIENCE_MS);
    if (line.done) throw new Error("The server has ended");
    return { ...JSON.parse(line.value), fds: this.#countFds() };
  }

  #countFds(): number | null {
    try {
      return [...Deno.readDirSync(`/proc/${this.#child.pid}/fd`)].length;
    } catch {
      return null; // Only Linux tells.
    }
  }

  /** Lets the server close itself. */
  async stop(): Promise<number> {
    await this.#input.close().catch(() => {});
    const { code } = await within("the server to stop", this.#child.status, PATIENCE_MS);
    await this.#lines.return?.();
    return code;
  }

  /** Ends the process at once. */
  kill(): void {
    if (!this.#hasEnded) kill(this.#child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await this.#child.status;
  }
}

async function write(
  input: WritableStreamDefaultWriter<Uint8Array>,
  line: string,
): Promise<void> {
  await input.write(new TextEncoder().encode(`${line}\n`));
}

function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch {
    // It has ended meanwhile.
  }
}

/** The lines of a stream. */
export async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
