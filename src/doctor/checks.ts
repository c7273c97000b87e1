/** The steps that need no token: `/health`, the upgrade of a WebSocket, and the rules for origins. */

import { CLOSE } from "../protocol/messages.ts";
import { errorOf, explainCommon, explainEnd, explainHandshake, readJson } from "./explain.ts";
import { type Found, quote, StepFailure } from "./report.ts";
import { endWithin } from "./socket.ts";
import type { Deployment } from "./deployment.ts";

/** Whether the server wants tokens, as far as it has said. */
export type Auth = "enabled" | "disabled" | "unknown";

/** A page that no deployment knows (RFC 6761). */
const OTHER_ORIGIN = "https://doctor.invalid";

/** Milliseconds for a server that wants a token to say so. */
const REFUSAL_MS = 1500;

/** Asks `/health`, which a mounted library does not have. */
export async function askHealth(deployment: Deployment, signal: AbortSignal): Promise<Found<Auth>> {
  const answer = await deployment.ask("/health", {}, signal);
  const { status, body, ms } = answer;
  const { status: condition, auth, peers } = readJson(body) ?? {};
  if (typeof condition === "string" && (auth === "enabled" || auth === "disabled")) {
    if (status === 200) {
      return { value: auth, seen: `200, authentication is ${auth}, ${peers} peers`, ms };
    }
    throw new StepFailure(
      `got ${status}: the server is ${quote(condition)}`,
      "Wait if it is draining; if it is overloaded, raise MAX_MEMORY_MB or add an instance",
    );
  }
  const error = errorOf(body) ?? "";
  if (status === 404 && error.includes("WebSockets connect to")) {
    throw new StepFailure(
      `got 404 from the server: ${quote(error)}`,
      "Let the proxy remove the prefix before it forwards, or correct the path in the URL",
    );
  }
  const failure = explainCommon(answer);
  if (failure !== undefined && ![401, 407].includes(status)) throw failure;
  return {
    value: "unknown",
    seen: `got ${status} that is not of this server`,
    change: "Right for a mounted library, and where a proxy keeps /health to itself; else check " +
      "the host and the path",
  };
}

/** Opens a WebSocket without a token, in a room of its own. */
export async function tryUpgrade(
  deployment: Deployment,
  query: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Found<Auth>> {
  const result = await deployment.upgrade({ query }, signal);
  const { missingToken } = CLOSE;
  // A server with too many refused sockets says it by an HTTP status.
  if (result.kind === "answer" && errorOf(result.body) === missingToken.reason) {
    return { value: "enabled", seen: `${result.status} without a token, as it should` };
  }
  if (result.kind !== "socket") throw explainHandshake(result, deployment.target);
  const { socket, ms } = result;
  const end = await endWithin(socket.ended, REFUSAL_MS, signal);
  await socket.close();
  if (end?.code === missingToken.code) {
    return { value: "enabled", seen: "101, and without a token 4001 as it should", ms };
  }
  if (end !== undefined && (end.code ?? 0) < 4000) throw explainEnd(end);
  return { value: "unknown", seen: "101", ms };
}

/** Whether a page of this origin may connect. */
export async function tryOrigin(
  deployment: Deployment,
  { origin, query }: { readonly origin: string; readonly query: Readonly<Record<string, string>> },
  signal: AbortSignal,
): Promise<Found<true>> {
  const status = await statusFor(deployment, origin, query, signal);
  if (status === 101) return { value: true, seen: `${origin} may connect` };
  throw new StepFailure(
    `${origin} got ${status}`,
    status === 403
      ? "Add it to ALLOWED_ORIGINS: scheme, host and port as the browser shows them, no path"
      : "Look into the logs of the proxy and the server",
  );
}

/** Whether a page of an origin that nobody knows may connect. */
export async function tryOtherOrigin(
  deployment: Deployment,
  { auth, query }: { readonly auth: Auth; readonly query: Readonly<Record<string, string>> },
  signal: AbortSignal,
): Promise<Found<true>> {
  const status = await statusFor(deployment, OTHER_ORIGIN, query, signal);
  if (status !== 101) return { value: true, seen: `an unknown origin got ${status}` };
  if (auth !== "disabled") {
    return { value: true, seen: "any origin may connect, and tokens decide who joins" };
  }
  return {
    value: true,
    seen: "any page may connect, and nobody needs a token",
    change: "Set ALLOWED_ORIGINS, or switch authentication on, unless this is for development",
  };
}

async function statusFor(
  deployment: Deployment,
  origin: string,
  query: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<number> {
  const result = await deployment.upgrade({ query, headers: { Origin: origin } }, signal);
  if (result.kind === "answer") return result.status;
  if (result.kind !== "socket") throw explainHandshake(result, deployment.target);
  await result.socket.close();
  return 101;
}
