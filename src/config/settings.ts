/** Every setting there is, as `--help`, the README and `.env.example` show it. */

import { DEFAULT_LIMITS, type Limits } from "../access/limits.ts";
import { LOG_LEVELS } from "../runtime/logger.ts";

/** One setting, as `--help` and the README show it. */
export interface Setting {
  /** The name of the environment variable. */
  readonly name: string;
  /** What applies when it is not set. */
  readonly default: string;
  /** What it does, in one sentence. */
  readonly summary: string;
  /** For a limit: what happens beyond it. */
  readonly whenExceeded?: string;
}

const NO_UPGRADE = "no upgrade, Retry-After";

const GENERAL: readonly Setting[] = [
  { name: "HOST", default: "0.0.0.0", summary: "Address to listen on" },
  { name: "PORT", default: "8080", summary: "Port to listen on; 0 takes a free one" },
  {
    name: "AUTH_DISABLED",
    default: "false",
    summary: "true lets anyone join without a token: for local development only",
  },
  {
    name: "PRIVATE_KEY_JWK",
    default: "required with auth",
    summary: "Ed25519 private key that signs room tokens, base64 of its JWK",
  },
  {
    name: "PUBLIC_KEY_JWK",
    default: "derived",
    summary: "Its public key, base64 of its JWK; checked to be the partner when given",
  },
  {
    name: "ADMIN_SECRET",
    default: "required with auth",
    summary: "Secret that POST /token asks for; 32 bytes or more, known to your backend only",
  },
  {
    name: "CONSUMER_PUBLIC_KEY_JWK",
    default: "none",
    summary: "Identity provider's public keys for consumers, base64 of a JWK, an array or a set",
  },
  {
    name: "CONSUMER_JWKS_URL",
    default: "none",
    summary: "Or where to fetch them: https, or http on this machine",
  },
  { name: "CONSUMER_ISSUER", default: "any", summary: "The iss that a consumer token must have" },
  {
    name: "CONSUMER_AUDIENCE",
    default: "any",
    summary: "The aud that a consumer token must have",
  },
  {
    name: "CONSUMER_ALGORITHMS",
    default: "ES256,RS256",
    summary: "Signature algorithms that a consumer token may have",
  },
  {
    name: "CONSUMER_ROOM_CLAIM",
    default: "none",
    summary: "A claim, a string or an array of strings, that must contain the room",
  },
  {
    name: "ALLOWED_ORIGINS",
    default: "any",
    summary:
      "Origins of web pages that may connect, as in https://app.example.com,https://*.example.com; others get HTTP 403",
  },
  {
    name: "TRUSTED_PROXIES",
    default: "none",
    summary: "Addresses or CIDR ranges of the proxies whose X-Forwarded-For is believed",
  },
  {
    name: "MAX_TOKEN_TTL",
    default: "none",
    summary:
      "How long a room token may be valid, as in 30d: longer ones are neither made nor taken",
  },
  {
    name: "REGISTER_TIMEOUT_MS",
    default: "10000",
    summary: "How long a client without a room token may take to register, then close 4002",
  },
  {
    name: "IDLE_TIMEOUT_SECONDS",
    default: "30",
    summary: "How long a client may give no sign of life, then its peer is removed; 0 for ever",
  },
  {
    name: "DRAIN_SECONDS",
    default: "3",
    summary: "How long a stop spreads its closes, so that clients do not all come back at once",
  },
  {
    name: "REDIS_URL",
    default: "none",
    summary:
      "Redis that makes all instances which share it one server: redis:// or rediss:// (TLS)",
  },
  {
    name: "REDIS_PREFIX",
    default: "client-db-sync:",
    summary: "What every key and channel in Redis begins with",
  },
  { name: "LOG_LEVEL", default: "info", summary: `One of ${LOG_LEVELS.join(", ")}` },
  {
    name: "LOG_FORMAT",
    default: "by terminal",
    summary: "pretty (the default on a terminal) or json (the default elsewhere), a line each",
  },
];

/** Those that bound something; 0 is no limit. */
export const LIMIT_SETTINGS: readonly Required<Setting>[] = [
  {
    name: "MAX_MESSAGE_BYTES",
    default: limit("maxMessageBytes"),
    summary: "Bytes of one message",
    whenExceeded: "close 1009",
  },
  {
    name: "MAX_PENDING_MESSAGE_BYTES",
    default: limit("maxPendingMessageBytes"),
    summary: "Bytes of one message before joining",
    whenExceeded: "close 1009",
  },
  {
    name: "MAX_MESSAGES_PER_SECOND",
    default: limit("maxMessagesPerSecond"),
    summary: "Messages of one client a second",
    whenExceeded: "once MESSAGE_BURST is used up, close 4429",
  },
  {
    name: "MESSAGE_BURST",
    default: limit("messageBurst"),
    summary: "Messages of one client at once",
    whenExceeded:
      "close 4429 (of a client that goes on sending, Deno may drop the connection instead)",
  },
  {
    name: "MAX_SEND_BUFFER_BYTES",
    default: limit("maxSendBufferBytes"),
    summary: "Bytes that wait for a client which reads slowly",
    whenExceeded: "close 1013, and the peer is removed at once",
  },
  {
    name: "MAX_CONNECTIONS",
    default: limit("maxConnections"),
    summary: "Sockets; for a minute after file descriptors ran out, 15/16 of the most there were",
    whenExceeded: `HTTP 503, ${NO_UPGRADE}`,
  },
  {
    name: "MAX_CONNECTIONS_PER_IP",
    default: limit("maxConnectionsPerIp"),
    summary: "Sockets of one address (an IPv6 /64); off, for offices share one",
    whenExceeded: `HTTP 429, ${NO_UPGRADE}`,
  },
  {
    name: "MAX_PENDING_CONNECTIONS",
    default: limit("maxPendingConnections"),
    summary: "Sockets that have not joined",
    whenExceeded: `HTTP 503, ${NO_UPGRADE}`,
  },
  {
    name: "MAX_PENDING_CONNECTIONS_PER_IP",
    default: limit("maxPendingConnectionsPerIp"),
    summary: "Sockets of one address that have not joined, refused ones that linger included",
    whenExceeded: `HTTP 429, ${NO_UPGRADE}`,
  },
  {
    name: "MAX_REFUSED_CONNECTIONS",
    default: limit("maxRefusedConnections"),
    summary:
      "Sockets that were told to close and have not gone, or a quarter of all sockets if less",
    whenExceeded: "who is refused gets HTTP 401 or 403, no upgrade",
  },
  {
    name: "MAX_PEERS_PER_ROOM",
    default: limit("maxPeersPerRoom"),
    summary: "Peers in one room",
    whenExceeded: "close 1013",
  },
  {
    name: "MAX_FAILED_AUTH_PER_MINUTE",
    default: limit("maxFailedAuthPerMinute"),
    summary: "Tokens and admin secrets of one address that do not hold, in a minute",
    whenExceeded: "HTTP 429, Retry-After, nothing is verified, not even what would hold",
  },
  {
    name: "MAX_MEMORY_MB",
    default: "80 % of the machine's",
    summary:
      "Resident memory of the process; the default needs --allow-sys=systemMemoryInfo, else it is off",
    whenExceeded: `HTTP 503, ${NO_UPGRADE}; sockets that have not joined are closed 1013`,
  },
];

/** Every setting there is. */
export const SETTINGS: readonly Setting[] = [...GENERAL, ...LIMIT_SETTINGS];

function limit(name: keyof Limits): string {
  return String(DEFAULT_LIMITS[name]);
}
