/** The settings of limits: one for each, with what happens beyond it. 0 is no limit. */

import { DEFAULT_LIMITS, type Limits } from "../access/limits.ts";
import { MAX_INTEGER } from "../runtime/integer.ts";
import type { Setting, SettingText } from "./setting_reader.ts";

/** The setting of one limit; its value is `undefined` if the environment does not set it. */
export interface LimitSetting extends Setting<number | undefined> {
  /** The limit that it sets. */
  readonly limit: keyof Limits;
  readonly whenExceeded: string;
}

/** An example for a limit whose default is none. */
const EXAMPLE_MB = 512;

const NO_UPGRADE = "no upgrade, Retry-After";

/** The name and the texts of each; the default is that of the limit unless a text says more. */
const TEXTS: Readonly<
  Record<keyof Limits, Partial<SettingText> & Omit<Required<SettingText>, "default">>
> = {
  maxMessageBytes: {
    name: "MAX_MESSAGE_BYTES",
    summary: "Bytes of one message",
    whenExceeded: "close 1009",
  },
  maxPendingMessageBytes: {
    name: "MAX_PENDING_MESSAGE_BYTES",
    summary: "Bytes of one message before joining",
    whenExceeded: "close 1009",
  },
  maxMessagesPerSecond: {
    name: "MAX_MESSAGES_PER_SECOND",
    summary: "Messages of one client a second",
    whenExceeded: "once MESSAGE_BURST is used up, close 4429",
  },
  messageBurst: {
    name: "MESSAGE_BURST",
    summary: "Messages of one client at once",
    whenExceeded:
      "close 4429 (of a client that goes on sending, Deno may drop the connection instead)",
  },
  maxBytesPerSecond: {
    name: "MAX_BYTES_PER_SECOND",
    summary: "Bytes of one client a second",
    whenExceeded: "once BYTE_BURST is used up, close 4429",
  },
  byteBurst: {
    name: "BYTE_BURST",
    summary: "Bytes of one client at once",
    whenExceeded: "close 4429",
  },
  maxSendBufferBytes: {
    name: "MAX_SEND_BUFFER_BYTES",
    summary:
      "Bytes that wait for a client that reads slowly; when one sender has filled them, others may add up to as many again",
    whenExceeded:
      "PEER_BUSY to the sender, and the signal is dropped; close 1013 if the client reads nothing at all",
  },
  maxConnections: {
    name: "MAX_CONNECTIONS",
    summary:
      "Sockets; when file descriptors run out, for a minute 15/16 of the highest number of sockets so far",
    whenExceeded: `HTTP 503, ${NO_UPGRADE}`,
  },
  maxConnectionsPerIp: {
    name: "MAX_CONNECTIONS_PER_IP",
    summary: "Sockets of one address (an IPv6 /64); off, because an office shares one",
    whenExceeded: `HTTP 429, ${NO_UPGRADE}`,
  },
  maxPendingConnections: {
    name: "MAX_PENDING_CONNECTIONS",
    summary: "Sockets that have not joined",
    whenExceeded: `HTTP 503, ${NO_UPGRADE}`,
  },
  maxPendingConnectionsPerIp: {
    name: "MAX_PENDING_CONNECTIONS_PER_IP",
    summary:
      "Sockets of one address that have not joined; refused ones count until they are closed, unless their token was expired or revoked",
    whenExceeded: `HTTP 429, ${NO_UPGRADE}`,
  },
  maxRefusedConnections: {
    name: "MAX_REFUSED_CONNECTIONS",
    summary:
      "Sockets that were told to close and are still open, or a quarter of all sockets if that is less",
    whenExceeded: "refused clients get HTTP 401 or 403, no upgrade",
  },
  maxPeersPerRoom: {
    name: "MAX_PEERS_PER_ROOM",
    summary: "Normal peers in one room",
    whenExceeded: "close 1013",
  },
  maxConsumersPerRoom: {
    name: "MAX_CONSUMERS_PER_ROOM",
    summary: "Consumers in one room, beside its normal peers",
    whenExceeded: "close 1013",
  },
  maxConsumersPerIdentity: {
    name: "MAX_CONSUMERS_PER_IDENTITY",
    summary: "Consumers in one room whose tokens have the same issuer and subject",
    whenExceeded: "close 1013",
  },
  maxFailedAuthPerMinute: {
    name: "MAX_FAILED_AUTH_PER_MINUTE",
    summary: "Invalid tokens and admin secrets of one address in a minute",
    whenExceeded: "HTTP 429, Retry-After; nothing is verified, not even a valid token",
  },
  maxMemoryMb: {
    name: "MAX_MEMORY_MB",
    default: "80 % of the machine's",
    summary:
      "Resident memory of the process; the default needs --allow-sys=systemMemoryInfo, else it is off",
    whenExceeded: `HTTP 503, ${NO_UPGRADE}; sockets that have not joined are closed 1013`,
  },
};

/** The setting of each limit, in the order of the docs. */
export const LIMIT_SETTINGS: readonly LimitSetting[] = Object.keys(TEXTS).map((name) => {
  const limit = name as keyof Limits;
  return {
    default: String(DEFAULT_LIMITS[limit]),
    ...TEXTS[limit],
    limit,
    read: (reader) => reader.integer(DEFAULT_LIMITS[limit] || EXAMPLE_MB, 0, MAX_INTEGER),
  };
});
