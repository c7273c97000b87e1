/**
 * Mounting on a `node:http` server: what is read of its request and done with its socket, as
 * structures, and how an `upgrade` event becomes a request like any other.
 */

import { denoIdleTimeout } from "../sessions/idle_timeout.ts";
import { STATUS_CODE } from "./responses.ts";
import type { UpgradeHandler } from "./upgrade.ts";
import { hasValidUrl, splitUrl } from "./url.ts";

/** What is read of a `node:http` request (`IncomingMessage`). */
export interface NodeRequest {
  /** The path and the query. */
  readonly url?: string | undefined;
  /** The method, in capitals. */
  readonly method?: string | undefined;
  /** The headers, by lower-case name. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The names and values of the headers in turn, as they came. */
  readonly rawHeaders?: readonly string[] | undefined;
}

/** What is done with the socket of a `node:http` request. */
export interface NodeSocket {
  /** The address of the client, or of the proxy in front. */
  readonly remoteAddress?: string | undefined;
  /** Whether the connection is closed, or Deno has taken it over. */
  destroyed: boolean;
  /** Stops reading. */
  pause(): unknown;
  /** Goes on reading. */
  resume(): unknown;
  /** Ends the connection, and tells its server. */
  destroy(): unknown;
  /** Adds a listener of errors; an error without a listener ends the process. */
  on(event: "error", listener: () => void): unknown;
  /** Sends a text and ends the connection. */
  end(text: string): unknown;
}

/** A request target that is a URL already, with an authority (RFC 9112, section 3.2.2). */
const ABSOLUTE = /^[a-z][a-z\d+.-]*:\/\/[^/?#]/i;

/** The URL of a request target. */
export function toUrl(target = "/"): string {
  return ABSOLUTE.test(target) ? target : `http://localhost${target}`;
}

/** A node request as a standard one, or `null` when it cannot be. */
function toRequest(
  { url = "/", method = "GET", headers, rawHeaders = [] }: NodeRequest,
): Request | null {
  // Of several, `headers` has the first alone.
  const hosts = rawHeaders.filter((name, n) => n % 2 === 0 && name.toLowerCase() === "host");
  if (hosts.length > 1) return null;
  try {
    const request = new Request(toUrl(url), { method });
    for (const [name, value] of Object.entries(headers)) {
      for (const one of [value ?? []].flat()) request.headers.append(name, one);
    }
    return hasValidUrl(request) ? request : null;
  } catch {
    return null;
  }
}

/** Answers on the socket itself, and ends it, unless the answer was an upgrade. */
async function writeResponse(
  socket: NodeSocket,
  response: Response,
  hasBody: boolean,
): Promise<void> {
  if (response.status === STATUS_CODE.SwitchingProtocols) return;
  const body = await response.text();
  response.headers.set("connection", "close");
  response.headers.set("content-length", String(new TextEncoder().encode(body).byteLength));
  const headers = [...response.headers].map(([name, value]) => `${name}: ${value}\r\n`).join("");
  socket.end(
    `HTTP/1.1 ${response.status} ${response.statusText}\r\n${headers}\r\n${hasBody ? body : ""}`,
  );
  socket.resume(); // Or its file descriptor stays open when the client has left.
}

/**
 * Tells a node server that the connection of an upgraded socket is closed. Deno takes the connection
 * out of the socket and only marks that as destroyed: the server's `close()` would wait for ever.
 */
function release(socket: NodeSocket): void {
  socket.destroyed = false;
  socket.destroy();
}

/** Options of {@linkcode createNodeUpgrade}. */
export interface NodeUpgradeOptions {
  readonly upgrade: UpgradeHandler;
  /** Answers a request whose head is malformed. */
  readonly refuseMalformed: (remote: string | undefined) => Response;
  /** Whether the handler answers this pathname. */
  readonly isOurs: (pathname: string) => boolean;
  /** Seconds without a sign of life after which a client counts as dead. */
  readonly idleTimeoutSeconds: number;
}

/** Creates the function that answers the `upgrade` event of a `node:http` server. */
export function createNodeUpgrade(
  { upgrade, refuseMalformed, isOurs, idleTimeoutSeconds }: NodeUpgradeOptions,
): (req: NodeRequest, socket: NodeSocket, head: Uint8Array) => boolean {
  return (req, socket, head) => {
    if (!isOurs(splitUrl(toUrl(req.url)).pathname)) return false;
    const request = toRequest(req);
    socket.on("error", () => {}); // Or a client's reset ends the process.
    socket.pause(); // Or Deno loses the client's first message.
    const response = request === null
      ? refuseMalformed(socket.remoteAddress)
      : upgrade(request, socket.remoteAddress, (protocol) => {
        // One name alone: Deno reads a list only with a space after each comma.
        if (protocol !== undefined) request.headers.set("sec-websocket-protocol", protocol);
        const upgraded = Deno.upgradeWebSocket(request, {
          ...{
            socket,
            head,
            idleTimeout: denoIdleTimeout(idleTimeoutSeconds),
          } as Deno.UpgradeWebSocketOptions,
          ...(protocol === undefined ? {} : { protocol }),
        });
        upgraded.socket.addEventListener("close", () => release(socket), { once: true });
        return upgraded;
      });
    const write = (settled: Response) => writeResponse(socket, settled, req.method !== "HEAD");
    if (response instanceof Promise) response.then(write);
    else write(response);
    return true;
  };
}
