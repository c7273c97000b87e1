/**
 * The `check` command: reads the configuration as `serve` would, says what it amounts to, and asks the
 * servers that it names if that is wanted. It opens no port and changes nothing.
 */

import type { Config } from "../config/config.ts";
import { effectiveSettings } from "../config/effective.ts";
import { type Environment, readEnvironment } from "../config/environment.ts";
import { createServer } from "../http/server.ts";
import { createLogger, type Logger } from "../runtime/logger.ts";
import type { Command, Given } from "./command.ts";
import { readConfig, startFailure } from "./configuration.ts";
import type { Answer } from "./connect.ts";
import { EXIT } from "./failure.ts";
import { defaultMemoryLimit, serverOptions } from "./server_options.ts";
import { commandForAllHosts } from "./surroundings.ts";
import { print, printError } from "./terminal.ts";

export const CHECK: Command = {
  name: "check",
  usage: "check [--connect]",
  summary: "Print the settings as they apply, or what is wrong with them, without serving",
  help:
    `  --connect          also ask Redis, the URL of the consumers' keys and the STUN and TURN servers,
                     and say what each of them answered; it takes 10 seconds at most

Secrets and keys are shown as set or not set. Warnings are those of serve. The exit code is 1 if the
server would not start, or if a server that was asked is of no use.`,
  flags: ["--connect"],
  run: check,
};

async function check(given: Given): Promise<number> {
  const environment = await readEnvironment();
  const config = readConfig(environment);
  const notes = await notesOfStart(config);
  printSettings(environment, config);
  for (const warning of [...config.warnings, ...notes]) printError(`Warning: ${warning}`);
  if (!environment.canSeeOthers) {
    const command = commandForAllHosts("check");
    printError(
      `Misspelt names are found in .env alone; to find them in the environment: ${command}`,
    );
  }
  if (!given.has("--connect")) return EXIT.ok;
  const { askServers } = await import("./connect.ts"); // The server starts without it.
  const answers = await askServers(config);
  if (answers.length === 0) print("\nNo setting names a server to connect to.");
  else print("");
  for (const answer of answers) print(describe(answer));
  const isRefused = answers.some(({ isPermitted }) => isPermitted === false);
  if (isRefused) printError(`To reach these hosts run: ${commandForAllHosts("check --connect")}`);
  return answers.every(({ isGood }) => isGood) ? EXIT.ok : EXIT.configuration;
}

/** What the server would say at its start; it is created and closed without listening. */
async function notesOfStart(config: Config): Promise<readonly string[]> {
  const notes: string[] = [];
  const logger: Logger = {
    ...createLogger({ level: "silent", write: () => {} }),
    info: (message) => void notes.push(message),
    warn: (message) => void notes.push(message),
  };
  const server = await createServer(serverOptions(config, logger)).catch((error) => {
    throw startFailure(error);
  });
  await server.close({ drainMs: 0 });
  return notes;
}

function printSettings({ get, fromFile }: Environment, { host }: Config): void {
  const memory = defaultMemoryLimit();
  const computed = new Map([
    ["HOST", host],
    ...memory === undefined ? [] : [["MAX_MEMORY_MB", String(memory)] as const],
  ]);
  const settings = effectiveSettings(get, fromFile).map((setting) => {
    const value = setting.source === "default" ? computed.get(setting.name) : undefined;
    return value === undefined ? setting : { ...setting, value };
  });
  const nameWidth = Math.max(...settings.map(({ name }) => name.length));
  const valueWidth = Math.max(...settings.map(({ value }) => Math.min(value.length, 40)));
  for (const { name, value, source } of settings) {
    print(`${name.padEnd(nameWidth)}  ${value.padEnd(valueWidth)}  ${source}`);
  }
}

function describe({ what, isGood, message }: Answer): string {
  return `${isGood ? "ok  " : "FAIL"}  ${what}: ${message}`;
}
