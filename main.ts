// deno-lint-ignore-file no-console
/**
 * The command line: reads the environment, starts the server, prints, listens for signals. Nothing
 * below this file touches the console.
 *
 * A host that runs a module instead of a command, such as Deno Deploy, starts the whole server with
 * its settings and its signals so:
 *
 * ```ts ignore
 * import { main } from "jsr:@aikofy/client-db-sync/main";
 *
 * await main([]);
 * ```
 *
 * @module
 */

import metadata from "./deno.json" with { type: "json" };
import { type Config, ConfigError, parseConfig } from "./src/config/config.ts";
import {
  type Environment,
  isOnDeploy,
  machineMemory,
  readEnvironment,
} from "./src/config/environment.ts";
import { DEFAULTS } from "./src/runtime/defaults.ts";
import { InvalidKeyError } from "./src/access/keys.ts";
import { createLogger, type Logger, neverThrowing } from "./src/runtime/logger.ts";
import {
  createServer,
  type ListenAddress,
  type ServerOptions,
  type SignalingServer,
} from "./src/http/server.ts";
import { hideValues, shorten } from "./src/config/setting_reader.ts";
import { SETTINGS } from "./src/config/settings.ts";

/** `exhausted` is `EX_TEMPFAIL` of sysexits.h: a supervisor starts the server again. */
const EXIT = { ok: 0, configuration: 1, usage: 2, exhausted: 75 } as const;

/** Ctrl-C under `deno task` sends two signals, by the terminal and by the task: they count as one. */
const SAME_SIGNAL_MS = 500;

/** How long a stop may take after its closes are spread; then the process ends in any case. */
const STOP_DEADLINE_MS = 1500;

/** The port of Redis, unless its URL names another. */
const REDIS_PORT = 6379;

/** What is left of the time that Deploy gives a process to stop, in seconds. */
const MAX_DEPLOY_DRAIN_SECONDS = 3;

/** The part of the machine's memory that the process may use if `MAX_MEMORY_MB` is not set. */
const MEMORY_SHARE = 0.8;

const HELP = `WebRTC signaling server for @aikofy/client-db

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

/**
 * Runs the command line and ends the process, unless it is left serving.
 *
 * @param args The arguments after the program's name.
 */
export async function main(args: readonly string[]): Promise<void> {
  const [command = "serve", ...rest] = args;
  if (command === "keygen") {
    const { keygen } = await import("./scripts/generate-keys.ts");
    Deno.exit(await keygen(rest));
  }
  const isHelp = rest[0] === "--help" || rest[0] === "-h";
  if (command === "serve" && rest.length === 1 && isHelp) return console.log(HELP);
  if (command === "serve" && rest.length === 0) return await serve();
  if (rest.length > 0) exitForUsage(command.startsWith("-") ? command : rest[0]);
  switch (command) {
    case "--help":
    case "-h":
    case "help":
      console.log(HELP);
      return;
    case "--version":
    case "-V":
      console.log(metadata.version);
      return;
    default:
      exitForUsage(command);
  }
}

async function serve(): Promise<void> {
  const environment = await readEnvironment();
  const config = configure(environment);
  const logger = neverThrowing(createLogger({
    level: config.logLevel,
    format: config.logFormat ?? (Deno.stdout.isTerminal() ? "pretty" : "json"),
    write: (line) => console.log(line), // Throws on a full disk; the server goes on.
  }));
  for (const warning of [...config.warnings, ...deployWarnings(config)]) logger.warn(warning);
  const stop = (exitCode: number) => stopServer(server, config, logger, exitCode);
  const server = await createServer({
    ...serverConfig(config, logger),
    ...await backplaneConfig(config),
    onExhausted: () => stop(EXIT.exhausted),
  }).catch(exitForKeys);
  stopOnSignals(() => stop(EXIT.ok));
  const address = await server.listen({ host: config.host, port: config.port }).catch((error) =>
    exitForListening(error, config)
  );
  surviveUnexpectedErrors(logger);
  announce(logger, config, address, environment.fromFile.has("ADMIN_SECRET"));
}

/** Reads the configuration, or ends the process with a line for each setting to change. */
function configure(environment: Environment): Config {
  const { get, problems, fileProblem, warnings, advice } = environment;
  const unreadable = [...problems.values()];
  let config: Config;
  try {
    config = parseConfig(get, keygenCommand());
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const isMissing = (line: string) => line.includes(" is not set.");
    // A setting that could not be read is not missing.
    const isKnown = (line: string) =>
      !isMissing(line) || (fileProblem === undefined && !problems.has(line.split(" ", 1)[0] ?? ""));
    const lines = error.problems.filter(isKnown);
    const file = fileProblem === undefined ? [] : [fileProblem];
    const hint = advice !== "" && lines.some(isMissing) ? [advice] : [];
    return exit([...unreadable, ...file, ...lines, ...hint]);
  }
  const refused = [...unreadable, ...findRefusedHosts(config)];
  if (refused.length > 0) return exit(refused);
  const file = fileProblem === undefined ? [] : [`${fileProblem}. No setting is missing`];
  return { ...config, warnings: [...file, ...warnings, ...config.warnings] };
}

/** The hosts that settings name and that the permissions do not let the server reach, a line each. */
function findRefusedHosts({ redis, consumerAuth }: Config): string[] {
  const refused: { readonly setting: string; readonly host: string }[] = [];
  const check = (setting: string, host: string) => {
    if (Deno.permissions.querySync({ name: "net", host }).state === "granted") return;
    refused.push({ setting, host });
  };
  if (redis !== undefined) {
    const { hostname, port } = new URL(redis.url);
    // The Redis client looks a name up without its port, and Deno asks for the permission to do so.
    const isAddress = /^[\d.]+$|^\[/.test(hostname);
    check("REDIS_URL", isAddress ? `${hostname}:${port || REDIS_PORT}` : hostname);
  }
  const keys = URL.parse(consumerAuth?.jwksUrl ?? "");
  if (keys !== null) {
    check(
      "CONSUMER_JWKS_URL",
      `${keys.hostname}:${keys.port || (keys.protocol === "https:" ? 443 : 80)}`,
    );
  }
  const help = commandThatReaches(refused.map(({ host }) => host));
  return refused.map(({ setting }) => `${setting} names a host that may not be reached. ${help}`);
}

/** The command that lets the server reach these hosts, run the way this program was started. */
function commandThatReaches(hosts: readonly string[]): string {
  // In quotes, because a shell may read the brackets of an IPv6 address as a pattern.
  const flag = `"--allow-net=${[...metadata.permissions.server.net, ...hosts].join(",")}"`;
  if (Deno.build.standalone) {
    return `Compile again: deno task compile:to ${flag} --output client-db-sync main.ts`;
  }
  return import.meta.url.startsWith("file:")
    ? `Run: deno run --quiet -P=server ${flag} main.ts`
    : `Run: deno run -N -E --allow-read=.env jsr:${metadata.name}`;
}

/** What Deno Deploy does otherwise than a machine of one's own. */
function deployWarnings({ redis, drainSeconds }: Config): string[] {
  if (!isOnDeploy()) return [];
  const warnings: string[] = [];
  if (redis === undefined) {
    warnings.push("REDIS_URL is not set: peers on different instances of Deploy do not meet");
  }
  if (drainSeconds > MAX_DEPLOY_DRAIN_SECONDS) {
    warnings.push(
      `DRAIN_SECONDS is ${drainSeconds}: Deploy ends a process 5 seconds after its signal, so that ` +
        `${MAX_DEPLOY_DRAIN_SECONDS} is the most that it has time for`,
    );
  }
  return warnings;
}

function serverConfig(config: Config, logger: Logger): ServerOptions {
  const { auth, consumerAuth, allowedOrigins, maxTokenTtl } = config;
  const common = {
    logger,
    registerTimeoutMs: config.registerTimeoutMs,
    idleTimeoutSeconds: config.idleTimeoutSeconds,
    reintroduceSeconds: config.reintroduceSeconds,
    drainSeconds: config.drainSeconds,
    clockToleranceSeconds: config.clockToleranceSeconds,
    trustedProxies: config.trustedProxies,
    limits: { ...config.limits, maxMemoryMb: memoryLimit(config, logger) },
    ...(consumerAuth === undefined ? {} : { consumerAuth }),
    ...(allowedOrigins === undefined ? {} : { allowedOrigins }),
    ...(maxTokenTtl === undefined ? {} : { maxTokenTtl }),
  };
  if (!auth.enabled) return { ...common, authEnabled: false };
  const { privateKeyJwk, publicKeyJwk, adminSecret } = auth;
  return {
    ...common,
    adminSecret,
    privateKeyJwk,
    ...(publicKeyJwk === undefined ? {} : { publicKeyJwk }),
  };
}

/** Loads the Redis client only if `REDIS_URL` is set. */
async function backplaneConfig({ redis }: Config): Promise<Pick<ServerOptions, "backplane">> {
  if (redis === undefined) return {};
  const { createRedisBackplane } = await import("./src/cluster/redis/backplane.ts");
  return { backplane: createRedisBackplane(redis) };
}

/** Megabytes, or 0 for no limit. */
function memoryLimit({ limits }: Config, logger: Logger): number {
  if (limits.maxMemoryMb !== undefined) return limits.maxMemoryMb;
  const machine = machineMemory();
  if (machine !== undefined) return Math.ceil(machine * MEMORY_SHARE);
  logger.info(
    "Memory is not watched: set MAX_MEMORY_MB, or run with --allow-sys=systemMemoryInfo",
  );
  return 0;
}

/** The command that writes new keys into `.env`, run the way this program was started. */
function keygenCommand(): string {
  // A binary may not write: its permissions are those of the server.
  if (Deno.build.standalone) return "client-db-sync keygen >> .env";
  if (import.meta.url.startsWith("file:")) return "deno task keygen --write";
  return `deno run --allow-read=.env --allow-write=.env jsr:${metadata.name}/keygen --write`;
}

function announce(
  logger: Logger,
  { auth }: Config,
  { host, port, url }: ListenAddress,
  secretIsInFile: boolean,
): void {
  logger.info(`Listening on ${url}`, {
    host,
    port,
    auth: auth.enabled ? "enabled" : "disabled",
    version: metadata.version,
    deno: Deno.version.deno,
  });
  // On Deploy and on a Unix socket, clients know another URL.
  if (isOnDeploy() || !url.startsWith("http:")) return;
  const webSocket = `${url.replace("http", "ws")}/signal`;
  if (!auth.enabled) return logger.info(`Connect to ${webSocket}?room=my-room`);
  const source = secretIsInFile ? ". ./.env; " : "";
  logger.info(
    `Get a first token with: ${source}curl ${url}/token -H "x-admin-secret: $ADMIN_SECRET" ` +
      `-H "content-type: application/json" -d '{"ttl":"24h","subject":"my-room"}'`,
  );
  logger.info(`Connect to ${webSocket}?token=...`);
}

/** Counts and logs errors that no handler caught: the server continues for the other clients. */
function surviveUnexpectedErrors(logger: Logger): void {
  let count = 0;
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    logger.error("Unexpected error", { count: ++count, cause: String(event.error) });
  });
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    logger.error("Unexpected rejection", { count: ++count, cause: String(event.reason) });
  });
}

/** A second signal ends the process at once. */
function stopOnSignals(stop: () => void): void {
  let stoppingSince: number | undefined;
  const onSignal = () => {
    if (stoppingSince === undefined) {
      stoppingSince = performance.now();
      stop();
    } else if (performance.now() - stoppingSince > SAME_SIGNAL_MS) Deno.exit(1);
  };
  const signals = Deno.build.os === "windows" ? ["SIGINT", "SIGBREAK"] : ["SIGINT", "SIGTERM"];
  for (const signal of signals as Deno.Signal[]) Deno.addSignalListener(signal, onSignal);
}

async function stopServer(
  server: SignalingServer,
  { drainSeconds }: Config,
  logger: Logger,
  exitCode: number,
): Promise<void> {
  if (exitCode === EXIT.ok) logger.info("Stopping");
  else logger.error("Deno has lost most file descriptors: only a new process can go on");
  setTimeout(() => Deno.exit(exitCode), drainSeconds * 1000 + STOP_DEADLINE_MS);
  await server.close();
  Deno.exit(exitCode);
}

function exitForUsage(argument: string | undefined): never {
  console.error(`Unknown argument ${JSON.stringify(argument)}. Try: --help`);
  Deno.exit(EXIT.usage);
}

function exitForKeys(error: unknown): never {
  if (error instanceof InvalidKeyError) {
    return exit([`PRIVATE_KEY_JWK is not usable: ${error.message}. Run: ${keygenCommand()}`]);
  }
  return exit([`The server cannot start: ${error instanceof Error ? error.message : error}`]);
}

function exitForListening(error: unknown, { host, port }: Config): never {
  const isAddress = /^[\d.]+$|:/.test(host);
  // A name may be a secret that stands in the wrong place.
  const shown = isAddress ? host : shorten(host);
  if (error instanceof Deno.errors.AddrInUse) {
    return exit([`PORT ${port} is in use. Try: PORT=${port === 65535 ? 0 : port + 1}`]);
  }
  if (error instanceof Deno.errors.NotCapable) {
    const where = `${host.includes(":") ? `[${host}]` : host}:${port}`;
    const flag = isAddress ? `--allow-net=${where}` : "--allow-net= and the value of HOST";
    return exit([`Listening on ${shown}:${port} is not permitted. Run with: ${flag}`]);
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return exit([`PORT ${port} may not be used by this user. Try: PORT=${DEFAULTS.port}`]);
  }
  const reason = hideValues(error instanceof Error ? error.message : String(error), host);
  return exit([
    `HOST ${JSON.stringify(shown)} cannot be listened on (${reason}). Try: HOST=${DEFAULTS.host}`,
  ]);
}

function exit(problems: readonly string[]): never {
  for (const problem of problems) console.error(problem);
  Deno.exit(EXIT.configuration);
}

if (import.meta.main) await main(Deno.args);
