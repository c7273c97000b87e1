/** What a server of the benchmark is, and how this one and the baselines are started. */

import metadata from "../../deno.json" with { type: "json" };
import { generateKeyPairJwk } from "../../src/access/keys.ts";
import { SETTINGS } from "../../src/config/settings.ts";
import { install, type PackageName } from "./packages.ts";
import type { ProtocolName } from "./protocols.ts";

/** How to start a server. */
export interface Command {
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** One of the servers. */
export interface Server {
  /** The head of its column. */
  readonly title: string;
  /** What it is, in one line. */
  readonly about: string;
  readonly protocol: ProtocolName;
  /** Whether its clients have tokens. */
  readonly hasTokens?: true;
  /** Where it answers once it is ready; with any status. */
  readonly health: string;
  readonly needsNode?: true;
  /** What is done while it is loaded; the function returned ends it. */
  readonly meanwhile?: (port: number) => () => void;
  /** How it is started on this port; may install it. */
  readonly command: (port: number) => Command | Promise<Command>;
}

/** What the load needs of this server; all else is as shipped. */
export const RAISED_LIMITS = {
  MAX_PENDING_CONNECTIONS: "0",
  MAX_PENDING_CONNECTIONS_PER_IP: "0",
  MAX_BYTES_PER_SECOND: "0",
  MAX_MESSAGES_PER_SECOND: "0",
  MAX_PEERS_PER_ROOM: "0",
} as const;

/** The keys of the tokens of one run. */
export const KEYS = await generateKeyPairJwk();

/** What operators show. */
export const ADMIN_SECRET = "a-secret-for-benchmarks-on-loopback";

const ROOT = decodeURIComponent(new URL("../..", import.meta.url).pathname);
/** The folder of the baselines. */
export const BASELINES = `${ROOT}bench/load/baselines`;

/** Settings in the environment of the benchmark must not apply: an empty value counts as not set. */
const NO_SETTINGS = Object.fromEntries(SETTINGS.map(({ name }) => [name, ""]));

/** The `start` task, word by word, with the full path of what it runs. */
function startTask(): string[] {
  const [program, ...words] = metadata.tasks.start.command.split(" ");
  const main = words.pop();
  if (program !== "deno" || main !== "main.ts") throw new Error("The start task has changed");
  return [Deno.execPath(), ...words, `${ROOT}${main}`];
}

/** This server, with these settings besides those that the load needs. */
export function ours(port: number, env: Record<string, string>): Command {
  const common = { ...NO_SETTINGS, ...RAISED_LIMITS, HOST: "127.0.0.1", PORT: String(port) };
  return { args: startTask(), env: { ...common, ...env } };
}

/** A program that mounts the handler, with one of its features. */
export function onHost(port: number, feature: string): Command {
  const program = `${ROOT}bench/load/host.ts`;
  return {
    args: [Deno.execPath(), "run", "--quiet", "--allow-net", "--allow-env", program, feature],
    env: { PORT: String(port), PRIVATE_KEY_JWK: KEYS.privateKeyJwk },
  };
}

/** A baseline that is in Deno. */
export function baseline(mode: string): Server["command"] {
  return (port) => ({
    args: [
      Deno.execPath(),
      "run",
      "--allow-net",
      "--allow-env",
      `${BASELINES}/deno_relay.ts`,
      mode,
    ],
    env: { PORT: String(port), PUBLIC_KEY_JWK: KEYS.publicKeyJwk },
  });
}

/** A server from npm. */
export function onNode(
  name: PackageName,
  args: (folder: string, port: number) => string[],
): Server["command"] {
  return async (port) => ({
    args: ["node", ...args(await install(name), port)],
    env: { PORT: String(port) },
  });
}
