/**
 * Every setting there is: name, default, text and reader of each stand together, here and in
 * `access_settings.ts`, `ice_settings.ts` and `limit_settings.ts`. `config.ts` reads what several say together.
 */

import { DEFAULTS } from "../runtime/defaults.ts";
import { MAX_INTEGER } from "../runtime/integer.ts";
import { LOG_FORMATS, LOG_LEVELS } from "../runtime/logger.ts";
import { checkRedisPrefix, readRedisUrl } from "../runtime/redis_url.ts";
import { ACCESS } from "./access_settings.ts";
import { ICE } from "./ice_settings.ts";
import { LIMIT_SETTINGS } from "./limit_settings.ts";
import { setting, type SettingReader, type SettingText } from "./setting_reader.ts";

/** A port that is used for this as a rule. */
export const EXAMPLE_INTERNAL_PORT = 9090;

/** The settings that are no limits, in the order of the docs. */
export const GENERAL = {
  /** `undefined` if it is not set: the default depends on authentication. */
  host: setting({
    name: "HOST",
    default: DEFAULTS.host,
    summary: `Address to listen on; without authentication the default is ${DEFAULTS.openHost}`,
    read: (reader) => reader.text === undefined ? undefined : readHost(reader, DEFAULTS.host),
  }),
  port: setting({
    name: "PORT",
    default: String(DEFAULTS.port),
    summary: "Port to listen on; 0 chooses a free one",
    read: (reader) => reader.integer(DEFAULTS.port, 0, 65_535) ?? DEFAULTS.port,
  }),
  internalPort: setting({
    name: "INTERNAL_PORT",
    default: "none",
    summary:
      "Port for operators: /metrics without a secret, /admin/* with it, and the probes; the first two are then on no other port",
    read: (reader) => reader.integer(EXAMPLE_INTERNAL_PORT, 0, 65_535),
  }),
  internalHost: setting({
    name: "INTERNAL_HOST",
    default: DEFAULTS.internalHost,
    summary: "Address to listen on for operators; everybody who reaches it can read the metrics",
    read: (reader) => readHost(reader, DEFAULTS.internalHost),
  }),
  ...ACCESS,
  ...ICE,
  registerTimeoutMs: setting({
    name: "REGISTER_TIMEOUT_MS",
    default: String(DEFAULTS.registerTimeoutMs),
    summary: "Milliseconds in which a client without a room token has to register, else close 4002",
    read: (reader) =>
      reader.integer(DEFAULTS.registerTimeoutMs, 0, MAX_INTEGER) ?? DEFAULTS.registerTimeoutMs,
  }),
  idleTimeoutSeconds: setting({
    name: "IDLE_TIMEOUT_SECONDS",
    default: String(DEFAULTS.idleTimeoutSeconds),
    summary:
      "Seconds without a sign of life after which a client's peer is removed; 0 is never; a ping goes out after half of it, and after 15 s at the latest",
    read: (reader) =>
      reader.integer(DEFAULTS.idleTimeoutSeconds, 0, 86_400) ?? DEFAULTS.idleTimeoutSeconds,
  }),
  reintroduceSeconds: setting({
    name: "REINTRODUCE_SECONDS",
    default: String(DEFAULTS.reintroduceSeconds),
    summary: "Seconds after which each normal peer is told of peers of its room again; 0 is never",
    read: (reader) =>
      reader.integer(DEFAULTS.reintroduceSeconds, 0, 86_400) ?? DEFAULTS.reintroduceSeconds,
  }),
  drainSeconds: setting({
    name: "DRAIN_SECONDS",
    default: String(DEFAULTS.drainSeconds),
    summary:
      "Seconds within which a stop closes all sockets, 500 a second or more, so that clients do not all reconnect at once",
    read: (reader) => reader.integer(DEFAULTS.drainSeconds, 0, 3600) ?? DEFAULTS.drainSeconds,
  }),
  redisUrl: setting({
    name: "REDIS_URL",
    isUrl: true,
    default: "none",
    summary:
      "Redis through which all instances that share it are one server: redis:// or rediss:// (TLS), several of them, redis-cluster:// or redis-sentinel://",
    read(reader) {
      const { text } = reader;
      const help = "Try: REDIS_URL=redis://127.0.0.1:6379";
      if (text !== undefined) reader.attempt(() => readRedisUrl(text), help);
      return text;
    },
  }),
  redisPrefix: setting({
    name: "REDIS_PREFIX",
    default: DEFAULTS.redisPrefix,
    summary: "What every key and channel in Redis begins with",
    read(reader) {
      const { text = DEFAULTS.redisPrefix } = reader;
      reader.attempt(() => checkRedisPrefix(text), "Try: REDIS_PREFIX=my-app:");
      return text;
    },
  }),
  logLevel: setting({
    name: "LOG_LEVEL",
    default: DEFAULTS.logLevel,
    summary: `One of ${LOG_LEVELS.join(", ")}`,
    read: (reader) => reader.choice(LOG_LEVELS, DEFAULTS.logLevel) ?? DEFAULTS.logLevel,
  }),
  /** `undefined` if it is not set: a terminal gets another format than a file. */
  logFormat: setting({
    name: "LOG_FORMAT",
    default: "by terminal",
    summary: "pretty (the default on a terminal) or json (the default elsewhere), a line each",
    read: (reader) => reader.choice(LOG_FORMATS, DEFAULTS.logFormat),
  }),
} as const;

function readHost(reader: SettingReader, otherwise: string): string {
  const { text = otherwise } = reader;
  // An IPv6 address may name its interface.
  if (/^[\w.:-]+(%[\w.-]+)?$/.test(text)) return text;
  reader.problem("must be an address or a host name", `Try: ${reader.name}=${otherwise}`);
  return otherwise;
}

/** Every setting, as `--help` and the docs show it. */
export const SETTINGS: readonly SettingText[] = [...Object.values(GENERAL), ...LIMIT_SETTINGS].map(
  ({ name, default: value, summary, whenExceeded }) => ({
    name,
    default: value,
    summary,
    ...(whenExceeded === undefined ? {} : { whenExceeded }),
  }),
);

export { LIMIT_SETTINGS };
