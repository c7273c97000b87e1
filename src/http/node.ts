/**
 * The little of `node:http` that mounting takes, as structures: the request and the socket of an
 * `upgrade` event.
 */

import { STATUS_CODE } from "./responses.ts";

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
export function toRequest({ url = "/", method = "GET", headers }: NodeRequest): Request | null {
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
export async function writeResponse(socket: NodeSocket, response: Response): Promise<void> {
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
export function release(socket: NodeSocket): void {
  socket.destroyed = false;
  socket.destroy();
}
