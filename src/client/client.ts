/**
 * The client of a page: what its application calls, whom it connects with by the server's lists, and
 * whose message is whose. Its socket is in `socket.ts`, one connection with a peer in `peer.ts`.
 */

import type { Role } from "../protocol/messages.ts";
import { checkOptions, readUrl } from "./check_options.ts";
import type { IceServer, PeerConnectionConstructor } from "./dom.ts";
import { emitterOf, TypedEventTarget, type UsingTarget } from "./events.ts";
import type { Peer, SignalingClientOptions, SignalingEventMap, SignalingState } from "./options.ts";
import { isPeerMessage, isString, parse } from "./parse.ts";
import { NegotiatedPeer, type PeerMessage, sessionOf } from "./peer.ts";
import { type Message, RoomSocket } from "./socket.ts";
import { type Backoff, backoffMs, Timer } from "./timer.ts";

/** How long a normal looks for a path to a peer, in milliseconds. */
const PATIENCE_MS = 30_000;

/** How long a consumer looks for a path to one server before it tries the next, in milliseconds. */
const CONSUMER_PATIENCE_MS = 10_000;

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
export class SignalingClient extends TypedEventTarget<SignalingEventMap> {
  /** This client's name in its room. */
  readonly nodeId: string;
  readonly #options: SignalingClientOptions;
  readonly #emit = emitterOf<SignalingEventMap>(this);
  readonly #backoff: Backoff;
  readonly #socket: RoomSocket;
  readonly #peers = new Map<string, NegotiatedPeer>();
  readonly #connected: Promise<void>;
  #isStarted = false;
  #iceServers: readonly IceServer[] = [];
  /** The servers of a consumer, and those of them that have failed since it tried them all. */
  #servers: readonly string[] = [];
  readonly #failed = new Set<string>();
  readonly #retry = new Timer();
  #failures = 0;

  /**
   * Creates a client. It does nothing until {@linkcode connect} is called.
   *
   * @param options Where to connect, and how.
   * @throws {TypeError} `url` is no absolute URL, `room` is missing, empty or no string, or there is an
   * option that is none of {@linkcode SignalingClientOptions}.
   */
  constructor(options: SignalingClientOptions) {
    super();
    checkOptions(options);
    const { nodeId = randomId(), reconnect: { minMs = 500, maxMs = 20_000 } = {} } = options;
    const backoff = this.#backoff = { minMs, maxMs };
    this.nodeId = nodeId;
    this.#options = options;
    this.#socket = new RoomSocket({
      ...options,
      url: readUrl(options.url),
      nodeId,
      backoff,
      onFrame: (data) => this.#receive(parse(data)),
      onSent: (message) => message["token"] ?? this.#emit("message", { sent: true, message }),
      onState: (change) => this.#emit("state", change),
      onLeave: () => this.#closePeers(),
    });
    this.#connected = new Promise((resolve, reject) => {
      this.addEventListener("state", ({ detail: { state, code, reason, error } }) => {
        const text = code ? `The server refused: ${code} ${reason}` : "The client is closed";
        if (state === "joined") resolve();
        else if (state === "stopped") reject(error ?? new Error(text));
      });
    });
    this.#connected.catch(() => {}); // The event `state` says the same.
    if (Symbol.dispose) Reflect.set(this, Symbol.dispose, () => this.close());
  }

  /** What the client does at the moment. */
  get state(): SignalingState {
    return this.#socket.state;
  }

  /** The peers, by `nodeId`; `connection.connectionState` tells which are connected. */
  get peers(): ReadonlyMap<string, Peer> {
    return this.#peers;
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
    return this.#connected;
  }

  /** Leaves the room and ends all connections, for good. */
  close(): void {
    this.#socket.stop({});
  }

  #receive(message: Message | undefined): void {
    if (!message) return;
    const { type, from, fromRole, to, code, iceServers } = message;
    this.#emit("message", { sent: false, message });
    if (type === "peer-list" || type === "server-list") this.#onList(message);
    else if (type === "ice-servers" && Array.isArray(iceServers)) this.#onIceServers(iceServers);
    else if (type === "token") this.#socket.onToken(message["expiresAt"]);
    else if (type === "error" && isString(to)) {
      const peer = this.#peers.get(to);
      if (code === "PEER_BUSY") peer?.onBusy();
      else if (code === "PEER_NOT_FOUND" && !peer?.wasConnected) peer?.close();
    } else if (isString(from) && isPeerMessage(message)) {
      this.#onPeerMessage(from, fromRole === "consumer" ? fromRole : "normal", message);
    }
  }

  #onIceServers(servers: readonly IceServer[]): void {
    this.#iceServers = servers;
    for (const peer of this.#peers.values()) peer.configure(this.#allIceServers());
    this.#emit("iceservers", servers);
  }

  #onList({ peers, servers }: Message): void {
    const isFirst = this.state === "connecting";
    if (isFirst) this.#socket.joined();
    if (this.state !== "joined") return; // A listener has closed the client.
    if (Array.isArray(peers)) this.#onNormals(peers.filter(isString));
    if (Array.isArray(servers)) this.#onServers(servers.filter(isString), isFirst);
  }

  /** Connects with those that are not known, and speaks again to those that do not answer. */
  #onNormals(ids: readonly string[]): void {
    for (const id of ids) {
      const peer = this.#peers.get(id);
      if (peer) peer.resume();
      else if (id !== this.nodeId) this.#add(id, "normal");
    }
  }

  /** Connects a consumer with the first of these, unless it has a server already. */
  #onServers(ids: readonly string[], isFirst: boolean): void {
    this.#servers = ids;
    for (const id of this.#failed) if (!ids.includes(id)) this.#failed.delete(id);
    for (const peer of this.#peers.values()) {
      if (isFirst) peer.resume(); // What was said before the socket was lost may be lost, too.
      if (peer.connection.connectionState !== "connected" && !ids.includes(peer.id)) peer.close();
    }
    this.#connectNext();
  }

  /** Handles an offer, answer or candidate of another client. */
  #onPeerMessage(from: string, role: Role, message: PeerMessage): void {
    const { type, sdp, for: target } = message;
    const peer = this.#peers.get(from);
    if (!peer && this.#options.role === "consumer") return; // It chooses its servers itself.
    if (type === "offer" && target && target !== peer?.session) {
      // It is for a connection that has ended here: an offer of a new one says so.
      if (!peer) this.#add(from, role);
      return;
    }
    // The page was reloaded; or, on an answer, another make of client has a new connection.
    const isNew = sdp && peer?.remoteSession && peer.remoteSession !== sessionOf(sdp);
    if (isNew) this.#forget(peer);
    const receiver = isNew || !peer && type === "offer" ? this.#add(from, role) : peer;
    if (!isNew || type === "offer") receiver?.receive(message);
  }

  #add(id: string, role: Role): NegotiatedPeer {
    const { rtc, role: own = "normal" } = this.#options;
    const Connection: PeerConnectionConstructor = this.#options.RTCPeerConnection ??
      Reflect.get(globalThis, "RTCPeerConnection");
    const connection = new Connection({ ...rtc, iceServers: this.#allIceServers() });
    const peer = new NegotiatedPeer(connection, {
      id,
      role,
      isPolite: this.nodeId > id,
      canRestart: own === "normal" && role === "normal",
      patienceMs: own === "consumer" ? CONSUMER_PATIENCE_MS : PATIENCE_MS,
      send: (message) => this.state === "joined" && this.#socket.send({ ...message, to: id }),
      onTrouble: () => this.#socket.check(),
      onEnd: (isBroken) => this.#onEnd(peer, isBroken),
    });
    this.#peers.set(id, peer);
    this.#emit("peer", peer);
    return peer;
  }

  #onEnd(peer: NegotiatedPeer, isBroken: boolean): void {
    if (this.#peers.get(peer.id) !== peer) return; // It was forgotten.
    this.#peers.delete(peer.id);
    if (this.#options.role === "consumer") {
      this.#failed.add(peer.id);
      this.#connectNext();
    } else if (isBroken && peer.wasConnected && peer.role === "normal") {
      this.#add(peer.id, peer.role);
    }
  }

  /** Ends a connection, and nothing follows from that. */
  #forget(peer: NegotiatedPeer): void {
    this.#peers.delete(peer.id);
    peer.close();
  }

  #closePeers(): void {
    this.#retry.stop();
    for (const peer of this.#peers.values()) this.#forget(peer);
  }

  /** Connects a consumer with the first server that has not failed; if all have, later. */
  #connectNext(): void {
    if (this.#peers.size > 0 || this.#servers.length === 0) return;
    const id = this.#servers.find((server) => !this.#failed.has(server));
    if (id !== undefined) {
      this.#retry.stop();
      const peer = this.#add(id, "normal");
      peer.channel.addEventListener("open", () => this.#failures = 0);
    } else if (!this.#retry.isRunning) {
      this.#retry.start(backoffMs(this.#failures++, this.#backoff), () => {
        this.#failed.clear();
        this.#connectNext();
      });
    }
  }

  #allIceServers(): IceServer[] {
    return [...this.#iceServers, ...this.#options.rtc?.iceServers ?? []];
  }
}

/** Where TypeScript knows of `using`, it closes the client. */
export interface SignalingClient extends UsingTarget {}

/** `crypto.randomUUID` exists on secure pages only. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
