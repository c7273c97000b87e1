/**
 * One connection with another client: perfect negotiation (W3C WebRTC 1.0, section 10.7), candidates,
 * ICE restart, and its end. Which peers there are, and what becomes of one that is lost, is decided
 * in `client.ts`.
 */

import type { Role } from "../protocol/messages.ts";
import type { ChannelInit, DataChannel, Description, IceServer, PeerConnection } from "./dom.ts";
import { emitterOf, TypedEventTarget } from "./events.ts";
import type { Peer, PeerEventMap } from "./options.ts";
import { Timer } from "./timer.ts";

/** How long a connection may heal by itself before ICE is restarted, in milliseconds. */
const HEAL_MS = 5000;

/** How long after `PEER_BUSY` something is sent again, in milliseconds. */
const BUSY_MS = 1000;

/** Candidates that wait at most for the description that they belong to. */
const MAX_EARLY_CANDIDATES = 100;

/** A message to or from the other side; what `to` and `from` are is known. */
export interface PeerMessage {
  readonly type: "offer" | "answer" | "ice-candidate";
  readonly sdp?: Description;
  readonly candidate?: object;
  /**
   * In an offer, the session that it is for, or `null` if it is not known yet; in an answer, the
   * revision of its offer. Clients of other makes do not send it.
   */
  readonly for?: string | null;
}

/** What a connection needs to know, and whom it tells. */
export interface PeerOptions {
  readonly id: string;
  readonly role: Role;
  /** Whether this side gives way when both offer at once. */
  readonly isPolite: boolean;
  /** Whether a lost path is searched again; otherwise a connection that is lost ends. */
  readonly canRestart: boolean;
  /** Milliseconds without a path after which the connection ends. */
  readonly patienceMs: number;
  readonly send: (message: PeerMessage) => void;
  /** The path to the peer is lost, perhaps for a moment. */
  readonly onTrouble: () => void;
  /** `isBroken`: nobody closed it, and another connection may work at once. */
  readonly onEnd: (isBroken: boolean) => void;
}

/** A connection that negotiates itself. */
export class NegotiatedPeer extends TypedEventTarget<PeerEventMap> implements Peer {
  readonly id: string;
  readonly role: Role;
  readonly connection: PeerConnection;
  readonly channel: DataChannel;
  /** Whether the connection has ever been established. */
  wasConnected = false;
  /** The session of the other side, as its last description has it. */
  remoteSession = "";
  readonly #options: PeerOptions;
  readonly #emit = emitterOf<PeerEventMap>(this);
  readonly #heal = new Timer();
  readonly #patience = new Timer();
  readonly #busy = new Timer();
  #canRestart: boolean;
  #early: object[] = [];
  #received: Promise<void> = Promise.resolve();
  #isOffering = false;
  #ignoresOffer = false;
  #isClosed = false;

  constructor(connection: PeerConnection, options: PeerOptions) {
    super();
    this.#options = options;
    this.id = options.id;
    this.role = options.role;
    this.#canRestart = options.canRestart;
    this.connection = connection;
    connection.addEventListener("negotiationneeded", () => this.#offer());
    connection.addEventListener("icecandidate", (event) => {
      const candidate = Reflect.get(event, "candidate")?.toJSON();
      if (candidate) this.#send({ type: "ice-candidate", candidate });
    });
    connection.addEventListener("connectionstatechange", () => this.#onState());
    connection.addEventListener("datachannel", (event) => {
      this.#emit("channel", binary(Reflect.get(event, "channel")));
    });
    this.channel = this.openChannel("", { negotiated: true, id: 0 });
    this.channel.addEventListener("close", () => this.close());
    this.#patience.start(options.patienceMs, () => this.close());
  }

  openChannel(label: string, init?: ChannelInit): DataChannel {
    return binary(this.connection.createDataChannel(label, init));
  }

  restartIce(): void {
    if (!this.#isClosed) this.connection.restartIce();
  }

  close(isBroken = false): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const timer of [this.#heal, this.#patience, this.#busy]) timer.stop();
    this.connection.close();
    this.#options.onEnd(isBroken);
    this.#emit("close", undefined);
  }

  /** The session of this side, once it has a description. */
  get session(): string {
    return sessionOf(this.connection.localDescription);
  }

  /** Uses other ICE servers from the next restart on. */
  configure(iceServers: IceServer[]): void {
    try {
      this.connection.setConfiguration({ ...this.connection.getConfiguration(), iceServers });
    } catch (error) {
      this.#emit("error", error);
    }
  }

  /** Says again what may have been lost on its way. */
  resume(): void {
    const { connectionState, remoteDescription, signalingState } = this.connection;
    if (signalingState === "have-local-offer") this.#describe(this.remoteSession || null);
    else if (remoteDescription && connectionState !== "connected" && this.#canRestart) {
      this.restartIce();
    }
  }

  /** Does so in a moment: the peer read too slowly, and the server has not relayed something. */
  onBusy(): void {
    if (!this.#busy.isRunning) this.#busy.start(BUSY_MS, () => this.resume());
  }

  /** Handles messages one after the other. */
  receive(message: PeerMessage): void {
    if (message.sdp) this.remoteSession = sessionOf(message.sdp);
    this.#received = this.#received.then(async () => {
      if (!this.#isClosed) await this.#handle(message);
    }).catch((error) => this.#emit("error", error));
  }

  async #handle({ type, sdp, candidate, for: target }: PeerMessage): Promise<void> {
    const { connection } = this;
    if (candidate) await this.#addCandidate(candidate);
    if (!sdp) return;
    const isWaiting = connection.signalingState === "have-local-offer";
    if (type === "offer") {
      this.#ignoresOffer = !this.#options.isPolite && (this.#isOffering || isWaiting);
      if (this.#ignoresOffer) return;
    } else {
      const isOther = target !== undefined && target !== revisionOf(connection.localDescription);
      if (!isWaiting || isOther) return;
    }
    // Another make of client knows no restart.
    this.#canRestart = this.#options.canRestart && target !== undefined;
    await connection.setRemoteDescription(sdp);
    this.#ignoresOffer = false;
    for (const early of this.#early.splice(0)) await this.#addCandidate(early);
    if (type === "answer") return;
    await connection.setLocalDescription();
    this.#describe(revisionOf(sdp));
  }

  /** Adds a candidate; one of an offer that was not accepted belongs to nothing and fails. */
  async #addCandidate(candidate: object): Promise<void> {
    if (this.#ignoresOffer) return;
    if (this.connection.remoteDescription) {
      await this.connection.addIceCandidate(candidate).catch(() => {});
    } else if (this.#early.length < MAX_EARLY_CANDIDATES) this.#early.push(candidate);
  }

  async #offer(): Promise<void> {
    this.#isOffering = true;
    try {
      await this.connection.setLocalDescription();
      this.#describe(this.remoteSession || null);
    } catch (error) {
      this.#emit("error", error);
    } finally {
      this.#isOffering = false;
    }
  }

  /** Sends the local description, with the candidates that it has by now. */
  #describe(target: string | null): void {
    const { type, sdp } = this.connection.localDescription ?? {};
    if (sdp && (type === "offer" || type === "answer")) {
      this.#send({ type, sdp: { type, sdp }, for: target });
    }
  }

  #send(message: PeerMessage): void {
    if (!this.#isClosed) this.#options.send(message);
  }

  #onState(): void {
    if (this.#isClosed) return;
    const { connectionState: state } = this.connection;
    if (state === "connected") {
      this.wasConnected = true;
      this.#heal.stop();
      this.#patience.stop();
    } else if (state === "disconnected" || state === "failed") {
      const { isPolite, patienceMs, onTrouble } = this.#options;
      if (!this.#patience.isRunning) this.#patience.start(patienceMs, () => this.close());
      if (state === "failed") this.#recover();
      else this.#heal.start(HEAL_MS, () => isPolite && this.#canRestart || this.#recover());
      onTrouble();
    }
    this.#emit("state", state);
  }

  /**
   * Restarts ICE. That is of no use if DTLS has failed, or the other side knows no restart. The state
   * of ICE alone may still be `disconnected` when ICE has failed: so it is in Chromium.
   */
  #recover(): void {
    this.#heal.stop();
    const { connectionState, iceConnectionState } = this.connection;
    const isDtls = connectionState === "failed" &&
      /^(connected|completed)$/.test(iceConnectionState);
    if (this.#canRestart && !isDtls) this.restartIce();
    else this.close(true);
  }
}

/** Sets what every browser is to deliver: some have `blob` as their default. */
function binary(channel: DataChannel): DataChannel {
  channel.binaryType = "arraybuffer";
  return channel;
}

/** `<session> <version>` of a description: the session is that of its connection (RFC 9429, 5.2.1). */
export function revisionOf(description: Description | null): string {
  return /^o=\S+ (\d+ \d+)/m.exec(description?.sdp ?? "")?.[1] ?? "";
}

/** The session of a description. */
export function sessionOf(description: Description | null): string {
  return revisionOf(description).replace(/ .*/, "");
}
