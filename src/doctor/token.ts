/**
 * The token of an examination: the one that was given, or one that the server issues for a room of its
 * own. Whether it is valid is the server's to say, when peers join with it.
 */

import { isObject } from "../protocol/messages.ts";
import type { Auth } from "./checks.ts";
import { errorOf, explainCommon, readJson } from "./explain.ts";
import { type Found, quote, StepFailure } from "./report.ts";
import { isLoopback } from "./target.ts";
import type { Deployment } from "./deployment.ts";

/** Longer than any examination. */
const TTL = "30m";

/** What peers join with. */
export interface Credentials {
  readonly room: string;
  readonly token: string | undefined;
}

/** What an operator gave. */
export interface CredentialOptions {
  readonly token: string | undefined;
  readonly adminSecret: string | undefined;
  /** The room that was named. */
  readonly room: string | undefined;
  /** A room that nobody else is in. */
  readonly ownRoom: string;
  readonly auth: Auth;
}

/** Finds a token for a room. */
export async function findCredentials(
  deployment: Deployment,
  options: CredentialOptions,
  signal: AbortSignal,
): Promise<Found<Credentials>> {
  const { token, adminSecret, auth, room = options.ownRoom } = options;
  if (auth === "disabled") {
    const seen = "none is needed, since authentication is off";
    const change = isLoopback(deployment.target.hostname)
      ? {}
      : { change: "Unset AUTH_DISABLED, unless everybody may join every room" };
    return { value: { room, token: undefined }, seen, ...change };
  }
  if (token !== undefined) return readGiven(token, options);
  if (adminSecret !== undefined) return await mint(deployment, { room, adminSecret }, signal);
  if (auth === "unknown") {
    return { value: { room, token: undefined }, seen: "none was given; the server may want none" };
  }
  throw new StepFailure(
    "the server wants a token, and none was given",
    "Add --admin-secret-env ADMIN_SECRET, or --token-env with the name of a variable",
  );
}

/** A given token, by what it says about itself. */
function readGiven(token: string, { room, ownRoom }: CredentialOptions): Found<Credentials> {
  const { sub, exp, nodeId } = readClaims(token);
  if (typeof sub !== "string" || typeof exp !== "number") {
    const seen = "one was given, which is no room token of this server";
    return { value: { room: room ?? ownRoom, token }, seen };
  }
  const name = quote(sub);
  const until = isDate(exp) ? new Date(exp * 1000).toISOString() : "a time far away";
  if (exp * 1000 <= Date.now()) {
    throw new StepFailure(`the token expired at ${until}`, "Give a new one");
  }
  if (room !== undefined && room !== sub) {
    throw new StepFailure(
      `the token is for room ${name}`,
      "Name that room, or give a token whose subject is the room that you named",
    );
  }
  if (nodeId !== undefined) {
    throw new StepFailure(
      "the token is bound to one nodeId, so that two peers cannot join with it",
      "Give a token that is not: whoever is connected under that name would be replaced",
    );
  }
  return { value: { room: sub, token }, seen: `one for room ${name}, valid until ${until}` };
}

function isDate(seconds: number): boolean {
  return Number.isFinite(new Date(seconds * 1000).getTime());
}

/** What stands in a JWT, unverified; nothing if it is none. */
function readClaims(token: string): Record<string, unknown> {
  try {
    const bytes = Uint8Array.fromBase64(token.split(".")[1] ?? "", { alphabet: "base64url" });
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return isObject(claims) ? claims : {};
  } catch {
    return {};
  }
}

async function mint(
  deployment: Deployment,
  { room, adminSecret }: { readonly room: string; readonly adminSecret: string },
  signal: AbortSignal,
): Promise<Found<Credentials>> {
  const answer = await deployment.ask("/token", {
    method: "POST",
    headers: { "content-type": "application/json", "x-admin-secret": adminSecret },
    body: JSON.stringify({ ttl: TTL, subject: room }),
  }, signal);
  const { status, body, ms } = answer;
  const { token } = readJson(body) ?? {};
  if (status === 201 && typeof token === "string") {
    return { value: { room, token }, seen: `201 from POST /token, for room ${quote(room)}`, ms };
  }
  const error = errorOf(body);
  const seen = `POST /token got ${status}${error === undefined ? "" : `: ${quote(error)}`}`;
  if (status === 401) {
    throw new StepFailure(seen, "Give the ADMIN_SECRET that this server was started with");
  }
  if (status === 404 || status === 403) {
    throw new StepFailure(
      seen,
      "A mounted library, and a proxy that keeps /token to itself, have none: give a token instead",
    );
  }
  if (status === 400) {
    throw new StepFailure(seen, "Give a token instead: this server issues none like this");
  }
  throw explainCommon(answer) ??
    new StepFailure(seen, "Check the host and the path: this is not how the server answers");
}
