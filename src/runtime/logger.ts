/**
 * Logging as the server uses it: fixed texts, variables in fields, never a token, a secret or an
 * SDP. A library stays silent; the command line passes a logger that writes lines.
 */

import { DEFAULTS } from "./defaults.ts";
import { callHost } from "./host_call.ts";

/** The variables of a log line. */
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** Where the server reports what happens; any logger with these four methods fits. */
export interface Logger {
  /** Every connection that comes and goes. */
  debug(message: string, fields?: LogFields): void;
  /** What an operator wants to know, and clients that misbehave. */
  info(message: string, fields?: LogFields): void;
  /** What an operator should change. */
  warn(message: string, fields?: LogFields): void;
  /** Failures of the server's own. */
  error(message: string, fields?: LogFields): void;
}

/** How much is logged: a level and all above it, or nothing. */
export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

/** The form of a log line: for people or for machines. */
export type LogFormat = "pretty" | "json";

/** Every {@linkcode LogLevel}, lowest first. */
export const LOG_LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error", "silent"];

/** Every {@linkcode LogFormat}. */
export const LOG_FORMATS: readonly LogFormat[] = ["pretty", "json"];

/** A logger that writes nothing. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** A logger that calls another and ignores its failures: a lost log line must harm no peer. */
export function neverThrowing(logger: Logger): Logger {
  const ignore = () => {}; // There is no other place to report it.
  const guard = (name: Exclude<LogLevel, "silent">) => (message: string, fields?: LogFields) =>
    callHost(() => logger[name](message, fields), ignore);
  return { debug: guard("debug"), info: guard("info"), warn: guard("warn"), error: guard("error") };
}

/** A logger that adds fields to each line of another, which are asked for each time. */
export function withFields(logger: Logger, more: () => LogFields | undefined): Logger {
  const add = (name: Exclude<LogLevel, "silent">) => (message: string, fields?: LogFields) =>
    logger[name](message, { ...fields, ...more() });
  return { debug: add("debug"), info: add("info"), warn: add("warn"), error: add("error") };
}

/** A token in a query, or a JWT anywhere. */
const TOKEN = /([?&]token=)[^&#\s"']+|\beyJ[\w-]+\.[\w-]+\.[\w-]*/g;

/**
 * The fields that describe a failure: what was thrown as one text, and its stack when it is an error,
 * so that an operator can find the line. Tokens in them, such as in the URL that the message of a
 * failed `fetch` contains, are replaced by `[token]`. It throws for no value.
 *
 * @param cause What was thrown.
 */
export function failureFields(cause: unknown): LogFields {
  const stack = cause instanceof Error && typeof cause.stack === "string" ? cause.stack : undefined;
  return { cause: withoutTokens(textOf(cause)), stack: stack && withoutTokens(stack) };
}

/** Anything can be thrown, even what cannot be turned into a text. */
function textOf(cause: unknown): string {
  try {
    return String(cause);
  } catch {
    return `A value of type ${typeof cause} that has no text`;
  }
}

function withoutTokens(text: string): string {
  return text.replace(TOKEN, (_, before = "") => `${before}[token]`);
}

/** Options of {@linkcode createLogger}. */
export interface LoggerOptions {
  /**
   * The lowest level that is written.
   *
   * @default {"info"}
   */
  level?: LogLevel;
  /**
   * `json` writes an object a line: `time`, `level`, `message`, then the fields.
   *
   * @default {"json"}
   */
  format?: LogFormat;
  /** Takes a finished line, without the line break. */
  write: (line: string) => void;
  /** Milliseconds since the Unix epoch; `Date.now` unless a test says otherwise. */
  now?: () => number;
}

/**
 * Creates a logger that writes a line per message.
 *
 * @param options What to write, how and where to.
 * @returns The logger.
 *
 * @example One JSON object a line
 * ```ts
 * import { createLogger } from "@aikofy/client-db-sync";
 * import { assertEquals } from "@std/assert";
 *
 * const lines: string[] = [];
 * const logger = createLogger({ write: (line) => lines.push(line), now: () => 0 });
 * logger.info("Listening", { port: 8080 });
 * logger.debug("Not written at this level");
 * assertEquals(lines, [
 *   '{"time":"1970-01-01T00:00:00.000Z","level":"info","message":"Listening","port":8080}',
 * ]);
 * ```
 */
export function createLogger(options: LoggerOptions): Logger {
  const { level = DEFAULTS.logLevel, format = DEFAULTS.logFormat, write, now = Date.now } = options;
  const line = format === "json" ? jsonLine : prettyLine;
  const at = (name: Exclude<LogLevel, "silent">) =>
    LOG_LEVELS.indexOf(name) < LOG_LEVELS.indexOf(level)
      ? () => {}
      : (message: string, fields?: LogFields) =>
        write(line(new Date(now()).toISOString(), name, message, fields));
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** Every character that draws nothing by itself: control, format, line and paragraph separators. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** `JSON.stringify` leaves some of them as they are: a line shows none, and reads back the same. */
function jsonLine(time: string, level: string, message: string, fields?: LogFields): string {
  return JSON.stringify({ time, level, message, ...fields }).replace(UNPRINTABLE, escapeJson);
}

/** Each code unit as JSON escapes it. */
function escapeJson(character: string): string {
  let escaped = "";
  for (let index = 0; index < character.length; index++) {
    escaped += `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`;
  }
  return escaped;
}

/** Values are quoted as JSON, so that no name of a client can break a line or control a terminal. */
function prettyLine(time: string, level: string, message: string, fields?: LogFields): string {
  let line = `${time.slice(11, 19)} ${level.toUpperCase().padEnd(5)} ${message}`;
  for (const [name, value] of Object.entries(fields ?? {})) {
    if (value !== undefined) line += ` ${name}=${JSON.stringify(value)}`;
  }
  return line.replace(UNPRINTABLE, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}
