/** Which web pages may connect (RFC 6454, RFC 6455 section 10.2): browsers say theirs, others need not. */

/** Tells whether a request with this `Origin` header may connect. */
export type OriginCheck = (origin: string | null) => boolean;

/** `scheme://host`, with a port if it is not the scheme's; `*` may stand for one leading label. */
const PATTERN = /^([a-z][a-z0-9+.-]*:\/\/)(\*\.)?([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:\d{1,5})?$/;

/**
 * Creates a check of origins.
 *
 * @param allowed Origins such as `https://app.example.com` and `https://*.example.com`, or `null`
 * for pages without one; when absent, any.
 * @returns The check. Requests without the header, which browsers always send, pass.
 * @throws {TypeError} One is no origin.
 */
export function createOriginCheck(allowed: readonly string[] | undefined): OriginCheck {
  if (allowed === undefined) return () => true;
  const exact = new Set<string>();
  const wildcards: { start: string; end: string }[] = [];
  for (const text of allowed) {
    const [, scheme = "", star, host = "", port = ""] = PATTERN.exec(text.toLowerCase()) ?? [];
    const written = `${scheme}${star === undefined ? "" : "label."}${host}${port}`;
    const one = URL.parse(written);
    if ((one === null || scheme === "" || host.includes("..")) && text !== "null") {
      throw new TypeError(
        "An origin must look like https://app.example.com or https://*.example.com, not " +
          JSON.stringify(text),
      );
    }
    // As browsers write it: without the port that the scheme has anyway.
    const origin = one === null || one.origin === "null" ? written || text : one.origin;
    if (star === undefined) exact.add(origin);
    else wildcards.push({ start: scheme, end: origin.slice(`${scheme}label`.length) });
  }
  return (origin) => {
    if (origin === null || exact.has(origin)) return true;
    return wildcards.some(({ start, end }) =>
      origin.startsWith(start) && origin.endsWith(end) &&
      /^[a-z0-9_-]+$/.test(origin.slice(start.length, origin.length - end.length))
    );
  };
}
