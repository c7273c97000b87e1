/**
 * The `serve` command: runs the server by its configuration, says where it listens, and stops it on
 * signals. What SIGHUP changes is in `reload.ts`.
 */

import type { Config } from "../config/config.ts";
import { type Environment, readEnvironment } from "../config/environment.ts";
import { EnvironmentReader, hideValues, type Setting, shorten } from "../config/setting_reader.ts";
import { InternalListenError } from "../http/internal_listen_error.ts";
import { createServer, type SignalingServer } from "../http/server.ts";
import { EXAMPLE_INTERNAL_PORT, GENERAL } from "../config/settings.ts";
import { DEFAULTS } from "../runtime/defaults.ts";
import { createLogger, failureFields, type Logger, neverThrowing } from "../runtime/logger.ts";
import { announce, announcePage, hasPage, HeldLines } from "./announce.ts";
import type { Command, Given } from "./command.ts";
import { readConfig, startFailure } from "./configuration.ts";
import { EXIT, Failure } from "./failure.ts";
import { settingsHelp } from "./help.ts";
import { type ReadSettings, Reloader } from "./reload.ts";
import { redisBackplanesOf, serverOptions } from "./server_options.ts";
import { print } from "./terminal.ts";

/** Ctrl-C under `deno task` sends two signals, by the terminal and by the task: they count as one. */
const SAME_SIGNAL_MS = 500;

/** How long a stop may take after its closes are spread; then the process ends in any case. */
const STOP_DEADLINE_MS = 1500;

export const SERVE: Command = {
  name: "serve",
  usage: "serve [--port PORT] [--host ADDRESS]",
  summary: "Run the server (the command when none is named)",
  help: `  --port PORT        the port to listen on, instead of that of the settings
  --host ADDRESS     the address to listen on, instead of that of the settings

SIGTERM and SIGINT stop it. SIGHUP reads the settings again and applies a changed REDIS_URL while all
clients stay connected; other settings need a restart.

${settingsHelp()}`,
  values: ["--port", "--host"],
  run: serve,
};

/** The settings that an option may stand for, by its name. */
const OPTIONS: Readonly<Record<string, Setting<unknown>>> = {
  "--port": GENERAL.port,
  "--host": GENERAL.host,
};

/** Starts the server, which ends the process when it is stopped. */
async function serve(given: Given): Promise<undefined> {
  const reloader = new Reloader();
  // On Windows it means that the console is closed.
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGHUP", () => reloader.ask());
  const settings = await readSettings(given);
  const { config } = settings;
  // The address of the page comes first, before any advice.
  const lines = new HeldLines(print, hasPage(config));
  const logger = neverThrowing(createLogger({
    level: config.logLevel,
    format: config.logFormat ?? (Deno.stdout.isTerminal() ? "pretty" : "json"),
    write: (line) => lines.write(line), // Throws on a full disk; the server goes on.
  }));
  try {
    await start({ settings, given, logger, lines, reloader });
  } finally {
    lines.release();
  }
}

/** Reads the settings, with the options of the command line. */
async function readSettings(given: Given): Promise<ReadSettings> {
  const environment = withOptions(await readEnvironment(), given);
  return { environment, config: readConfig(environment, given.size > 0) };
}

/** What a start needs. */
interface Start {
  readonly settings: ReadSettings;
  readonly given: Given;
  readonly logger: Logger;
  readonly lines: HeldLines;
  readonly reloader: Reloader;
}

async function start({ settings, given, logger, lines, reloader }: Start): Promise<void> {
  const { environment, config } = settings;
  for (const warning of config.warnings) logger.warn(warning);
  const stop = (exitCode: number) => {
    reloader.close();
    lines.release();
    return stopServer(server, config, logger, exitCode);
  };
  const backplanes = await redisBackplanesOf(config);
  const server = await createServer({
    ...serverOptions(config, logger),
    ...(backplanes.size > 0 && { backplane: [...backplanes.values()] }),
    onExhausted: () => stop(EXIT.exhausted),
  }).catch((error) => {
    throw startFailure(error);
  });
  stopOnSignals(() => stop(EXIT.ok));
  const address = await server.listen({ host: config.host, port: config.port }).catch((error) => {
    throw new Failure({ lines: [listenFailure(error, config, given)] });
  });
  surviveUnexpectedErrors(logger);
  lines.release(() => announcePage(logger, config, address));
  announce(logger, config, address, environment.fromFile.has("ADMIN_SECRET"));
  reloader.use({ server, backplanes, settings, logger, read: () => readSettings(given) });
}

/**
 * The environment with the options of the command line instead of the settings they stand for.
 *
 * @throws {Failure} An option is malformed.
 */
function withOptions(environment: Environment, given: Given): Environment {
  const reader = new EnvironmentReader((name) => given.get(name), "");
  for (const [name, setting] of Object.entries(OPTIONS)) reader.read({ ...setting, name });
  const { problems: lines } = reader;
  if (lines.length > 0) throw new Failure({ lines, exitCode: EXIT.usage });
  const values = new Map(
    Object.entries(OPTIONS).flatMap(([option, { name }]) => {
      const value = given.get(option);
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
  return {
    ...environment,
    get: (name) => values.get(name) ?? environment.get(name),
    problems: new Map([...environment.problems].filter(([name]) => !values.has(name))),
  };
}

/** Counts and logs errors that no handler caught: the server continues for the other clients. */
function surviveUnexpectedErrors(logger: Logger): void {
  let count = 0;
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    logger.error("Unexpected error", { count: ++count, cause: failureFields(event.error).cause });
  });
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    logger.error("Unexpected rejection", {
      count: ++count,
      cause: failureFields(event.reason).cause,
    });
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
  if (Deno.build.os === "windows" || !Deno.stdin.isTerminal()) return;
  Deno.addSignalListener("SIGHUP", () => {
    if (!Deno.stdin.isTerminal()) onSignal(); // The terminal was closed.
  });
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

/** An address, and the names of what says it. */
interface ListenTarget {
  readonly host: string;
  readonly port: number;
  readonly hostName: string;
  readonly portName: string;
  /** What the host is when nothing says it. */
  readonly defaultHost: string;
  /** A port that any user may listen on. */
  readonly examplePort: number;
}

/** Why an address cannot be listened on, that for clients or that for operators. */
function listenFailure(error: unknown, { host, port, internal }: Config, given: Given): string {
  if (error instanceof InternalListenError && internal !== undefined) {
    const [hostName, portName] = [GENERAL.internalHost.name, GENERAL.internalPort.name];
    const defaultHost = DEFAULTS.internalHost;
    const examplePort = EXAMPLE_INTERNAL_PORT;
    const target = { ...internal, hostName, portName, defaultHost, examplePort };
    return listenProblem(error.cause, target);
  }
  const portName = given.has("--port") ? "--port" : GENERAL.port.name;
  const hostName = given.has("--host") ? "--host" : GENERAL.host.name;
  const { host: defaultHost, port: examplePort } = DEFAULTS;
  return listenProblem(error, { host, port, hostName, portName, defaultHost, examplePort });
}

/** Why the address cannot be listened on, and what helps. */
function listenProblem(
  error: unknown,
  { host, port, hostName, portName, defaultHost, examplePort }: ListenTarget,
): string {
  const isAddress = /^[\d.]+$|:/.test(host);
  // A name may be a secret that stands in the wrong place.
  const shown = isAddress ? host : shorten(host);
  if (error instanceof Deno.errors.AddrInUse) {
    return `${portName} ${port} is in use. Try: ${portName}=${port === 65535 ? 0 : port + 1}`;
  }
  if (error instanceof Deno.errors.NotCapable) {
    const where = `${host.includes(":") ? `[${host}]` : host}:${port}`;
    const flag = isAddress ? `--allow-net=${where}` : `--allow-net= and the value of ${hostName}`;
    return `Listening on ${shown}:${port} is not permitted. Run with: ${flag}`;
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return `${portName} ${port} may not be used by this user. Try: ${portName}=${examplePort}`;
  }
  const reason = hideValues(error instanceof Error ? error.message : String(error), host);
  const help = `Try: ${hostName}=${defaultHost}`;
  return `${hostName} ${JSON.stringify(shown)} cannot be listened on (${reason}). ${help}`;
}
