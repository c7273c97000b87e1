/**
 * Finds the command that the arguments name, runs it, and prints why it fails. What a command does is
 * in the file of its name; ending the process is left to `main.ts`.
 */

import metadata from "../../deno.json" with { type: "json" };
import { EXIT, Failure, wrongUsage } from "./failure.ts";
import { HELP } from "./help.ts";
import { keygen } from "./keygen.ts";
import { serve } from "./serve.ts";
import { print, printError } from "./terminal.ts";

/**
 * Runs a command.
 *
 * @param args The arguments after the program's name.
 * @returns The exit code; `undefined` while the server serves.
 */
export async function runProgram(args: readonly string[]): Promise<number | undefined> {
  try {
    return await runCommand(args);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    for (const line of error.lines) printError(line);
    return error.exitCode;
  }
}

async function runCommand([command = "serve", ...rest]: readonly string[]): Promise<
  number | undefined
> {
  if (command === "keygen") return await keygen(rest);
  const isHelp = rest[0] === "--help" || rest[0] === "-h";
  if (command === "serve" && rest.length === 1 && isHelp) return show(HELP);
  if (command === "serve" && rest.length === 0) return void await serve();
  if (rest.length > 0) throw unknown(command.startsWith("-") ? command : rest[0]);
  switch (command) {
    case "--help":
    case "-h":
    case "help":
      return show(HELP);
    case "--version":
    case "-V":
      return show(metadata.version);
    default:
      throw unknown(command);
  }
}

function show(text: string): number {
  print(text);
  return EXIT.ok;
}

function unknown(argument: string | undefined): Failure {
  return wrongUsage(`Unknown argument ${JSON.stringify(argument)}. Try: --help`);
}
