/** `POST /revoke`: revokes room tokens for a caller that has shown the admin secret. */

import { type RevokeRequest, RevokeRequestError } from "../access/revoke_request.ts";
import { RevokeError } from "../sessions/revoker.ts";
import type { SignalingHandler } from "./handler_options.ts";
import { readJsonObject } from "./json_body.ts";
import { findMistakenFields, type OtherNames } from "./mistaken_fields.ts";
import { errorResponse, json, NO_STORE, STATUS_CODE } from "./responses.ts";

/** The fields of the body, and the names that callers give them by mistake. */
const FIELDS: OtherNames = {
  jti: ["id", "token", "tokenid", "uid"],
  subject: ["sub", "room", "roomid", "roomname"],
  issuedBefore: ["before", "since", "iat", "issuedat", "revokedat"],
  expiresAt: ["exp", "expires", "expireat", "expiresin", "expiry", "expiration", "ttl", "until"],
};

/** A field that would narrow the request, were it known: ignoring it would revoke a whole room. */
const NODE_ID = /^node[\s._-]?id$/i;

/** Seconds after which a revocation may be repeated that the other instances do not know. */
const RETRY_AFTER_SECONDS = 5;

/** Revokes what the body says. */
export async function revokeRoute(
  request: Request,
  handler: Pick<SignalingHandler, "revoke">,
): Promise<Response> {
  const body = await readJsonObject(request, '{"jti":"..."}');
  if (body instanceof Response) return body;
  const mistake = Object.keys(body).some((name) => NODE_ID.test(name))
    ? "There is no field `nodeId`: revoke a device by the `jti` of its token"
    : findMistakenFields(body, FIELDS);
  if (mistake !== undefined) return errorResponse(STATUS_CODE.BadRequest, mistake, NO_STORE);
  try {
    return json(await handler.revoke(body as RevokeRequest), STATUS_CODE.OK, NO_STORE); // It checks all.
  } catch (error) {
    if (error instanceof RevokeRequestError) {
      return errorResponse(STATUS_CODE.BadRequest, error.message, NO_STORE);
    }
    if (!(error instanceof RevokeError)) throw error;
    return error.code === "ERR_REVOCATIONS_FULL"
      ? errorResponse(STATUS_CODE.InsufficientStorage, error.message, NO_STORE)
      : errorResponse(STATUS_CODE.ServiceUnavailable, error.message, {
        ...NO_STORE,
        "retry-after": String(RETRY_AFTER_SECONDS),
      });
  }
}
