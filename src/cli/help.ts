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
MAX_CONSUMERS_PER_IDENTITY apply to all instances together, and MAX_FAILED_AUTH_PER_MINUTE counts
failures on every instance. The other limits apply to one process.

A duration is a number and a unit: s, m, h, d, w or y.

Exit codes:
  0   Done, or stopped by a signal
  1   The configuration is wrong, an address cannot be listened on, a file cannot be written,
      check or doctor found a failure, or a second signal ended the server at once
  2   Wrong usage
  75  Out of file descriptors for good`;
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
