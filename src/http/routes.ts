/**
 * The HTTP routes of a standalone server: a table from path and method to a function, in front of
 * the signaling handler. Every answer is JSON.
 */

import { remoteAddressOf } from "../access/address.ts";
import { TokenRequestError } from "../access/room_tokens.ts";
import { createSecretCheck } from "../access/secrets.ts";
import { VerificationLimiter } from "../access/verification_limiter.ts";
import type { HandlerParts } from "./handler.ts";
import type { SignalingHandler } from "./handler_options.ts";
import type { PublicJwk } from "../access/keys.ts";
import { failureFields, type Logger } from "../runtime/logger.ts";
import { isObject } from "../protocol/messages.ts";
import { errorResponse, json, methodNotAllowed, STATUS_CODE } from "./responses.ts";
import { splitUrl } from "./url.ts";

/** Maximum size of the body of a request, in bytes. */
export const MAX_BODY_BYTES = 16384;

/** Paths of a server with authentication, and the one that people try first. */
const NEEDS_AUTH = ["/token", "/public-key", "/"];

const NO_STORE = { "cache-control": "no-store" };

/** What the routes depend on. */
export interface RoutesOptions {
  /** Answers `/signal`, issues tokens, and knows the numbers of peers and failures. */
  readonly endpoint: Pick<HandlerParts, "handler" | "addressOf" | "failures">;
  /** The secret that `POST /token` requires; without it the route does not exist. */
  readonly adminSecret: string | undefined;
  /** Whether the server is shutting down. */
  readonly isDraining: () => boolean;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  readonly logger: Logger;
}

type Route = (request: Request, info: unknown) => Response | Promise<Response>;
type Methods = Readonly<Record<string, Route>>;

/** Creates the function that answers every request of a standalone server. */
export async function createRoutes(
  options: RoutesOptions,
): Promise<(request: Request, info?: unknown) => Promise<Response>> {
  const { endpoint: { handler }, adminSecret, logger } = options;
  const routes = new Map<string, Methods>([["/health", get(() => health(options))]]);
  const publicJwk = handler.publicJwk();
  if (publicJwk !== null) routes.set("/public-key", get(publicKeyRoute(publicJwk)));
  if (adminSecret !== undefined) {
    routes.set("/token", { POST: await tokenRoute(options.endpoint, adminSecret) });
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

function health({ endpoint: { handler }, isDraining, now }: RoutesOptions): Response {
  const { auth, peers, rooms, memory, backplane } = handler.stats();
  const status = isDraining() ? "draining" : memory === "ok" ? "ok" : "overloaded";
  return json(
    {
      status,
      auth,
      peers,
      rooms,
      ...(backplane === "none" ? {} : { backplane }),
      ts: new Date(now()).toISOString(),
    },
    status === "ok" ? STATUS_CODE.OK : STATUS_CODE.ServiceUnavailable,
    NO_STORE,
  );
}

/** The code for entity tags is loaded with the first request. */
function publicKeyRoute(jwk: PublicJwk): Route {
  let loaded: Promise<{ etag: string; hasChanged: (known: string | null) => boolean }> | undefined;
  const load = async () => {
    const { eTag, ifNoneMatch } = await import("@std/http/etag");
    const etag = await eTag(JSON.stringify(jwk));
    return { etag, hasChanged: (known: string | null) => ifNoneMatch(known, etag) };
  };
  return async (request) => {
    const { etag, hasChanged } = await (loaded ??= load());
    const headers = {
      etag,
      "cache-control": "public, max-age=300",
      "access-control-allow-origin": "*",
    };
    return hasChanged(request.headers.get("if-none-match"))
      ? json(jwk, STATUS_CODE.OK, headers)
      : new Response(null, { status: STATUS_CODE.NotModified, headers });
  };
}

/** It checks the secret first: a client without it learns nothing, and its body is not read. */
async function tokenRoute(
  { handler, addressOf, failures }: RoutesOptions["endpoint"],
  adminSecret: string,
): Promise<Route> {
  const isAdminSecret = await createSecretCheck(adminSecret);
  // A counter of its own: clients with invalid tokens do not prevent issuing, nor the reverse.
  const secretFailures = failures.counterFor("secret");
  const limiter = new VerificationLimiter(secretFailures);
  return async (request, info) => {
    const address = addressOf(remoteAddressOf(info), request.headers);
    const attempt = await limiter.attempt(
      address,
      async () =>
        await isAdminSecret(presentedSecret(request.headers))
          ? { kind: "valid" as const }
          : { kind: "invalid" as const },
    );
    switch (attempt.kind) {
      case "valid":
        return await issue(request, handler);
      case "invalid":
        return refuse(
          STATUS_CODE.Unauthorized,
          "The admin secret is missing or wrong: send it as x-admin-secret or Bearer",
          { "www-authenticate": "Bearer" },
        );
      case "throttled":
        return refuse(
          STATUS_CODE.TooManyRequests,
          "Too many secrets from your address were wrong",
          { "retry-after": String(attempt.seconds) },
        );
    }
  };
}

async function issue(request: Request, handler: SignalingHandler): Promise<Response> {
  if (!isJson(request.headers.get("content-type"))) {
    return refuse(STATUS_CODE.UnsupportedMediaType, "Send the body as application/json");
  }
  const text = await readText(request, MAX_BODY_BYTES).catch(() => "");
  if (text === null) {
    return refuse(STATUS_CODE.ContentTooLarge, `The body has more than ${MAX_BODY_BYTES} bytes`);
  }
  const body = parseObject(text);
  if (body === null) {
    return refuse(STATUS_CODE.BadRequest, 'The body must be a JSON object such as {"ttl":"24h"}');
  }
  const { ttl, subject = undefined } = body;
  try {
    const issued = await handler.issueToken(
      { ttl, ...(subject === undefined ? {} : { subject }) } as { ttl: string; subject?: string },
    );
    return json(issued, STATUS_CODE.Created, NO_STORE);
  } catch (error) {
    if (error instanceof TokenRequestError) return refuse(STATUS_CODE.BadRequest, error.message);
    throw error;
  }
}

function refuse(status: number, message: string, headers?: Record<string, string>): Response {
  return errorResponse(status, message, { ...NO_STORE, ...headers });
}

/** A missing secret counts as a wrong one: it is empty. */
function presentedSecret(headers: Headers): string {
  const [, bearer = ""] = /^Bearer +(.*)$/i.exec(headers.get("authorization") ?? "") ?? [];
  return headers.get("x-admin-secret") || bearer;
}

function isJson(contentType: string | null): boolean {
  return contentType?.split(";", 1)[0]?.trim().toLowerCase() === "application/json";
}

/**
 * Reads the body as text; `null` as soon as it has more than `max` bytes. Rejects if it is cut short
 * or not UTF-8.
 */
async function readText(request: Request, max: number): Promise<string | null> {
  if (Number(request.headers.get("content-length")) > max) return null;
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > max) return null;
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}
