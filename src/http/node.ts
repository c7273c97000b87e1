/**
 * Mounting on a `node:http` server: what is read of its request and done with its socket, as
 * structures, and how an `upgrade` event becomes a request like any other.
 */

import { errorResponse, STATUS_CODE } from "./responses.ts";
import type { UpgradeHandler } from "./upgrade.ts";
import { splitUrl } from "./url.ts";

/** What is read of a `node:http` request (`IncomingMessage`). */
export interface NodeRequest {
  /** The path and the query. */
  readonly url?: string | undefined;
  /** The method, in capitals. */
  readonly method?: string | undefined;
  /** The headers, by lower-case name. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** What is done with the socket of a `node:http` request. */
export interface NodeSocket {
  /** The address of the client, or of the proxy in front. */
  readonly remoteAddress?: string | undefined;
  /** Whether the connection is gone, or Deno has taken it over. */
  destroyed: boolean;
  /** Stops reading. */
  pause(): unknown;
  /** Goes on reading. */
  resume(): unknown;
  /** Ends the connection, and tells its server. */
  destroy(): unknown;
  /** Hears of errors; one that nobody hears of ends the process. */
  on(event: "error", listener: () => void): unknown;
  /** Sends a text and ends the connection. */
  end(text: string): unknown;
}

/** The URL of a request target, which may be a URL already (RFC 9112, section 3.2.2). */
export function toUrl(target = "/"): string {
  return target.startsWith("http://") ? target : `http://localhost${target}`;
}

/** A node request as a standard one, or `null` when it cannot be. */
function toRequest({ url = "/", method = "GET", headers }: NodeRequest): Request | null {
  try {
    const request = new Request(toUrl(url), { method });
    for (const [name, value] of Object.entries(headers)) {
      for (const one of [value ?? []].flat()) request.headers.append(name, one);
    }
    return request;
  } catch {
    return null;
  }
}

/** Answers on the socket itself, and ends it, unless the answer was an upgrade. */
async function writeResponse(socket: NodeSocket, response: Response): Promise<void> {
  if (response.status === STATUS_CODE.SwitchingProtocols) return;
  const body = await response.text();
  response.headers.set("connection", "close");
  response.headers.set("content-length", String(new TextEncoder().encode(body).byteLength));
  const headers = [...response.headers].map(([name, value]) => `${name}: ${value}\r\n`).join("");
  socket.end(`HTTP/1.1 ${response.status} ${response.statusText}\r\n${headers}\r\n${body}`);
  socket.resume(); // Or its file descriptor stays open when the client has left.
}

/**
 * Tells a node server that the connection of an upgraded socket is gone. Deno takes the connection
 * out of the socket and only marks that as destroyed: the server's `close()` would wait for ever.
 */
function release(socket: NodeSocket): void {
  socket.destroyed = false;
  socket.destroy();
}

/** Options of {@linkcode createNodeUpgrade}. */
export interface NodeUpgradeOptions {
  readonly upgrade: UpgradeHandler;
  /** Whether the handler answers this pathname. */
  readonly isOurs: (pathname: string) => boolean;
  /** Seconds without a sign of life after which Deno closes a socket. */
  readonly idleTimeout: number;
}

/** Creates the function that answers the `upgrade` event of a `node:http` server. */
export function createNodeUpgrade(
  { upgrade, isOurs, idleTimeout }: NodeUpgradeOptions,
): (req: NodeRequest, socket: NodeSocket, head: Uint8Array) => boolean {
  return (req, socket, head) => {
    if (!isOurs(splitUrl(toUrl(req.url)).pathname)) return false;
    const request = toRequest(req);
    socket.on("error", () => {}); // Or a client's reset ends the process.
    socket.pause(); // Or Deno loses the client's first message.
    const response = request === null
      ? errorResponse(STATUS_CODE.BadRequest, "The request is malformed")
      : upgrade(request, socket.remoteAddress, (protocol) => {
        // One name alone: Deno reads a list only with a space after each comma.
        if (protocol !== undefined) request.headers.set("sec-websocket-protocol", protocol);
        const upgraded = Deno.upgradeWebSocket(request, {
          ...{ socket, head, idleTimeout } as Deno.UpgradeWebSocketOptions,
          ...(protocol === undefined ? {} : { protocol }),
        });
        upgraded.socket.addEventListener("close", () => release(socket), { once: true });
        return upgraded;
      });
    if (response instanceof Promise) response.then((settled) => writeResponse(socket, settled));
    else writeResponse(socket, response);
    return true;
  };
}
