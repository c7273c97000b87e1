/**
 * Who may connect: finds the token that a request carries, and settles whom its connection speaks
 * for, by room token, by the host's own means, or without any when authentication is off.
 */

import type { JWTPayload } from "jose";
import type { Address } from "./address.ts";
import { type TokenClaims, type TokenOptions, verifyToken } from "./room_tokens.ts";
import { TooManyFailuresError, type VerificationLimiter } from "./verification_limiter.ts";
import type { ConsumerVerifier } from "./consumer_tokens.ts";
import {
  CLOSE,
  type CloseReason,
  isLongerThan,
  MAX_NODE_ID_LENGTH,
  MAX_ROOM_LENGTH,
} from "../protocol/messages.ts";
import type { TokenCache } from "./token_cache.ts";

/** Who a connection speaks for. */
export interface Identity {
  /** The room it may join. */
  readonly room: string;
  /** The name it joins under. */
  readonly nodeId: string;
  /** Whether it may join as a normal peer; if not, only as a consumer. */
  readonly canJoinAsNormal: boolean;
}

/**
 * Whether a connection is let in. A refused one is upgraded all the same and then closed: a browser
 * can read a close code, but no HTTP status.
 */
export type Admission = { readonly identity: Identity } | { readonly refusal: CloseReason };

/** What a host says of a request that it lets in. */
export interface Authorization {
  /** The room that the client may join, 256 characters at most. */
  room: string;
  /** The client's name in it, 128 characters at most; what the client asks for when absent. */
  nodeId?: string | undefined;
}

/**
 * Lets a client in by the host's own means, such as a session cookie.
 *
 * @param request A copy of the client's request.
 * @returns The room it may join, or `null` for a stranger.
 */
export type Authorize = (
  request: Request,
) => Authorization | null | Promise<Authorization | null>;

/** By what clients are let in. */
export type AuthPolicy =
  | { readonly kind: "none" }
  | {
    readonly kind: "room token";
    readonly publicKey: CryptoKey;
    readonly options: TokenOptions;
    readonly limiter: VerificationLimiter;
    readonly cache: TokenCache;
  }
  | { readonly kind: "host"; readonly authorize: Authorize };

/** Whether a consumer may join, and if so, whom its token was issued to. */
export type ConsumerVerdict =
  | {
    readonly kind: "accepted";
    /** One text for each issuer and subject; empty where no token is needed or it has no subject. */
    readonly identity: string;
  }
  | { readonly kind: "rejected"; readonly close: CloseReason };

/**
 * Decides whether a consumer may join a room with the token that it registers with; a promise where a
 * token has to be verified.
 */
export type ConsumerAuthorizer = (
  token: string | undefined,
  room: string,
  address: Address,
) => ConsumerVerdict | Promise<ConsumerVerdict>;

/** What a request presents besides its room and `nodeId`. */
export interface Credentials {
  /** The token, wherever it stood. */
  readonly token: string | undefined;
  /** The subprotocol that the answer has to name. */
  readonly protocol: string | undefined;
}

/** A client that asks to be let in. */
export interface ConnectRequest {
  readonly query: URLSearchParams;
  /** The token that it presents. */
  readonly token: string | undefined;
  readonly address: Address;
  /** Its request, for the host. */
  readonly request: Request;
}

/** The subprotocol that clients offer along with `bearer.<token>`. */
export const SUBPROTOCOL = "client-db-sync";

const BEARER_PREFIX = "bearer.";
/** A token in the sense of RFC 9110, section 5.6.2: what a subprotocol may be. */
const HTTP_TOKEN = /^[!#$%&'*+.^_`|~\w-]+$/;

/**
 * Finds the token of a request: in the query, as `Authorization: Bearer`, or among the subprotocols.
 *
 * @returns The token and the subprotocol to answer with, or a sentence about what is wrong.
 */
export function readCredentials(
  query: URLSearchParams,
  headers: Headers,
): Credentials | { readonly problem: string } {
  const offered = headers.get("sec-websocket-protocol")?.split(",").map((name) => name.trim()) ??
    [];
  if (!offered.every((name) => HTTP_TOKEN.test(name)) || new Set(offered).size < offered.length) {
    return { problem: "Sec-WebSocket-Protocol must be a list of different names" };
  }
  const protocol = offered.includes(SUBPROTOCOL) ? SUBPROTOCOL : undefined;
  const bearers = offered.filter((name) => name.startsWith(BEARER_PREFIX));
  if (bearers.length > 0 && protocol === undefined) {
    return { problem: `Offer the subprotocol ${SUBPROTOCOL} along with the token` };
  }
  const [token, another] = [
    ...query.getAll("token"),
    /^Bearer +(.*)$/i.exec(headers.get("authorization") ?? "")?.[1],
    ...bearers.map((name) => name.slice(BEARER_PREFIX.length)),
  ].filter((candidate) => candidate);
  if (another !== undefined) return { problem: "Send one token, in one place" };
  return { token: token ?? undefined, protocol };
}

/**
 * Settles whom a connection speaks for; a promise, which never rejects, only where something has to
 * be asked. What the host throws goes to `onError`.
 */
export function admit(
  policy: AuthPolicy,
  { query, token, address, request }: ConnectRequest,
  allowsConsumers: boolean,
  onError: (cause: unknown) => void,
): Admission | Promise<Admission> {
  // Clients append their own to whatever the app's URL holds: the last one counts.
  const room = query.getAll("room").at(-1) || undefined;
  const nodeId = query.getAll("nodeId").at(-1) || undefined;
  const unauthenticated = (why: CloseReason) => {
    if (!allowsConsumers) return { refusal: why };
    return room ? identify(room, nodeId, false) : { refusal: CLOSE.missingRoom };
  };
  switch (policy.kind) {
    case "none":
      return identify(room ?? "default", nodeId, true);
    case "room token":
      if (token === undefined) return unauthenticated(CLOSE.missingToken);
      return admitByToken(
        policy,
        token,
        address,
        ({ sub }) =>
          room === undefined || room === sub
            ? identify(sub, nodeId ?? sub, true)
            : { refusal: CLOSE.wrongRoom },
      );
    case "host":
      return (async () => await policy.authorize(request))().then(
        (found) => {
          if (!found) return unauthenticated(CLOSE.notAuthorized);
          const { room: name, nodeId: id = "" } = found;
          if (typeof name !== "string" || name === "" || typeof id !== "string") {
            throw new TypeError("authorize() must return texts for room and nodeId");
          }
          return room === undefined || room === found.room
            ? identify(found.room, found.nodeId || nodeId, true)
            : { refusal: CLOSE.wrongRoom };
        },
      ).catch((cause) => {
        onError(cause);
        return { refusal: CLOSE.internalError };
      });
  }
}

/** A token that was verified before is not verified again. */
function admitByToken(
  { limiter, cache, publicKey, options }: AuthPolicy & { kind: "room token" },
  token: string,
  address: Address,
  decide: (claims: TokenClaims) => Admission,
): Admission | Promise<Admission> {
  const known = cache.get(token);
  if (known !== undefined) return decide(known);
  return limiter.attempt(address, () => verifyToken(token, publicKey, options)).then(
    (claims) => {
      cache.add(token, claims);
      return decide(claims);
    },
    (error) => ({ refusal: closeReasonFor(error, CLOSE.invalidToken) }),
  );
}

/** Accepts consumers whose token is valid; without a verifier all or none, as `isOpen` says. */
export function createConsumerAuthorizer(
  verify: ConsumerVerifier | undefined,
  isOpen: boolean,
  guard: VerificationLimiter,
): ConsumerAuthorizer {
  if (verify === undefined) {
    return () => isOpen ? accepted("") : rejected(CLOSE.consumersRefused);
  }
  return (token, room, address) =>
    token === undefined
      ? rejected(CLOSE.invalidConsumerToken)
      : guard.attempt(address, () => verify(token, room)).then(
        (claims) => accepted(identityOf(claims)),
        (error) => rejected(closeReasonFor(error, CLOSE.invalidConsumerToken)),
      );
}

function accepted(identity: string): ConsumerVerdict {
  return { kind: "accepted", identity };
}

function rejected(close: CloseReason): ConsumerVerdict {
  return { kind: "rejected", close };
}

function identityOf({ iss = "", sub }: JWTPayload): string {
  return sub === undefined ? "" : JSON.stringify([iss, sub]);
}

function closeReasonFor(error: unknown, otherwise: CloseReason): CloseReason {
  return error instanceof TooManyFailuresError ? CLOSE.tooManyFailures : otherwise;
}

function identify(room: string, nodeId: string | undefined, canJoinAsNormal: boolean): Admission {
  const name = nodeId ?? crypto.randomUUID();
  if (isLongerThan(room, MAX_ROOM_LENGTH)) return { refusal: CLOSE.roomTooLong };
  if (isLongerThan(name, MAX_NODE_ID_LENGTH)) return { refusal: CLOSE.nodeIdTooLong };
  return { identity: { room, nodeId: name, canJoinAsNormal } };
}
