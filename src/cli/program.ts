/**
 * Finds the command that the arguments name, and runs it. What a command does is in the file of its
 * name; ending the process is left to `main.ts`.
 */

import metadata from "../../deno.json" with { type: "json" };
import { type Command, runCommand, showArgument } from "./command.ts";
import { EXIT } from "./failure.ts";
import { mainHelp } from "./help.ts";
import { SERVE } from "./serve.ts";
import { print, printError } from "./terminal.ts";

/** The commands beside `serve`, in the order of the help. The server starts without their code. */
const OTHERS: ReadonlyMap<string, () => Promise<Command>> = new Map([
  ["keygen", async () => (await import("./keygen.ts")).KEYGEN],
  ["token", async () => (await import("./token.ts")).TOKEN],
  ["check", async () => (await import("./check.ts")).CHECK],
  ["doctor", async () => (await import("./doctor.ts")).DOCTOR],
]);

/**
 * Runs a command.
 *
 * @param args The arguments after the program's name. Options without a command are those of `serve`.
 * @returns The exit code; `undefined` while the server serves.
 */
export async function runProgram(args: readonly string[]): Promise<number | undefined> {
  // A task passes it on: deno task start -- --port 9000
  const [first = SERVE.name, ...rest] = args[0] === "--" ? args.slice(1) : args;
  if (rest.length === 0) {
    if (["--help", "-h", "help"].includes(first)) {
      const others = await Promise.all(OTHERS.values().map((load) => load()));
      return show(mainHelp([SERVE, ...others]));
    }
    if (["--version", "-V"].includes(first)) return show(metadata.version);
  }
  if (first === SERVE.name) return await runCommand(SERVE, rest);
  const load = OTHERS.get(first);
  if (load !== undefined) return await runCommand(await load(), rest);
  if (first.startsWith("-")) return await runCommand(SERVE, [first, ...rest]);
  printError(`Unknown argument ${showArgument(first)}. Try: --help`);
  return EXIT.usage;
}

function show(text: string): number {
  print(text);
  return EXIT.ok;
}
