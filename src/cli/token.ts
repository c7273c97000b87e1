/**
 * The `token` command: issues a room token with the key of the configuration, without a server.
 */

import { loadKeyPair } from "../access/keys.ts";
import { parseDuration } from "../access/duration.ts";
import { issueToken, type IssueTokenRequest, TokenRequestError } from "../access/room_tokens.ts";
import { parseSigningConfig, type SigningConfig } from "../config/config.ts";
import { readEnvironment } from "../config/environment.ts";
import type { Command, Given } from "./command.ts";
import { keyFailure, parseSettings } from "./configuration.ts";
import { EXIT, Failure, wrongUsage } from "./failure.ts";
import { print, printError } from "./terminal.ts";

const DEFAULT_TTL = "1h";

const USAGE = "token --subject ROOM [--ttl 1h] [--node-id NAME]";

export const TOKEN: Command = {
  name: "token",
  usage: USAGE,
  summary: "Print a room token, signed with PRIVATE_KEY_JWK, without a server",
  help: `  --subject ROOM     the room that the token opens; client-db's room is its database's name
  --ttl DURATION     how long it is valid, such as 30m, 24h or 7d (${DEFAULT_TTL}), MAX_TOKEN_TTL at most
  --node-id NAME     the only name that it opens the room under (any)

The token alone goes to standard output. Whoever has it can join the room: do not show it.`,
  values: ["--subject", "--ttl", "--node-id"],
  run: token,
};

async function token(given: Given): Promise<number> {
  const request = readRequest(given);
  const config = parseSettings(await readEnvironment(), parseSigningConfig);
  if (config === undefined) {
    const line = "AUTH_DISABLED is true: everybody joins without a token. Unset it to issue tokens";
    throw new Failure({ lines: [line] });
  }
  const { privateKey } = await loadKeyPair(config.privateKeyJwk).catch((error) => {
    throw keyFailure(error) ?? error;
  });
  const issued = await issueToken(privateKey, request, limitsOf(config)).catch((error) => {
    throw error instanceof TokenRequestError ? wrongRequest(error, config) : error;
  });
  print(issued.token);
  printError(`It opens room ${JSON.stringify(issued.subject)} until ${issued.expiresAt}.`);
  return EXIT.ok;
}

function readRequest(given: Given): IssueTokenRequest {
  const subject = given.get("--subject");
  if (subject === undefined) throw wrongUsage(`token: --subject is missing. Try: ${USAGE}`);
  const nodeId = given.get("--node-id");
  const ttl = given.get("--ttl") ?? DEFAULT_TTL;
  try {
    parseDuration(ttl);
  } catch {
    const what = "--ttl must be a number and a unit, such as 30m, 24h or 7d";
    throw wrongUsage(`token: ${what}. Try: ${USAGE}`);
  }
  return { subject, ttl, ...(nodeId === undefined ? {} : { nodeId }) };
}

function limitsOf({ maxTokenTtl }: SigningConfig): { maxTtlSeconds?: number } {
  return maxTokenTtl === undefined ? {} : { maxTtlSeconds: parseDuration(maxTokenTtl) };
}

/** What is wrong with the options, by their names on the command line. */
function wrongRequest({ message }: TokenRequestError, { maxTokenTtl }: SigningConfig): Failure {
  const named = message.replace("`ttl`", "--ttl").replace("`subject`", "--subject")
    .replace("`nodeId`", "--node-id");
  const limit = maxTokenTtl !== undefined && named.endsWith("seconds at most")
    ? ` (MAX_TOKEN_TTL is ${maxTokenTtl})`
    : "";
  return wrongUsage(`token: ${named}${limit}. Try: ${USAGE}`);
}
