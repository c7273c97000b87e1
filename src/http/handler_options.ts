/** The public interface of a handler: its options, its methods and its numbers. */

import type { OnPeer } from "../admin/presence.ts";
import type {
  DisconnectAnswer,
  DisconnectRequest,
  PeersAnswer,
  PeersRequest,
  RoomsPage,
  RoomsRequest,
} from "../admin/requests.ts";
import type { Authorize } from "../access/host.ts";
import type { RevokeRequest, RevokeResponse } from "../access/revoke_request.ts";
import type { IssueTokenRequest, IssueTokenResponse } from "../access/room_tokens.ts";
import type { Backplane } from "../cluster/backplane.ts";
import type { Clock } from "../runtime/clock.ts";
import type { ConsumerAuthOptions } from "../access/consumer_tokens.ts";
import type { PublicJwk } from "../access/keys.ts";
import type { Limits } from "../access/limits.ts";
import type { PublicKeySet } from "../access/verification_keys.ts";
import type { IcePeer, IceServersAnswer, IceServersHook, TurnOptions } from "../ice/ice_options.ts";
import type { IceServer } from "../ice/ice_url.ts";
import type { Logger } from "../runtime/logger.ts";
import type { NodeRequest, NodeSocket } from "./node.ts";

/** Options of `createSignalingHandler`. */
export interface SignalingHandlerOptions {
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
  /**
   * Further public keys whose room tokens are accepted, the next or previous ones while the key is
   * replaced: base64 of a JWK, an array of JWKs or a JWK set, 16 keys at most. None when absent;
   * without room tokens it is ignored.
   */
  verifyKeysJwk?: string | undefined;
  /** Authenticates clients by the host's own means, instead of room tokens. */
  authorize?: Authorize;
  /**
   * How consumer tokens are verified. When absent, consumers are refused with authentication and
   * need no token without.
   */
  consumerAuth?: ConsumerAuthOptions;
  /**
   * Milliseconds in which a client without a room token has to register as a consumer, and in which
   * `authorize` has to answer; 0 waits for ever for the client, and 10 s for `authorize`.
   *
   * @default {10000}
   */
  registerTimeoutMs?: number;
  /**
   * Seconds without a sign of life after which a socket is closed and its peer removed; 0 is never.
   * A ping is sent after half of them, and after 15 seconds at most, so that no proxy cuts a quiet
   * connection. Beyond 30 seconds the socket is closed up to 30 seconds later.
   *
   * @default {30}
   */
  idleTimeoutSeconds?: number;
  /**
   * Seconds after which each normal peer is sent a `peer-list` of peers of its room again, so that
   * pairs which lost their connection find each other; 0 is never.
   *
   * @default {60}
   */
  reintroduceSeconds?: number;
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
   * The STUN and TURN servers that clients are told of: a list that is the same for everybody, or a
   * function that finds those of one peer; none when absent.
   */
  iceServers?: readonly IceServer[] | IceServersHook;
  /**
   * TURN servers that share a secret with this server: each peer gets credentials of its own for them,
   * beside `iceServers`. Needs authentication; none when absent.
   */
  turn?: TurnOptions;
  /**
   * How long TURN credentials are valid, 48 hours at most: those that are made with the secret of
   * `turn`, and those that a function in `iceServers` returns. Clients are told to ask again in time.
   *
   * @default {"24h"}
   */
  iceTtl?: string;
  /**
   * Addresses and CIDR ranges of the proxies in front, whose `X-Forwarded-For` is believed; none
   * when absent.
   */
  trustedProxies?: readonly string[];
  /**
   * Seconds by which the clock of a token's issuer may be ahead of this one, so that the token's `nbf`
   * lies in the future. `exp` is exact.
   *
   * @default {60}
   */
  clockToleranceSeconds?: number;
  /** How long a room token may be valid at most, such as `"30d"`; any when absent. */
  maxTokenTtl?: string;
  /**
   * Whether each normal peer is closed 25 seconds after its room token, or what `authorize` said, has
   * expired; if not, only a client that asks for refreshes and sends no new token by then. A consumer
   * stays.
   *
   * @default {false}
   */
  closeExpired?: boolean;
  /**
   * Seconds over which `close()` may spread its closes. It closes 500 sockets a second, or more if
   * there are too many for that, so that not all clients come back at once.
   *
   * @default {3}
   */
  drainSeconds?: number;
  /**
   * What connects this instance with others, so that they are one server; nothing when absent. The
   * handler starts and closes it. Several share the rooms by a hash of their names, so that one that
   * fails separates the peers of its own rooms alone: every instance needs the same ones in the same
   * order.
   */
  backplane?: Backplane | readonly Backplane[];
  /**
   * The pathname that the handler answers; `null` answers every request.
   *
   * @default {"/signal"}
   */
  path?: string | null;
  /**
   * Called for every peer that joins or leaves on this instance, shortly after it has happened, in
   * order. What it throws, or rejects with, is logged and has no other effect.
   */
  onPeer?: OnPeer;
  /** Where the handler reports what happens; silent when absent. */
  logger?: Logger;
  /** The time; the machine's when absent. */
  clock?: Clock;
}

/** The state of a handler, in numbers. */
export interface SignalingStats {
  /** Whether joining needs authentication. */
  readonly auth: "enabled" | "disabled";
  /** Peers that have joined. */
  readonly peers: number;
  /** Rooms with a peer in them. */
  readonly rooms: number;
  /** Sockets that have not joined. */
  readonly pending: number;
  /** Sockets that were told to close and are still open. */
  readonly closing: number;
  /** Clients that reset their connection during the handshake; each costs Deno a file descriptor. */
  readonly neverOpened: number;
  /** Whether the process has more memory than `maxMemoryMb`, so that new clients are rejected. */
  readonly memory: "ok" | "exceeded";
  /** Whether peers of other instances can be reached, in every room; `none` without a backplane. */
  readonly backplane: "none" | "up" | "down";
  /** How many backplanes there are, and how many of them are up: the rooms of the others are local. */
  readonly backplaneShards: { readonly up: number; readonly total: number };
  /** Members that the backplane had lost, or had without a socket, and that were corrected. */
  readonly backplaneCorrections: number;
  /** Answers that were not relayed, because their offer had been answered. */
  readonly duplicateAnswers: number;
  /** Peer lists that were sent because an offer was not answered, or two peers made none. */
  readonly reintroductions: number;
}

/** A signaling endpoint that a host can mount. */
export interface SignalingHandler extends AsyncDisposable {
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
   * Issues a room token; see `issueToken`.
   *
   * @throws {TypeError} The handler does not use room tokens, so that it has no key.
   */
  issueToken(request: IssueTokenRequest): Promise<IssueTokenResponse>;
  /**
   * Finds the ICE servers of a peer, for a route of the host's own. The caller decides who may ask.
   *
   * @param peer The room and the name that it has or will have, and its role, `normal` when absent.
   * @returns The list, and until when it is good; within 3 seconds, and never a rejection because of
   * the function in `iceServers`.
   * @throws {TypeError} `room` or `nodeId` is not a non-empty string, or `role` is something else.
   */
  iceServers(peer: Omit<IcePeer, "role"> & Partial<IcePeer>): Promise<IceServersAnswer>;
  /**
   * Revokes room tokens: they are refused from now on, and whoever is connected by one is closed with
   * 4403, on every instance of the backplane. Without a backplane it is forgotten when the process ends.
   *
   * @param request One token, or those of a room up to some time, and until when this is kept.
   * @returns How many connections were closed.
   * @throws {RevokeRequestError} The request is not possible.
   * @throws {RevokeError} There are too many revocations, or it applies here alone because the backplane
   * is down: then repeat it.
   * @throws {TypeError} The handler does not use room tokens: then `authorize` has to refuse.
   */
  revoke(request: RevokeRequest): Promise<RevokeResponse>;
  /**
   * Lists rooms with their numbers of peers on every instance of the backplane, page by page.
   *
   * @param request Which ones; the first 100 when absent.
   * @returns A page. Over all pages, each room that exists throughout is listed once.
   * @throws {AdminRequestError} The request is not possible.
   */
  rooms(request?: RoomsRequest): Promise<RoomsPage>;
  /**
   * Lists the peers of a room on every instance of the backplane, with what each has sent and received,
   * and who was refused lately.
   *
   * @param request The room, or the room and one or two names.
   * @throws {AdminRequestError} The request is not possible.
   */
  peers(request: string | PeersRequest): Promise<PeersAnswer>;
  /**
   * Closes a peer, or every peer of a room, with 4403, on every instance of the backplane. This keeps
   * nobody out: a client that comes back with a valid token joins again; see `revoke`.
   *
   * @param request The room, and the name of one peer.
   * @throws {AdminRequestError} The request is not possible.
   */
  disconnect(request: DisconnectRequest): Promise<DisconnectAnswer>;
  /** The public key that verifies room tokens, or `null` when there are none. */
  publicJwk(): PublicJwk | null;
  /**
   * All public keys that verify room tokens, the signing one first, as `GET /.well-known/jwks.json`
   * shows them; `null` when there are none.
   */
  publicKeys(): PublicKeySet | null;
  /**
   * Distributes the rooms over other backplanes, while clients stay connected: the new ones are started,
   * and once they work, or have not done so within some seconds, each room whose backplane is another
   * one now moves there, and those that are not in the list any more are closed. Until every instance
   * has the same list, the peers of a room that moves see those of instances with the same list alone.
   *
   * @param backplane As the option: elements of the list before may be in it, others must be new.
   * @throws {TypeError} It is not usable, has one that is closed, or there was none at the start.
   * @throws {Error} One cannot be started, or the handler is closed: nothing has changed.
   */
  setBackplane(backplane: Backplane | readonly Backplane[]): Promise<void>;
  /** The numbers of peers, rooms and sockets, and what is wrong. */
  stats(): SignalingStats;
  /**
   * Everything that the handler counts and the state of the process, as text in the format of
   * Prometheus 0.0.4: for a route of the host's own, with the content type
   * `text/plain; version=0.0.4; charset=utf-8`. The caller decides who may read it: it says how many
   * peers and rooms there are, and names none.
   */
  metrics(): string;
  /**
   * Rejects new connections and closes every socket with 1001: the normal peers 500 a second, since
   * they come back at once, but all within `drainMs` milliseconds (`drainSeconds` by default); then
   * the consumers, which never come back. Then waits until all are closed, 300 ms at most. Safe to
   * call twice.
   */
  close(options?: { drainMs?: number }): Promise<void>;
}
