// deno-lint-ignore-file no-console
/**
 * The command line: reads the environment, starts the server, prints, listens for signals. Nothing
 * below this file touches the console.
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
import { SETTINGS } from "./src/config/settings.ts";

/** `exhausted` is `EX_TEMPFAIL` of sysexits.h: a supervisor starts the server again. */
const EXIT = { ok: 0, configuration: 1, usage: 2, exhausted: 75 } as const;

/** Ctrl-C under `deno task` sends two signals, by the terminal and by the task: they count as one. */
const SAME_SIGNAL_MS = 500;

/** How long a stop may take after its closes are spread; then the process ends in any case. */
const STOP_DEADLINE_MS = 1500;

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

A limit of 0 is no limit. Settings of limits hold for one process.

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
  for (const warning of config.warnings) logger.warn(warning);
  if (config.redis === undefined && isOnDeploy()) {
    logger.warn("REDIS_URL is not set: peers on different instances of Deploy do not meet");
  }
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

function configure({ get, problems, advice }: Environment): Config {
  try {
    const config = parseConfig(get, keygenCommand());
    return problems.length === 0 ? config : exit(problems);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const isMissing = (line: string) => line.includes(" is not set.");
    // A setting that could not be read is not missing.
    if (problems.length > 0) {
      return exit([...problems, ...error.problems.filter((line) => !isMissing(line))]);
    }
    return exit(
      advice && error.problems.some(isMissing) ? [...error.problems, advice] : error.problems,
    );
  }
}

function serverConfig(config: Config, logger: Logger): ServerOptions {
  const { auth, consumerAuth, allowedOrigins, maxTokenTtl } = config;
  const common = {
    logger,
    registerTimeoutMs: config.registerTimeoutMs,
    idleTimeoutSeconds: config.idleTimeoutSeconds,
    reintroduceSeconds: config.reintroduceSeconds,
    drainSeconds: config.drainSeconds,
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

/** The command that runs `keygen` the way this program was started. */
function keygenCommand(): string {
  if (Deno.build.standalone) return "client-db-sync keygen";
  return import.meta.url.startsWith("file:")
    ? "deno task keygen"
    : `deno run jsr:${metadata.name} keygen`;
}

function announce(
  logger: Logger,
  { auth }: Config,
  { host, port, url }: ListenAddress,
  secretIsInFile: boolean,
): void {
  logger.info(`Listening on ${url}`, { host, port, auth: auth.enabled ? "enabled" : "disabled" });
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
  const where = `${host}:${port}`;
  if (error instanceof Deno.errors.AddrInUse) {
    return exit([`PORT ${port} is in use. Try: PORT=${port === 65535 ? 0 : port + 1}`]);
  }
  if (error instanceof Deno.errors.NotCapable) {
    return exit([`Listening on ${where} is not permitted. Run with: --allow-net=${where}`]);
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return exit([`PORT ${port} may not be used by this user. Try: PORT=${DEFAULTS.port}`]);
  }
  const reason = error instanceof Error ? error.message : String(error);
  return exit([
    `HOST ${JSON.stringify(host)} cannot be listened on (${reason}). Try: HOST=${DEFAULTS.host}`,
  ]);
}

function exit(problems: readonly string[]): never {
  for (const problem of problems) console.error(problem);
  Deno.exit(EXIT.configuration);
}

if (import.meta.main) await main(Deno.args);
