/**
 * What answers and close codes mean for the operator of a deployment: what was seen and what to change.
 * Asking is done elsewhere.
 */

import { CLOSE, isObject } from "../protocol/messages.ts";
import type { HandshakeResult } from "./handshake.ts";
import { quote, StepFailure } from "./report.ts";
import type { SocketEnd } from "./socket.ts";
import type { Target } from "./target.ts";
import type { HttpAnswer } from "./deployment.ts";

/** An answer of HTTP. */
type Answer = Pick<HttpAnswer, "status" | "headers" | "body">;

const FORWARD_UPGRADE =
  "Let the proxy in front forward the Upgrade and Connection headers over HTTP/1.1 (in nginx " +
  "proxy_http_version and two proxy_set_header lines): docs/deploy/proxy.md";

const START_SERVER =
  "Start the server, and compare the address in the proxy's configuration with where it listens";

/** The object in a JSON body, if it is one. */
export function readJson(body: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The sentence of an error as this server answers it. */
export function errorOf(body: string): string | undefined {
  const error = readJson(body)?.["error"];
  return typeof error === "string" ? error : undefined;
}

/** What an answer means that comes from a proxy, or from a server that refuses everybody. */
export function explainCommon({ status, headers, body }: Answer): StepFailure | undefined {
  const error = errorOf(body);
  const seen = error === undefined ? `got ${status}` : `got ${status}: ${quote(error)}`;
  if (status >= 300 && status < 400) {
    const to = redirectOf(headers);
    return new StepFailure(
      `got ${status}, a redirect${to === undefined ? "" : ` to ${to}`}`,
      "Use the URL that it leads to: WebSockets follow no redirect",
    );
  }
  if (/HTTPS (port|server)/.test(body)) {
    return new StepFailure(seen, "This port speaks TLS: write https:// or wss://");
  }
  if (error !== undefined && /remove its prefix/.test(error)) {
    return new StepFailure(
      seen,
      "Let the proxy remove the prefix before it forwards: the server " +
        "itself knows no prefix",
    );
  }
  if (status === 407 || (status === 401 && error === undefined)) {
    return new StepFailure(seen, "Exempt this path from the login of whatever stands in front");
  }
  if (status === 429) {
    return new StepFailure(
      seen,
      "Wait a minute; if all clients get it, TRUSTED_PROXIES does not name the proxy",
    );
  }
  if (status === 503) {
    const change = error === undefined
      ? `The proxy has no server that is ready. ${START_SERVER}`
      : "Wait until it has started, or raise the limit that the sentence is about";
    return new StepFailure(seen, change);
  }
  if (status === 502 || status === 504) {
    return new StepFailure(`${seen} from the proxy, which reaches no server`, START_SERVER);
  }
  return undefined;
}

/** Why a handshake did not lead to a WebSocket. */
export function explainHandshake(
  result: Exclude<HandshakeResult, { kind: "socket" }>,
  { isSecure }: Target,
): StepFailure {
  switch (result.kind) {
    case "closed":
      return new StepFailure(
        "the connection was closed without an answer",
        isSecure
          ? FORWARD_UPGRADE
          : "If this port speaks TLS write https://; else look into the log of the proxy",
      );
    case "not-http":
      return new StepFailure(
        "the answer is no HTTP/1.1",
        "Allow HTTP/1.1 besides HTTP/2, or write https:// if this port speaks TLS",
      );
    case "wrong-accept":
      return new StepFailure(
        "got 101 with a wrong Sec-WebSocket-Accept",
        "Something in front answers the handshake by itself: let it forward the request",
      );
    case "answer":
      return explainCommon(result) ?? explainRefusal(result);
  }
}

function explainRefusal({ status, body }: Answer): StepFailure {
  const error = errorOf(body);
  const seen = error === undefined ? `got ${status}` : `got ${status}: ${quote(error)}`;
  switch (status) {
    case 400:
    case 426:
      return new StepFailure(seen, FORWARD_UPGRADE);
    case 403:
      return new StepFailure(
        seen,
        "A rule in front, or ALLOWED_ORIGINS, refuses the handshake: let it pass",
      );
    case 404:
      return new StepFailure(
        seen,
        "Check the path in the URL, and whether the proxy sends it to this server without a prefix",
      );
    default:
      return new StepFailure(
        `${seen}, as no signaling server does`,
        "Check the host and the path: something else answers there",
      );
  }
}

/** Why a WebSocket ended before it should. */
export function explainEnd({ code, reason }: SocketEnd): StepFailure {
  if (code === undefined) {
    return new StepFailure(
      "the connection was cut without a close frame",
      "Look into the log of the proxy: it has to let WebSockets through in both directions",
    );
  }
  const seen = `closed with ${code}${reason === "" ? "" : ` ${quote(reason)}`}`;
  return new StepFailure(seen, adviceOf(code, reason));
}

function adviceOf(code: number, reason: string): string {
  switch (reason) {
    case CLOSE.missingToken.reason:
      return "Give a token; if you did, the proxy must forward the query of the URL";
    case CLOSE.invalidToken.reason:
      return "Get a new token; if this one is new, the server has other keys or another clock";
    case CLOSE.wrongRoom.reason:
      return "Name the room that the token is for";
    case CLOSE.shuttingDown.reason:
      return "Wait until the server has started again";
  }
  if (code === 1013) return "Raise the limit that the reason is about, or wait";
  if (code === 4429) return "Raise the limits of messages, or wait a minute";
  return "The log of the server may say more";
}

/** Where a redirect leads, without a query. */
function redirectOf(headers: Headers): string | undefined {
  const url = URL.parse(headers.get("location") ?? "");
  return url === null ? undefined : url.origin + url.pathname;
}
