/**
 * The signaling handler: upgrades who wants to connect and starts a session for it. It owns the
 * keys, the rooms and the sockets of one server, and no listener: a host mounts `fetch` or
 * `handleUpgrade` where it likes.
 */

import { admit, type Authorize, consumerGate, type Gate, readCredentials } from "./admission.ts";
import { issueToken, type IssueTokenRequest, type IssueTokenResponse } from "./auth.ts";
import { type Clock, systemClock } from "./clock.ts";
import { Connections } from "./connections.ts";
import { type ConsumerAuthConfig, makeConsumerVerifier } from "./consumer_auth.ts";
import type { SessionContext } from "./context.ts";
import { Director } from "./director.ts";
import { decodePublicJwk, type KeyPair, loadKeyPairFromEnv, type PublicJwk } from "./keys.ts";
import { type Logger, neverThrowing, silentLogger } from "./logger.ts";
import { Negotiations } from "./negotiations.ts";
import {
  type NodeRequest,
  type NodeSocket,
  release,
  toRequest,
  toUrl,
  writeResponse,
} from "./node.ts";
import { SignalingRegistry } from "./registry.ts";
import { errorResponse, methodNotAllowed, STATUS_CODE } from "./responses.ts";
import { Session } from "./session.ts";
import { splitUrl } from "./url.ts";

/** Options of {@linkcode createSignalingHandler}. */
export interface SignalingHandlerConfig {
  /**
   * Whether a client has to show that it may join. Turn it off for local development only.
   *
   * @default {true}
   */
  authEnabled?: boolean;
  /**
   * Base64 of the private Ed25519 JWK's JSON; required unless `authEnabled` is `false` or
   * `authorize` is given.
   */
  privateKeyJwk?: string | undefined;
  /** Base64 of the public Ed25519 JWK's JSON; derived from the private key when absent. */
  publicKeyJwk?: string | undefined;
  /** Lets clients in by the host's own means, instead of room tokens. */
  authorize?: Authorize;
  /**
   * How consumer tokens are verified. When absent, consumers are refused with authentication and
   * need no token without.
   */
  consumerAuth?: ConsumerAuthConfig;
  /**
   * Milliseconds until a client that has shown no room token has to register as a consumer; 0 waits
   * for ever.
   *
   * @default {10000}
   */
  registerTimeoutMs?: number;
  /**
   * Seconds without a sign of life after which a socket is closed and its peer removed; a ping is
   * sent after half of them.
   *
   * @default {30}
   */
  idleTimeoutSeconds?: number;
  /**
   * The pathname that the handler answers; `null` takes every request it is given.
   *
   * @default {"/signal"}
   */
  path?: string | null;
  /** Where the handler reports what happens; silent when absent. */
  logger?: Logger;
  /** The time; the machine's when absent. */
  clock?: Clock;
}

/** What a handler has to do at the moment, and has done. */
export interface SignalingStats {
  /** Whether joining needs authentication. */
  readonly auth: "enabled" | "disabled";
  /** Peers that have joined. */
  readonly peers: number;
  /** Rooms with a peer in them. */
  readonly rooms: number;
  /** Sockets that are open and have not joined. */
  readonly pending: number;
  /** Sockets that were told to close and have not gone yet. */
  readonly closing: number;
  /** Answers that were not relayed, because their offer had been answered. */
  readonly duplicateAnswers: number;
  /** Peer lists that were sent because an offer was not answered. */
  readonly heals: number;
}

/** A signaling endpoint that a host can mount. */
export interface SignalingHandler {
  /** The pathname that the handler answers, or `null` if it answers all. */
  readonly path: string | null;
  /**
   * Answers a request for the handler's path, by upgrading it to a WebSocket if it asks for that;
   * resolves to `null` for any other path, so that the host's routes stay in charge.
   *
   * @param request The request, as `Deno.serve` gave it.
   * @param info What `Deno.serve` gave along with it.
   */
  fetch(request: Request, info?: unknown): Promise<Response | null>;
  /**
   * Does the same for the `upgrade` event of a `node:http` server under Deno. Call it in the
   * listener itself, not later.
   *
   * @param req The request.
   * @param socket Its socket, which the handler takes over.
   * @param head What came behind the request.
   * @returns `false`, with the socket untouched, for any other path.
   */
  handleUpgrade(req: NodeRequest, socket: NodeSocket, head: Uint8Array): boolean;
  /**
   * Mints a room token; see {@linkcode issueToken}.
   *
   * @throws {TypeError} Clients are not let in by room tokens, so that there is no key.
   */
  issueToken(request: IssueTokenRequest): Promise<IssueTokenResponse>;
  /** The public key that verifies room tokens, or `null` when there are none. */
  publicJwk(): PublicJwk | null;
  /** What there is to do at the moment. */
  stats(): SignalingStats;
  /**
   * Refuses new connections, closes every socket with 1001, and waits until all have gone, at most
   * `graceMs` milliseconds (300 by default). Safe to call twice.
   */
  close(options?: { graceMs?: number }): Promise<void>;
}

const MESSAGE_LIMITS = {
  maxMessageBytes: 65536,
  maxEarlyLength: 65536,
  maxSendBufferBytes: 1048576,
};

const CLOSE_GRACE_MS = 300;

/** RFC 6455, section 4.4. */
const WEBSOCKET_VERSION = "13";

/**
 * Creates a signaling handler.
 *
 * @param config See {@linkcode SignalingHandlerConfig}.
 * @returns The handler.
 * @throws {TypeError} Authentication is on and there is neither `privateKeyJwk` nor `authorize`, or
 * `consumerAuth` is not usable.
 * @throws {InvalidKeyError} A key cannot be read, or the two are not partners.
 *
 * @example Beside routes of your own
 * ```ts
 * import { createSignalingHandler, generateKeyPairJwk } from "@aikofy/client-db-sync";
 * import { assertEquals } from "@std/assert";
 *
 * const signaling = await createSignalingHandler(await generateKeyPairJwk());
 * const app = async (request: Request) =>
 *   await signaling.fetch(request) ?? new Response("My own page");
 *
 * assertEquals(await (await app(new Request("http://localhost/"))).text(), "My own page");
 * assertEquals((await app(new Request("http://localhost/signal"))).status, 426);
 * await signaling.close();
 * ```
 */
export async function createSignalingHandler(
  config: SignalingHandlerConfig = {},
): Promise<SignalingHandler> {
  const { authEnabled = true, path = "/signal", clock = systemClock } = config;
  const logger = neverThrowing(config.logger ?? silentLogger);
  const { idleTimeoutSeconds: idleTimeout = 30, registerTimeoutMs = 10_000 } = config;
  const keys = authEnabled && config.authorize === undefined ? await loadKeys(config) : null;
  const publicJwk = keys && decodePublicJwk(keys.publicKeyJwk);
  const gate = gateOf(config, keys);
  const verifyConsumer = config.consumerAuth && makeConsumerVerifier(config.consumerAuth, logger);
  const negotiations = new Negotiations(clock);
  const director = new Director(clock);
  const registry = new SignalingRegistry(
    negotiations,
    (room, peer) => director.changed(room, peer),
  );
  const connections = new Connections(clock, idleTimeout * 500);
  let closing = false;
  const context: SessionContext = {
    registry,
    director,
    connections,
    consumers: consumerGate(verifyConsumer, !authEnabled),
    clock,
    logger,
    limits: { ...MESSAGE_LIMITS, registerTimeoutMs },
    isClosing: () => closing,
  };
  const isOurs = (pathname: string) => path === null || pathname === path;

  /**
   * Upgrades before any token is verified, in the same turn: Deno 2.9 keeps memory for ever for a
   * client that leaves between its request and its upgrade. (One that resets its connection in the
   * very same moment still costs a file descriptor.)
   */
  function connect(
    request: Request,
    upgrade: (protocol: string | undefined) => Deno.WebSocketUpgrade,
  ): Response {
    const { method, headers } = request;
    if (method !== "GET" && method !== "HEAD") return methodNotAllowed(["GET", "HEAD"]);
    if (
      method === "HEAD" || headers.get("upgrade")?.toLowerCase() !== "websocket" ||
      headers.get("sec-websocket-version") !== WEBSOCKET_VERSION
    ) {
      const message = `Connect to this path with a WebSocket of version ${WEBSOCKET_VERSION}`;
      return errorResponse(STATUS_CODE.UpgradeRequired, message, {
        upgrade: "websocket",
        "sec-websocket-version": WEBSOCKET_VERSION,
      });
    }
    if (closing) {
      return errorResponse(STATUS_CODE.ServiceUnavailable, "The server is shutting down");
    }
    const query = new URLSearchParams(splitUrl(request.url).query);
    const credentials = readCredentials(query, headers);
    if ("problem" in credentials) {
      return errorResponse(STATUS_CODE.BadRequest, credentials.problem);
    }
    const { token, protocol } = credentials;
    try {
      // Once it is upgraded, a request can no longer be read.
      const asked = gate.by === "host" ? copyOf(request) : request;
      const { socket, response } = upgrade(protocol);
      const mayConsume = verifyConsumer !== undefined;
      const admission = admit(
        gate,
        query,
        token,
        asked,
        mayConsume,
        (cause) => logger.error("authorize() failed", { cause: String(cause) }),
      );
      const { connection } = new Session(socket, admission, context);
      socket.addEventListener("open", connection);
      socket.addEventListener("message", connection);
      socket.addEventListener("close", connection);
      return response;
    } catch {
      return errorResponse(STATUS_CODE.BadRequest, "The WebSocket handshake is malformed");
    }
  }

  return {
    path,
    fetch(request) {
      if (!isOurs(splitUrl(request.url).pathname)) return Promise.resolve(null);
      const response = connect(request, (protocol) => {
        const upgraded = Deno.upgradeWebSocket(request, { idleTimeout });
        // Not by Deno's option: that takes a list of names only with a space behind each comma.
        if (protocol) upgraded.response.headers.set("sec-websocket-protocol", protocol);
        return upgraded;
      });
      return Promise.resolve(response);
    },
    handleUpgrade(req, socket, head) {
      if (!isOurs(splitUrl(toUrl(req.url)).pathname)) return false;
      const request = toRequest(req);
      socket.on("error", () => {}); // Or a client's reset ends the process.
      socket.pause(); // Or Deno loses the client's first message.
      const response = request === null
        ? errorResponse(STATUS_CODE.BadRequest, "The request is malformed")
        : connect(request, (protocol) => {
          // One name alone: Deno reads a list only with a space behind each comma.
          if (protocol !== undefined) request.headers.set("sec-websocket-protocol", protocol);
          const upgraded = Deno.upgradeWebSocket(request, {
            ...{ socket, head, idleTimeout } as Deno.UpgradeWebSocketOptions,
            ...(protocol === undefined ? {} : { protocol }),
          });
          upgraded.socket.addEventListener("close", () => release(socket), { once: true });
          return upgraded;
        });
      if (response.status !== STATUS_CODE.SwitchingProtocols) writeResponse(socket, response);
      return true;
    },
    async issueToken(request) {
      if (keys === null) {
        throw new TypeError("Clients are not let in by room tokens: there is no key to sign with");
      }
      return await issueToken(keys.privateKey, request);
    },
    publicJwk: () => publicJwk,
    stats: () => ({
      auth: authEnabled ? "enabled" : "disabled",
      peers: registry.peers,
      rooms: registry.rooms,
      pending: connections.open - registry.peers,
      closing: connections.closing,
      duplicateAnswers: negotiations.duplicateAnswers,
      heals: negotiations.heals,
    }),
    async close({ graceMs = CLOSE_GRACE_MS } = {}) {
      closing = true;
      negotiations.close();
      await connections.shutDown(graceMs);
    },
  };
}

function loadKeys(config: SignalingHandlerConfig): Promise<KeyPair> {
  if (config.privateKeyJwk === undefined) {
    throw new TypeError(
      "`privateKeyJwk` is required: make one with generateKeyPairJwk(), or set `authEnabled` to " +
        "false for local development",
    );
  }
  return loadKeyPairFromEnv(config.privateKeyJwk, config.publicKeyJwk);
}

function gateOf({ authEnabled, authorize }: SignalingHandlerConfig, keys: KeyPair | null): Gate {
  if (authEnabled === false) return { by: "nothing" };
  if (authorize !== undefined) return { by: "host", authorize };
  return keys ? { by: "room token", publicKey: keys.publicKey } : { by: "nothing" };
}

function copyOf(request: Request): Request {
  return new Request(request.url, { headers: request.headers });
}
