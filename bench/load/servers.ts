/** The servers that are compared: what each is, how it is started, and which protocol it speaks. */

import metadata from "../../deno.json" with { type: "json" };
import { generateKeyPairJwk } from "../../src/access/keys.ts";
import { SETTINGS } from "../../src/config/settings.ts";
import { install, type PackageName, VERSIONS } from "./packages.ts";
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

const ROOT = decodeURIComponent(new URL("../..", import.meta.url).pathname);
const BASELINES = `${ROOT}bench/load/baselines`;

/** Settings in the environment of the benchmark must not apply: an empty value counts as not set. */
const NO_SETTINGS = Object.fromEntries(SETTINGS.map(({ name }) => [name, ""]));

/** The `start` task, word by word, with the full path of what it runs. */
function startTask(): string[] {
  const [program, ...words] = metadata.tasks.start.command.split(" ");
  const main = words.pop();
  if (program !== "deno" || main !== "main.ts") throw new Error("The start task has changed");
  return [Deno.execPath(), ...words, `${ROOT}${main}`];
}

function ours(port: number, env: Record<string, string>): Command {
  const common = { ...NO_SETTINGS, ...RAISED_LIMITS, HOST: "127.0.0.1", PORT: String(port) };
  return { args: startTask(), env: { ...common, ...env } };
}

function baseline(mode: string): Server["command"] {
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

function onNode(
  name: PackageName,
  args: (folder: string, port: number) => string[],
): Server["command"] {
  return async (port) => ({
    args: ["node", ...args(await install(name), port)],
    env: { PORT: String(port) },
  });
}

/** Every server, by the name by which `--servers` knows it. */
export const SERVERS = {
  auth: {
    title: "this server",
    about: "deno task start",
    protocol: "client-db",
    hasTokens: true,
    health: "/health",
    command: (port) =>
      ours(port, {
        PRIVATE_KEY_JWK: KEYS.privateKeyJwk,
        ADMIN_SECRET: "a-secret-for-benchmarks-on-loopback",
      }),
  },
  open: {
    title: "without auth",
    about: "deno task start with AUTH_DISABLED=true",
    protocol: "client-db",
    health: "/health",
    command: (port) => ours(port, { AUTH_DISABLED: "true" }),
  },
  peerjs: {
    title: "PeerJS",
    about: `npm:peer@${VERSIONS.peer} on Node, with --concurrent_limit 20000`,
    protocol: "peerjs",
    health: "/",
    needsNode: true,
    command: onNode("peer", (folder, port) => [
      `${folder}/node_modules/peer/dist/bin/peerjs.js`,
      ...["--host", "127.0.0.1", "--port", String(port), "--concurrent_limit", "20000"],
    ]),
  },
  "y-webrtc": {
    title: "y-webrtc",
    about: `npm:y-webrtc@${VERSIONS["y-webrtc"]} on Node, bin/server.js`,
    protocol: "y-webrtc",
    health: "/",
    needsNode: true,
    command: onNode("y-webrtc", (folder) => [`${folder}/node_modules/y-webrtc/bin/server.js`]),
  },
  rxdb: {
    title: "RxDB",
    about: `npm:rxdb@${VERSIONS.rxdb} on Node, startSignalingServerSimplePeer`,
    protocol: "rxdb",
    health: "/",
    needsNode: true,
    command: onNode("rxdb", (folder) => [`${BASELINES}/rxdb.mjs`, folder]),
  },
  ws: {
    title: "ws",
    about: `bare relay on npm:ws@${VERSIONS.ws} on Node`,
    protocol: "client-db",
    health: "/health",
    needsNode: true,
    command: onNode("ws", (folder) => [`${BASELINES}/node_ws.mjs`, folder]),
  },
  json: {
    title: "Deno json",
    about: "bare Deno.upgradeWebSocket relay that parses and stringifies",
    protocol: "client-db",
    health: "/health",
    command: baseline("json"),
  },
  scan: {
    title: "Deno scan",
    about: "the same, scanning the text for `to` instead",
    protocol: "client-db",
    health: "/health",
    command: baseline("scan"),
  },
  verify: {
    title: "Deno verify",
    about: "Deno json for clients whose token it has verified with jose",
    protocol: "client-db",
    hasTokens: true,
    health: "/health",
    command: baseline("verify"),
  },
  idle: {
    title: "Deno idle",
    about: "bare Deno sockets without handlers",
    protocol: "silent",
    health: "/health",
    command: baseline("idle"),
  },
} as const satisfies Record<string, Server>;

/** The name of a server. */
export type ServerName = keyof typeof SERVERS;

/** A server by its name. */
export function serverOf(name: ServerName): Server {
  return SERVERS[name];
}
