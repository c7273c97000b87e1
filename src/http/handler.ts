/**
 * The signaling handler: builds the parts of one server (keys, rooms, sockets) from its options and
 * offers them to a host, which mounts `fetch` or `handleUpgrade` where it likes. It owns no listener
 * and decides nothing by itself.
 */

import { remoteAddressOf } from "../access/address.ts";
import { recheckAdmission } from "../access/admission.ts";
import { FailureLimiter } from "../access/failure_limiter.ts";
import { decodePublicJwk } from "../access/keys.ts";
import { issueToken } from "../access/room_tokens.ts";
import { createRefresher } from "../access/refresh.ts";
import { RefusalLog } from "../access/refusal_log.ts";
import { type Revocation, Revocations } from "../access/revocations.ts";
import { createVerificationKeys } from "../access/verification_keys.ts";
import { countingLogger } from "../metrics/counting_logger.ts";
import { Metrics } from "../metrics/metrics.ts";
import { toPrometheus } from "../metrics/prometheus.ts";
import { createRooms } from "../rooms/rooms.ts";
import { Connections } from "../sessions/connections.ts";
import { Deadlines } from "../sessions/deadlines.ts";
import type { SessionContext } from "../sessions/context.ts";
import { IcePushes } from "../sessions/ice_pushes.ts";
import { Refreshes } from "../sessions/refreshes.ts";
import { Revoker } from "../sessions/revoker.ts";
import { IceServers } from "../ice/ice_servers.ts";
import { createConsumerPolicy, createPolicy, loadKeys } from "./auth_policy.ts";
import { ClientAddresses } from "./client_addresses.ts";
import { answerIceServers } from "./ice_answer.ts";
import type { SignalingHandler, SignalingHandlerOptions } from "./handler_options.ts";
import type { HandlerParts } from "./handler_parts.ts";
import { loadCluster, setBackplane } from "./load_cluster.ts";
import { createNodeUpgrade } from "./node.ts";
import { createOperation, newInstanceId } from "./operation.ts";
import { resolveOptions } from "./resolve_options.ts";
import { type CountedParts, exportMetricsOf, metricsOf, statsOf } from "./server_state.ts";
import { createUpgradeHandler, upgradeOnDeno } from "./upgrade.ts";
import { watchMemory } from "./watch_memory.ts";
import { malformedRequest } from "./responses.ts";
import { hasValidUrl, splitUrl } from "./url.ts";

/** Milliseconds that clients have to answer their close when the handler stops. */
const CLOSE_ANSWER_MS = 300;

/** How often it is checked whether the process was too busy to read its sockets, in milliseconds. */
const TICK_MS = 1000;

/** A socket is looked at this often within its idle timeout, in case its client stopped reading. */
const CHECKS_PER_IDLE_TIMEOUT = 2;

/**
 * Creates a signaling handler.
 *
 * @param options See {@linkcode SignalingHandlerOptions}.
 * @returns The handler.
 * @throws {TypeError} Authentication is on and there is neither `privateKeyJwk` nor `authorize`, or
 * `consumerAuth`, `limits`, `allowedOrigins`, `trustedProxies` or `maxTokenTtl` is not usable.
 * @throws {InvalidKeyError} A key cannot be read, the two are not a pair, or `verifyKeysJwk` is not
 * usable.
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
  options: SignalingHandlerOptions = {},
): Promise<SignalingHandler> {
  return (await createHandlerParts(options)).handler;
}

/** Builds a signaling handler: this is the wiring of the server. */
export async function createHandlerParts(given: SignalingHandlerOptions): Promise<HandlerParts> {
  const metrics = new Metrics();
  const resolved = resolveOptions(given);
  const options = { ...resolved, logger: countingLogger(resolved.logger, metrics) };
  const { authEnabled, clock, limits, logger, path } = options;
  const { closeExpired, idleTimeoutSeconds } = options;
  const { addressOf, remoteOf, warnOfNoAddresses } = new ClientAddresses(options);
  const keys = authEnabled && given.authorize === undefined ? await loadKeys(given) : null;
  const publicJwk = keys && decodePublicJwk(keys.publicKeyJwk);
  const verificationKeys = keys && await createVerificationKeys(keys, given.verifyKeysJwk);
  const failures = new FailureLimiter(clock, limits.maxFailedAuthPerMinute);
  const refusals = new RefusalLog({ clock, logger });
  const consumers = await createConsumerPolicy(given, { ...options, failures, metrics, refusals });
  const rooms = createRooms({
    clock,
    logger,
    ...limits,
    reintroduceMs: options.reintroduceSeconds * 1000,
    metrics,
  });
  const { registry, negotiations } = rooms;
  const cluster = await loadCluster({ ...options, registry, failures, metrics });
  const instance = newInstanceId();
  const connections = new Connections({
    instance,
    clock,
    limits,
    checkMs: idleTimeoutSeconds * 1000 / CHECKS_PER_IDLE_TIMEOUT,
    tickMs: TICK_MS,
    lag: metrics.eventLoopLagSeconds,
  });
  const memory = watchMemory(options, connections);
  const ice = await IceServers.create({ ...options.ice, clock, logger, metrics });
  const revocations = new Revocations(clock);
  const policy = createPolicy(given, verificationKeys, {
    ...options,
    failures,
    metrics,
    revocations,
    revocationsKnown: () => cluster?.revocations.whenKnown,
  });
  const share = cluster && ((one: Revocation) => cluster.revocations.share(one));
  const revoker = new Revoker({ ...options, connections, revocations, share });
  cluster?.revocations.keepIn(revoker);
  let isClosing = false;
  const context: SessionContext = {
    ...rooms,
    join: (room, peer) => rooms.join(room, peer, cluster && ((...of) => cluster.join(...of))),
    cancelJoin: (peer) => cluster?.cancelJoin(peer),
    connections,
    deadlines: new Deadlines(clock),
    authorizeConsumer: consumers.authorizeConsumer,
    refreshes: new Refreshes({
      clock,
      closeExpired,
      check: createRefresher({ policy, refusals }),
      revocations,
      metrics,
      refusals,
    }),
    refusals,
    recheck: (admission) => recheckAdmission(admission, revocations),
    icePushes: new IcePushes({ clock, find: (peer) => ice.find(peer) }),
    clock,
    logger,
    limits,
    metrics,
    auth: policy.kind === "room token" ? "room_token" : policy.kind,
    registerTimeoutMs: options.registerTimeoutMs,
    idleTimeoutSeconds,
    isClosing: () => isClosing,
  };
  const operation = await createOperation({
    ...options,
    instance,
    onPeer: given.onPeer,
    registry,
    connections,
    cluster,
    refusals,
    isClosing: () => isClosing,
  });
  const admission = {
    policy,
    refusals,
    allowsConsumers: consumers.areVerified,
  };
  const { isAllowedOrigin } = options;
  const upgrade = createUpgradeHandler({
    context,
    ...admission,
    isAllowedOrigin,
    addressOf,
    failures,
    memory,
  });
  const isOurs = (pathname: string) => path === null || pathname === path;

  const parts: CountedParts = {
    ...rooms,
    authEnabled,
    metrics,
    connections,
    memory,
    cluster,
    revocations,
    isClosing: () => isClosing,
  };
  const endExport = exportMetricsOf(parts);
  const refuseMalformed = (remote: string | undefined, headers = new Headers()) =>
    malformedRequest(refusals, addressOf(remote, headers));

  const answer: HandlerParts["answer"] = (request, info) => {
    // With a malformed Host, not even the path of the URL is certain.
    if (!hasValidUrl(request)) return refuseMalformed(remoteAddressOf(info), request.headers);
    if (!isOurs(splitUrl(request.url).pathname)) return null;
    return upgrade(request, remoteOf(info), upgradeOnDeno(request, idleTimeoutSeconds));
  };

  const handler: SignalingHandler = {
    path,
    async fetch(request, info) {
      return await answer(request, info);
    },
    handleUpgrade: createNodeUpgrade({ upgrade, refuseMalformed, isOurs, idleTimeoutSeconds }),
    async issueToken(request) {
      if (keys === null) {
        throw new TypeError("This handler has no key to sign with: it does not use room tokens");
      }
      const issued = await issueToken(keys.privateKey, request, options);
      metrics.tokensIssued++;
      const { token: _, ...fields } = issued;
      logger.info("Token issued", fields);
      return issued;
    },
    async revoke(request) {
      if (keys === null) throw new TypeError("This handler does not use room tokens");
      return await revoker.revoke(request);
    },
    ...operation.methods,
    iceServers: (peer) => answerIceServers(ice, peer),
    publicJwk: () => publicJwk,
    publicKeys: () => verificationKeys?.jwks ?? null,
    setBackplane: (backplane) => setBackplane(cluster, backplane),
    stats: () => statsOf(parts),
    metrics: () => toPrometheus(metricsOf(parts)),
    async close({ drainMs = options.drainMs } = {}) {
      isClosing = true;
      endExport();
      memory.close();
      await connections.shutDown(drainMs, CLOSE_ANSWER_MS);
      negotiations.close();
      rooms.director.close();
      await cluster?.close();
      operation.close();
    },
    [Symbol.asyncDispose]() {
      return this.close();
    },
  };
  cluster?.start();
  const access = { ...admission, authorizeConsumer: consumers.authorizeConsumer };
  return {
    handler,
    answer,
    addressOf,
    failures,
    connections,
    metrics,
    logger,
    isAllowedOrigin,
    access,
    refusals,
    refuseMalformed,
    describe: () => operation.describe(handler.stats()),
    warnOfNoAddresses,
  };
}
