/**
 * The signaling handler: upgrades who wants to connect and starts a session for it. It owns the
 * keys, the rooms and the sockets of one server, and no listener: a host mounts `fetch` or
 * `handleUpgrade` where it likes.
 */

import { createAddressReader, remoteOf } from "./address.ts";
import type { AddressReader } from "./address.ts";
import { type Authorize, consumerGate, type Gate } from "./admission.ts";
import {
  issueToken,
  type IssueTokenRequest,
  type IssueTokenResponse,
  parseDuration,
} from "./auth.ts";
import { AuthGuard, FailureCount } from "./auth_guard.ts";
import { type Clock, systemClock } from "./clock.ts";
import { Connections } from "./connections.ts";
import { type ConsumerAuthConfig, makeConsumerVerifier } from "./consumer_auth.ts";
import type { SessionContext } from "./context.ts";
import { Director } from "./director.ts";
import { decodePublicJwk, type KeyPair, loadKeyPairFromEnv, type PublicJwk } from "./keys.ts";
import { type Limits, resolveLimits } from "./limits.ts";
import { type Logger, neverThrowing, silentLogger } from "./logger.ts";
import { MemoryWatch } from "./memory.ts";
import { Negotiations } from "./negotiations.ts";
import {
  type NodeRequest,
  type NodeSocket,
  release,
  toRequest,
  toUrl,
  writeResponse,
} from "./node.ts";
import { createOriginCheck } from "./origins.ts";
import { CLOSE } from "./protocol.ts";
import { SignalingRegistry } from "./registry.ts";
import { errorResponse, STATUS_CODE } from "./responses.ts";
import { createConnect } from "./upgrade.ts";
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
   * Bounds other than the defaults; each is documented there, and 0 is none.
   *
   * @default {DEFAULT_LIMITS}
   */
  limits?: Partial<Limits>;
  /**
   * Web pages that may connect: origins such as `https://app.example.com`, or
   * `https://*.example.com` for one label of any name; any when absent.
   */
  allowedOrigins?: readonly string[];
  /**
   * Addresses and CIDR ranges of the proxies in front, whose `X-Forwarded-For` is believed; none
   * when absent.
   */
  trustedProxies?: readonly string[];
  /** How long a room token may be valid at most, such as `"30d"`; any when absent. */
  maxTokenTtl?: string;
  /**
   * Seconds over which `close()` spreads the closes, so that not all clients come back at once.
   *
   * @default {3}
   */
  drainSeconds?: number;
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
  /** Sockets that have not joined. */
  readonly pending: number;
  /** Sockets that were told to close and have not gone yet. */
  readonly closing: number;
  /** Clients that reset their connection during the handshake: Deno keeps a file descriptor each. */
  readonly lost: number;
  /** Whether the process has more memory than `maxMemoryMb`, so that nobody new is let in. */
  readonly memory: "ok" | "exceeded";
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
   * @param info What `Deno.serve` gave along with it: limits per address need its `remoteAddr`.
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
   * Refuses new connections and closes every socket with 1001: the normal peers spread evenly over
   * `graceMs` milliseconds (`drainSeconds` by default), since they come back at once, then the
   * consumers, which never do. Then waits until all have gone, 300 ms at most. Safe to call twice.
   */
  close(options?: { graceMs?: number }): Promise<void>;
}

/** How long clients have to answer their close. */
const CLOSE_GRACE_MS = 300;

const MEGABYTE = 1_048_576;

/**
 * Creates a signaling handler.
 *
 * @param config See {@linkcode SignalingHandlerConfig}.
 * @returns The handler.
 * @throws {TypeError} Authentication is on and there is neither `privateKeyJwk` nor `authorize`, or
 * `consumerAuth`, `limits`, `allowedOrigins`, `trustedProxies` or `maxTokenTtl` is not usable.
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
  return (await createEndpoint(config)).handler;
}

/** A handler, with what a server needs to know besides. */
export interface Endpoint {
  readonly handler: SignalingHandler;
  readonly addressOf: AddressReader;
  readonly failures: FailureCount;
  readonly connections: Connections;
}

/** Creates a signaling handler for a server of our own. */
export async function createEndpoint(config: SignalingHandlerConfig): Promise<Endpoint> {
  const { authEnabled = true, path = "/signal", clock = systemClock, drainSeconds = 3 } = config;
  const logger = neverThrowing(config.logger ?? silentLogger);
  const { idleTimeoutSeconds: idleTimeout = 30, registerTimeoutMs = 10_000 } = config;
  const limits = resolveLimits(config.limits);
  const maxTtlSeconds = config.maxTokenTtl && parseDuration(config.maxTokenTtl) || undefined;
  const isAllowedOrigin = createOriginCheck(config.allowedOrigins);
  const addressOf = await createAddressReader(config.trustedProxies ?? [], (proxy) =>
    logger.warn(
      "X-Forwarded-For comes from a proxy that TRUSTED_PROXIES does not name: limits per address " +
        "count all of its clients as one",
      { proxy },
    ));
  const keys = authEnabled && config.authorize === undefined ? await loadKeys(config) : null;
  const publicJwk = keys && decodePublicJwk(keys.publicKeyJwk);
  const verifyConsumer = config.consumerAuth && makeConsumerVerifier(config.consumerAuth, logger);
  const failures = new FailureCount(clock, limits.maxFailedAuthPerMinute);
  const negotiations = new Negotiations(clock);
  const director = new Director(clock);
  const registry = new SignalingRegistry(
    negotiations,
    (room, peer) => director.changed(room, peer),
    limits.maxPeersPerRoom,
  );
  const connections = new Connections(clock, idleTimeout * 500, limits);
  const memory = new MemoryWatch(clock, limits.maxMemoryMb * MEGABYTE, {
    exceeded(bytes, isNews) {
      const megabytes = Math.round(bytes / MEGABYTE);
      if (isNews) logger.error("Too much memory: nobody new is let in", { megabytes });
      connections.terminateClosing();
      connections.closePending(CLOSE.outOfMemory);
    },
    recovered: (bytes) =>
      logger.info("Memory is back", { megabytes: Math.round(bytes / MEGABYTE) }),
  });
  let closing = false;
  const context: SessionContext = {
    registry,
    director,
    connections,
    consumers: consumerGate(verifyConsumer, !authEnabled, new AuthGuard(failures)),
    clock,
    logger,
    limits,
    registerTimeoutMs,
    isClosing: () => closing,
  };
  const connect = createConnect({
    context,
    gate: gateOf(config, keys, new AuthGuard(failures), maxTtlSeconds),
    mayConsume: verifyConsumer !== undefined,
    isAllowedOrigin,
    addressOf,
    failures,
    memory,
  });
  const isOurs = (pathname: string) => path === null || pathname === path;

  const handler: SignalingHandler = {
    path,
    async fetch(request, info) {
      if (!isOurs(splitUrl(request.url).pathname)) return null;
      return await connect(request, remoteOf(info), (protocol) => {
        const upgraded = Deno.upgradeWebSocket(request, { idleTimeout });
        // Not by Deno's option: that takes a list of names only with a space behind each comma.
        if (protocol) upgraded.response.headers.set("sec-websocket-protocol", protocol);
        return upgraded;
      });
    },
    handleUpgrade(req, socket, head) {
      if (!isOurs(splitUrl(toUrl(req.url)).pathname)) return false;
      const request = toRequest(req);
      socket.on("error", () => {}); // Or a client's reset ends the process.
      socket.pause(); // Or Deno loses the client's first message.
      const response = request === null
        ? errorResponse(STATUS_CODE.BadRequest, "The request is malformed")
        : connect(request, socket.remoteAddress, (protocol) => {
          // One name alone: Deno reads a list only with a space behind each comma.
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
    },
    async issueToken(request) {
      if (keys === null) {
        throw new TypeError("Clients are not let in by room tokens: there is no key to sign with");
      }
      return await issueToken(keys.privateKey, request, { maxTtlSeconds });
    },
    publicJwk: () => publicJwk,
    stats: () => ({
      auth: authEnabled ? "enabled" : "disabled",
      peers: registry.peers,
      rooms: registry.rooms,
      pending: connections.pending,
      closing: connections.closing,
      lost: connections.lost,
      memory: memory.isExceeded ? "exceeded" : "ok",
      duplicateAnswers: negotiations.duplicateAnswers,
      heals: negotiations.heals,
    }),
    async close({ graceMs = drainSeconds * 1000 } = {}) {
      closing = true;
      memory.close();
      await connections.shutDown(graceMs, CLOSE_GRACE_MS);
      negotiations.close();
    },
  };
  return { handler, addressOf, failures, connections };
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

function gateOf(
  { authEnabled, authorize }: SignalingHandlerConfig,
  keys: KeyPair | null,
  guard: AuthGuard,
  maxTtlSeconds: number | undefined,
): Gate {
  if (authEnabled === false) return { by: "nothing" };
  if (authorize !== undefined) return { by: "host", authorize };
  if (keys === null) return { by: "nothing" };
  return { by: "room token", publicKey: keys.publicKey, options: { maxTtlSeconds }, guard };
}
