/**
 * Clients that the host admits by its own means instead of room tokens: what it is asked, when, and how
 * its answer is checked. What a client may do with the answer is decided in `admission.ts`.
 */

import type { Clock } from "../runtime/clock.ts";
import { deadline } from "../runtime/deadline.ts";

/** What a host says about a request that it admits. */
export interface Authorization {
  /** The room that the client may join, 256 characters at most. */
  room: string;
  /** The client's name in it, 128 characters at most; what the client asks for when absent. */
  nodeId?: string | undefined;
  /**
   * When the authorization expires. A client that asks for refreshes is told and has to send another
   * token by then; see `closeExpired` for the others. For good when absent.
   */
  expiresAt?: Date | undefined;
}

/**
 * Admits a client by the host's own means, such as a session cookie. If it throws, or does not answer
 * within `registerTimeoutMs`, this is logged and the client is closed with 1011.
 *
 * When a connected client sends `refresh`, it is asked again; then the client stays in any case, and is
 * told whether its new token was accepted.
 *
 * @param request A copy of the client's request. For a `refresh`: the request with which the client
 * connected, with the new token as `Authorization: Bearer`.
 * @returns The room that the client may join, or `null` if it is not authenticated.
 *
 * @example
 * ```ts
 * import { type Authorize, createSignalingHandler } from "@aikofy/client-db-sync";
 *
 * const sessions = new Map([["session-of-ada", { room: "todos" }]]);
 * const authorize: Authorize = ({ headers }) => {
 *   const [, id = ""] = /(?:^|; )session=([^;]+)/.exec(headers.get("cookie") ?? "") ?? [];
 *   return sessions.get(id) ?? null;
 * };
 * await using signaling = await createSignalingHandler({ authorize });
 * ```
 */
export type Authorize = (
  request: Request,
) => Authorization | null | Promise<Authorization | null>;

/** That the host admits clients. */
export interface HostPolicy {
  readonly kind: "host";
  readonly authorize: Authorize;
  /** Milliseconds that the host has to answer. */
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/**
 * Asks the host about a request.
 *
 * @throws {TypeError} The host's answer is neither an {@linkcode Authorization} nor falsy.
 * @throws {DOMException} `TimeoutError`: it has not answered in time.
 */
export function askHost(
  { authorize, timeoutMs, clock }: HostPolicy,
  request: Request,
): Promise<Authorization | null> {
  return deadline(ask(authorize, request), timeoutMs, clock);
}

/** When an authorization expires, as an identity says it. */
export function expiryIn({ expiresAt }: Authorization): { readonly expiresAt?: number } {
  return expiresAt === undefined ? {} : { expiresAt: expiresAt.getTime() };
}

async function ask(authorize: Authorize, request: Request): Promise<Authorization | null> {
  const found = await authorize(request);
  if (!found) return null;
  const { room, nodeId = "", expiresAt }: { room: unknown; nodeId?: unknown; expiresAt?: unknown } =
    found;
  if (typeof room !== "string" || room === "" || typeof nodeId !== "string") {
    throw new TypeError("authorize() must return strings for room and nodeId");
  }
  if (expiresAt === undefined) return { room, nodeId };
  if (!(expiresAt instanceof Date) || Number.isNaN(expiresAt.getTime())) {
    throw new TypeError("authorize() must return a Date for expiresAt");
  }
  return { room, nodeId, expiresAt };
}
