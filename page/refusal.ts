/**
 * Why the server gives no connection: by its close code where there is one, and otherwise, since a
 * browser does not show the answer to a handshake, by asking the same server over HTTP.
 */

import { timeText } from "./plain.ts";
import { type Backplanes, type Problem, PROBLEMS } from "./problem.ts";
import { readToken } from "./token.ts";

/** How long an answer of the server may take, in milliseconds. */
const PATIENCE_MS = 5000;

/** What `/health` has answered. */
export interface Health {
  readonly status: string;
  readonly auth: string;
  /** How many Redis servers connect the instances, and how many of them work; unless there are none. */
  readonly backplane: Backplanes | undefined;
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

/** Asks the server how it is; otherwise the problem is that it does not answer. */
export async function askHealth(): Promise<Health | Problem> {
  const start = performance.now();
  const response = await ask("/health");
  if (response === undefined) return PROBLEMS.unreachable(location.origin);
  const body = await response.json().catch(() => undefined);
  const { status, auth, ts } = Object(body);
  if (typeof status !== "string" || typeof auth !== "string") {
    return PROBLEMS.gateway(location.origin, response.status);
  }
  const offset = Date.parse(ts) - Date.now();
  return {
    status,
    auth,
    backplane: readBackplanes(body),
    clockOffsetMs: Number.isFinite(offset) ? offset : 0,
    tookMs: performance.now() - start,
  };
}

function readBackplanes(body: unknown): Backplanes | undefined {
  const { backplane, backplaneShards } = Object(body);
  if (typeof backplane !== "string") return undefined;
  const { up, total } = Object(backplaneShards);
  if (Number.isInteger(up) && Number.isInteger(total)) return { up, total };
  return { up: backplane === "up" ? 1 : 0, total: 1 };
}

/** Whether all Redis servers work, in words. */
export function backplaneText({ up, total }: Backplanes): string {
  if (up === total) return "Redis is up";
  return up === 0 ? "Redis is down" : `${total - up} of ${total} Redis servers are down`;
}

/** Whether the server has answered. */
export function isHealth(answer: Health | Problem): answer is Health {
  return "status" in answer;
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
    return PROBLEMS.expiredToken(timeText(text.expiresAt));
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
    case 1009:
      return PROBLEMS.tooBig();
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
  if (reason === "too many consumers of one identity") return PROBLEMS.identityFull();
  return reason === "room is full" ? PROBLEMS.roomFull() : PROBLEMS.closed(1013, reason);
}

function explainToken(
  reason: string,
  attempt: Attempt,
  health: Health | Problem,
): Problem {
  if (reason === "token revoked") return PROBLEMS.revokedToken();
  if (reason === "not authorized") return PROBLEMS.refusedByHost();
  if (reason === "disconnected by the operator") return PROBLEMS.disconnected();
  if (reason === "consumer authentication is not configured") return PROBLEMS.consumersOff();
  if (/longer than/.test(reason)) return PROBLEMS.closed(4003, reason);
  const now = Date.now() + (isHealth(health) ? health.clockOffsetMs : 0);
  const problem = checkToken(attempt, now);
  if (problem !== undefined) return problem;
  if (attempt.isConsumer) return PROBLEMS.consumerToken();
  return /does not match/.test(reason) ? PROBLEMS.closed(4003, reason) : PROBLEMS.unknownToken();
}

/** Finds out by HTTP why no socket opens. */
async function explainSilence(attempt: Attempt): Promise<Problem> {
  const health = await askHealth();
  if (!isHealth(health)) return health;
  if (health.status === "draining") return PROBLEMS.stopping();
  if (health.status === "overloaded") return PROBLEMS.overloaded();
  // Any method but GET and HEAD carries the origin, also to the page's own server.
  const preflight = await ask("/ice-servers", { method: "OPTIONS" });
  if (preflight?.status === 403) return PROBLEMS.origin(location.origin);
  const query = new URLSearchParams({ room: attempt.room });
  const answer = await ask(`/ice-servers?${query}`, { headers: bearer(attempt.token) });
  if (answer?.status === 429) return PROBLEMS.throttled();
  // A server with too many refused sockets refuses tokens without one.
  if (answer?.status !== 401 && answer?.status !== 403) return PROBLEMS.noSocket();
  if (attempt.token === "") {
    return attempt.isConsumer ? PROBLEMS.consumersOff() : PROBLEMS.noToken();
  }
  const { error } = Object(await answer.json().catch(() => undefined));
  return explainToken(String(error), attempt, health);
}
