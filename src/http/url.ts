/** The parts of a request's URL, without the cost of a `URL` object and without a throw. */

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
