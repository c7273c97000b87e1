/**
 * The signaling handler: upgrades who wants to connect and starts a session for it. It owns the
 * keys, the rooms and the sockets of one server, and no listener: a host mounts `fetch` or
 * `handleUpgrade` where it likes.
 */

import { createAddressReader, remoteAddressOf } from "../access/address.ts";
import type { AddressReader } from "../access/address.ts";
import { type AuthPolicy, createConsumerAuthorizer } from "../access/admission.ts";
import { issueToken, parseDuration } from "../access/room_tokens.ts";
import { FailureLimiter, VerificationLimiter } from "../access/verification_limiter.ts";
import { systemClock } from "../runtime/clock.ts";
import { Connections } from "../sessions/connections.ts";
import { makeConsumerVerifier } from "../access/consumer_tokens.ts";
import type { SessionContext } from "../sessions/context.ts";
import { Director } from "../rooms/director.ts";
import type { SignalingHandler, SignalingHandlerConfig } from "./handler_options.ts";
import { decodePublicJwk, type KeyPair, loadKeyPairFromEnv } from "../access/keys.ts";
import { resolveLimits } from "../access/limits.ts";
import { neverThrowing, silentLogger } from "../runtime/logger.ts";
import { MemoryWatch } from "../runtime/memory_watch.ts";
import { Negotiations } from "../rooms/negotiations.ts";
import { release, toRequest, toUrl, writeResponse } from "./node.ts";
import { createOriginCheck } from "../access/origins.ts";
import { CLOSE } from "../protocol/messages.ts";
import { SignalingRegistry } from "../rooms/registry.ts";
import { errorResponse, STATUS_CODE } from "./responses.ts";
import { createUpgradeHandler } from "./upgrade.ts";
import { splitUrl } from "./url.ts";
import { TokenCache } from "../access/token_cache.ts";

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
  return (await createHandlerParts(config)).handler;
}

/** A handler, with what a server needs to know besides. */
export interface HandlerParts {
  readonly handler: SignalingHandler;
  readonly addressOf: AddressReader;
  readonly failures: FailureLimiter;
  readonly connections: Connections;
}

/** Creates a signaling handler for a server of our own. */
export async function createHandlerParts(config: SignalingHandlerConfig): Promise<HandlerParts> {
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
  const failures = new FailureLimiter(
    clock,
    limits.maxFailedAuthPerMinute,
    (address) => cluster?.authFailed(address),
  );
  const negotiations = new Negotiations(clock);
  const director = new Director(clock);
  const registry = new SignalingRegistry(negotiations, (room, peer) => {
    director.changed(room, peer);
    cluster?.changed(room, peer);
  }, limits.maxPeersPerRoom);
  const cluster = config.backplane && new (await import("../cluster/cluster.ts")).Cluster({
    backplane: config.backplane,
    registry,
    clock,
    logger,
    maxPeersPerRoom: limits.maxPeersPerRoom,
    onAuthFailed: (address) => failures.count(address),
  });
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
    join: (room, peer) => (cluster ?? registry).join(room, peer),
    director,
    connections,
    authorizeConsumer: createConsumerAuthorizer(
      verifyConsumer,
      !authEnabled,
      new VerificationLimiter(failures),
    ),
    clock,
    logger,
    limits,
    registerTimeoutMs,
    isClosing: () => closing,
  };
  const connect = createUpgradeHandler({
    context,
    policy: gateOf(
      config,
      keys,
      new VerificationLimiter(failures),
      new TokenCache(clock),
      maxTtlSeconds,
    ),
    allowsConsumers: verifyConsumer !== undefined,
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
      return await connect(request, remoteAddressOf(info), (protocol) => {
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
      neverOpened: connections.neverOpened,
      memory: memory.isExceeded ? "exceeded" : "ok",
      backplane: cluster === undefined ? "none" : cluster.isUp ? "up" : "down",
      duplicateAnswers: negotiations.duplicateAnswers,
      reintroductions: negotiations.reintroductions,
    }),
    async close({ drainMs = drainSeconds * 1000 } = {}) {
      closing = true;
      memory.close();
      await connections.shutDown(drainMs, CLOSE_GRACE_MS);
      negotiations.close();
      await cluster?.close();
    },
  };
  cluster?.start();
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
  guard: VerificationLimiter,
  verified: TokenCache,
  maxTtlSeconds: number | undefined,
): AuthPolicy {
  if (authEnabled === false) return { by: "nothing" };
  if (authorize !== undefined) return { by: "host", authorize };
  if (keys === null) return { by: "nothing" };
  const { publicKey } = keys;
  return { by: "room token", publicKey, options: { maxTtlSeconds }, guard, verified };
}
