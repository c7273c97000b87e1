/**
 * Whether a connected client may stay on a new token: that has to admit it to its room under its name.
 * A host that admits clients by its own means is asked again. When a client asks, and what becomes of
 * it otherwise, is the session's concern.
 */

import type { Address } from "./address.ts";
import type { AuthPolicy, Identity } from "./admission.ts";
import { withToken } from "./credentials.ts";
import { askHost, expiryIn, type HostPolicy } from "./host.ts";
import type { RefusalLog } from "./refusal_log.ts";
import { checkRoomToken, type RoomTokenVerdict } from "./room_token_check.ts";

/** Whether a client may stay. */
export type RefreshVerdict =
  | {
    readonly kind: "accepted";
    /** The same room and name, by the new token. */
    readonly identity: Identity;
  }
  | {
    readonly kind: "refused";
    /** A sentence for the client. */
    readonly message: string;
  };

/** Checks a new token of a client; a promise, which never rejects, where that takes time. */
export type Refresher = (
  token: string,
  identity: Identity,
  address: Address,
) => RefreshVerdict | Promise<RefreshVerdict>;

/** What refreshing depends on. */
export interface RefresherOptions {
  readonly policy: AuthPolicy;
  readonly refusals: RefusalLog;
}

/** When a client's authorization expires, in milliseconds since the Unix epoch; `Infinity` is never. */
export function expiryOf({ token, expiresAt }: Identity): number {
  return token === undefined ? expiresAt ?? Infinity : token.exp * 1000;
}

/** Whether a client came with something that a new token can take the place of. */
export function isRefreshable({ token, request }: Identity): boolean {
  return token !== undefined || request !== undefined;
}

/** Creates the function that checks new tokens. */
export function createRefresher({ policy, refusals }: RefresherOptions): Refresher {
  return (token, identity, address) => {
    switch (policy.kind) {
      case "none":
        return refused("Authentication is off: there is no token to refresh");
      case "room token": {
        const decide = (verdict: RoomTokenVerdict) => decideByToken(verdict, identity);
        const verdict = checkRoomToken(policy, token, address, refusals);
        return verdict instanceof Promise ? verdict.then(decide) : decide(verdict);
      }
      case "host":
        return askHostAgain(policy, token, identity).catch((cause) => {
          refusals.logFailure("authorize() failed on a refresh", cause);
          return refused("The server failed to check the token: try again");
        });
    }
  };
}

function decideByToken(verdict: RoomTokenVerdict, identity: Identity): RefreshVerdict {
  if (verdict.kind === "refused") return refused(verdict.message);
  const { claims } = verdict;
  return checkIdentity(identity, claims.sub, claims.nodeId) ??
    { kind: "accepted", identity: { ...identity, token: claims } };
}

/** Asks the host about the client's request as it was, but with the new token for the old. */
async function askHostAgain(
  policy: HostPolicy,
  token: string,
  { expiresAt: _, ...identity }: Identity,
): Promise<RefreshVerdict> {
  const { request } = identity;
  if (request === undefined) return refused("There is no token to refresh");
  let renewed: Request;
  try {
    renewed = withToken(request, token);
  } catch {
    return refused("The token has characters that no HTTP header can have");
  }
  const found = await askHost(policy, renewed);
  if (found === null) return refused("The server does not accept the token");
  return checkIdentity(identity, found.room, found.nodeId) ??
    { kind: "accepted", identity: { ...identity, ...expiryIn(found) } };
}

/** What is wrong with a token that is for this room and this name, or any name. */
function checkIdentity(
  identity: Identity,
  room: string,
  nodeId: string | undefined,
): RefreshVerdict | undefined {
  if (room !== identity.room) return refused("The token is for another room");
  return nodeId && nodeId !== identity.nodeId
    ? refused("The token is bound to another nodeId")
    : undefined;
}

function refused(message: string): RefreshVerdict {
  return { kind: "refused", message };
}
