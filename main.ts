// deno-lint-ignore-file no-console
/**
 * The command line: reads the environment, starts the server, prints, listens for signals. Nothing
 * below this file touches the console.
 */

import metadata from "./deno.json" with { type: "json" };
import { type Config, ConfigError, parseConfig } from "./src/config.ts";
import { type Environment, readEnvironment } from "./src/environment.ts";
import { InvalidKeyError } from "./src/keys.ts";
import { createLogger, type Logger, neverThrowing } from "./src/logger.ts";
import {
  createServer,
  type ListenAddress,
  type ServerConfig,
  type SignalingServer,
} from "./src/server.ts";
import { SETTINGS } from "./src/settings.ts";

const EXIT = { ok: 0, configuration: 1, usage: 2 } as const;

/** Ctrl-C under `deno task` comes twice, from the terminal and from the task: that is one signal. */
const SAME_SIGNAL_MS = 500;

/** The process ends by then, whatever still hangs. */
const STOP_DEADLINE_MS = 1500;

const HELP = `WebRTC signaling server for @aikofy/client-db

Usage: client-db-sync [serve]            run the server
       client-db-sync keygen [--write]   print new keys as .env lines, or write them into .env
       client-db-sync --help | --version

Settings, from the environment or from .env in the current folder (the environment wins):
${
  SETTINGS.map(({ name, fallback, summary }) => `  ${name.padEnd(16)} ${summary} (${fallback})`)
    .join("\n")
}

Exit codes: 0 stopped, 1 wrong configuration, 2 wrong usage`;

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
  surviveUnexpectedErrors(logger);
  for (const warning of config.warnings) logger.warn(warning);
  const server = await createServer(serverConfig(config, logger)).catch(exitForKeys);
  stopOnSignals(server, logger);
  const address = await server.listen({ host: config.host, port: config.port }).catch((error) =>
    exitForListening(error, config)
  );
  announce(logger, config, address, environment.fromFile.has("ADMIN_SECRET"));
}

function configure({ get, problems, advice }: Environment): Config {
  try {
    const config = parseConfig(get, keygenCommand());
    return problems.length === 0 ? config : exit(problems);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const isMissing = (line: string) => line.includes(" is not set.");
    // What could not be read is not missing.
    if (problems.length > 0) {
      return exit([...problems, ...error.problems.filter((line) => !isMissing(line))]);
    }
    return exit(
      advice && error.problems.some(isMissing) ? [...error.problems, advice] : error.problems,
    );
  }
}

function serverConfig({ auth, consumerAuth }: Config, logger: Logger): ServerConfig {
  const common = { logger, ...(consumerAuth === undefined ? {} : { consumerAuth }) };
  if (!auth.enabled) return { ...common, authEnabled: false };
  const { privateKeyJwk, publicKeyJwk, adminSecret } = auth;
  return {
    ...common,
    adminSecret,
    privateKeyJwk,
    ...(publicKeyJwk === undefined ? {} : { publicKeyJwk }),
  };
}

/** How to run `keygen`, in the way in which this program was run. */
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

/** What no handler caught is logged and counted out: the other clients are served on. */
function surviveUnexpectedErrors(logger: Logger): void {
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    logger.error("Unexpected error", { cause: String(event.error) });
  });
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    logger.error("Unexpected rejection", { cause: String(event.reason) });
  });
}

function stopOnSignals(server: SignalingServer, logger: Logger): void {
  let stoppingSince: number | undefined;
  const stop = async () => {
    if (stoppingSince !== undefined) {
      if (performance.now() - stoppingSince > SAME_SIGNAL_MS) Deno.exit(1);
      return;
    }
    stoppingSince = performance.now();
    logger.info("Stopping");
    setTimeout(() => Deno.exit(EXIT.ok), STOP_DEADLINE_MS);
    await server.close();
    Deno.exit(EXIT.ok);
  };
  const signals = Deno.build.os === "windows" ? ["SIGINT", "SIGBREAK"] : ["SIGINT", "SIGTERM"];
  for (const signal of signals as Deno.Signal[]) Deno.addSignalListener(signal, stop);
}

function exitForUsage(argument: string | undefined): never {
  console.error(`Unknown argument ${JSON.stringify(argument)}. Try: --help`);
  Deno.exit(EXIT.usage);
}

function exitForKeys(error: unknown): never {
  if (error instanceof InvalidKeyError) {
    return exit([`PRIVATE_KEY_JWK is not usable: ${error.message}. Run: ${keygenCommand()}`]);
  }
  throw error;
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
    return exit([`PORT ${port} may not be used by this user. Try: PORT=8080`]);
  }
  const reason = error instanceof Error ? error.message : String(error);
  return exit([
    `HOST ${JSON.stringify(host)} cannot be listened on (${reason}). Try: HOST=0.0.0.0`,
  ]);
}

function exit(problems: readonly string[]): never {
  for (const problem of problems) console.error(problem);
  Deno.exit(EXIT.configuration);
}

if (import.meta.main) await main(Deno.args);
