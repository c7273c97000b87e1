/**
 * What a request for a socket has to pass: the handshake, the limits, the origin, one token in one
 * place. Who passes is upgraded and gets a session; everyone else an HTTP error that holds nothing.
 */

import type { Address, AddressReader } from "../access/address.ts";
import { type Admission, admit, type AuthPolicy, readCredentials } from "../access/admission.ts";
import type { FailureLimiter } from "../access/verification_limiter.ts";
import type { ExceededLimit } from "../sessions/connections.ts";
import type { SessionContext } from "../sessions/context.ts";
import type { MemoryWatch } from "../runtime/memory_watch.ts";
import type { CloseReason } from "../protocol/messages.ts";
import { errorResponse, methodNotAllowed, STATUS_CODE } from "./responses.ts";
import { Session } from "../sessions/session.ts";
import type { OriginCheck } from "../access/origins.ts";
import { splitUrl } from "./url.ts";

/** What connecting depends on. */
export interface UpgradeHandlerOptions {
  readonly context: SessionContext;
  readonly policy: AuthPolicy;
  /** Whether clients without a room token may come as consumers. */
  readonly allowsConsumers: boolean;
  readonly isAllowedOrigin: OriginCheck;
  readonly addressOf: AddressReader;
  readonly failures: FailureLimiter;
  readonly memory: Pick<MemoryWatch, "isExceeded" | "start">;
}

/** Takes the connection over, answering with this subprotocol. */
export type Upgrade = (protocol: string | undefined) => Deno.WebSocketUpgrade;

/** Answers a request for a socket that came from this address. */
export type UpgradeHandler = (
  request: Request,
  remote: string | undefined,
  upgrade: Upgrade,
) => Response | Promise<Response>;

/** RFC 6455, section 4.4. */
const WEBSOCKET_VERSION = "13";

/** When a client that found no room may try again, in seconds. */
const RETRY_AFTER_SECONDS = 5;

const LIMIT_RESPONSES: Record<ExceededLimit, { status: number; message: string }> = {
  server: { status: STATUS_CODE.ServiceUnavailable, message: "The server is full" },
  pending: {
    status: STATUS_CODE.ServiceUnavailable,
    message: "Too many clients are connecting just now",
  },
  address: {
    status: STATUS_CODE.TooManyRequests,
    message: "Your address has as many connections as it may",
  },
  "pending of address": {
    status: STATUS_CODE.TooManyRequests,
    message: "Too many clients of your address are connecting just now",
  },
};

/**
 * Creates the function that answers requests for sockets.
 *
 * It upgrades before any token is verified, in the same turn: Deno 2.9 keeps a file descriptor for
 * ever for a client that leaves between its request and its upgrade. (One that resets its connection
 * in the very same moment still costs one.) Only where too many refused sockets linger it verifies
 * first, so that who is refused gets no socket.
 */
export function createUpgradeHandler(options: UpgradeHandlerOptions): UpgradeHandler {
  const { context, policy, allowsConsumers, isAllowedOrigin, addressOf, failures, memory } =
    options;
  const { connections, limits, logger } = context;
  /** Requests whose token is verified before they are upgraded. */
  let verifying = 0;

  return (request, remote, upgrade) => {
    const rejection = checkHandshake(request);
    if (rejection !== undefined) return rejection;
    memory.start();
    const { headers } = request;
    const address = addressOf(remote, headers);
    const refusal = checkLimits(address);
    if (refusal !== undefined) return refusal;
    if (!isAllowedOrigin(headers.get("origin"))) {
      return errorResponse(STATUS_CODE.Forbidden, "Pages of this origin may not connect");
    }
    const query = new URLSearchParams(splitUrl(request.url).query);
    const credentials = readCredentials(query, headers);
    if ("problem" in credentials) {
      return errorResponse(STATUS_CODE.BadRequest, credentials.problem);
    }
    const { token, protocol } = credentials;
    // Once it is upgraded, a request can no longer be read.
    const requestForHost = policy.kind === "host" ? copyOf(request) : request;
    const applicant = { query, token, address, request: requestForHost };
    const admitRequest = () => admit(policy, applicant, allowsConsumers, onError);
    if (connections.mustVerifyBeforeUpgrade) {
      return verifyFirst(admitRequest, protocol, address, upgrade);
    }
    return startSession(admitRequest, protocol, address, upgrade);
  };

  function checkLimits(address: Address): Response | undefined {
    if (context.isClosing()) {
      return retryLater(STATUS_CODE.ServiceUnavailable, "The server is shutting down");
    }
    if (memory.isExceeded) {
      return retryLater(STATUS_CODE.ServiceUnavailable, "The server is short of memory");
    }
    const seconds = failures.retryAfter(address);
    if (seconds > 0) {
      const message = "Too many tokens of your address did not hold";
      return retryLater(STATUS_CODE.TooManyRequests, message, seconds);
    }
    const crowd = verifying >= limits.maxPendingConnections
      ? "pending"
      : connections.exceededLimit(address);
    return crowd && retryLater(LIMIT_RESPONSES[crowd].status, LIMIT_RESPONSES[crowd].message);
  }

  function startSession(
    settle: () => Admission | Promise<Admission>,
    protocol: string | undefined,
    address: Address,
    upgrade: Upgrade,
  ): Response {
    try {
      const { socket, response } = upgrade(protocol);
      const { connection } = new Session({ socket, admission: settle(), context, address });
      connections.add(connection);
      socket.addEventListener("open", connection);
      socket.addEventListener("message", connection);
      socket.addEventListener("close", connection);
      return response;
    } catch {
      return errorResponse(STATUS_CODE.BadRequest, "The WebSocket handshake is malformed");
    }
  }

  async function verifyFirst(
    settle: () => Admission | Promise<Admission>,
    protocol: string | undefined,
    address: Address,
    upgrade: Upgrade,
  ): Promise<Response> {
    verifying++;
    const admission = await settle();
    verifying--;
    if ("refusal" in admission) return toHttpResponse(admission.refusal);
    return checkLimits(address) ?? startSession(() => admission, protocol, address, upgrade);
  }

  function onError(cause: unknown): void {
    logger.error("authorize() failed", { cause: String(cause) });
  }
}

/** Takes over a request of `Deno.serve`. */
export function upgradeOnDeno(request: Request, idleTimeout: number): Upgrade {
  return (protocol) => {
    const upgraded = Deno.upgradeWebSocket(request, { idleTimeout });
    // Not by Deno's option: that accepts a list of names only with a space after each comma.
    if (protocol) upgraded.response.headers.set("sec-websocket-protocol", protocol);
    return upgraded;
  };
}

function checkHandshake({ method, headers }: Request): Response | undefined {
  if (method !== "GET" && method !== "HEAD") return methodNotAllowed(["GET", "HEAD"]);
  if (
    method === "GET" && headers.get("upgrade")?.toLowerCase() === "websocket" &&
    headers.get("sec-websocket-version") === WEBSOCKET_VERSION
  ) return undefined;
  const message = `Connect to this path with a WebSocket of version ${WEBSOCKET_VERSION}`;
  return errorResponse(STATUS_CODE.UpgradeRequired, message, {
    upgrade: "websocket",
    "sec-websocket-version": WEBSOCKET_VERSION,
  });
}

/** The HTTP answer that says the same as a close code. */
function toHttpResponse({ status, reason }: CloseReason): Response {
  return status === STATUS_CODE.TooManyRequests
    ? retryLater(status, reason)
    : errorResponse(status, reason);
}

function retryLater(status: number, message: string, seconds = RETRY_AFTER_SECONDS): Response {
  return errorResponse(status, message, { "retry-after": String(seconds) });
}

function copyOf(request: Request): Request {
  return new Request(request.url, { headers: request.headers });
}
