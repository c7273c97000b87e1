/**
 * What a Redis URL may be. The settings and the Redis backplane both check it before a client reads
 * it in another way, such as a part of the password as the host. A message never shows a URL.
 */

const EXAMPLE = "rediss://user:password@host:6379/0";

/**
 * Checks a Redis URL.
 *
 * @param text `redis://` or `rediss://` (TLS), with a user, a password, a port and the number of a
 * database if they are needed.
 * @returns The URL.
 * @throws {TypeError} It is none, or has a character that must be encoded; the message says how.
 */
export function checkRedisUrl(text: string): URL {
  const url = URL.parse(text);
  if (!/^rediss?:\/\//i.test(text)) {
    throw new TypeError("A Redis URL begins with redis:// or rediss:// (TLS)");
  }
  const isReadable = url !== null && url.hostname !== "" && url.search === "" && url.hash === "" &&
    url.port !== "0" && /^\/?\d*$/.test(url.pathname) && isDecodable(url.username) &&
    isDecodable(url.password);
  if (!isReadable) {
    throw new TypeError(
      `A Redis URL looks like ${EXAMPLE}; in the user name and the password write % as %25, / as ` +
        "%2F, # as %23, ? as %3F and @ as %40",
    );
  }
  return url;
}

/**
 * Checks what keys and channels begin with.
 *
 * @throws {TypeError} It is empty, or has a brace or a control character such as a line break.
 */
export function checkRedisPrefix(prefix: unknown): string {
  if (typeof prefix === "string" && /^[^\p{Cc}{}]+$/u.test(prefix)) return prefix;
  throw new TypeError("The prefix must be a non-empty text without braces and control characters");
}

/** The number of the database that a Redis URL names. */
export function databaseOf({ pathname }: URL): string {
  return String(Number(pathname.slice(1)));
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
