// deno-lint-ignore-file no-console
/** Talks to `_server.ts`. */

import { issueToken, loadKeyPairFromEnv } from "../mod.ts";

/** Ends a benchmark that was given arguments: it knows none, and must not begin for a `--help`. */
export function refuseArguments(): void {
  if (Deno.args.length === 0) return;
  console.error(`${Deno.mainModule.split("/").at(-1)} has no options`);
  Deno.exit(2);
}

/** A server in a process of its own. */
export class ChildServer implements AsyncDisposable {
  readonly url: string;
  readonly #privateKey: CryptoKey;
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: AsyncIterator<string>;

  private constructor(
    child: Deno.ChildProcess,
    lines: AsyncIterator<string>,
    url: string,
    privateKey: CryptoKey,
  ) {
    this.#child = child;
    this.#input = child.stdin.getWriter();
    this.#lines = lines;
    this.url = url;
    this.#privateKey = privateKey;
  }

  static async start(limits: Record<string, number>, port = 0): Promise<ChildServer> {
    const script = new URL("_server.ts", import.meta.url).pathname;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-all", script, JSON.stringify(limits), String(port)],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const lines = linesOf(child.stdout);
    const { url, privateKeyJwk } = JSON.parse((await lines.next()).value);
    return new ChildServer(child, lines, url, (await loadKeyPairFromEnv(privateKeyJwk)).privateKey);
  }

  /** A room token. */
  async token(subject: string): Promise<string> {
    return (await issueToken(this.#privateKey, { ttl: "1h", subject })).token;
  }

  /** What the server says of itself, and how late its timers were since it last did. */
  async report(): Promise<{ worstMs: number; peers: number; pending: number }> {
    await this.tell("report");
    return JSON.parse((await this.#lines.next()).value);
  }

  async tell(line: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(`${line}\n`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#child.status;
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
