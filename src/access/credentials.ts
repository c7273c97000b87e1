/**
 * Where a token is in a request: in the query, as `Authorization: Bearer`, or among the subprotocols.
 * Whether it is valid is decided elsewhere.
 */

/** What a request has besides its room and `nodeId`. */
export interface Credentials {
  /** The token, wherever it was. */
  readonly token: string | undefined;
  /** The subprotocol that the answer has to name. */
  readonly protocol: string | undefined;
}

/** The subprotocol that clients offer along with `bearer.<token>`. */
export const SUBPROTOCOL = "client-db-sync";

const BEARER_PREFIX = "bearer.";
/** A token in the sense of RFC 9110, section 5.6.2: what a subprotocol may be. */
const HTTP_TOKEN = /^[!#$%&'*+.^_`|~\w-]+$/;

/** A client's request as it was, with a new token in the place of the old one and in `Authorization`. */
export function withToken({ url, headers: old }: Request, token: string): Request {
  const headers = new Headers(old);
  headers.set("authorization", `Bearer ${token}`);
  const target = new URL(url);
  if (target.searchParams.has("token")) target.searchParams.set("token", token);
  const names = old.get("sec-websocket-protocol")?.split(",").map((name) => name.trim());
  if (names?.some((name) => name.startsWith(BEARER_PREFIX))) {
    const others = names.filter((name) => !name.startsWith(BEARER_PREFIX));
    if (HTTP_TOKEN.test(token)) others.push(BEARER_PREFIX + token);
    headers.set("sec-websocket-protocol", others.join(", "));
  }
  return new Request(target, { headers });
}

/** What a request has as `Authorization: Bearer` (RFC 6750, section 2.1); empty if nothing. */
export function bearerOf(headers: Headers): string {
  return /^Bearer +(.*)$/i.exec(headers.get("authorization") ?? "")?.[1] ?? "";
}

const NONE: Credentials = { token: undefined, protocol: undefined };

/**
 * Finds the token of a request, and the subprotocol to answer with.
 *
 * @param query The query of its URL.
 * @param headers Its headers.
 * @param needsToken Whether clients are authenticated by tokens. If not, nothing is looked for: a
 * gateway in front, or the host, may have uses of its own for `Authorization` or `?token=`.
 * @returns Both, or a sentence about what is wrong.
 */
export function readCredentials(
  query: URLSearchParams,
  headers: Headers,
  needsToken: boolean,
): Credentials | { readonly problem: string } {
  const names = headers.get("sec-websocket-protocol");
  if (names === null && !needsToken) return NONE;
  const offered = names?.split(",").map((name) => name.trim()) ?? [];
  if (!offered.every((name) => HTTP_TOKEN.test(name)) || new Set(offered).size < offered.length) {
    return { problem: "Sec-WebSocket-Protocol must be a list of different names" };
  }
  const protocol = offered.includes(SUBPROTOCOL) ? SUBPROTOCOL : undefined;
  if (!needsToken) return { token: undefined, protocol };
  const bearers = offered.filter((name) => name.startsWith(BEARER_PREFIX));
  if (bearers.length > 0 && protocol === undefined) {
    return { problem: `Offer the subprotocol ${SUBPROTOCOL} along with the token` };
  }
  const [token, another] = [
    ...query.getAll("token"),
    bearerOf(headers),
    ...bearers.map((name) => name.slice(BEARER_PREFIX.length)),
  ].filter((candidate) => candidate);
  if (another !== undefined) return { problem: "Send one token, in one place" };
  return { token: token ?? undefined, protocol };
}
