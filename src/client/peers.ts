/**
 * The peers of a client: whom it connects with by the server's lists, whose message is whose, and what
 * becomes of a connection that is lost. How one connection is negotiated is in `peer.ts`.
 */

import type { Role } from "../protocol/messages.ts";
import type { Configuration, IceServer, PeerConnection } from "./dom.ts";
import { NegotiatedPeer, type PeerMessage, revisionOf, sessionOf } from "./peer.ts";
import { type Backoff, backoffMs, Timer } from "./timer.ts";

/** How long a normal looks for a path to a peer, in milliseconds. */
const PATIENCE_MS = 30_000;

/** How long a consumer looks for a path to one server before it tries the next, in milliseconds. */
const CONSUMER_PATIENCE_MS = 10_000;

/** How long after `PEER_BUSY` something is sent again, in milliseconds. */
const BUSY_MS = 1000;

/** What the peers need of their client. */
export interface PeersOptions {
  readonly nodeId: string;
  readonly role: Role;
  readonly rtc: Configuration;
  readonly backoff: Backoff;
  readonly createConnection: (configuration: Configuration) => PeerConnection;
  readonly send: (message: Record<string, unknown>) => void;
  readonly onPeer: (peer: NegotiatedPeer) => void;
  /** A path is lost: perhaps the socket is, too. */
  readonly onTrouble: () => void;
}

/** All connections of a client. */
export class Peers {
  readonly byId = new Map<string, NegotiatedPeer>();
  readonly #options: PeersOptions;
  readonly #retry = new Timer();
  readonly #busy = new Timer();
  readonly #busyIds = new Set<string>();
  /** Servers that failed since they were last listed anew. */
  readonly #failed = new Set<string>();
  #servers: readonly string[] = [];
  #failures = 0;
  #iceServers: readonly IceServer[] = [];
  #isClosing = false;

  constructor(options: PeersOptions) {
    this.#options = options;
  }

  /** Uses these servers, before those of the application, for every connection. */
  setIceServers(servers: readonly IceServer[]): void {
    this.#iceServers = servers;
    for (const peer of this.byId.values()) peer.configure(this.#configuration());
  }

  /** Connects with those that are not known, and speaks again to those that do not answer. */
  onNormals(ids: readonly string[]): void {
    for (const id of ids) {
      const peer = this.byId.get(id);
      if (peer) peer.resume();
      else if (id !== this.#options.nodeId) this.#add(id, "normal");
    }
  }

  /**
   * Connects a consumer with the first of these, unless it has a server already.
   *
   * @param ids The servers.
   * @param hasJoined Whether this is the first list of a socket: what was sent before may be lost.
   */
  onServers(ids: readonly string[], hasJoined: boolean): void {
    this.#servers = ids;
    for (const id of this.#failed) if (!ids.includes(id)) this.#failed.delete(id);
    for (const peer of this.byId.values()) {
      if (hasJoined) peer.resume();
      if (peer.connection.connectionState !== "connected" && !ids.includes(peer.id)) peer.close();
    }
    this.#connectNext();
  }

  /** Handles an offer, answer or candidate of another client. */
  onMessage(from: string, role: Role, message: PeerMessage): void {
    const { type, sdp, for: target } = message;
    const peer = this.byId.get(from);
    if (!peer && this.#options.role === "consumer") return; // It chooses its servers itself.
    if (type === "ice-candidate") return peer?.receive(message);
    const session = sessionOf(revisionOf(sdp));
    const isNew = !!peer?.remoteSession && peer.remoteSession !== session;
    if (type === "answer") {
      if (!isNew) return peer?.receive(message);
      // Another make of client answers a restart from a connection that knows nothing of this one.
      peer.close();
      if (!this.byId.has(from)) this.#add(from, role);
    } else if (target && target !== peer?.session) {
      // It is for a connection that has ended here: an offer of a new one says so.
      if (!peer) this.#add(from, role);
    } else {
      if (isNew) peer.close();
      (this.byId.get(from) ?? this.#add(from, role)).receive(message);
    }
  }

  /** The server does not know this peer: nothing comes of a connection that is not established. */
  onNotFound(id: string): void {
    const peer = this.byId.get(id);
    if (peer && !peer.wasConnected) peer.close();
  }

  /** The server has not relayed something, because the peer reads too slowly. */
  onBusy(id: string): void {
    this.#busyIds.add(id);
    if (this.#busy.isRunning) return;
    this.#busy.start(BUSY_MS, () => {
      for (const busy of this.#busyIds) this.byId.get(busy)?.resume();
      this.#busyIds.clear();
    });
  }

  /** Ends all connections. */
  close(): void {
    this.#isClosing = true;
    this.#retry.stop();
    this.#busy.stop();
    for (const peer of this.byId.values()) peer.close();
    this.#isClosing = false;
  }

  #add(id: string, role: Role): NegotiatedPeer {
    const { nodeId, role: own, createConnection, send, onPeer, onTrouble } = this.#options;
    const peer = new NegotiatedPeer({
      id,
      role,
      connection: createConnection(this.#configuration()),
      isPolite: nodeId > id,
      canRestart: own === "normal" && role === "normal",
      patienceMs: own === "consumer" ? CONSUMER_PATIENCE_MS : PATIENCE_MS,
      send: (message) => send({ ...message, to: id }),
      onTrouble,
      onEnd: (isBroken) => this.#onEnd(peer, isBroken),
    });
    this.byId.set(id, peer);
    onPeer(peer);
    return peer;
  }

  #onEnd(peer: NegotiatedPeer, isBroken: boolean): void {
    if (this.byId.get(peer.id) === peer) this.byId.delete(peer.id);
    if (this.#isClosing) return;
    if (this.#options.role === "consumer") {
      this.#failed.add(peer.id);
      this.#connectNext();
    } else if (isBroken && peer.wasConnected && peer.role === "normal") {
      this.#add(peer.id, peer.role);
    }
  }

  /** Connects a consumer with the first server that has not failed; if all have, later. */
  #connectNext(): void {
    if (this.byId.size > 0 || this.#servers.length === 0) return;
    const id = this.#servers.find((server) => !this.#failed.has(server));
    if (id !== undefined) {
      this.#retry.stop();
      const peer = this.#add(id, "normal");
      peer.channel.addEventListener("open", () => this.#failures = 0);
    } else if (!this.#retry.isRunning) {
      this.#retry.start(backoffMs(this.#failures++, this.#options.backoff), () => {
        this.#failed.clear();
        this.#connectNext();
      });
    }
  }

  #configuration(): Configuration {
    const { rtc } = this.#options;
    return { ...rtc, iceServers: [...this.#iceServers, ...rtc.iceServers ?? []] };
  }
}
