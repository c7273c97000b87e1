/** The servers that are compared: what each is, how it is started, and which protocol it speaks. */

import { FEATURE_SERVERS, withAuth } from "./features.ts";
import { VERSIONS } from "./packages.ts";
import { baseline, BASELINES, onNode, ours, type Server } from "./commands.ts";

/** Every server, by the name by which `--servers` knows it. */
export const SERVERS = {
  auth: { ...withAuth("deno task start", {}), title: "this server" },
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
export type ServerName = keyof typeof SERVERS | keyof typeof FEATURE_SERVERS;

/** A server by its name. */
export function serverOf(name: ServerName): Server {
  return { ...SERVERS, ...FEATURE_SERVERS }[name];
}
