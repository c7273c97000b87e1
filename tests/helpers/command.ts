/** Runs programs as processes of their own. */

import { SETTINGS } from "../../src/config/settings.ts";
import { within } from "./patience.ts";

/** The project's folder, with a slash at the end. */
export const ROOT = decodeURIComponent(new URL("../..", import.meta.url).pathname);

/** Every file below a folder of the project, by its path from the project's folder. */
export async function* filesIn(folder: string): AsyncGenerator<{ path: string; name: string }> {
  for await (const { name, isDirectory } of Deno.readDir(ROOT + folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) yield* filesIn(path);
    else yield { path, name };
  }
}

/** The caller's settings must not reach a test: empty counts as not set. */
const NO_SETTINGS = Object.fromEntries(SETTINGS.map(({ name }) => [name, ""]));

export interface CommandOptions {
  /** The current folder; a fresh one without an `.env` is made by `temporaryFolder`. */
  cwd?: string;
  env?: Record<string, string>;
}

export interface Finished {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs `deno` with these arguments to its end. */
export async function runDeno(args: string[], options: CommandOptions = {}): Promise<Finished> {
  const running = startDeno(args, options);
  const code = await within(`the end of deno ${args.join(" ")}`, running.exited, 120_000);
  return { code, stdout: running.stdout(), stderr: running.stderr() };
}

export interface Running extends AsyncDisposable {
  readonly pid: number;
  /** Everything on standard output so far. */
  stdout(): string;
  /** Everything on standard error so far. */
  stderr(): string;
  /** Waits for a line, on either stream, that matches. */
  line(pattern: RegExp): Promise<RegExpExecArray>;
  kill(signal: Deno.Signal): void;
  /** The exit code, once both streams are read to their ends. */
  readonly exited: Promise<number>;
}

/** Starts `deno` with these arguments; killed, if it still runs, by `await using`. */
export function startDeno(args: string[], options: CommandOptions = {}): Running {
  return start(Deno.execPath(), args, options);
}

/** Starts a program; killed, if it still runs, by `await using`. */
export function start(program: string, args: string[], options: CommandOptions = {}): Running {
  const child = new Deno.Command(program, {
    args,
    cwd: options.cwd ?? ROOT,
    env: { ...NO_SETTINGS, NO_COLOR: "1", ...options.env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let listener = () => {};
  const collect = (stream: ReadableStream<Uint8Array>) => {
    let text = "";
    const done = (async () => {
      for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
        text += chunk;
        listener();
      }
      listener();
    })();
    return { text: () => text, done };
  };
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  let ended = false;
  const exited = (async () => {
    const { code } = await child.status;
    await Promise.all([stdout.done, stderr.done]);
    ended = true;
    listener();
    return code;
  })();
  const output = () => stdout.text() + stderr.text();
  return {
    pid: child.pid,
    stdout: stdout.text,
    stderr: stderr.text,
    line: (pattern) =>
      within(
        `a line like ${pattern}`,
        new Promise((resolve, reject) => {
          listener = () => {
            const match = pattern.exec(output());
            if (match !== null) resolve(match);
            else if (ended) reject(new Error(`Ended without ${pattern}:\n${output()}`));
          };
          listener();
        }),
        60_000,
      ),
    kill: (signal) => child.kill(signal),
    exited,
    async [Symbol.asyncDispose]() {
      if (!ended) {
        try {
          child.kill("SIGKILL");
        } catch {
          // It has ended meanwhile.
        }
      }
      await exited;
    },
  };
}

/** A fresh folder, removed by `await using`. */
export async function temporaryFolder(): Promise<AsyncDisposable & { path: string }> {
  const path = await Deno.makeTempDir({ prefix: "client-db-sync-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}
