/** A coturn of its own for a test: on loopback, on free ports, ended by `await using`. */

import { createHmac } from "node:crypto";
import { createSocket } from "node:dgram";
import type { Certificate } from "./certificate.ts";
import { within } from "./patience.ts";
import { type Running, start, temporaryFolder } from "./command.ts";
import { freePort } from "./port.ts";
import { hasPrograms } from "./program.ts";

const PROGRAM = "turnserver";

/** The name of coturn's program, if there is none; where CI runs, there has to be one. */
export const MISSING_COTURN: string | undefined = await hasPrograms(PROGRAM) ? undefined : PROGRAM;

export interface CoturnOptions {
  /** Each is accepted, as during a rotation: `north` alone by default. */
  readonly secrets?: readonly string[];
  /** Where it listens: by default on a port that is free. */
  readonly port?: number;
  /** More lines of the configuration. */
  readonly config?: readonly string[];
  /** Also listens for TLS, with this certificate. */
  readonly tls?: Certificate;
}

export interface TestCoturn extends AsyncDisposable {
  /** Its port for UDP and TCP on 127.0.0.1. */
  readonly port: number;
  /** Its port for TLS, 0 without. */
  readonly tlsPort: number;
  /** What it has logged so far. */
  log(): string;
}

/** Starts a coturn that relays to loopback, which no other should, and resolves once it answers. */
export async function startCoturn(options: CoturnOptions = {}): Promise<TestCoturn> {
  const port = options.port ?? freePort();
  const tlsPort = options.tls === undefined ? 0 : freePort();
  const tls = options.tls === undefined ? ["no-tls"] : [
    `cert=${options.tls.certificateFile}`,
    `pkey=${options.tls.keyFile}`,
    `tls-listening-port=${tlsPort}`,
  ];
  const secrets = options.secrets ?? ["north"];
  const coturn = await runCoturn(port, (folder) => [
    ...onLoopback(port, folder),
    "allow-loopback-peers",
    "no-cli",
    "no-dtls",
    ...tls,
    "realm=example.org",
    "use-auth-secret",
    ...secrets.map((secret) => `static-auth-secret=${secret}`),
    ...options.config ?? [],
  ]);
  return { ...coturn, port, tlsPort };
}

/** The lines of a configuration that every coturn of a test needs. */
export function onLoopback(port: number, folder: string): string[] {
  return [
    "listening-ip=127.0.0.1",
    `listening-port=${port}`,
    "relay-ip=127.0.0.1",
    `userdb=${folder}/turndb`,
    `pidfile=${folder}/turnserver.pid`,
  ];
}

/** Runs coturn with these lines as its configuration, in a folder of its own. */
async function runCoturn(
  port: number,
  config: (folder: string) => readonly string[],
): Promise<AsyncDisposable & Pick<TestCoturn, "log">> {
  const folder = await temporaryFolder();
  const path = `${folder.path}/turnserver.conf`;
  await Deno.writeTextFile(path, config(folder.path).join("\n") + "\n");
  const running = start("turnserver", ["-c", path, "--log-file=stdout"], { cwd: folder.path });
  const end = async () => {
    await running[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  };
  try {
    await answering(port, running);
  } catch (error) {
    await end();
    throw error;
  }
  return { log: running.stdout, [Symbol.asyncDispose]: end };
}

/** Resolves once the STUN server on this port of 127.0.0.1 answers over UDP. */
export async function answering(port: number, running: Running): Promise<void> {
  const socket = createSocket("udp4");
  socket.on("error", () => {}); // Nobody listens yet.
  const request = new Uint8Array(20);
  request.set([0x00, 0x01, 0x00, 0x00, 0x21, 0x12, 0xa4, 0x42]);
  const ask = () => socket.send(request, port, "127.0.0.1");
  const timer = setInterval(ask, 50);
  try {
    await within(
      "coturn to answer",
      new Promise<void>((resolve, reject) => {
        socket.once("message", () => resolve());
        running.exited.then(() => reject(new Error(`coturn ended:\n${running.stdout()}`)));
      }),
    );
  } finally {
    clearInterval(timer);
    socket.close();
  }
}

export interface TurnUser {
  readonly username: string;
  readonly credential: string;
}

/** Credentials as coturn's `use-auth-secret` expects them. */
export function turnUser(
  secret = "north",
  { name = "alice", secondsLeft = 600 }: { name?: string; secondsLeft?: number } = {},
): TurnUser {
  const username = `${Math.floor(Date.now() / 1000) + secondsLeft}:${name}`;
  const credential = createHmac("sha1", secret).update(username).digest("base64");
  return { username, credential };
}
