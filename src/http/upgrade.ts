/**
 * Answers requests for a socket: checks the handshake, the limits, the origin and where the token is,
 * then upgrades the request and starts a session. All other requests get an HTTP error.
 */

import type { Address, AddressReader } from "../access/address.ts";
import { type Admission, admit, type AuthPolicy } from "../access/admission.ts";
import { readCredentials } from "../access/credentials.ts";
import type { FailureLimiter } from "../access/failure_limiter.ts";
import type { RefusalLog } from "../access/refusal_log.ts";
import type { ExceededLimit } from "../sessions/connections.ts";
import type { UpgradeResult } from "../metrics/metrics.ts";
import type { SessionContext } from "../sessions/context.ts";
import { failureFields } from "../runtime/logger.ts";
import type { MemoryWatch } from "../runtime/memory_watch.ts";
import type { CloseReason } from "../protocol/messages.ts";
import { errorResponse, methodNotAllowed, STATUS_CODE } from "./responses.ts";
import { Session } from "../sessions/session.ts";
import type { OriginCheck } from "../access/origins.ts";
import { splitUrl } from "./url.ts";

/** What the upgrade handler depends on. */
export interface UpgradeHandlerOptions {
  readonly context: SessionContext;
  readonly policy: AuthPolicy;
  /** Whether clients without a room token may come as consumers. */
  readonly allowsConsumers: boolean;
  readonly isAllowedOrigin: OriginCheck;
  readonly addressOf: AddressReader;
  readonly failures: FailureLimiter;
  readonly refusals: RefusalLog;
  readonly memory: Pick<MemoryWatch, "isExceeded" | "start">;
}

/**
 * Turns the request into a socket, whose handshake names this subprotocol.
 *
 * @throws {TypeError} The handshake is malformed.
 * @throws {ReferenceError} The runtime is not Deno.
 */
export type Upgrade = (protocol: string | undefined) => Deno.WebSocketUpgrade;

/** Answers a request for a socket that came from this address. */
export type UpgradeHandler = (
  request: Request,
  remote: string | undefined,
  upgrade: Upgrade,
) => Response | Promise<Response>;

/** A request that has passed all checks but that of its token. */
interface AcceptedRequest {
  /** Verifies the token. */
  readonly admit: () => Admission | Promise<Admission>;
  readonly upgrade: () => Deno.WebSocketUpgrade;
  readonly address: Address;
  /** Whether the URL names a room. */
  readonly namesRoom: boolean;
}

/** RFC 6455, section 4.4. */
const WEBSOCKET_VERSION = "13";

/** Seconds after which a client that was rejected because of a limit may try again. */
const RETRY_AFTER_SECONDS = 5;

const LIMIT_RESPONSES: Record<
  ExceededLimit,
  { result: UpgradeResult; status: number; message: string }
> = {
  server: {
    result: "full",
    status: STATUS_CODE.ServiceUnavailable,
    message: "The server is full",
  },
  pending: {
    result: "pending",
    status: STATUS_CODE.ServiceUnavailable,
    message: "Too many clients are connecting at the moment",
  },
  address: {
    result: "address",
    status: STATUS_CODE.TooManyRequests,
    message: "Your address has too many connections",
  },
  "pending of address": {
    result: "address",
    status: STATUS_CODE.TooManyRequests,
    message: "Too many clients of your address are connecting at the moment",
  },
};

/**
 * Creates the function that answers requests for sockets.
 *
 * It upgrades in the same turn, before it verifies any token: Deno 2.9 loses a file descriptor for
 * each client that leaves between its request and its upgrade. (A client that resets its connection
 * at the same moment still costs one.) Only if too many refused sockets stay open, it verifies first,
 * so that a refused client gets no socket.
 */
export function createUpgradeHandler(options: UpgradeHandlerOptions): UpgradeHandler {
  const { context, policy, isAllowedOrigin, addressOf, failures, memory } = options;
  const { connections, limits, logger, metrics: { upgrades } } = context;
  /** Requests whose token is verified before they are upgraded. */
  let verifying = 0;
  let hasLoggedRuntime = false;

  return (request, remote, upgrade) => {
    try {
      const response = handle(request, remote, upgrade);
      return response instanceof Promise ? response.catch(onFailure) : response;
    } catch (cause) {
      return onFailure(cause);
    }
  };

  function onFailure(cause: unknown): Response {
    upgrades.failed++;
    logger.error("A request for a socket failed", failureFields(cause));
    return errorResponse(STATUS_CODE.InternalServerError, "The server failed to answer");
  }

  function handle(...[request, remote, upgrade]: Parameters<UpgradeHandler>) {
    const rejection = checkHandshake(request);
    if (rejection !== undefined) return counted("malformed", rejection);
    memory.start();
    const { headers } = request;
    const address = addressOf(remote, headers);
    const refusal = checkLimits(address);
    if (refusal !== undefined) return refusal;
    if (!isAllowedOrigin(headers.get("origin"))) {
      const message = "Pages of this origin may not connect";
      return counted("origin", errorResponse(STATUS_CODE.Forbidden, message));
    }
    const query = new URLSearchParams(splitUrl(request.url).query);
    const credentials = readCredentials(query, headers, policy.kind === "room token");
    if ("problem" in credentials) {
      return counted("malformed", errorResponse(STATUS_CODE.BadRequest, credentials.problem));
    }
    const { token, protocol } = credentials;
    // Once it is upgraded, a request can no longer be read.
    const requestForHost = policy.kind === "host" ? copyOf(request) : request;
    const connectRequest = { query, token, address, request: requestForHost };
    const accepted: AcceptedRequest = {
      admit: () => admit(options, connectRequest),
      upgrade: () => upgrade(protocol),
      address,
      namesRoom: Boolean(query.getAll("room").at(-1)),
    };
    return connections.mustVerifyBeforeUpgrade ? verifyFirst(accepted) : startSession(accepted);
  }

  function counted(result: UpgradeResult, response: Response): Response {
    upgrades[result]++;
    return response;
  }

  function checkLimits(address: Address): Response | undefined {
    if (context.isClosing()) {
      const message = "The server is shutting down";
      return counted("draining", retryLater(STATUS_CODE.ServiceUnavailable, message));
    }
    if (memory.isExceeded) {
      const message = "The server is short of memory";
      return counted("memory", retryLater(STATUS_CODE.ServiceUnavailable, message));
    }
    const seconds = failures.retryAfter(address);
    if (seconds > 0) {
      const message = "Too many tokens from your address were invalid";
      options.refusals.log("Connection refused", { kind: "throttled", seconds }, address);
      return counted("limited", retryLater(STATUS_CODE.TooManyRequests, message, seconds));
    }
    const exceeded = verifying >= limits.maxPendingConnections
      ? "pending"
      : connections.exceededLimit(address);
    if (exceeded === undefined) return undefined;
    const { result, status, message } = LIMIT_RESPONSES[exceeded];
    return counted(result, retryLater(status, message));
  }

  function startSession({ admit, upgrade, address, namesRoom }: AcceptedRequest): Response {
    let upgraded: Deno.WebSocketUpgrade;
    try {
      upgraded = upgrade();
    } catch (cause) {
      return upgradeFailed(cause);
    }
    const { socket, response } = upgraded;
    const { connection } = new Session({ socket, admission: admit(), namesRoom, context, address });
    connections.add(connection);
    socket.addEventListener("open", connection);
    socket.addEventListener("message", connection);
    socket.addEventListener("close", connection);
    return counted("accepted", response);
  }

  function upgradeFailed(cause: unknown): Response {
    if (cause instanceof TypeError) {
      const message = "The WebSocket handshake is malformed";
      return counted("malformed", errorResponse(STATUS_CODE.BadRequest, message));
    }
    const needsDeno = cause instanceof ReferenceError;
    if (!needsDeno || !hasLoggedRuntime) {
      const message = needsDeno
        ? "Sockets need Deno: this runtime has no Deno.upgradeWebSocket"
        : "Upgrading a request failed";
      logger.error(message, failureFields(cause));
    }
    hasLoggedRuntime ||= needsDeno;
    const message = "The server cannot open a WebSocket";
    return counted("failed", errorResponse(STATUS_CODE.InternalServerError, message));
  }

  async function verifyFirst(request: AcceptedRequest): Promise<Response> {
    verifying++;
    const admission = await Promise.try(request.admit).finally(() => verifying--);
    if (admission.kind === "rejected") return counted("refused", toHttpResponse(admission.close));
    return checkLimits(request.address) ?? startSession({ ...request, admit: () => admission });
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

/** The HTTP answer in place of a close code. */
function toHttpResponse({ status, reason }: CloseReason): Response {
  const isTemporary = status === STATUS_CODE.TooManyRequests ||
    status === STATUS_CODE.ServiceUnavailable;
  return isTemporary ? retryLater(status, reason) : errorResponse(status, reason);
}

function retryLater(status: number, message: string, seconds = RETRY_AFTER_SECONDS): Response {
  return errorResponse(status, message, { "retry-after": String(seconds) });
}

function copyOf(request: Request): Request {
  return new Request(request.url, { headers: request.headers });
}
