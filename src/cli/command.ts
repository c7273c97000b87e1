/**
 * What a command of the command line is, and how one runs: its arguments are read, its help is shown,
 * and what makes it fail is printed. A message never shows the value of an argument.
 */

import { shorten } from "../config/setting_reader.ts";
import { EXIT, Failure, wrongUsage } from "./failure.ts";
import { print, printError } from "./terminal.ts";

/** One command. */
export interface Command {
  /** Its name, the first argument. */
  readonly name: string;
  /** How it is called, as in `token --subject ROOM`. */
  readonly usage: string;
  /** What it does, in one line of the main help. */
  readonly summary: string;
  /** What its own help says below its usage. */
  readonly help: string;
  /** The name of its one argument that is no option, as in `URL`; without it there is none. */
  readonly operand?: string;
  /** Its options that have a value, as in `--port`. */
  readonly values?: readonly string[];
  /** Its options that have none. */
  readonly flags?: readonly string[];
  /**
   * Runs it.
   *
   * @returns The exit code; `undefined` while it goes on.
   * @throws {Failure} It cannot go on.
   */
  run(given: Given): Promise<number | undefined>;
}

/** The options that were given: an empty text for one without a value; the operand by its name. */
export type Given = ReadonlyMap<string, string>;

/** The longest name of an unknown option that is shown. */
const MAX_SHOWN_NAME = 24;

/**
 * Runs a command with its arguments.
 *
 * @returns The exit code; `undefined` while it goes on.
 */
export async function runCommand(
  command: Command,
  args: readonly string[],
): Promise<number | undefined> {
  try {
    if (args.includes("--help") || args.includes("-h")) {
      print(`${command.summary}\n\nUsage: ${command.usage}\n\n${command.help}`);
      return EXIT.ok;
    }
    return await command.run(readArguments(command, args));
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    for (const line of error.lines) printError(line);
    return error.exitCode;
  }
}

/** Reads options in either form, `--name value` and `--name=value`. */
function readArguments(command: Command, args: readonly string[]): Given {
  const { name: commandName, operand, values = [], flags = [], usage } = command;
  const given = new Map<string, string>();
  const wrong = (what: string) => wrongUsage(`${commandName}: ${what}. Try: ${usage}`);
  for (let index = 0; index < args.length; index++) {
    const [, name = "", equals, inline = ""] = /^([^=]*)(=?)([^]*)$/.exec(args[index] ?? "") ?? [];
    const isFlag = flags.includes(name);
    if (operand !== undefined && !given.has(operand) && !name.startsWith("-")) {
      given.set(operand, args[index] ?? "");
      continue;
    }
    if (!isFlag && !values.includes(name)) throw wrong(`unknown argument ${showArgument(name)}`);
    if (given.has(name)) throw wrong(`${name} is given twice`);
    if (isFlag && equals) throw wrong(`${name} has no value`);
    const value = isFlag || equals ? inline : args[++index] ?? "";
    if (!isFlag && value === "") throw wrong(`${name} needs a value`);
    if (!isFlag && !equals && /^-./.test(value)) {
      throw wrong(`${name} needs a value; one that begins with - needs the form ${name}=VALUE`);
    }
    given.set(name, value);
  }
  if (operand !== undefined && !given.has(operand)) throw wrong(`${operand} is missing`);
  return given;
}

/** An argument in a message: of what may be a secret in the wrong place, the start alone. */
export function showArgument(argument: string): string {
  const isName = /^--?[a-z-]+$/.test(argument) && argument.length <= MAX_SHOWN_NAME;
  return JSON.stringify(isName ? argument : shorten(argument));
}
