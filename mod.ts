/**
 * A WebRTC signaling server: browsers that run `@aikofy/client-db` meet through it, exchange offers,
 * answers and ICE candidates, and from then on talk directly.
 *
 * Run it with `deno run -N -E jsr:@aikofy/client-db-sync`, or import it:
 *
 * @example A server with authentication, stopped at the end of the block
 * ```ts
 * import { createServer, generateKeyPairJwk } from "@aikofy/client-db-sync";
 * import { assertEquals } from "@std/assert";
 *
 * const { privateKeyJwk, publicKeyJwk } = await generateKeyPairJwk();
 * await using server = await createServer({
 *   adminSecret: "a-strong-random-secret",
 *   privateKeyJwk,
 *   publicKeyJwk,
 * });
 * const { url } = await server.listen({ port: 0, host: "127.0.0.1" });
 *
 * const response = await fetch(`${url}/token`, {
 *   method: "POST",
 *   headers: {
 *     "content-type": "application/json",
 *     "x-admin-secret": "a-strong-random-secret",
 *   },
 *   body: JSON.stringify({ ttl: "24h", subject: "todos" }),
 * });
 * assertEquals((await response.json()).subject, "todos");
 * ```
 *
 * @module
 */

export {
  InvalidTokenError,
  issueToken,
  type IssueTokenRequest,
  type IssueTokenResponse,
  TOKEN_AUDIENCE,
  TOKEN_ISSUER,
  type TokenClaims,
  type TokenOptions,
  TokenRequestError,
  verifyToken,
} from "./src/access/room_tokens.ts";
export type { Authorization, Authorize } from "./src/access/admission.ts";
export type {
  Backplane,
  BackplaneListener,
  Envelope,
  EnvelopeHeader,
  JoinOptions,
  JoinReply,
  Member,
  MemberId,
  OrderedMember,
  RoomEvent,
} from "./src/cluster/backplane.ts";
export type { Clock, Timer } from "./src/runtime/clock.ts";
export {
  type ConsumerAuthOptions,
  type ConsumerVerifier,
  makeConsumerVerifier,
} from "./src/access/consumer_tokens.ts";
export { createSignalingHandler } from "./src/http/handler.ts";
export type {
  SignalingHandler,
  SignalingHandlerOptions,
  SignalingStats,
} from "./src/http/handler_options.ts";
export {
  decodePublicJwk,
  generateKeyPairJwk,
  InvalidKeyError,
  type KeyPair,
  loadKeyPairFromEnv,
  type PublicJwk,
} from "./src/access/keys.ts";
export { DEFAULT_LIMITS, type Limits } from "./src/access/limits.ts";
export {
  createLogger,
  type LogFields,
  type LogFormat,
  type Logger,
  type LoggerOptions,
  type LogLevel,
} from "./src/runtime/logger.ts";
export { MemoryHub } from "./src/cluster/memory_backplane.ts";
export type { NodeRequest, NodeSocket } from "./src/http/node.ts";
export {
  type ClientMessage,
  CLOSE,
  type CloseReason,
  type HeartbeatMessage,
  type RegisterMessage,
  type Role,
  type ServerMessage,
  type SignalMessage,
} from "./src/protocol/messages.ts";
export {
  createServer,
  type ListenAddress,
  type ListenOptions,
  type ServerOptions,
  type SignalingServer,
} from "./src/http/server.ts";

if (import.meta.main) {
  const { main } = await import("./main.ts");
  await main(Deno.args);
}
