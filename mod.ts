/**
 * A WebRTC signaling server for Deno: browsers that run `@aikofy/client-db` connect to it by
 * WebSocket, learn who else is in their room, exchange offers, answers and ICE candidates, and from
 * then on talk to each other directly. It relays signaling only: it carries no application data,
 * stores nothing, and runs neither STUN nor TURN nor TLS.
 *
 * ## Run it
 *
 * ```sh
 * # anyone may join: development only
 * AUTH_DISABLED=true deno run -N -E jsr:@aikofy/client-db-sync
 * # or with keys and an admin secret
 * deno run --allow-read=.env --allow-write=.env jsr:@aikofy/client-db-sync/keygen --write
 * deno run -N -E --allow-read=.env jsr:@aikofy/client-db-sync
 * ```
 *
 * `--help` lists every setting with its default. Clients connect to
 * `ws://…/signal?token=…&room=…&nodeId=…`. A token opens one room; your backend gets it from
 * `POST /token` with the admin secret, or issues it itself with {@linkcode issueToken}.
 *
 * ## Import it
 *
 * {@linkcode createServer} is the whole server; {@linkcode createSignalingHandler} is the endpoint
 * alone, for a server of your own (`Deno.serve`, Hono, Express). Authentication is on unless
 * `authEnabled` is `false`. A library logs nothing unless it gets a {@linkcode Logger}.
 *
 * Several instances become one server over Redis: see `@aikofy/client-db-sync/redis`, or
 * `@aikofy/client-db-sync/backplane` for a backplane of your own.
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
 * @example In a server of your own, which keeps every other path
 * ```ts
 * import { createSignalingHandler, generateKeyPairJwk } from "@aikofy/client-db-sync";
 * import { assertEquals } from "@std/assert";
 *
 * await using signaling = await createSignalingHandler(await generateKeyPairJwk());
 * await using server = Deno.serve(
 *   { port: 0, hostname: "127.0.0.1", onListen() {} },
 *   async (request, info) => await signaling.fetch(request, info) ?? new Response("My own page"),
 * );
 *
 * const { hostname, port } = server.addr;
 * const page = await fetch(`http://${hostname}:${port}/`);
 * assertEquals(await page.text(), "My own page");
 * const { token } = await signaling.issueToken({ ttl: "1h", subject: "todos" });
 * assertEquals(token.split(".").length, 3);
 * ```
 *
 * @module
 */

export { AdminRequestError } from "./src/admin/request_error.ts";
export type { OnPeer, PeerEvent } from "./src/admin/presence.ts";
export type {
  DisconnectAnswer,
  DisconnectRequest,
  PairReport,
  PeersAnswer,
  PeersRequest,
  RoomsPage,
  RoomsRequest,
} from "./src/admin/requests.ts";
export type {
  PartnerReport,
  PeerReport,
  RefusalReport,
  RoomCount,
  SentCount,
  SignalCount,
} from "./src/rooms/report.ts";
export {
  InvalidTokenError,
  type InvalidTokenErrorOptions,
  type InvalidTokenReason,
} from "./src/access/invalid_token.ts";
export { KeySetError } from "./src/access/key_set_error.ts";
export { SignalingError } from "./src/runtime/errors.ts";
export {
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
export {
  type RevokeRequest,
  RevokeRequestError,
  type RevokeResponse,
} from "./src/access/revoke_request.ts";
export { RevokeError } from "./src/sessions/revoker.ts";
export type { Authorization, Authorize } from "./src/access/host.ts";
export type { Clock, Timer } from "./src/runtime/clock.ts";
export {
  type ConsumerAuthOptions,
  type ConsumerVerifier,
  type ConsumerVerifierOptions,
  makeConsumerVerifier,
} from "./src/access/consumer_tokens.ts";
export { InternalListenError } from "./src/http/internal_listen_error.ts";
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
  loadKeyPair,
  loadKeyPairFromEnv,
  type PublicJwk,
} from "./src/access/keys.ts";
export {
  loadVerificationKeys,
  type PublicKeySet,
  type PublicSetKey,
  type VerificationKeys,
} from "./src/access/verification_keys.ts";
export { DEFAULT_LIMITS, type Limits } from "./src/access/limits.ts";
export {
  createLogger,
  type LogFields,
  type LogFormat,
  type Logger,
  type LoggerOptions,
  type LogLevel,
} from "./src/runtime/logger.ts";
export type {
  AnswerMessage,
  AuthErrMessage,
  ClientRole,
  ConsumerAuthConfig,
  IceCandidateMessage,
  OfferMessage,
  PeerListMessage,
  ServerConfig,
  ServerListMessage,
  SignalingHandlerConfig,
  SignalingHandlerStats,
  SignalingMessage,
  TokenPayload,
} from "./src/http/npm_names.ts";
export type {
  IcePeer,
  IceServersAnswer,
  IceServersHook,
  TurnOptions,
} from "./src/ice/ice_options.ts";
export type { IceServer } from "./src/ice/ice_url.ts";
export type { NodeRequest, NodeSocket } from "./src/http/node.ts";
export {
  type ClientMessage,
  CLOSE,
  type CloseReason,
  type HeartbeatMessage,
  type RefreshMessage,
  type RegisterMessage,
  type RelayedSignal,
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
