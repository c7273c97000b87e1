/**
 * Finds the command that the arguments name, and runs it. What a command does is in the file of its
 * name; ending the process is left to `main.ts`.
 */

import metadata from "../../deno.json" with { type: "json" };
import { CHECK } from "./check.ts";
import { runCommand, showArgument } from "./command.ts";
import { DOCTOR } from "./doctor.ts";
import { EXIT } from "./failure.ts";
import { mainHelp } from "./help.ts";
import { KEYGEN } from "./keygen.ts";
import { SERVE } from "./serve.ts";
import { print, printError } from "./terminal.ts";
import { TOKEN } from "./token.ts";

/** The commands, in the order of the help. */
const COMMANDS = [SERVE, KEYGEN, TOKEN, CHECK, DOCTOR];

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
    if (["--help", "-h", "help"].includes(first)) return show(mainHelp(COMMANDS));
    if (["--version", "-V"].includes(first)) return show(metadata.version);
  }
  const command = COMMANDS.find(({ name }) => name === first);
  if (command !== undefined) return await runCommand(command, rest);
  if (first.startsWith("-")) return await runCommand(SERVE, [first, ...rest]);
  printError(`Unknown argument ${showArgument(first)}. Try: --help`);
  return EXIT.usage;
}

function show(text: string): number {
  print(text);
  return EXIT.ok;
}
