/**
 * Where a deployment is, from its URL as a person pastes it: a client's `wss://host/signal?token=…`, a
 * page's `https://host/prefix`, or a host alone. It asks nobody.
 */

/** The path of the WebSocket, unless a client's URL names another. */
const SIGNAL = "/signal";

/** A deployment. */
export interface Target {
  readonly isSecure: boolean;
  /** A name or an address, an IPv6 address without its brackets. */
  readonly hostname: string;
  readonly port: number;
  /** As in the `Host` header: without the port that the scheme has anyway. */
  readonly host: string;
  /** Where the HTTP routes begin: `https://host/prefix`, without a slash at the end. */
  readonly base: string;
  /** The path of the WebSocket. */
  readonly signalPath: string;
  /** What the pasted URL had after its question mark, but what doctor sets itself. */
  readonly query: URLSearchParams;
  /** From the pasted URL. */
  readonly token: string | undefined;
  /** From the pasted URL. */
  readonly room: string | undefined;
  /** The WebSocket's URL without its query, which may contain a token. */
  readonly shown: string;
}

/**
 * Reads a pasted URL.
 *
 * A host alone is reached over TLS, unless it is this machine. A path that does not end in `/signal` is
 * a prefix, or, in a `ws:` or `wss:` URL, the path of the WebSocket.
 *
 * @param text What was pasted.
 * @returns The deployment.
 * @throws {TypeError} It is no URL of a server; the message does not show it.
 */
export function parseTarget(text: string): Target {
  const url = URL.parse(withScheme(text.trim()));
  if (url === null || url.hostname === "") {
    throw new TypeError("the URL must look like https://signal.example.com or a host alone");
  }
  const isClientUrl = /^wss?:$/.test(url.protocol);
  if (!isClientUrl && !/^https?:$/.test(url.protocol)) {
    throw new TypeError("the URL must begin with https:, wss:, http: or ws:, or be a host alone");
  }
  if (url.username !== "" || url.password !== "") {
    throw new TypeError("the URL must have no user and no password");
  }
  const isSecure = /^(https|wss):$/.test(url.protocol);
  const { prefix, signalPath } = readPath(url.pathname, isClientUrl);
  const [token, room] = ["token", "room"].map((name) => url.searchParams.get(name) ?? undefined);
  for (const name of ["token", "room", "nodeId"]) url.searchParams.delete(name);
  return {
    isSecure,
    hostname: url.hostname.replace(/^\[|\]$/g, ""),
    port: Number(url.port) || (isSecure ? 443 : 80),
    host: url.host,
    base: `${isSecure ? "https" : "http"}://${url.host}${prefix}`,
    signalPath,
    query: url.searchParams,
    token,
    room,
    shown: `${isSecure ? "wss" : "ws"}://${url.host}${signalPath}`,
  };
}

/** Whether a host is this machine by its name or address. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname.endsWith(".localhost") || hostname === "::1" ||
    /^(::ffff:)?127\./.test(hostname);
}

function withScheme(text: string): string {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return text;
  const hostname = URL.parse(`http://${text}`)?.hostname.replace(/^\[|\]$/g, "");
  return `${hostname !== undefined && isLoopback(hostname) ? "http" : "https"}://${text}`;
}

function readPath(pathname: string, isClientUrl: boolean) {
  const path = pathname.replace(/\/+$/, "");
  if (path.endsWith(SIGNAL)) return { prefix: path.slice(0, -SIGNAL.length), signalPath: path };
  if (!isClientUrl || path === "") return { prefix: path, signalPath: path + SIGNAL };
  return { prefix: path.slice(0, path.lastIndexOf("/")), signalPath: pathname };
}
