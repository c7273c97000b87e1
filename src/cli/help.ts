/** What `--help` prints. */

import { SETTINGS } from "../config/settings.ts";

export const HELP: string = `WebRTC signaling server for @aikofy/client-db

Usage: client-db-sync [serve]            run the server
       client-db-sync keygen [--write]   print new keys as .env lines, or write them into .env
       client-db-sync --help | --version

Settings, from the environment or from .env in the current folder (the environment wins):
${
  SETTINGS.map(({ name, default: fallback, summary, whenExceeded: beyond }) =>
    `  ${name.padEnd(30)} ${summary}${beyond ? `; beyond: ${beyond}` : ""} (${fallback})`
  ).join("\n")
}

A limit of 0 is no limit. With REDIS_URL, MAX_PEERS_PER_ROOM, MAX_CONSUMERS_PER_ROOM and
MAX_CONSUMERS_PER_IDENTITY apply to all instances together; the other limits apply to one process.

Exit codes: 0 stopped, 1 wrong configuration, 2 wrong usage, 75 out of file descriptors for good`;
