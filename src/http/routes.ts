/**
 * The HTTP routes of a standalone server: tables from path and method to a function, one for the port
 * of clients, in front of the signaling handler, and one for the internal port. Every answer is JSON,
 * but for the metrics, the page and the client for browsers. What a client does not need to connect is
 * loaded with the first request for it.
 */

import { remoteAddressOf } from "../access/address.ts";
import { createAdminGuard, type Route } from "./admin_guard.ts";
import type { HandlerParts } from "./handler_parts.ts";
import type { SignalingHandler } from "./handler_options.ts";
import { PROMETHEUS_TYPE } from "../metrics/prometheus.ts";
import { failureFields } from "../runtime/logger.ts";
import { createKeyRoutes } from "./key_routes.ts";
import { createPageRoutes } from "./page_routes.ts";
import { createProbes } from "./probes.ts";
import { errorResponse, methodNotAllowed, NO_STORE, STATUS_CODE } from "./responses.ts";
import { hasValidUrl, splitUrl } from "./url.ts";

/** Paths of a server with authentication. */
const NEEDS_AUTH = ["/token", "/revoke", "/public-key", "/.well-known/jwks.json"];

/** What the routes depend on. */
export interface RoutesOptions {
  /** Answers `/signal`, issues tokens, and knows the numbers of peers and failures. */
  readonly endpoint: Omit<HandlerParts, "warnOfNoAddresses">;
  /** The secret that operators show; the routes that need it do not exist without. */
  readonly adminSecret: string | undefined;
  /** Whether clients come with room tokens, so that `POST /token` issues them. */
  readonly usesRoomTokens: boolean;
  /** Whether what operators use is on a port of its own, and on no other. */
  readonly hasInternalPort: boolean;
  /** Whether the page is served, and the client for browsers. */
  readonly hasPage: boolean;
  /** Whether the server is shutting down. */
  readonly isDraining: () => boolean;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
}

/** Answers every request of a listener; never throws and never rejects. */
export type Answer = (request: Request, info?: unknown) => Response | Promise<Response>;

/** What a server answers. */
export interface Routes {
  /** On the port for clients. */
  readonly fetch: Answer;
  /** On the port for operators, where there is one. */
  readonly fetchInternal: Answer;
}

type Methods = Readonly<Record<string, Route>>;

/** Creates the functions that answer every request of a standalone server. */
export async function createRoutes(options: RoutesOptions): Promise<Routes> {
  const { endpoint, adminSecret, usesRoomTokens, hasInternalPort } = options;
  const { handler } = endpoint;
  const routes = new Map<string, Methods>();
  const internal = new Map<string, Methods>();
  for (const [path, probe] of createProbes(options)) {
    routes.set(path, get(probe));
    internal.set(path, get(probe));
  }
  for (const [path, keyRoute] of createKeyRoutes(handler)) routes.set(path, get(keyRoute));
  const pageRoutes = createPageRoutes();
  if (options.hasPage) {
    for (const [path, pageRoute] of pageRoutes) routes.set(path, get(pageRoute));
  }
  const ice: Route = async (request, info) => {
    const { iceRoute } = await import("./ice_route.ts");
    return await iceRoute(endpoint, request, info);
  };
  routes.set("/ice-servers", { ...get(ice), OPTIONS: ice });
  const metrics = () => metricsResponse(handler);
  if (hasInternalPort) internal.set("/metrics", get(metrics));
  if (adminSecret !== undefined) {
    const guard = await createAdminGuard(endpoint, adminSecret);
    if (usesRoomTokens) {
      const issue: Route = async (request) => {
        const { issueTokenRoute } = await import("./token_route.ts");
        return await issueTokenRoute(request, handler);
      };
      const revoke: Route = async (request) => {
        const { revokeRoute } = await import("./revoke_route.ts");
        return await revokeRoute(request, handler);
      };
      routes.set("/token", { POST: guard(issue) });
      routes.set("/revoke", { POST: guard(revoke) });
    }
    if (!hasInternalPort) routes.set("/metrics", get(guard(metrics)));
    const operatorRoutes = hasInternalPort ? internal : routes;
    const admin: Route = async (request) => {
      const { adminRoute } = await import("./admin_routes.ts");
      return await adminRoute(request, endpoint);
    };
    for (const path of ["/admin/info", "/admin/rooms", "/admin/peers"]) {
      operatorRoutes.set(path, get(guard(admin)));
    }
    operatorRoutes.set("/admin/disconnect", { POST: guard(admin) });
  }
  const route = dispatch(routes, (path) => explainNotFound(path, pageRoutes, options));
  const routeInternal = dispatch(internal, (path) => explainNotFoundInternal(path, internal));
  return {
    fetch: answering(
      options,
      (request, info) => endpoint.answer(request, info) ?? route(request, info),
    ),
    fetchInternal: answering(
      options,
      (request, info) =>
        hasValidUrl(request)
          ? routeInternal(request, info)
          : endpoint.refuseMalformed(remoteAddressOf(info), request.headers),
    ),
  };
}

/** Answers by path and method, and with 404 and an explanation where there is no route. */
function dispatch(
  routes: ReadonlyMap<string, Methods>,
  explain: (pathname: string) => string,
): Route {
  return (request, info) => {
    const { pathname } = splitUrl(request.url);
    const methods = routes.get(pathname);
    if (methods === undefined) return errorResponse(STATUS_CODE.NotFound, explain(pathname));
    const answer = Object.hasOwn(methods, request.method) ? methods[request.method] : undefined;
    return answer === undefined ? methodNotAllowed(Object.keys(methods)) : answer(request, info);
  };
}

/** Answers 500 where a route throws. */
function answering({ endpoint: { logger } }: RoutesOptions, route: Route): Answer {
  const onFailure = (cause: unknown) => {
    logger.error("A request failed", failureFields(cause));
    return errorResponse(STATUS_CODE.InternalServerError, "The server failed to answer");
  };
  return (request, info) => {
    try {
      const answer = route(request, info);
      return answer instanceof Promise ? answer.catch(onFailure) : answer;
    } catch (cause) {
      return onFailure(cause);
    }
  };
}

function metricsResponse(handler: Pick<SignalingHandler, "metrics">): Response {
  const headers = {
    "content-type": PROMETHEUS_TYPE,
    "x-content-type-options": "nosniff",
    ...NO_STORE,
  };
  return new Response(handler.metrics(), { headers });
}

/** Why there is no route to a path on the port of clients, and what to do. */
function explainNotFound(
  pathname: string,
  pagePaths: ReadonlyMap<string, Route>,
  { endpoint: { handler }, adminSecret, hasInternalPort }: RoutesOptions,
): string {
  const { path } = handler;
  if (NEEDS_AUTH.includes(pathname) && handler.stats().auth === "disabled") {
    return `Authentication is off, so there are no tokens and keys: connect to ${path}?room=...`;
  }
  if (pathname === "/metrics" && !hasInternalPort) {
    return "Not found: metrics need ADMIN_SECRET, or INTERNAL_PORT";
  }
  if (pathname.startsWith("/admin/") && !hasInternalPort) {
    return adminSecret === undefined
      ? "Not found: /admin/info, rooms, peers and disconnect need ADMIN_SECRET"
      : "Not found: there are /admin/info, /admin/rooms, /admin/peers and /admin/disconnect";
  }
  if (pagePaths.has(pathname)) {
    return `Not found: the page is off. PLAYGROUND=true turns it on. WebSockets connect to ${path}`;
  }
  if (pathname.endsWith(String(path))) {
    return `Not found: the path is ${shorten(pathname)}, not ${path}. ` +
      "Let the proxy in front remove its prefix";
  }
  return `Not found: WebSockets connect to ${path}`;
}

/** The same on the port for operators. */
function explainNotFoundInternal(pathname: string, routes: ReadonlyMap<string, Methods>): string {
  const paths = [...routes.keys()].join(", ");
  return `Not found: ${shorten(pathname)} is not on the internal port, which has ${paths}`;
}

/** A path, short enough for a sentence. */
function shorten(pathname: string): string {
  return JSON.stringify(pathname.length > 60 ? `${pathname.slice(0, 60)}…` : pathname);
}

/** `HEAD` goes wherever `GET` does; Deno leaves the body out. */
function get(route: Route): Methods {
  return { GET: route, HEAD: route };
}
