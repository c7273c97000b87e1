/**
 * The routes of `/admin`: what an operator sees and does, of all instances. The admin guard has let the
 * request through; finding the answers is the handler's concern.
 */

import { AdminRequestError } from "../admin/request_error.ts";
import { checkDisconnectRequest } from "../admin/requests.ts";
import type { HandlerParts } from "./handler_parts.ts";
import { readJsonObject } from "./json_body.ts";
import { errorResponse, json, NO_STORE, STATUS_CODE } from "./responses.ts";
import { readStrictQuery } from "./strict_query.ts";
import { splitUrl } from "./url.ts";

/** What the routes depend on. */
export type AdminRoutesOptions = Pick<HandlerParts, "handler" | "describe">;

/** What one route answers, and the parameters that it has. */
interface AdminRoute {
  readonly parameters: readonly string[];
  find(values: Values, request: Request, options: AdminRoutesOptions): Promise<unknown>;
}

/** The parameters of a request. */
type Values = Readonly<Record<string, string>>;

/** Digits alone: `Number` also reads `1e2`, ` 7` and an empty text. */
const WHOLE_NUMBER = /^\d{1,9}$/;

/** The routes by path. */
const ROUTES: ReadonlyMap<string, AdminRoute> = new Map<string, AdminRoute>([
  ["/admin/info", { parameters: [], find: (_values, _request, { describe }) => describe() }],
  ["/admin/rooms", {
    parameters: ["prefix", "limit", "cursor"],
    find({ limit, ...rest }, _request, { handler }) {
      if (limit === undefined) return handler.rooms(rest);
      // What is no number is refused like one that is too large.
      return handler.rooms({ ...rest, limit: WHOLE_NUMBER.test(limit) ? Number(limit) : NaN });
    },
  }],
  ["/admin/peers", {
    parameters: ["room", "nodeId", "with"],
    find: ({ room = "", ...rest }, _request, { handler }) => handler.peers({ room, ...rest }),
  }],
  ["/admin/disconnect", {
    parameters: [],
    find: (_values, request, { handler }) => disconnect(request, handler),
  }],
]);

/** Answers a request whose path and method `routes.ts` has found. */
export async function adminRoute(request: Request, options: AdminRoutesOptions): Promise<Response> {
  const route = ROUTES.get(splitUrl(request.url).pathname);
  if (route === undefined) throw new TypeError("No route of /admin has this path");
  const query = readStrictQuery(request.url, route.parameters);
  if ("problem" in query) return refuse(query.problem);
  try {
    const found = await route.find(query.values, request, options);
    return found instanceof Response ? found : json(found, STATUS_CODE.OK, NO_STORE);
  } catch (error) {
    if (error instanceof AdminRequestError) return refuse(error.message);
    throw error;
  }
}

async function disconnect(
  request: Request,
  handler: AdminRoutesOptions["handler"],
): Promise<unknown> {
  const body = await readJsonObject(request, '{"room":"todos"}');
  return body instanceof Response ? body : await handler.disconnect(checkDisconnectRequest(body));
}

function refuse(problem: string): Response {
  return errorResponse(STATUS_CODE.BadRequest, problem, NO_STORE);
}
