/**
 * The parts of a request's URL, without the cost of a `URL` object and without a throw, and whether
 * they can be relied on.
 */

const HOST = /^(\[[\da-f:.]+\]|[\w.~!$&'()*+,;=%-]*)(:\d*)?$/i;

/** The last host that was valid: a server has few. Any path and query below its roots are valid. */
let lastValid: { readonly host: string; readonly roots: readonly string[] } = {
  host: "",
  roots: [],
};

/**
 * Whether a request's `Host` is a host, with or without a port (RFC 9112, section 3.2), and its URL one
 * that a URL parser accepts. Deno writes `Host` into the URL as it is: `x/token?` there would replace the
 * path of the request line, and a copy of a request for `%` would throw. Absent, as in HTTP/1.0 and
 * HTTP/2, or empty, it is valid.
 */
export function hasValidUrl({ url, headers }: Pick<Request, "url" | "headers">): boolean {
  const host = headers.get("host") || null;
  if (host === null) return URL.canParse(url);
  if (host === lastValid.host && lastValid.roots.some((root) => url.startsWith(root))) return true;
  const roots = [`http://${host}/`, `https://${host}/`] as const;
  if (!HOST.test(host) || !URL.canParse(roots[0])) return false;
  lastValid = { host, roots };
  return URL.canParse(url);
}

/** The path of an absolute URL and its query without the question mark. */
export function splitUrl(url: string): { pathname: string; query: string } {
  const authority = url.indexOf("://") + 3;
  const hash = url.indexOf("#", authority);
  const end = hash === -1 ? url.length : hash;
  const mark = url.indexOf("?", authority);
  const pathEnd = mark === -1 || mark > end ? end : mark;
  const slash = url.indexOf("/", authority);
  const pathname = slash === -1 || slash > pathEnd ? "/" : url.slice(slash, pathEnd);
  return { pathname, query: url.slice(pathEnd + 1, end) };
}
