/** The command line as a process of its own. */

import metadata from "../../deno.json" with { type: "json" };
import {
  type CommandOptions,
  type Finished,
  ROOT,
  runDeno,
  type Running,
  startDeno,
} from "./command.ts";

export const MAIN = `${ROOT}main.ts`;
/** Lets anyone in, on a free port. */
export const OPEN = { AUTH_DISABLED: "true", HOST: "127.0.0.1", PORT: "0" };

/** The permissions of `deno task start`; `.env` is that of the current folder, not of the project. */
export const PERMISSIONS = [...permissionsOf(metadata.tasks.start.command), "--allow-read=.env"];

/** The arguments of a command that say what the program may do. */
export function permissionsOf(command: string): string[] {
  return command.split(" ").filter((word) => /^(-P|--(allow-|no-prompt|quiet))/.test(word));
}

/** The server as `deno task start` runs it. */
export function serve(options: CommandOptions): Running {
  return startDeno(["run", ...PERMISSIONS, MAIN], options);
}

/** Runs a command under the permissions of `deno task start` to its end. */
export function runMain(args: string[], options: CommandOptions = {}): Promise<Finished> {
  return runDeno(["run", ...PERMISSIONS, MAIN, ...args], options);
}

/** Where it listens, once it does. */
export async function listening(server: Running): Promise<{ url: string; port: number }> {
  const [, url = "", port] = await server.line(/Listening on (http:\/\/[^ "]*:(\d+))/);
  return { url, port: Number(port) };
}
