/**
 * Which peer an ordinary HTTP request speaks for: `Authorization: Bearer` with a room token or a
 * consumer token, or the host's own means. It decides as a connection is decided upon, and keeps no
 * list of its own of what is valid.
 */

import { decodeJwt } from "jose/jwt/decode";
import { CLOSE, type Role } from "../protocol/messages.ts";
import type { Address } from "./address.ts";
import {
  type AdmissionOptions,
  admit,
  type ConsumerAuthorizer,
  type Rejection,
} from "./admission.ts";
import { bearerOf } from "./credentials.ts";
import { requestedNames } from "./requested_names.ts";
import { TOKEN_ISSUER } from "./room_tokens.ts";
import { MAX_TOKEN_LENGTH } from "./token_text.ts";

/** The peer that a request speaks for. */
export interface Speaker {
  readonly room: string;
  readonly nodeId: string;
  readonly role: Role;
}

/** What a request that is admitted speaks for, or why it is refused. */
export type BearerAdmission =
  | { readonly kind: "accepted"; readonly speaker: Speaker }
  | Rejection;

/** A request to decide upon. */
export interface BearerRequest {
  readonly query: URLSearchParams;
  readonly address: Address;
  readonly request: Request;
}

/** What deciding depends on. */
export interface BearerOptions extends AdmissionOptions {
  readonly authorizeConsumer: ConsumerAuthorizer;
}

/**
 * Decides which peer a request speaks for. The name is the one that a room token is bound to, else the
 * `nodeId` of the query, else the token's subject: for a consumer, a text of issuer and subject.
 */
export async function admitBearer(
  options: BearerOptions,
  { query, address, request }: BearerRequest,
): Promise<BearerAdmission> {
  const { policy, allowsConsumers, authorizeConsumer } = options;
  const bearer = bearerOf(request.headers);
  const token = bearer === "" ? undefined : bearer;
  const isForRoom = policy.kind === "room token" && !(allowsConsumers && isOfProvider(bearer));
  const admission = await admit(options, {
    query,
    token: isForRoom ? token : undefined,
    address,
    request,
  });
  if (admission.kind === "rejected") {
    // Without a token there is no consumer whose room could be missing.
    const isMissing = token === undefined && admission.close === CLOSE.missingRoom;
    return isMissing ? { kind: "rejected", close: CLOSE.missingToken } : admission;
  }
  const { room, nodeId, canJoinAsNormal } = admission.identity;
  if (canJoinAsNormal) return { kind: "accepted", speaker: { room, nodeId, role: "normal" } };
  if (token === undefined) return { kind: "rejected", close: CLOSE.missingToken };
  const verdict = await authorizeConsumer(token, room, address);
  if (verdict.kind === "rejected") return verdict;
  const name = requestedNames(query).nodeId || verdict.identity || nodeId;
  return { kind: "accepted", speaker: { room, nodeId: name, role: "consumer" } };
}

/** Whether a token says that somebody else issued it: not verified, only read. */
function isOfProvider(token: string): boolean {
  if (token === "" || token.length > MAX_TOKEN_LENGTH) return false;
  try {
    return decodeJwt(token).iss !== TOKEN_ISSUER;
  } catch {
    return false;
  }
}
