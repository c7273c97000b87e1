/**
 * `GET /ice-servers`: the ICE servers of the peer that a token speaks for, for pages of any origin
 * that may connect. How they are found is not its concern.
 */

import { remoteAddressOf } from "../access/address.ts";
import { admitBearer } from "../access/bearer.ts";
import { CLOSE, type CloseReason } from "../protocol/messages.ts";
import type { HandlerParts } from "./handler_parts.ts";
import { json, NO_STORE, STATUS_CODE } from "./responses.ts";
import { type HttpRefusal, tooManyFailures, toResponse, WRONG_ORIGIN } from "./upgrade_refusals.ts";
import { splitUrl } from "./url.ts";

/** What the route depends on. */
export type IceRouteOptions = Pick<
  HandlerParts,
  "handler" | "addressOf" | "failures" | "isAllowedOrigin" | "access" | "refusals"
>;

/** How long a browser may rely on the answer to a preflight, in seconds: Chromium's maximum. */
const PREFLIGHT_SECONDS = 7200;

/** Answers `GET`, `HEAD` and the preflight, `OPTIONS`. */
export async function iceRoute(
  options: IceRouteOptions,
  request: Request,
  info: unknown,
): Promise<Response> {
  const origin = request.headers.get("origin");
  const isAllowed = options.isAllowedOrigin(origin);
  const response = !isAllowed
    ? refuse(WRONG_ORIGIN)
    : request.method === "OPTIONS"
    ? preflight()
    : await answer(options, request, info);
  response.headers.append("vary", "Origin");
  if (isAllowed && origin !== null) {
    response.headers.set("access-control-allow-origin", origin);
    response.headers.set("access-control-expose-headers", "retry-after");
  }
  return response;
}

function preflight(): Response {
  const headers = {
    "access-control-allow-methods": "GET, HEAD",
    "access-control-allow-headers": "authorization",
    "access-control-max-age": String(PREFLIGHT_SECONDS),
  };
  return new Response(null, { status: STATUS_CODE.NoContent, headers });
}

async function answer(
  { handler, addressOf, failures, access, refusals }: IceRouteOptions,
  request: Request,
  info: unknown,
): Promise<Response> {
  const address = addressOf(remoteAddressOf(info), request.headers);
  const seconds = failures.retryAfter(address);
  if (seconds > 0) return refuseConnect(CLOSE.tooManyFailures, seconds);
  const query = new URLSearchParams(splitUrl(request.url).query);
  const admission = await admitBearer(access, { query, address, request });
  if (admission.kind === "rejected") {
    const { close, detail } = admission;
    const { status: code, reason } = close;
    const path = splitUrl(request.url).pathname;
    refusals.refused("Request refused", { path, address, code, reason, ...detail });
    return refuseConnect(close, failures.retryAfter(address));
  }
  return json(await handler.iceServers(admission.speaker), STATUS_CODE.OK, NO_STORE);
}

/** The HTTP answer for a refusal that would close a socket. */
function refuseConnect(close: CloseReason, retryAfter: number): Response {
  const { status } = close;
  switch (close) {
    case CLOSE.missingToken:
      return refuse({
        status,
        message: "Send a room token as Authorization: Bearer, or a consumer token with ?room=",
      });
    case CLOSE.missingRoom:
      return refuse({
        status: STATUS_CODE.BadRequest,
        message: "Name the consumer's room: /ice-servers?room=",
      });
    case CLOSE.wrongRoom:
      return refuse({ status, message: "The room is not the one that you may join" });
    case CLOSE.tooManyFailures:
      return refuse(tooManyFailures(Math.max(retryAfter, 1)));
    default:
      return refuse({ status, message: close.reason });
  }
}

function refuse({ headers, ...refusal }: HttpRefusal): Response {
  return toResponse({ ...refusal, headers: { ...NO_STORE, ...headers } });
}
