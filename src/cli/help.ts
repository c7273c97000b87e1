/** What the main `--help` prints; that of a command is in its file. */

import { SETTINGS } from "../config/settings.ts";
import type { Command } from "./command.ts";

/** The settings, as the help of the program and of the server show them. */
export function settingsHelp(): string {
  const lines = SETTINGS.map(({ name, default: fallback, summary, whenExceeded: beyond }) =>
    `  ${name.padEnd(30)} ${summary}${beyond ? `; beyond: ${beyond}` : ""} (${fallback})`
  );
  return `Settings, from the environment or from .env in the current folder (the environment wins):
${lines.join("\n")}

A limit of 0 is no limit. With REDIS_URL, MAX_PEERS_PER_ROOM, MAX_CONSUMERS_PER_ROOM and
MAX_CONSUMERS_PER_IDENTITY apply to all instances together; the other limits apply to one process.

Exit codes: 0 done or stopped, 1 wrong configuration, 2 wrong usage, 75 out of file descriptors for
good`;
}

/** The help of the program. */
export function mainHelp(commands: readonly Command[]): string {
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(8)} ${summary}`);
  return `WebRTC signaling server for @aikofy/client-db

Usage: client-db-sync [command] [options]
       client-db-sync command --help
       client-db-sync --help | --version

Commands:
${lines.join("\n")}

${settingsHelp()}`;
}
