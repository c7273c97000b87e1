/**
 * `POST /token`: issues a room token to a caller that has shown the admin secret, with the ICE servers
 * of its peer if the caller asks for them.
 */

import { type IssueTokenRequest, TokenRequestError } from "../access/room_tokens.ts";
import type { SignalingHandler } from "./handler_options.ts";
import { readJsonObject } from "./json_body.ts";
import { findMistakenFields, type OtherNames } from "./mistaken_fields.ts";
import { errorResponse, json, NO_STORE, STATUS_CODE } from "./responses.ts";

/** The fields of the body, and the names that callers give them by mistake. */
const FIELDS: OtherNames = {
  ttl: [
    "exp",
    "expires",
    "expiresat",
    "expiresin",
    "expiry",
    "expiration",
    "expirationtime",
    "duration",
    "lifetime",
    "maxage",
    "validfor",
    "ttlseconds",
  ],
  subject: ["sub", "room", "roomid", "roomname"],
  nodeId: ["node", "nodename", "peer", "peerid", "name", "clientid", "deviceid"],
  iceServers: ["ice", "iceserver"],
};

/** Issues the token that the body asks for. */
export async function issueTokenRoute(
  request: Request,
  handler: Pick<SignalingHandler, "issueToken" | "iceServers">,
): Promise<Response> {
  const body = await readJsonObject(request, '{"ttl":"24h"}');
  if (body instanceof Response) return body;
  const mistake = findMistakenFields(body, FIELDS);
  if (mistake !== undefined) return errorResponse(STATUS_CODE.BadRequest, mistake, NO_STORE);
  const { ttl, subject, nodeId, iceServers = false } = body;
  if (typeof iceServers !== "boolean") {
    return errorResponse(
      STATUS_CODE.BadRequest,
      "`iceServers` must be true or false: what they are, the server's settings say",
      NO_STORE,
    );
  }
  try {
    const issued = await handler.issueToken(
      {
        ttl,
        ...(subject === undefined ? {} : { subject }),
        ...(nodeId === undefined ? {} : { nodeId }),
      } as IssueTokenRequest, // It checks every field.
    );
    if (!iceServers) return json(issued, STATUS_CODE.Created, NO_STORE);
    const peer = { room: issued.subject, nodeId: issued.nodeId ?? issued.subject };
    const found = await handler.iceServers(peer);
    return json({ ...issued, iceServers: found.iceServers }, STATUS_CODE.Created, NO_STORE);
  } catch (error) {
    if (!(error instanceof TokenRequestError)) throw error;
    return errorResponse(STATUS_CODE.BadRequest, error.message, NO_STORE);
  }
}
