/**
 * The signaling handler: checks who wants to connect, upgrades, and starts a session. It owns the
 * keys, the rooms and the sockets of one server, and no listener: a host mounts `fetch` where it
 * likes.
 */

import {
  issueToken,
  type IssueTokenRequest,
  type IssueTokenResponse,
  verifyToken,
} from "./auth.ts";
import { type Clock, systemClock } from "./clock.ts";
import { Connections } from "./connections.ts";
import { decodePublicJwk, type KeyPair, loadKeyPairFromEnv, type PublicJwk } from "./keys.ts";
import { type Logger, silentLogger } from "./logger.ts";
import { CLOSE, isLongerThan, MAX_NODE_ID_LENGTH, MAX_ROOM_LENGTH } from "./protocol.ts";
import { SignalingRegistry } from "./registry.ts";
import { errorResponse, methodNotAllowed, STATUS_CODE } from "./responses.ts";
import { type Admission, Session, type SessionContext, type SessionLimits } from "./session.ts";
import { splitUrl } from "./url.ts";

/** Options of {@linkcode createSignalingHandler}. */
export interface SignalingHandlerConfig {
  /**
   * Whether a room token is needed to join. Turn it off for local development only.
   *
   * @default {true}
   */
  authEnabled?: boolean;
  /** Base64 of the private Ed25519 JWK's JSON; required unless `authEnabled` is `false`. */
  privateKeyJwk?: string;
  /** Base64 of the public Ed25519 JWK's JSON; derived from the private key when absent. */
  publicKeyJwk?: string;
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

/** What a handler has to do at the moment. */
export interface SignalingStats {
  /** Whether joining needs a token. */
  readonly auth: "enabled" | "disabled";
  /** Peers that have joined. */
  readonly peers: number;
  /** Rooms with a peer in them. */
  readonly rooms: number;
}

/** A signaling endpoint that a host can mount. */
export interface SignalingHandler {
  /** The pathname that `fetch` answers, or `null` if it answers all. */
  readonly path: string | null;
  /**
   * Answers a request for the handler's path, by upgrading it to a WebSocket if it asks for that;
   * resolves to `null` for any other path, so that the host's routes stay in charge.
   */
  fetch(request: Request): Promise<Response | null>;
  /**
   * Mints a room token; see {@linkcode issueToken}.
   *
   * @throws {TypeError} Authentication is off, so that there is no key.
   */
  issueToken(request: IssueTokenRequest): Promise<IssueTokenResponse>;
  /** The public key that verifies room tokens, or `null` when authentication is off. */
  publicJwk(): PublicJwk | null;
  /** What there is to do at the moment. */
  stats(): SignalingStats;
  /**
   * Refuses new connections, closes every socket with 1001, and waits until all have gone, at most
   * `graceMs` milliseconds (300 by default). Safe to call twice.
   */
  close(options?: { graceMs?: number }): Promise<void>;
}

/**
 * Seconds without a sign of life after which a socket is closed. Deno sends a ping after half of
 * them.
 */
const IDLE_TIMEOUT_SECONDS = 30;

const LIMITS: SessionLimits = {
  maxMessageBytes: 65536,
  maxEarlyLength: 65536,
  maxSendBufferBytes: 1048576,
};

const CLOSE_GRACE_MS = 300;

/**
 * Creates a signaling handler.
 *
 * @param config See {@linkcode SignalingHandlerConfig}.
 * @returns The handler.
 * @throws {TypeError} Authentication is on and `privateKeyJwk` is missing.
 * @throws {InvalidKeyError} A key cannot be read, or the two are not partners.
 */
export async function createSignalingHandler(
  config: SignalingHandlerConfig = {},
): Promise<SignalingHandler> {
  const { authEnabled = true, path = "/signal", logger = silentLogger, clock = systemClock } =
    config;
  const keys = authEnabled ? await loadKeys(config) : null;
  const publicJwk = keys && decodePublicJwk(keys.publicKeyJwk);
  const registry = new SignalingRegistry();
  const connections = new Connections();
  let closing = false;
  const context: SessionContext = {
    registry,
    connections,
    clock,
    logger,
    limits: LIMITS,
    isClosing: () => closing,
  };

  /**
   * Upgrades before the token is verified, in the same turn: Deno keeps memory for ever for a
   * client that leaves between its request and its upgrade.
   */
  function connect(request: Request, query: string): Response {
    if (request.method !== "GET" && request.method !== "HEAD") {
      return methodNotAllowed(["GET", "HEAD"]);
    }
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
      return errorResponse(STATUS_CODE.UpgradeRequired, "Connect to this path with a WebSocket", {
        upgrade: "websocket",
      });
    }
    if (closing) {
      return errorResponse(STATUS_CODE.ServiceUnavailable, "The server is shutting down");
    }
    let upgraded: Deno.WebSocketUpgrade;
    try {
      upgraded = Deno.upgradeWebSocket(request, { idleTimeout: IDLE_TIMEOUT_SECONDS });
    } catch {
      return errorResponse(STATUS_CODE.BadRequest, "The WebSocket handshake is malformed");
    }
    const { socket, response } = upgraded;
    const session = new Session(socket, admit(new URLSearchParams(query), keys), context);
    socket.addEventListener("open", session);
    socket.addEventListener("message", session);
    socket.addEventListener("close", session);
    return response;
  }

  return {
    path,
    fetch(request) {
      const { pathname, query } = splitUrl(request.url);
      return Promise.resolve(
        path === null || pathname === path ? connect(request, query) : null,
      );
    },
    async issueToken(request) {
      if (keys === null) throw new TypeError("Authentication is off: there is no key to sign with");
      return await issueToken(keys.privateKey, request);
    },
    publicJwk: () => publicJwk,
    stats: () => ({
      auth: authEnabled ? "enabled" : "disabled",
      peers: registry.peers,
      rooms: registry.rooms,
    }),
    async close({ graceMs = CLOSE_GRACE_MS } = {}) {
      closing = true;
      await connections.shutDown(clock, graceMs);
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

/**
 * Settles who a connection speaks for, or why it may not; a promise only where a token has to be
 * verified. `keys` is `null` without authentication.
 */
function admit(query: URLSearchParams, keys: KeyPair | null): Admission | Promise<Admission> {
  const room = query.get("room") || undefined;
  const nodeId = query.get("nodeId") || undefined;
  if (keys === null) return identify(room ?? "default", nodeId ?? crypto.randomUUID());
  const token = query.get("token");
  if (!token) return { refusal: room === undefined ? CLOSE.missingRoom : CLOSE.missingToken };
  return verifyToken(token, keys.publicKey).then(
    ({ sub }) =>
      room !== undefined && room !== sub
        ? { refusal: CLOSE.wrongRoom }
        : identify(sub, nodeId ?? sub),
    () => ({ refusal: CLOSE.invalidToken }),
  );
}

function identify(room: string, nodeId: string): Admission {
  if (isLongerThan(room, MAX_ROOM_LENGTH)) return { refusal: CLOSE.roomTooLong };
  if (isLongerThan(nodeId, MAX_NODE_ID_LENGTH)) return { refusal: CLOSE.nodeIdTooLong };
  return { identity: { room, nodeId } };
}
