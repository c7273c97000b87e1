/**
 * The client of a page: what its application calls, and the events that it gets. Its socket is in
 * `socket.ts`, its connections with other clients are in `peers.ts`.
 */

import type { PeerConnectionConstructor } from "./dom.ts";
import type { Peer, SignalingClientOptions, SignalingEventMap, SignalingState } from "./options.ts";
import { isPeerMessage, isString, parse, type ServerObject } from "./parse.ts";
import { Peers } from "./peers.ts";
import { RoomSocket } from "./socket.ts";

/**
 * Joins a room of a signaling server and connects with the peers in it. It comes back by itself when
 * the socket or a connection is lost.
 *
 * @example Joins a room and prints what its peers send
 * ```ts
 * import { createServer } from "@aikofy/client-db-sync";
 * import { SignalingClient } from "@aikofy/client-db-sync/client";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = await createServer({ authEnabled: false });
 * const { port } = await server.listen({ port: 0, host: "127.0.0.1" });
 *
 * using client = new SignalingClient({ url: `ws://127.0.0.1:${port}/signal`, room: "todos" });
 * client.addEventListener("peer", ({ detail: peer }) => {
 *   peer.channel.addEventListener("open", () => peer.channel.send("hello"));
 *   peer.channel.addEventListener("message", (event) => console.log(peer.id, event));
 * });
 * await client.connect();
 * assertEquals([client.state, client.peers.size], ["joined", 0]);
 * ```
 */
export class SignalingClient extends EventTarget {
  /** This client's name in its room. */
  readonly nodeId: string;
  readonly #socket: RoomSocket;
  readonly #peers: Peers;
  readonly #connected: PromiseWithResolvers = withResolvers();
  #isStarted = false;

  /**
   * Creates a client. It does nothing until {@linkcode connect} is called.
   *
   * @param options Where to connect, and how.
   * @throws {TypeError} `url` is no URL.
   */
  constructor(options: SignalingClientOptions) {
    super();
    const { url, nodeId = randomId(), role = "normal", rtc = {}, reconnect = {} } = options;
    const Connection: PeerConnectionConstructor = options.RTCPeerConnection ??
      Reflect.get(globalThis, "RTCPeerConnection");
    const backoff = { minMs: reconnect.minMs ?? 500, maxMs: reconnect.maxMs ?? 20_000 };
    this.nodeId = nodeId;
    this.#connected.promise.catch(() => {}); // The event `state` says the same.
    this.#peers = new Peers({
      nodeId,
      role,
      rtc,
      backoff,
      createConnection: (configuration) => new Connection(configuration),
      send: (message) => this.state === "joined" && this.#socket.send(message),
      onPeer: (peer) => this.#emit("peer", peer),
      onTrouble: () => this.#socket.check(),
    });
    this.#socket = new RoomSocket({
      ...options,
      url: new URL(url),
      nodeId,
      backoff,
      onFrame: (data) => this.#receive(parse(data)),
      onSent: (message) => message["token"] ?? this.#emit("message", { sent: true, message }),
      onState: (change) => this.#emit("state", change),
      onStop: ({ code, reason }, error) => {
        this.#peers.close();
        const text = code ? `The server refused: ${code} ${reason}` : "The client is closed";
        this.#connected.reject(error ?? new Error(text));
      },
      onHide: () => this.#peers.close(),
    });
  }

  /** What the client does at the moment. */
  get state(): SignalingState {
    return this.#socket.state;
  }

  /** The peers, by `nodeId`; `connection.connectionState` tells which are connected. */
  get peers(): ReadonlyMap<string, Peer> {
    return this.#peers.byId;
  }

  /**
   * Joins the room, and stays in it until {@linkcode close}.
   *
   * @returns Resolves once the client has joined for the first time, however long that takes.
   * @throws {Error} The client stopped before, because the server refused it or a token source threw
   * a {@linkcode StopError}; or it was closed.
   */
  connect(): Promise<void> {
    if (!this.#isStarted && this.state !== "stopped") this.#socket.start();
    this.#isStarted = true;
    return this.#connected.promise;
  }

  /** Leaves the room and ends all connections, for good. */
  close(): void {
    this.#socket.stop({});
  }

  /** The same as {@linkcode close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  #receive(message: ServerObject | undefined): void {
    if (!message) return;
    const { type, from, fromRole, to, code } = message;
    this.#emit("message", { sent: false, message });
    if (type === "peer-list" || type === "server-list") this.#onList(message);
    else if (type === "ice-servers" && Array.isArray(message["iceServers"])) {
      this.#peers.setIceServers(message["iceServers"]);
      this.#emit("iceservers", message["iceServers"]);
    } else if (type === "token") this.#socket.onToken(message["expiresAt"]);
    else if (type === "error" && isString(to)) {
      if (code === "PEER_NOT_FOUND") this.#peers.onNotFound(to);
      else if (code === "PEER_BUSY") this.#peers.onBusy(to);
    } else if (isString(from) && isPeerMessage(message)) {
      this.#peers.onMessage(from, fromRole === "consumer" ? fromRole : "normal", message);
    }
  }

  #onList({ peers, servers }: ServerObject): void {
    const hasJoined = this.state === "connecting";
    if (hasJoined) this.#socket.joined();
    this.#connected.resolve();
    if (this.state !== "joined") return; // A listener has closed the client.
    if (Array.isArray(peers)) this.#peers.onNormals(peers.filter(isString));
    if (Array.isArray(servers)) this.#peers.onServers(servers.filter(isString), hasJoined);
  }

  #emit<Type extends keyof SignalingEventMap>(
    type: Type,
    detail: SignalingEventMap[Type]["detail"],
  ): void {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** The events of {@linkcode SignalingEventMap} with their types. */
export interface SignalingClient {
  /** Listens to one of the events of {@linkcode SignalingEventMap}. */
  addEventListener<Type extends keyof SignalingEventMap>(
    type: Type,
    listener: (event: SignalingEventMap[Type]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  /** Listens to any event. */
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
}

interface PromiseWithResolvers {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** `Promise.withResolvers`, which browsers have since 2024 only. */
function withResolvers(): PromiseWithResolvers {
  let resolve = (): void => {};
  let reject = (_reason: unknown): void => {};
  const promise = new Promise<void>((...settle) => [resolve, reject] = settle);
  return { promise, resolve, reject };
}

/** `crypto.randomUUID` exists on secure pages only. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
