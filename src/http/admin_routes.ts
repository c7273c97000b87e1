/**
 * The routes of `/admin`: what an operator sees and does, of all instances. The admin guard has let the
 * request through; finding the answers is the handler's concern.
 */

import { AdminRequestError } from "../admin/request_error.ts";
import { checkDisconnectRequest } from "../admin/requests.ts";
import type { Route } from "./admin_guard.ts";
import type { HandlerParts } from "./handler_parts.ts";
import { readJsonObject } from "./json_body.ts";
import { errorResponse, json, NO_STORE, STATUS_CODE } from "./responses.ts";
import { readStrictQuery } from "./strict_query.ts";

/** What the routes depend on. */
export type AdminRoutesOptions = Pick<HandlerParts, "handler" | "describe">;

/** Reads one request and finds its answer. */
type Find = (values: Readonly<Record<string, string>>, request: Request) => Promise<unknown>;

/** Digits alone: `Number` also reads `1e2`, ` 7` and an empty text. */
const WHOLE_NUMBER = /^\d{1,9}$/;

/** The routes by path, each by method. */
export function createAdminRoutes(
  { handler, describe }: AdminRoutesOptions,
): ReadonlyMap<string, Readonly<Record<string, Route>>> {
  return new Map([
    ["/admin/info", get([], () => describe())],
    [
      "/admin/rooms",
      get(["prefix", "limit", "cursor"], ({ limit, ...rest }) => {
        if (limit === undefined) return handler.rooms(rest);
        // What is no number is refused like one that is too large.
        return handler.rooms({ ...rest, limit: WHOLE_NUMBER.test(limit) ? Number(limit) : NaN });
      }),
    ],
    [
      "/admin/peers",
      get(
        ["room", "nodeId", "with"],
        ({ room = "", ...rest }) => handler.peers({ room, ...rest }),
      ),
    ],
    ["/admin/disconnect", { POST: route([], (_, request) => disconnect(request, handler)) }],
  ]);
}

async function disconnect(
  request: Request,
  handler: AdminRoutesOptions["handler"],
): Promise<unknown> {
  const body = await readJsonObject(request, '{"room":"todos"}');
  return body instanceof Response ? body : await handler.disconnect(checkDisconnectRequest(body));
}

function get(parameters: readonly string[], find: Find): Readonly<Record<string, Route>> {
  const answer = route(parameters, find);
  return { GET: answer, HEAD: answer };
}

function route(parameters: readonly string[], find: Find): Route {
  return async (request) => {
    const query = readStrictQuery(request.url, parameters);
    if ("problem" in query) return refuse(query.problem);
    try {
      const found = await find(query.values, request);
      return found instanceof Response ? found : json(found, STATUS_CODE.OK, NO_STORE);
    } catch (error) {
      if (error instanceof AdminRequestError) return refuse(error.message);
      throw error;
    }
  };
}

function refuse(problem: string): Response {
  return errorResponse(STATUS_CODE.BadRequest, problem, NO_STORE);
}
