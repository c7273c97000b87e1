/**
 * `GET /public-key` and `GET /.well-known/jwks.json`: the public keys that verify room tokens. A page of
 * any origin may read them: a plain `GET` needs no preflight.
 */

import type { Route } from "./admin_guard.ts";
import type { SignalingHandler } from "./handler_options.ts";
import { json, STATUS_CODE } from "./responses.ts";

/** The media type of a JWK set (RFC 7517, section 8.5.2). */
const JWK_SET = "application/jwk-set+json";

/** Creates the routes to the keys, by path; none where there are no room tokens. */
export function createKeyRoutes(
  handler: Pick<SignalingHandler, "publicJwk" | "publicKeys">,
): ReadonlyMap<string, Route> {
  const routes = new Map<string, Route>();
  const [jwk, set] = [handler.publicJwk(), handler.publicKeys()];
  if (jwk !== null) routes.set("/public-key", cacheable(jwk));
  if (set !== null) routes.set("/.well-known/jwks.json", cacheable(set, JWK_SET));
  return routes;
}

/** Answers what never changes. The code for entity tags is loaded with the first request. */
function cacheable(body: object, contentType?: string): Route {
  let loaded: Promise<{ etag: string; hasChanged: (known: string | null) => boolean }> | undefined;
  const load = async () => {
    const { eTag, ifNoneMatch } = await import("@std/http/etag");
    const etag = await eTag(JSON.stringify(body));
    return { etag, hasChanged: (known: string | null) => ifNoneMatch(known, etag) };
  };
  return async (request) => {
    const { etag, hasChanged } = await (loaded ??= load());
    const headers = {
      etag,
      "cache-control": "public, max-age=300",
      "access-control-allow-origin": "*",
    };
    if (!hasChanged(request.headers.get("if-none-match"))) {
      return new Response(null, { status: STATUS_CODE.NotModified, headers });
    }
    const type = contentType === undefined ? {} : { "content-type": contentType };
    return json(body, STATUS_CODE.OK, { ...headers, ...type });
  };
}
