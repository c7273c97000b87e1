/**
 * How requests of clients are refused with an HTTP answer: every status and message. When, is decided
 * elsewhere.
 */

import type { UpgradeResult } from "../metrics/metrics.ts";
import type { ExceededLimit } from "../sessions/connections.ts";
import { errorResponse, STATUS_CODE } from "./responses.ts";

/** One refusal. */
export interface HttpRefusal {
  readonly status: number;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** RFC 6455, section 4.4. */
const WEBSOCKET_VERSION = "13";

/** Seconds after which a client that was rejected because of a limit may try again. */
const RETRY_AFTER_SECONDS = 5;

const {
  BadRequest,
  Forbidden,
  MethodNotAllowed,
  ServiceUnavailable,
  TooManyRequests,
  Unauthorized,
} = STATUS_CODE;

/** A page of another origin. */
export const WRONG_ORIGIN: HttpRefusal = {
  status: Forbidden,
  message: "Pages of this origin may not connect",
};

/** Deno cannot upgrade the request. */
export const MALFORMED_HANDSHAKE: HttpRefusal = {
  status: BadRequest,
  message: "The WebSocket handshake is malformed",
};

/** The server stops. */
export const SHUTTING_DOWN: HttpRefusal = {
  status: ServiceUnavailable,
  message: "The server is shutting down",
};

/** The process has more memory than it may. */
export const OUT_OF_MEMORY: HttpRefusal = {
  status: ServiceUnavailable,
  message: "The server is short of memory",
};

/** A limit is reached: what is answered, and what it counts as. */
export const LIMIT_REFUSALS: Readonly<
  Record<ExceededLimit, HttpRefusal & { readonly result: UpgradeResult }>
> = {
  server: { result: "full", status: ServiceUnavailable, message: "The server is full" },
  pending: {
    result: "pending",
    status: ServiceUnavailable,
    message: "Too many clients are connecting at the moment",
  },
  address: {
    result: "address",
    status: TooManyRequests,
    message: "Your address has too many connections",
  },
  "pending of address": {
    result: "address",
    status: TooManyRequests,
    message: "Too many clients of your address are connecting at the moment",
  },
};

/** The address has failed too often, and may come back after so many seconds. */
export function tooManyFailures(seconds: number): HttpRefusal {
  return {
    status: TooManyRequests,
    message: "Too many tokens from your address were invalid",
    headers: { "retry-after": String(seconds) },
  };
}

/** What is wrong with a request that does not ask for a WebSocket. */
export function checkHandshake({ method, headers }: Request): HttpRefusal | undefined {
  if (method !== "GET" && method !== "HEAD") {
    const allow = "GET, HEAD";
    return { status: MethodNotAllowed, message: `Use ${allow} here`, headers: { allow } };
  }
  if (
    method === "GET" && headers.get("upgrade")?.toLowerCase() === "websocket" &&
    headers.get("sec-websocket-version") === WEBSOCKET_VERSION
  ) return undefined;
  return {
    status: STATUS_CODE.UpgradeRequired,
    message: `Connect to this path with a WebSocket of version ${WEBSOCKET_VERSION}`,
    headers: { upgrade: "websocket", "sec-websocket-version": WEBSOCKET_VERSION },
  };
}

/** The answer: a 401 says how to authenticate, and one because of a limit when to come back. */
export function toResponse({ status, message, headers }: HttpRefusal): Response {
  const isTemporary = status === TooManyRequests || status === ServiceUnavailable;
  return errorResponse(status, message, {
    ...(status === Unauthorized ? { "www-authenticate": "Bearer" } : {}),
    ...(isTemporary ? { "retry-after": String(RETRY_AFTER_SECONDS) } : {}),
    ...headers,
  });
}
