/**
 * The default of every option that is not a limit, once: the library, the settings of the command
 * line and the tests of the docs read it here. The defaults of limits are in `access/limits.ts`.
 */

/** The value of each option that is not set. */
export const DEFAULTS = {
  /** Address to listen on. */
  host: "0.0.0.0",
  /** The same without authentication: no other machine reaches it. */
  openHost: "127.0.0.1",
  /** Port to listen on. */
  port: 8080,
  /** Address to listen on for operators. */
  internalHost: "127.0.0.1",
  /** Milliseconds until a client without a room token has to register. */
  registerTimeoutMs: 10_000,
  /** Seconds by which the clock of a token's issuer may be ahead. */
  clockToleranceSeconds: 60,
  /** Seconds without a sign of life after which a peer is removed. */
  idleTimeoutSeconds: 30,
  /** Seconds after which each normal peer is told of peers of its room again. */
  reintroduceSeconds: 60,
  /** Seconds over which closes are spread. */
  drainSeconds: 3,
  /** Signature algorithms that a consumer token may have. */
  consumerAlgorithms: ["ES256", "RS256"],
  /** How long TURN credentials are valid. */
  turnTtl: "24h",
  /** What every key and channel in Redis begins with. */
  redisPrefix: "client-db-sync:",
  /** The lowest level that is logged. */
  logLevel: "info",
  /** The form of a log line. */
  logFormat: "json",
} as const;
