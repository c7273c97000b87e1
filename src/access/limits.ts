/**
 * Every bound that a server keeps, with its default. A limit of 0 is no limit. The
 * parts that apply them count and act; `config/limit_settings.ts` describes each in a sentence.
 */

import { checkInteger } from "../runtime/integer.ts";
import { checkOptionNames } from "../runtime/option_checks.ts";

/** The bounds of a server. Each applies to one process. */
export interface Limits {
  /** UTF-8 bytes of one message. Beyond: close 1009. */
  readonly maxMessageBytes: number;
  /** UTF-8 bytes of one message of a client that has not joined. Beyond: close 1009. */
  readonly maxPendingMessageBytes: number;
  /** Messages a second that one client may send on average. Beyond: close 4429. */
  readonly maxMessagesPerSecond: number;
  /** Messages that one client may send at once. Beyond: close 4429. */
  readonly messageBurst: number;
  /** Bytes a second that one client may send on average. Beyond: close 4429. */
  readonly maxBytesPerSecond: number;
  /** Bytes that one client may send at once. Beyond: close 4429. */
  readonly byteBurst: number;
  /**
   * Bytes that may wait for a client that reads slowly. Beyond: `PEER_BUSY` to the sender that fills
   * it, and to every sender beyond twice as much; close 1013 only if the client reads nothing.
   */
  readonly maxSendBufferBytes: number;
  /** Sockets at once. Beyond: HTTP 503. */
  readonly maxConnections: number;
  /** Sockets of one address at once. Beyond: HTTP 429. */
  readonly maxConnectionsPerIp: number;
  /** Sockets at once that have not joined. Beyond: HTTP 503. */
  readonly maxPendingConnections: number;
  /** Sockets of one address at once that have not joined. Beyond: HTTP 429. */
  readonly maxPendingConnectionsPerIp: number;
  /**
   * Sockets at once that were told to close and are still open. Beyond: a refused client gets an HTTP
   * status instead of a close code.
   */
  readonly maxRefusedConnections: number;
  /** Normal peers in one room. Beyond: close 1013. */
  readonly maxPeersPerRoom: number;
  /** Consumers in one room; they take no normal peer's place. Beyond: close 1013. */
  readonly maxConsumersPerRoom: number;
  /** Consumers in one room with tokens of one issuer and subject. Beyond: close 1013. */
  readonly maxConsumersPerIdentity: number;
  /**
   * Invalid tokens from one address in a minute, and wrong secrets, counted apart; a token whose
   * signature is valid does not count. Beyond: HTTP 429.
   */
  readonly maxFailedAuthPerMinute: number;
  /** Megabytes (2^20 bytes) that the process may have resident. Beyond: HTTP 503. */
  readonly maxMemoryMb: number;
}

/** The limits of a server that says nothing about them. */
export const DEFAULT_LIMITS: Limits = {
  maxMessageBytes: 65536,
  maxPendingMessageBytes: 16384,
  maxMessagesPerSecond: 200,
  messageBurst: 2000,
  maxBytesPerSecond: 524_288,
  byteBurst: 8_388_608,
  maxSendBufferBytes: 1048576,
  maxConnections: 100_000,
  maxConnectionsPerIp: 0,
  maxPendingConnections: 1000,
  maxPendingConnectionsPerIp: 100,
  maxRefusedConnections: 1000,
  maxPeersPerRoom: 1000,
  maxConsumersPerRoom: 1000,
  maxConsumersPerIdentity: 20,
  maxFailedAuthPerMinute: 60,
  maxMemoryMb: 0,
};

/**
 * Completes limits with the defaults and turns 0 into `Infinity`.
 *
 * @throws {TypeError} A limit is not a whole number from 0 to 2^31 - 1, or its name is not known.
 */
export function resolveLimits(given: Partial<Limits> = {}): Limits {
  checkOptionNames(given, Object.keys(DEFAULT_LIMITS), "limits");
  const limits = { ...DEFAULT_LIMITS } as Record<keyof Limits, number>;
  for (const name of Object.keys(DEFAULT_LIMITS) as (keyof Limits)[]) {
    const value = checkInteger(`The limit ${name}`, given[name] ?? DEFAULT_LIMITS[name]);
    limits[name] = value === 0 ? Infinity : value;
  }
  return limits;
}
