/**
 * The listener of the standalone server: keeps listening when the system refuses connections, and can
 * be stopped in a bounded time. What it answers is not its concern.
 */

import type { Clock, Timer } from "../runtime/clock.ts";
import { failureFields, type Logger } from "../runtime/logger.ts";
import { STATUS_CODE } from "./responses.ts";

/** Where a server listens. */
export interface ListenAddress {
  /** The address; the path of a Unix socket. */
  readonly host: string;
  /** The port, never 0 for TCP; 0 on a Unix socket. */
  readonly port: number;
  /** How to reach it from the same machine, such as `http://127.0.0.1:8080` or `unix:/run/socket`. */
  readonly url: string;
  /** How operators reach the internal port from the same machine, if there is one. */
  readonly internalUrl?: string;
}

/** Answers a request; never throws and never rejects. */
type Fetch = (request: Request, info: Deno.ServeHandlerInfo) => Response | Promise<Response>;

/** How long running requests may take to finish once every socket has been told to close. */
const REQUEST_GRACE_MS = 400;

/** How long an answer that Deno calls sent may take to leave the process. */
const FLUSH_MS = 50;

/** How long to wait before listening again after the system refused to accept a connection. */
const RELISTEN_MS = 200;

/** Options of {@linkcode Listener}. */
export interface ListenerOptions {
  readonly fetch: Fetch;
  /** Called when the system refused to accept a connection. */
  readonly onFailure: () => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * A `Deno.serve` that goes on listening and can be stopped. Deno ends the accept loop for good when
 * the process runs out of file descriptors, while the connections that it has go on; and its own
 * `shutdown()` waits for ever on a client that left in the middle of its handshake.
 */
export class Listener {
  readonly #options: ListenerOptions;
  #server: Deno.HttpServer<Deno.Addr> | undefined;
  #abort = new AbortController();
  #retry: Timer | undefined;
  #running = 0;
  #whenIdle: (() => void) | undefined;

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  /**
   * Starts listening. Where `DENO_SERVE_ADDRESS` is set, Deno listens there instead.
   *
   * @throws {TypeError} The runtime is not Deno.
   */
  listen(hostname: string, port: number): ListenAddress {
    if (!("Deno" in globalThis)) throw new TypeError("Listening needs Deno");
    return describe(this.#serve(hostname, port).addr);
  }

  /** Gives running requests a while to be answered, then ends every connection. */
  async close(): Promise<void> {
    if (this.#retry !== undefined) this.#options.clock.clearTimeout(this.#retry);
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    await this.#idle();
    await new Promise<void>((resolve) => this.#options.clock.setTimeout(resolve, FLUSH_MS));
    this.#abort.abort();
    await server.finished;
  }

  #serve(hostname: string, port: number): Deno.HttpServer<Deno.Addr> {
    const abort = new AbortController();
    const server = Deno.serve(
      { hostname, port, signal: abort.signal, onListen() {} },
      (request, info) => this.#answer(request, info),
    );
    this.#server = server;
    this.#abort = abort;
    server.finished.catch((cause) => {
      if (this.#server !== server) return;
      this.#server = undefined;
      this.#options.logger.error("The listener failed; listening again", failureFields(cause));
      this.#options.onFailure();
      this.#serveAgain(hostname, describe(server.addr).port || port);
    });
    return server;
  }

  #serveAgain(hostname: string, port: number): void {
    this.#retry = this.#options.clock.setTimeout(() => {
      try {
        this.#serve(hostname, port);
      } catch (cause) {
        this.#options.logger.error(
          "Listening again failed; trying once more",
          failureFields(cause),
        );
        this.#serveAgain(hostname, port);
      }
    }, RELISTEN_MS);
  }

  /** Resolves once no request is running, or once they have had their time. */
  #idle(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#running === 0) return resolve();
      const timer = this.#options.clock.setTimeout(resolve, REQUEST_GRACE_MS);
      this.#whenIdle = () => {
        this.#options.clock.clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Counts a request until its answer is sent; an upgraded socket is the handler's to close. */
  #answer(request: Request, info: Deno.ServeHandlerInfo): Response | Promise<Response> {
    this.#running++;
    const response = this.#options.fetch(request, info);
    return response instanceof Promise
      ? response.then((settled) => this.#send(settled, info))
      : this.#send(response, info);
  }

  #send(response: Response, info: Deno.ServeHandlerInfo): Response {
    if (response.status === STATUS_CODE.SwitchingProtocols) this.#answered();
    else info.completed.then(() => this.#answered(), () => this.#answered());
    return response;
  }

  #answered(): void {
    if (--this.#running === 0) this.#whenIdle?.();
  }
}

/** An address of any transport: a platform may rebind the listener to a Unix or vsock socket. */
function describe(addr: Deno.Addr): ListenAddress {
  switch (addr.transport) {
    case "tcp":
    case "udp": {
      const { hostname: host, port } = addr;
      return { host, port, url: localUrl(host, port) };
    }
    case "vsock": {
      const host = String(addr.cid);
      const url = `vsock:${host}:${addr.port}`;
      return { host, port: addr.port, url };
    }
    default: {
      const { path } = addr;
      return { host: path, port: 0, url: `unix:${path}` };
    }
  }
}

/** A URL for this machine: a server listens on an unspecified address, but no client reaches it. */
function localUrl(hostname: string, port: number): string {
  const host = hostname === "0.0.0.0" ? "127.0.0.1" : hostname === "::" ? "::1" : hostname;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}
