/**
 * The HTTP routes of a standalone server: a table from path and method to a function, in front of
 * the signaling handler. Every answer is JSON.
 */

import { createAdminGuard, type Route } from "./admin_guard.ts";
import type { HandlerParts } from "./handler.ts";
import type { SignalingHandler } from "./handler_options.ts";
import { failureFields, type Logger } from "../runtime/logger.ts";
import { createIceRoute } from "./ice_route.ts";
import { createKeyRoutes } from "./key_routes.ts";
import { createProbes } from "./probes.ts";
import { errorResponse, methodNotAllowed, STATUS_CODE } from "./responses.ts";
import { issueTokenRoute } from "./token_route.ts";
import { revokeRoute } from "./revoke_route.ts";
import { splitUrl } from "./url.ts";

/** Paths of a server with authentication, and the one that people try first. */
const NEEDS_AUTH = ["/token", "/revoke", "/public-key", "/.well-known/jwks.json", "/"];

/** What the routes depend on. */
export interface RoutesOptions {
  /** Answers `/signal`, issues tokens, and knows the numbers of peers and failures. */
  readonly endpoint: Omit<HandlerParts, "warnOfNoAddresses">;
  /** The secret that `POST /token` requires; without it the route does not exist. */
  readonly adminSecret: string | undefined;
  /** Whether the server is shutting down. */
  readonly isDraining: () => boolean;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  readonly logger: Logger;
}

type Methods = Readonly<Record<string, Route>>;

/** Creates the function that answers every request of a standalone server. */
export async function createRoutes(
  options: RoutesOptions,
): Promise<(request: Request, info?: unknown) => Promise<Response>> {
  const { endpoint: { handler }, adminSecret, logger } = options;
  const routes = new Map<string, Methods>();
  for (const [path, probe] of createProbes(options)) routes.set(path, get(probe));
  for (const [path, keyRoute] of createKeyRoutes(handler)) routes.set(path, get(keyRoute));
  routes.set("/ice-servers", createIceRoute(options.endpoint));
  if (adminSecret !== undefined) {
    const guard = await createAdminGuard(options.endpoint, adminSecret);
    routes.set("/token", { POST: guard((request) => issueTokenRoute(request, handler)) });
    routes.set("/revoke", { POST: guard((request) => revokeRoute(request, handler)) });
  }

  function route(request: Request, info: unknown): Response | Promise<Response> {
    const { pathname } = splitUrl(request.url);
    const methods = routes.get(pathname);
    if (methods === undefined) return notFound(pathname, handler);
    const answer = Object.hasOwn(methods, request.method) ? methods[request.method] : undefined;
    return answer === undefined ? methodNotAllowed(Object.keys(methods)) : answer(request, info);
  }

  return async (request, info) => {
    try {
      return await handler.fetch(request, info) ?? await route(request, info);
    } catch (cause) {
      logger.error("A request failed", failureFields(cause));
      return errorResponse(STATUS_CODE.InternalServerError, "The server failed to answer");
    }
  };
}

/** The 404 of a path without a route: it says where WebSockets connect. */
function notFound(pathname: string, handler: SignalingHandler): Response {
  const isOff = handler.stats().auth === "disabled" && NEEDS_AUTH.includes(pathname);
  const message = isOff
    ? `Authentication is off, so there are no tokens and keys: connect to ${handler.path}?room=...`
    : pathname.endsWith(String(handler.path))
    ? `Not found: the path is ${shorten(pathname)}, not ${handler.path}. ` +
      "Let the proxy in front remove its prefix"
    : `Not found: WebSockets connect to ${handler.path}`;
  return errorResponse(STATUS_CODE.NotFound, message);
}

/** A path, short enough for a sentence. */
function shorten(pathname: string): string {
  return JSON.stringify(pathname.length > 60 ? `${pathname.slice(0, 60)}…` : pathname);
}

/** `HEAD` goes wherever `GET` does; Deno leaves the body out. */
function get(route: Route): Methods {
  return { GET: route, HEAD: route };
}
