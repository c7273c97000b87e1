/**
 * Answers requests for a socket: checks the handshake, the limits, the origin and where the token is,
 * then upgrades the request and starts a session. All other requests get an HTTP error.
 */

import type { Address, AddressReader } from "../access/address.ts";
import { type Admission, admit, type AuthPolicy } from "../access/admission.ts";
import { readCredentials } from "../access/credentials.ts";
import { requestedRoom, shownNames } from "../access/requested_names.ts";
import type { FailureLimiter } from "../access/failure_limiter.ts";
import type { RefusalLog } from "../access/refusal_log.ts";
import type { UpgradeResult } from "../metrics/metrics.ts";
import type { SessionContext } from "../sessions/context.ts";
import { failureFields } from "../runtime/logger.ts";
import type { MemoryWatch } from "../runtime/memory_watch.ts";
import { errorResponse, STATUS_CODE } from "./responses.ts";
import {
  checkHandshake,
  type HttpRefusal,
  LIMIT_REFUSALS,
  MALFORMED_HANDSHAKE,
  OUT_OF_MEMORY,
  SHUTTING_DOWN,
  tooManyFailures,
  toResponse,
  WRONG_ORIGIN,
} from "./upgrade_refusals.ts";
import { denoIdleTimeout, holdIdleTimeout } from "../sessions/idle_timeout.ts";
import { Session } from "../sessions/session.ts";
import type { OriginCheck } from "../access/origins.ts";
import { spareAbort } from "./upgraded_request.ts";
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

/** Who wants a socket, for the log. */
interface Applicant {
  readonly url: string;
  readonly address: Address;
  readonly origin: string | null;
}

/** A request that has passed all checks but that of its token. */
interface AcceptedRequest {
  /** Verifies the token. */
  readonly admit: () => Admission | Promise<Admission>;
  readonly upgrade: () => Deno.WebSocketUpgrade;
  readonly applicant: Applicant;
  /** Whether the URL names a room. */
  readonly namesRoom: boolean;
}

/** Characters of an origin that a log line shows. */
const MAX_ORIGIN_SHOWN = 100;

/**
 * Creates the function that answers requests for sockets.
 *
 * It upgrades in the same turn, before it verifies any token: Deno 2.9 loses a file descriptor for
 * each client that leaves between its request and its upgrade. (A client that resets its connection
 * at the same moment still costs one.) Only if too many refused sockets stay open, it verifies first,
 * so that a refused client gets no socket.
 */
export function createUpgradeHandler(options: UpgradeHandlerOptions): UpgradeHandler {
  const { context, policy, isAllowedOrigin, addressOf, failures, memory, refusals } = options;
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
    const { url, headers } = request;
    const address = addressOf(remote, headers);
    const origin = headers.get("origin");
    const applicant: Applicant = { url, address, origin };
    const malformed = checkHandshake(request);
    if (malformed !== undefined) return refuse("malformed", applicant, malformed);
    memory.start();
    const refusal = checkLimits(applicant);
    if (refusal !== undefined) return refusal;
    if (!isAllowedOrigin(origin)) return refuse("origin", applicant, WRONG_ORIGIN);
    const query = new URLSearchParams(splitUrl(url).query);
    const credentials = readCredentials(query, headers, policy.kind === "room token");
    if ("problem" in credentials) {
      const { problem: message } = credentials;
      return refuse("malformed", applicant, { status: STATUS_CODE.BadRequest, message });
    }
    const { token, protocol } = credentials;
    // Once it is upgraded, a request can no longer be read.
    const requestForHost = policy.kind === "host" ? copyOf(request) : request;
    const connectRequest = { query, token, address, request: requestForHost };
    const accepted: AcceptedRequest = {
      admit: () => admit(options, connectRequest),
      upgrade: () => upgrade(protocol),
      applicant,
      namesRoom: requestedRoom(query) !== undefined,
    };
    return connections.mustVerifyBeforeUpgrade ? verifyFirst(accepted) : startSession(accepted);
  }

  /** Counts and logs a refusal, and answers it. */
  function refuse(result: UpgradeResult, applicant: Applicant, refusal: HttpRefusal): Response {
    upgrades[result]++;
    const { status, message } = refusal;
    const { address, url, origin } = applicant;
    refusals.refusedRequest(
      "Connection refused",
      { address, code: status, reason: message },
      () => ({
        ...shownNames(new URLSearchParams(splitUrl(url).query)),
        ...(origin === null ? {} : { origin: origin.slice(0, MAX_ORIGIN_SHOWN) }),
      }),
    );
    return toResponse(refusal);
  }

  function checkLimits(applicant: Applicant): Response | undefined {
    const { address } = applicant;
    if (context.isClosing()) return refuse("draining", applicant, SHUTTING_DOWN);
    if (memory.isExceeded) return refuse("memory", applicant, OUT_OF_MEMORY);
    const seconds = failures.retryAfter(address);
    if (seconds > 0) return refuse("limited", applicant, tooManyFailures(seconds));
    const exceeded = verifying >= limits.maxPendingConnections
      ? "pending"
      : connections.exceededLimit(address);
    if (exceeded === undefined) return undefined;
    const { result, ...refusal } = LIMIT_REFUSALS[exceeded];
    return refuse(result, applicant, refusal);
  }

  function startSession({ admit, upgrade, applicant, namesRoom }: AcceptedRequest): Response {
    let upgraded: Deno.WebSocketUpgrade;
    try {
      upgraded = upgrade();
    } catch (cause) {
      return upgradeFailed(cause, applicant);
    }
    const { socket, response } = upgraded;
    holdIdleTimeout(socket);
    const { address } = applicant;
    const { connection } = new Session({ socket, admission: admit(), namesRoom, context, address });
    connections.add(connection);
    socket.addEventListener("open", connection);
    socket.addEventListener("message", connection);
    socket.addEventListener("close", connection);
    upgrades.accepted++;
    return response;
  }

  function upgradeFailed(cause: unknown, applicant: Applicant): Response {
    if (cause instanceof TypeError) return refuse("malformed", applicant, MALFORMED_HANDSHAKE);
    const needsDeno = cause instanceof ReferenceError;
    if (!needsDeno || !hasLoggedRuntime) {
      const message = needsDeno
        ? "Sockets need Deno: this runtime has no Deno.upgradeWebSocket"
        : "Upgrading a request failed";
      logger.error(message, failureFields(cause));
    }
    hasLoggedRuntime ||= needsDeno;
    upgrades.failed++;
    const message = "The server cannot open a WebSocket";
    return errorResponse(STATUS_CODE.InternalServerError, message);
  }

  async function verifyFirst(request: AcceptedRequest): Promise<Response> {
    verifying++;
    const admission = await Promise.try(request.admit).finally(() => verifying--);
    if (admission.kind === "rejected") {
      upgrades.refused++;
      const { close: { status, reason }, detail } = admission;
      const { address } = request.applicant;
      refusals.refused("Connection refused", { address, code: status, reason, ...detail });
      return toResponse({ status, message: reason });
    }
    return checkLimits(request.applicant) ?? startSession({ ...request, admit: () => admission });
  }
}

/** Takes over a request of `Deno.serve`. */
export function upgradeOnDeno(request: Request, idleTimeoutSeconds: number): Upgrade {
  return (protocol) => {
    const idleTimeout = denoIdleTimeout(idleTimeoutSeconds);
    const upgraded = Deno.upgradeWebSocket(request, { idleTimeout });
    spareAbort(request);
    // Not by Deno's option: that accepts a list of names only with a space after each comma.
    if (protocol) upgraded.response.headers.set("sec-websocket-protocol", protocol);
    return upgraded;
  };
}

function copyOf(request: Request): Request {
  return new Request(request.url, { headers: request.headers });
}
