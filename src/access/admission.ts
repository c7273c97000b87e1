/**
 * Who may connect: decides by a token, by the host's own means, or without either when authentication
 * is off, which room and name a connection gets. Where the token was is not its concern.
 */

import type { JWTPayload } from "jose";
import type { Address } from "./address.ts";
import {
  checkRoomToken,
  revokedDetail,
  type RoomTokenPolicy,
  type RoomTokenVerdict,
} from "./room_token_check.ts";
import type { TokenClaims } from "./room_tokens.ts";
import { type Attempt, verdictOf, type VerificationLimiter } from "./verification_limiter.ts";
import type { ConsumerVerifier } from "./consumer_tokens.ts";
import {
  CLOSE,
  type CloseReason,
  isLongerThan,
  MAX_NODE_ID_LENGTH,
  MAX_ROOM_LENGTH,
} from "../protocol/messages.ts";
import { askHost, expiryIn, type HostPolicy } from "./host.ts";
import type { LogFields } from "../runtime/logger.ts";
import { requestedNames, shownNames } from "./requested_names.ts";
import { causeOf, type RefusalLog } from "./refusal_log.ts";
import type { Revocations } from "./revocations.ts";
import { ExpiredTokens } from "./token_cache.ts";

/** Which peer a connection may become. */
export interface Identity {
  /** The room it may join. */
  readonly room: string;
  /** The name it joins under. */
  readonly nodeId: string;
  /** Whether it may join as a normal peer; if not, only as a consumer. */
  readonly canJoinAsNormal: boolean;
  /** What its room token says, if it came with one. */
  readonly token?: TokenClaims;
  /** Where a host has admitted it: until when, in milliseconds since the Unix epoch, if not for good. */
  readonly expiresAt?: number;
  /** Where a host has admitted it: its request, about which the host is asked again. */
  readonly request?: Request;
}

/** What the right of a connection rests on. */
type IdentityBasis = Pick<Identity, "token" | "expiresAt" | "request">;

/**
 * Whether a connection is admitted. A refused one is upgraded all the same and then closed: a browser
 * can read a close code, but no HTTP status.
 */
export type Admission =
  | { readonly kind: "accepted"; readonly identity: Identity }
  | Rejection;

/** A client that is not admitted, and how it is closed. */
export interface Rejection {
  readonly kind: "rejected";
  readonly close: CloseReason;
  /** What it asked for and why it is refused, as fields of a log line. */
  readonly detail?: RefusalDetail;
}

/** Fields of a log line about a client that is refused. */
export type RefusalDetail = LogFields & Partial<Pick<Identity, "room" | "nodeId">>;

/** How clients are authenticated. */
export type AuthPolicy =
  | { readonly kind: "none" }
  | RoomTokenPolicy
  | HostPolicy;

/** Whether a consumer may join, and if so, whom its token was issued to. */
export type ConsumerVerdict =
  | {
    readonly kind: "accepted";
    /** One text for each issuer and subject; empty where no token is needed. */
    readonly identity: string;
  }
  | Rejection;

/**
 * Decides whether a consumer may join a room with the token that it registers with; a promise, which
 * never rejects, where a token has to be verified.
 */
export type ConsumerAuthorizer = (
  token: string | undefined,
  room: string,
  address: Address,
) => ConsumerVerdict | Promise<ConsumerVerdict>;

/** A client that wants to connect. */
export interface ConnectRequest {
  readonly query: URLSearchParams;
  /** The token in its request. */
  readonly token: string | undefined;
  readonly address: Address;
  /** Its request, for the host. */
  readonly request: Request;
}

/** What admitting depends on. */
export interface AdmissionOptions {
  readonly policy: AuthPolicy;
  /** Whether clients without a room token may come as consumers. */
  readonly allowsConsumers: boolean;
  readonly refusals: RefusalLog;
}

/**
 * Decides which peer a connection may become; a promise, which never rejects, only where a token has
 * to be verified or the host has to be asked.
 */
export function admit(
  { policy, allowsConsumers, refusals }: AdmissionOptions,
  { query, token, address, request }: ConnectRequest,
): Admission | Promise<Admission> {
  const { room, nodeId } = requestedNames(query);
  if (policy.kind === "none") return identify(room ?? "default", nodeId, true);
  const refuse = (close: CloseReason, detail: RefusalDetail = {}) =>
    rejected(close, { ...shownNames(query), ...detail });
  const unauthenticated = (reason: CloseReason) => {
    if (!allowsConsumers) return refuse(reason);
    return room ? identify(room, nodeId, false) : refuse(CLOSE.missingRoom);
  };
  const member = (own: string, name: string | undefined, basis: IdentityBasis): Admission =>
    room === undefined || room === own
      ? identify(own, name, true, basis)
      : refuse(CLOSE.wrongRoom, { subject: own });
  switch (policy.kind) {
    case "room token": {
      if (token === undefined) return unauthenticated(CLOSE.missingToken);
      const decide = (verdict: RoomTokenVerdict) => {
        if (verdict.kind === "refused") return refuse(verdict.close, verdict.detail);
        const { sub, nodeId: bound } = verdict.claims;
        if (bound !== undefined && nodeId !== undefined && nodeId !== bound) {
          return refuse(CLOSE.wrongNodeId, { bound });
        }
        return member(sub, bound ?? nodeId ?? nameOfRoom(sub), { token: verdict.claims });
      };
      const verdict = checkRoomToken(policy, token, address, refusals);
      return verdict instanceof Promise ? verdict.then(decide) : decide(verdict);
    }
    case "host":
      return askHost(policy, request).then((found) =>
        found === null
          ? unauthenticated(CLOSE.notAuthorized)
          : member(found.room, found.nodeId || nodeId, { request, ...expiryIn(found) })
      ).catch((cause) => refuse(refusals.logFailure("authorize() failed", cause)));
  }
}

/** What an admission is now: its token may have been revoked since it was checked. */
export function recheckAdmission(
  admission: Admission,
  revocations: Pick<Revocations, "has">,
): Admission {
  const token = admission.kind === "accepted" ? admission.identity.token : undefined;
  if (admission.kind === "rejected" || token === undefined || !revocations.has(token)) {
    return admission;
  }
  const { room, nodeId } = admission.identity;
  return rejected(CLOSE.revokedToken, { room, nodeId, ...revokedDetail(token) });
}

/** Options of {@linkcode createConsumerAuthorizer}. */
export interface ConsumerAuthorizerOptions {
  /** Verifies consumers' tokens; without it all consumers are admitted or none, as `isOpen` says. */
  readonly verify: ConsumerVerifier | undefined;
  readonly isOpen: boolean;
  readonly limiter: VerificationLimiter;
  readonly refusals: RefusalLog;
}

const EXPIRED = { cause: "The token has expired (exp)", claim: "exp" };

/** Creates the function that decides which consumers are admitted. */
export function createConsumerAuthorizer(
  { verify, isOpen, limiter, refusals }: ConsumerAuthorizerOptions,
): ConsumerAuthorizer {
  if (verify === undefined) {
    return () => isOpen ? accepted("") : rejected(CLOSE.consumersRefused);
  }
  const expired = new ExpiredTokens(limiter.counts);
  return (token, room, address) => {
    if (token === undefined) {
      return rejected(CLOSE.invalidConsumerToken, { cause: "There is no token" });
    }
    if (expired.has(token)) return rejected(CLOSE.expiredConsumerToken, EXPIRED);
    return limiter.attempt(address, () => verdictOf(verify(token, room))).then(async (attempt) => {
      if (attempt.kind === "valid") return accepted(await identityOf(attempt.value, token));
      const isExpired = attempt.kind === "expired";
      if (isExpired) expired.add(token);
      const close = isExpired ? CLOSE.expiredConsumerToken : CLOSE.invalidConsumerToken;
      return rejected(closeReasonFor(attempt, close), causeOf(attempt));
    }).catch((cause) => rejected(refusals.logFailure("Verifying a consumer token failed", cause)));
  };
}

function accepted(identity: string): ConsumerVerdict {
  return { kind: "accepted", identity };
}

function rejected(close: CloseReason, detail: RefusalDetail = {}): Rejection {
  return { kind: "rejected", close, detail };
}

/** A token without a subject does not say whom it was issued to: only the same token is the same. */
async function identityOf({ iss = "", sub }: JWTPayload, token: string): Promise<string> {
  if (sub !== undefined) return JSON.stringify([iss, sub]);
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(token));
  return JSON.stringify([iss, null, new Uint8Array(digest).toBase64()]);
}

function closeReasonFor({ kind }: Attempt<unknown>, otherwise: CloseReason): CloseReason {
  return kind === "throttled" ? CLOSE.tooManyFailures : otherwise;
}

/** The name of a client that asks for none: that of its room, as far as a name may have it. */
function nameOfRoom(room: string): string {
  if (!isLongerThan(room, MAX_NODE_ID_LENGTH)) return room;
  return [...room].slice(0, MAX_NODE_ID_LENGTH).join("");
}

function identify(
  room: string,
  nodeId: string | undefined,
  canJoinAsNormal: boolean,
  basis: IdentityBasis = {},
): Admission {
  const name = nodeId ?? crypto.randomUUID();
  // A name that is too long is in no line.
  if (isLongerThan(room, MAX_ROOM_LENGTH)) return rejected(CLOSE.roomTooLong);
  if (isLongerThan(name, MAX_NODE_ID_LENGTH)) return rejected(CLOSE.nodeIdTooLong, { room });
  return { kind: "accepted", identity: { room, nodeId: name, canJoinAsNormal, ...basis } };
}
