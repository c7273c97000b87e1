/**
 * The standalone server: owns the listener, keeps it listening, and stops it. Routes and signaling
 * are others' work.
 */

import { fitsHeader } from "../access/secrets.ts";
import { type Clock, systemClock, type Timer } from "../runtime/clock.ts";
import { DEFAULTS } from "../runtime/defaults.ts";
import { createHandlerParts } from "./handler.ts";
import type { SignalingHandlerOptions, SignalingStats } from "./handler_options.ts";
import { type Logger, silentLogger } from "../runtime/logger.ts";
import { STATUS_CODE } from "./responses.ts";
import { createRoutes } from "./routes.ts";

/** Options of {@linkcode createServer}. */
export interface ServerOptions extends Omit<SignalingHandlerOptions, "path"> {
  /**
   * The port that `listen` takes unless told otherwise; 0 takes a free one.
   *
   * @default {8080}
   */
  port?: number;
  /**
   * The secret that `POST /token` asks for; required unless `authEnabled` is `false` or `authorize`
   * is given.
   */
  adminSecret?: string | undefined;
  /**
   * Called when the process has run out of file descriptors and most of them are lost for good to a
   * defect of Deno 2.9 (see `lost` of the stats): only a new process can accept clients again.
   */
  onExhausted?: () => void;
}

/** Where to listen. */
export interface ListenOptions {
  /** The port; 0 takes a free one. The default is the `port` of the server's configuration. */
  port?: number;
  /**
   * The address to listen on.
   *
   * @default {"0.0.0.0"}
   */
  host?: string;
}

/** Where a server listens. */
export interface ListenAddress {
  /** The address. */
  readonly host: string;
  /** The port, never 0. */
  readonly port: number;
  /** Where to reach it from the same machine, such as `http://127.0.0.1:8080`. */
  readonly url: string;
}

/** A standalone signaling server. */
export interface SignalingServer extends AsyncDisposable {
  /**
   * Starts listening.
   *
   * @param options Where.
   * @returns Where it listens, with the port it got.
   * @throws {TypeError} It listens already or has been closed.
   * @throws {Deno.errors.AddrInUse} Something else listens there.
   * @throws {Deno.errors.NotCapable} The permission to listen there is missing.
   */
  listen(options?: ListenOptions): Promise<ListenAddress>;
  /**
   * Answers one request, for hosts that bring their own listener.
   *
   * @param request The request.
   * @param info What `Deno.serve` gave along with it: limits per address need its `remoteAddr`.
   */
  fetch(request: Request, info?: unknown): Promise<Response>;
  /** What the server has to do at the moment. */
  stats(): SignalingStats;
  /**
   * Stops: says so at `/health`, refuses new clients, closes those that there are with 1001, spread
   * evenly over `graceMs` milliseconds (`drainSeconds` by default) and the consumers last, and ends
   * within a second after that. Safe to call twice.
   */
  close(options?: { drainMs?: number }): Promise<void>;
}

type Fetch = (request: Request, info: Deno.ServeHandlerInfo) => Promise<Response>;

/** How long running requests may take to finish once every socket has been told to close. */
const REQUEST_GRACE_MS = 400;

/** How long an answer that Deno calls sent may take to leave the process. */
const FLUSH_MS = 50;

/** How long to wait before listening again after the system refused to accept a connection. */
const RELISTEN_MS = 200;

/**
 * Creates a standalone signaling server.
 *
 * @param config See {@linkcode ServerOptions}.
 * @returns The server, which does not listen yet.
 * @throws {TypeError} Authentication is on and `adminSecret` or `privateKeyJwk` is missing.
 * @throws {InvalidKeyError} A key cannot be read, or the two are not a pair.
 *
 * @example
 * ```ts
 * import { createServer, generateKeyPairJwk } from "@aikofy/client-db-sync";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = await createServer({
 *   adminSecret: "a-strong-random-secret",
 *   ...await generateKeyPairJwk(),
 * });
 * const { url } = await server.listen({ port: 0, host: "127.0.0.1" });
 *
 * const response = await fetch(`${url}/health`);
 * assertEquals((await response.json()).auth, "enabled");
 * ```
 */
export async function createServer(config: ServerOptions = {}): Promise<SignalingServer> {
  const { port: defaultPort = DEFAULTS.port, adminSecret, onExhausted, ...handlerConfig } = config;
  const { authEnabled = true, authorize, logger = silentLogger, clock = systemClock } =
    handlerConfig;
  const usesRoomTokens = authEnabled && authorize === undefined;
  if (usesRoomTokens && !adminSecret) {
    throw new TypeError(
      "`adminSecret` is required: choose a long random one, or set `authEnabled` to false for " +
        "local development",
    );
  }
  if (usesRoomTokens && !fitsHeader(adminSecret ?? "")) {
    throw new TypeError("`adminSecret` must be printable ASCII: it travels in an HTTP header");
  }
  const endpoint = await createHandlerParts({ ...handlerConfig, path: "/signal" });
  const { handler, connections } = endpoint;
  let draining = false;
  let listener: Listener | undefined;
  const fetch = await createRoutes({
    endpoint,
    adminSecret: usesRoomTokens ? adminSecret : undefined,
    isDraining: () => draining,
    now: () => clock.now(),
    logger,
  });

  function listenerFailed(): void {
    const fit = connections.reduceCapacity();
    if (fit < Infinity) {
      logger.error("Out of file descriptors: no more sockets for a minute", { fit });
    }
    if (connections.neverOpened > connections.size) onExhausted?.();
  }

  async function stop(options?: { drainMs?: number }): Promise<void> {
    draining = true;
    await handler.close(options);
    await listener?.close();
  }
  let stopped: Promise<void> | undefined;
  const close = (options?: { drainMs?: number }) => stopped ??= stop(options);

  return {
    // deno-lint-ignore require-await -- a failure must be a rejection
    async listen({ port = defaultPort, host = DEFAULTS.host } = {}) {
      if (listener !== undefined) throw new TypeError("The server has been told to listen already");
      if (draining) throw new TypeError("The server has been closed");
      listener = new Listener({ fetch, onFailure: listenerFailed, clock, logger });
      try {
        return listener.listen(host, port);
      } catch (error) {
        listener = undefined;
        throw error;
      }
    },
    fetch,
    stats: () => handler.stats(),
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}

interface ListenerOptions {
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
class Listener {
  readonly #options: ListenerOptions;
  #server: Deno.HttpServer<Deno.NetAddr> | undefined;
  #abort = new AbortController();
  #retry: Timer | undefined;
  #running = 0;
  #whenIdle: (() => void) | undefined;

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  listen(hostname: string, port: number): ListenAddress {
    const { addr } = this.#serve(hostname, port);
    return { host: addr.hostname, port: addr.port, url: localUrl(addr) };
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

  #serve(hostname: string, port: number): Deno.HttpServer<Deno.NetAddr> {
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
      this.#options.logger.error("The listener failed; listening again", { cause: String(cause) });
      this.#options.onFailure();
      this.#serveAgain(hostname, server.addr.port);
    });
    return server;
  }

  #serveAgain(hostname: string, port: number): void {
    this.#retry = this.#options.clock.setTimeout(() => {
      try {
        this.#serve(hostname, port);
      } catch (cause) {
        this.#options.logger.error("Listening again failed; trying once more", {
          cause: String(cause),
        });
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
  async #answer(request: Request, info: Deno.ServeHandlerInfo): Promise<Response> {
    this.#running++;
    const sent = info.completed;
    const response = await this.#options.fetch(request, info);
    if (response.status === STATUS_CODE.SwitchingProtocols) this.#answered();
    else sent.then(() => this.#answered(), () => this.#answered());
    return response;
  }

  #answered(): void {
    if (--this.#running === 0) this.#whenIdle?.();
  }
}

/** A URL for this machine: the unspecified addresses are for listening, not for connecting. */
function localUrl({ hostname, port }: Deno.NetAddr): string {
  const host = hostname === "0.0.0.0" ? "127.0.0.1" : hostname === "::" ? "::1" : hostname;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}
