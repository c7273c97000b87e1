/**
 * The programs that a cluster is made of, each a process of its own on loopback: one Redis, and
 * instances of the server that are started again when they end. Disposing of one stops it.
 */

import { SETTINGS } from "../../src/config/settings.ts";
import { within } from "../../tests/helpers/patience.ts";
import { MAIN, OPEN, PERMISSIONS } from "../../tests/helpers/main.ts";
import { freePort } from "../../tests/helpers/port.ts";

/** How long a program may take to start, in milliseconds. */
const START_MS = 30_000;

/** How long it may take to stop before it is killed, in milliseconds. */
const STOP_MS = 5000;

/** How long an instance that ended is away, in milliseconds: long enough to be seen. */
export const RESTART_MS = 3000;

/** Characters of its output that are kept, for the message when it fails. */
const OUTPUT_LENGTH = 4000;

const REDIS_PROGRAMS = ["redis-server", "valkey-server"];

/** The caller's settings do not reach an instance: empty counts as not set. */
const NO_SETTINGS = Object.fromEntries(SETTINGS.map(({ name }) => [name, ""]));

/** What an instance reports of itself. */
export interface Health {
  readonly peers: number;
  readonly rooms: number;
  readonly backplane: string;
}

/** A process, and the end of what it printed. */
class Program implements AsyncDisposable {
  readonly #name: string;
  readonly #child: Deno.ChildProcess;
  #output = "";
  #heard: () => void = () => {};
  /** Resolves once it has ended, for any reason. */
  readonly ended: Promise<unknown>;

  constructor(name: string, program: string, args: string[], env: Record<string, string> = {}) {
    this.#name = name;
    this.#child = new Deno.Command(program, {
      args,
      env,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const { stdout, stderr, status } = this.#child;
    this.ended = Promise.all([status, this.#collect(stdout), this.#collect(stderr)]);
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      this.#output = (this.#output + text).slice(-OUTPUT_LENGTH);
      this.#heard();
    }
  }

  /** Waits for something in its output. */
  line(pattern: RegExp): Promise<RegExpExecArray> {
    const found = new Promise<RegExpExecArray>((resolve, reject) => {
      this.#heard = () => {
        const match = pattern.exec(this.#output);
        if (match !== null) resolve(match);
      };
      this.ended.then(() => reject(new Error(`${this.#name} ended:\n${this.#output.trim()}`)));
    });
    return within(`${this.#name} to start`, found, START_MS);
  }

  kill(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch {
      // It has ended.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill("SIGTERM");
    const timer = setTimeout(() => this.kill("SIGKILL"), STOP_MS);
    await this.ended;
    clearTimeout(timer);
  }
}

/** A Redis of its own that keeps nothing on disk. */
export class Redis implements AsyncDisposable {
  readonly url: string;
  /** Resolves once it accepts connections. */
  readonly ready: Promise<unknown>;
  readonly #program: Program;

  constructor() {
    const port = String(freePort());
    this.url = `redis://127.0.0.1:${port}`;
    const options = ["--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
    this.#program = startFirst(REDIS_PROGRAMS, options);
    this.ready = this.#program.line(/Ready to accept connections/);
  }

  /** Ends it at once. */
  kill(): void {
    this.#program.kill("SIGKILL");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#program[Symbol.asyncDispose]();
  }
}

function startFirst(programs: readonly string[], args: string[]): Program {
  for (const program of programs) {
    try {
      return new Program(program, program, args);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  throw new Error(
    `${programs.join(" and ")} are not installed. Try: apt-get install redis-server, or ` +
      "brew install redis, or docker compose up",
  );
}

/** An instance of the server, under the permissions of `deno task start`. */
export class Instance implements AsyncDisposable {
  readonly #name: string;
  readonly #redisUrl: string;
  readonly #onFailure: (cause: unknown) => void;
  #program: Program | undefined;
  #restart: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;
  /** Where it listens; `undefined` while it does not. */
  port: number | undefined;

  constructor(name: string, redisUrl: string, onFailure: (cause: unknown) => void) {
    this.#name = name;
    this.#redisUrl = redisUrl;
    this.#onFailure = onFailure;
  }

  /** Starts it and resolves once it listens. */
  async start(): Promise<void> {
    const permissions = [...PERMISSIONS, "--deny-read"]; // No .env.
    const program = new Program(this.#name, Deno.execPath(), ["run", ...permissions, MAIN], {
      ...NO_SETTINGS,
      ...OPEN,
      REDIS_URL: this.#redisUrl,
      DRAIN_SECONDS: "0",
      MAX_PENDING_CONNECTIONS_PER_IP: "0", // All peers have one address.
    });
    this.#program = program;
    const [, port] = await program.line(/Listening on http:\/\/[^ "]*:(\d+)/);
    this.port = Number(port);
    program.ended.then(() => this.#ended());
  }

  #ended(): void {
    this.port = undefined;
    if (this.#isClosed) return;
    this.#restart = setTimeout(() => this.start().catch(this.#onFailure), RESTART_MS);
  }

  /** What its `/health` answers, or `undefined` if it does not answer. */
  async health(): Promise<Health | undefined> {
    if (this.port === undefined) return undefined;
    try {
      const signal = AbortSignal.timeout(1000);
      return await (await fetch(`http://127.0.0.1:${this.port}/health`, { signal })).json();
    } catch {
      return undefined;
    }
  }

  /** Ends it at once, as a crash does. */
  kill(): void {
    this.#program?.kill("SIGKILL");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#restart);
    await this.#program?.[Symbol.asyncDispose]();
  }
}
