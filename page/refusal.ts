/**
 * Why the server gives no connection: by its close code where there is one, and otherwise, since a
 * browser does not show the answer to a handshake, by asking the same server over HTTP.
 */

import { type Problem, PROBLEMS } from "./problem.ts";
import { readToken } from "./token.ts";

/** How long an answer of the server may take, in milliseconds. */
const PATIENCE_MS = 5000;

/** What `/health` has answered. */
export interface Health {
  readonly status: string;
  readonly auth: string;
  readonly backplane: string | undefined;
  /** The server's time minus that of this device, in milliseconds. */
  readonly clockOffsetMs: number;
  /** How long the answer took, in milliseconds. */
  readonly tookMs: number;
}

/** With what a page has tried to connect. */
export interface Attempt {
  readonly room: string;
  readonly nodeId: string;
  readonly isConsumer: boolean;
  readonly token: string;
}

/** A closed socket, as the client tells it. */
export interface Closing {
  readonly code?: number;
  readonly reason?: string;
}

/** Asks the server how it is; `undefined` if it does not answer. */
export async function askHealth(): Promise<Health | undefined> {
  const start = performance.now();
  const body = await ask("/health").then((response) => response?.json()).catch(() => undefined);
  if (typeof body !== "object" || body === null) return undefined;
  const { status, auth, backplane, ts } = body;
  const offset = Date.parse(ts) - Date.now();
  return {
    status: String(status),
    auth: String(auth),
    backplane: typeof backplane === "string" ? backplane : undefined,
    clockOffsetMs: Number.isFinite(offset) ? offset : 0,
    tookMs: performance.now() - start,
  };
}

/** Asks the server for something; `undefined` if it does not answer. */
export function ask(path: string, init: RequestInit = {}): Promise<Response | undefined> {
  const signal = AbortSignal.timeout?.(PATIENCE_MS);
  return fetch(path, { cache: "no-store", ...signal && { signal }, ...init }).catch(() =>
    undefined
  );
}

/** The header that carries a token. */
export function bearer(token: string): Record<string, string> {
  return token === "" ? {} : { authorization: `Bearer ${token}` };
}

/**
 * What is wrong with a token, as far as can be told without the server.
 *
 * @param now The time of the server.
 */
export function checkToken(
  { token, room, nodeId, isConsumer }: Attempt,
  now: number,
): Problem | undefined {
  const text = readToken(token);
  if (text === undefined) return PROBLEMS.malformedToken();
  if (!isConsumer && !text.isRoomToken) return PROBLEMS.foreignToken(text.issuer);
  if (text.expiresAt !== undefined && text.expiresAt <= now) {
    return PROBLEMS.expiredToken(new Date(text.expiresAt).toLocaleString());
  }
  if (isConsumer) return undefined;
  if (text.subject !== room) return PROBLEMS.wrongRoom(room, text.subject);
  const isOther = text.nodeId !== undefined && text.nodeId !== nodeId;
  return isOther ? PROBLEMS.wrongName(text.nodeId) : undefined;
}

/** Why a socket was refused or closed; `undefined` if nothing is wrong with it. */
export async function explainClosing(
  { code = 1006, reason = "" }: Closing,
  attempt: Attempt,
): Promise<Problem | undefined> {
  switch (code) {
    case 1000:
    case 4409:
      return PROBLEMS.nameInUse(attempt.nodeId);
    case 1001:
      return PROBLEMS.stopping();
    case 1013:
      return explainCrowd(reason);
    case 4001:
      return attempt.isConsumer ? PROBLEMS.consumersOff() : PROBLEMS.noToken();
    case 4003:
    case 4401:
    case 4403:
      return explainToken(reason, attempt, await askHealth());
    case 4429:
      return reason === "too many failed attempts" ? PROBLEMS.throttled() : PROBLEMS.tooFast();
    case 1005:
    case 1006:
      return await explainSilence(attempt);
    default:
      return PROBLEMS.closed(code, reason);
  }
}

function explainCrowd(reason: string): Problem {
  if (reason === "identity provider is not available") return PROBLEMS.provider();
  if (reason === "server is short of memory") return PROBLEMS.overloaded();
  return /full|too many/.test(reason) ? PROBLEMS.roomFull() : PROBLEMS.closed(1013, reason);
}

function explainToken(reason: string, attempt: Attempt, health: Health | undefined): Problem {
  if (reason === "token revoked") return PROBLEMS.revokedToken();
  if (reason === "not authorized") return PROBLEMS.refusedByHost();
  if (reason === "consumer authentication is not configured") return PROBLEMS.consumersOff();
  const now = Date.now() + (health?.clockOffsetMs ?? 0);
  const problem = checkToken(attempt, now);
  if (problem !== undefined) return problem;
  if (/consumer token/.test(reason)) return PROBLEMS.consumerToken();
  return /longer than|does not match/.test(reason)
    ? PROBLEMS.closed(4003, reason)
    : PROBLEMS.unknownToken();
}

/** Finds out by HTTP why no socket opens. */
async function explainSilence({ token, room }: Attempt): Promise<Problem | undefined> {
  const health = await askHealth();
  if (health === undefined) return PROBLEMS.unreachable(location.origin);
  if (health.status === "draining") return PROBLEMS.stopping();
  if (health.status === "overloaded") return PROBLEMS.overloaded();
  // Any method but GET and HEAD carries the origin, also to the page's own server.
  const preflight = await ask("/ice-servers", { method: "OPTIONS" });
  if (preflight?.status === 403) return PROBLEMS.origin(location.origin);
  const query = new URLSearchParams({ room });
  const answer = await ask(`/ice-servers?${query}`, { headers: bearer(token) });
  return answer?.status === 429 ? PROBLEMS.throttled() : PROBLEMS.noSocket();
}
