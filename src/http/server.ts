/**
 * The standalone server: a signaling handler, its routes and a listener, and how they stop together.
 */

import { fitsHeader } from "../access/secrets.ts";
import { systemClock } from "../runtime/clock.ts";
import { callHost } from "../runtime/host_call.ts";
import { failureFields } from "../runtime/logger.ts";
import { DEFAULTS } from "../runtime/defaults.ts";
import { createHandlerParts } from "./handler.ts";
import type {
  SignalingHandler,
  SignalingHandlerOptions,
  SignalingStats,
} from "./handler_options.ts";
import { checkInteger } from "../runtime/integer.ts";
import { InternalListenError } from "./internal_listen_error.ts";
import { checkOptionNames } from "../runtime/option_checks.ts";
import { HANDLER_OPTIONS } from "./option_names.ts";
import { type ListenAddress, Listener } from "./listener.ts";
import { createRoutes } from "./routes.ts";

export type { ListenAddress };

const MAX_PORT = 65_535;

const SIGNAL_PATH = "/signal";

/** Options of {@linkcode createServer}. */
export interface ServerOptions extends Omit<SignalingHandlerOptions, "path"> {
  /**
   * The default port of `listen`; 0 chooses a free one.
   *
   * @default {8080}
   */
  port?: number;
  /**
   * The secret that `POST /token` asks for, and `GET /metrics` unless there is an `internalPort`;
   * required unless `authEnabled` is `false` or `authorize` is given. Then there is no `POST /token`,
   * and no `GET /metrics` without the secret.
   */
  adminSecret?: string | undefined;
  /**
   * A port for operators: `/metrics` without a secret, and the probes. What is there is no longer on
   * the other port; 0 chooses a free one. No such port when absent.
   */
  internalPort?: number | undefined;
  /**
   * The address to listen on for operators: whoever reaches it can read the metrics.
   *
   * @default {"127.0.0.1"}
   */
  internalHost?: string;
  /**
   * Whether `GET /` answers the page that tries connections although there is authentication; without
   * authentication it does so in any case.
   *
   * @default {false}
   */
  playground?: boolean;
  /**
   * Called when the process has run out of file descriptors and most of them are lost for good to a
   * defect of Deno 2.9 (see `neverOpened` in `SignalingStats`): only a new process can accept clients again.
   */
  onExhausted?: () => void;
}

/** Where to listen. */
export interface ListenOptions {
  /** The port; 0 chooses a free one. The default is the `port` option of the server. */
  port?: number;
  /**
   * The address to listen on.
   *
   * @default {"0.0.0.0"}, or `"127.0.0.1"` where `authEnabled` is `false`
   */
  host?: string;
}

/** A standalone signaling server. */
export interface SignalingServer extends AsyncDisposable {
  /**
   * Starts listening.
   *
   * @param options Where.
   * @returns Where it listens, with the port it got, and for operators if there is an `internalPort`.
   * @throws {TypeError} It listens already or has been closed.
   * @throws {Deno.errors.AddrInUse} Something else listens there.
   * @throws {Deno.errors.NotCapable} The permission to listen there is missing.
   * @throws {InternalListenError} The same for the internal port; `cause` says which.
   */
  listen(options?: ListenOptions): Promise<ListenAddress>;
  /**
   * Answers one request, for hosts that bring their own listener.
   *
   * @param request The request.
   * @param info What `Deno.serve` gave along with it: limits per address need its `remoteAddr`.
   */
  fetch(request: Request, info?: unknown): Promise<Response>;
  /** Distributes the rooms over other backplanes; see `setBackplane` of `SignalingHandler`. */
  setBackplane: SignalingHandler["setBackplane"];
  /** The numbers of peers, rooms and sockets, and what is wrong. */
  stats(): SignalingStats;
  /** What `GET /metrics` answers; see `metrics` of `SignalingHandler`. */
  metrics(): string;
  /**
   * Stops: says so at `/health`, refuses new clients, closes those that there are with 1001, spread
   * evenly over `drainMs` milliseconds (`drainSeconds` by default) and the consumers last, and ends
   * within a second after that. Safe to call twice.
   */
  close(options?: { drainMs?: number }): Promise<void>;
}

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
  checkNames(config);
  const {
    port: defaultPort = DEFAULTS.port,
    adminSecret,
    internalPort,
    internalHost = DEFAULTS.internalHost,
    onExhausted,
    playground = false,
    ...handlerConfig
  } = config;
  const { authEnabled = true, authorize, clock = systemClock } = handlerConfig;
  if (adminSecret !== undefined && typeof adminSecret !== "string") {
    throw new TypeError("`adminSecret` must be a string");
  }
  if (onExhausted !== undefined && typeof onExhausted !== "function") {
    throw new TypeError("`onExhausted` must be a function");
  }
  if (typeof playground !== "boolean") throw new TypeError("playground must be true or false");
  const usesRoomTokens = authEnabled && authorize === undefined;
  if (usesRoomTokens && !adminSecret) {
    throw new TypeError(
      "`adminSecret` is required: choose a long random one, or set `authEnabled` to false for " +
        "local development",
    );
  }
  if (adminSecret && !fitsHeader(adminSecret)) {
    throw new TypeError("`adminSecret` must be printable ASCII: it travels in an HTTP header");
  }
  if (internalPort !== undefined) checkInteger("internalPort", internalPort, MAX_PORT);
  const endpoint = await createHandlerParts({ ...handlerConfig, path: SIGNAL_PATH });
  const { handler, connections, logger } = endpoint;
  const defaultHost = authEnabled ? DEFAULTS.host : DEFAULTS.openHost;
  let draining = false;
  let listener: Listener | undefined;
  let internalListener: Listener | undefined;
  const { fetch, fetchInternal } = await createRoutes({
    endpoint,
    adminSecret: adminSecret || undefined,
    usesRoomTokens,
    hasInternalPort: internalPort !== undefined,
    hasPage: playground || !authEnabled,
    isDraining: () => draining,
    now: () => clock.now(),
  });

  function listenerFailed(): void {
    const fit = connections.reduceCapacity();
    if (fit < Infinity) {
      logger.error("Out of file descriptors: no more sockets for a minute", { fit });
    }
    if (connections.neverOpened > connections.size && onExhausted !== undefined) {
      callHost(onExhausted, (cause) => logger.error("onExhausted() failed", failureFields(cause)));
    }
  }

  async function stop(options?: { drainMs?: number }): Promise<void> {
    draining = true;
    await handler.close(options);
    await Promise.all([listener?.close(), internalListener?.close()]);
  }

  /** Listens for operators as well: after the other listener, since a platform moves the first one. */
  async function listenInternally(main: Listener): Promise<Partial<ListenAddress>> {
    if (internalPort === undefined) return {};
    const ownFailure = () => connections.reduceCapacity();
    const own = new Listener({ fetch: fetchInternal, onFailure: ownFailure, clock, logger });
    try {
      const { url: internalUrl } = own.listen(internalHost, internalPort);
      internalListener = own;
      return { internalUrl };
    } catch (cause) {
      await main.close();
      throw new InternalListenError("The internal port cannot be listened on", { cause });
    }
  }
  let stopped: Promise<void> | undefined;
  const close = (options?: { drainMs?: number }) => stopped ??= stop(options);

  return {
    async listen({ port = defaultPort, host = defaultHost } = {}) {
      if (listener !== undefined) throw new TypeError("The server has been told to listen already");
      if (draining) throw new TypeError("The server has been closed");
      listener = new Listener({ fetch, onFailure: listenerFailed, clock, logger });
      try {
        const address = listener.listen(host, port);
        if (!address.url.startsWith("http:")) endpoint.warnOfNoAddresses();
        return { ...address, ...await listenInternally(listener) };
      } catch (error) {
        listener = undefined;
        throw error;
      }
    },
    fetch: async (request, info) => await fetch(request, info),
    setBackplane: (backplane) => handler.setBackplane(backplane),
    stats: () => handler.stats(),
    metrics: () => handler.metrics(),
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}

const SERVER_OPTIONS: Readonly<
  Record<Exclude<keyof ServerOptions, keyof SignalingHandlerOptions>, true>
> = {
  port: true,
  adminSecret: true,
  internalPort: true,
  internalHost: true,
  playground: true,
  onExhausted: true,
};

/** A program may name the path that every server has. */
function checkNames(config: ServerOptions & { path?: unknown; host?: unknown }): void {
  checkOptionNames(config, [...HANDLER_OPTIONS, ...Object.keys(SERVER_OPTIONS), "host"]);
  if (config.host !== undefined) throw new TypeError("`host` is an option of listen()");
  if (config.path !== undefined && config.path !== SIGNAL_PATH) {
    throw new TypeError("The `path` of a server is /signal: mount createSignalingHandler instead");
  }
}
