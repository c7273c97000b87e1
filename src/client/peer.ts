/**
 * One connection with another client: perfect negotiation (W3C WebRTC 1.0, section 10.7), candidates,
 * ICE restart, and its end. Which peers there are, and what becomes of one that is lost, is decided
 * in `peers.ts`.
 */

import type { Role } from "../protocol/messages.ts";
import type {
  ChannelInit,
  Configuration,
  DataChannel,
  Description,
  PeerConnection,
} from "./dom.ts";
import type { Peer, PeerEventMap } from "./options.ts";
import { Timer } from "./timer.ts";

/** How long a connection may heal by itself before ICE is restarted, in milliseconds. */
const HEAL_MS = 5000;

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
  readonly connection: PeerConnection;
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

/** `<session> <version>` of a description: the session is that of its connection (RFC 9429, 5.2.1). */
export function revisionOf(description: { readonly sdp: string } | null | undefined): string {
  return /^o=\S+ (\d+ \d+)/m.exec(description?.sdp ?? "")?.[1] ?? "";
}

/** The session of a revision. */
export function sessionOf(revision: string): string {
  return revision.split(" ", 1)[0] ?? "";
}

/** A connection that negotiates itself. */
export class NegotiatedPeer extends EventTarget implements Peer {
  readonly id: string;
  readonly role: Role;
  readonly connection: PeerConnection;
  readonly channel: DataChannel;
  /** Whether the connection has ever been established. */
  wasConnected = false;
  /** The session of the other side, once one of its descriptions was accepted. */
  remoteSession = "";
  /** Whether the other side runs another client, which knows no restart. */
  isForeign = false;
  readonly #options: PeerOptions;
  readonly #heal = new Timer();
  readonly #patience = new Timer();
  #early: object[] = [];
  #received: Promise<void> = Promise.resolve();
  #isOffering = false;
  #ignoresOffer = false;
  #isClosed = false;

  constructor(options: PeerOptions) {
    super();
    const { id, role, connection } = this.#options = options;
    this.id = id;
    this.role = role;
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
    this.channel = binary(connection.createDataChannel("", { negotiated: true, id: 0 }));
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
    this.#heal.stop();
    this.#patience.stop();
    this.connection.close();
    this.#options.onEnd(isBroken);
    this.dispatchEvent(new Event("close"));
  }

  /** The session of this side, once it has a description. */
  get session(): string {
    return sessionOf(revisionOf(this.connection.localDescription));
  }

  /** Uses other ICE servers from the next restart on. */
  configure({ iceServers }: Configuration): void {
    try {
      const current = this.connection.getConfiguration();
      this.connection.setConfiguration(iceServers ? { ...current, iceServers } : current);
    } catch (error) {
      this.#emit("error", error);
    }
  }

  /** Says again what may have been lost on its way, unless the connection is established. */
  resume(): void {
    const { connectionState, localDescription, remoteDescription, signalingState } =
      this.connection;
    if (this.#isClosed || connectionState === "connected" || !localDescription) return;
    if (signalingState === "have-local-offer") this.#describe(this.remoteSession || null);
    else if (remoteDescription && this.#canRestart) this.connection.restartIce();
  }

  /** Handles messages one after the other. */
  receive(message: PeerMessage): void {
    this.#received = this.#received.then(async () => {
      if (!this.#isClosed) await this.#handle(message);
    }).catch((error) => this.#emit("error", error));
  }

  get #canRestart(): boolean {
    return this.#options.canRestart && !this.isForeign;
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
    this.isForeign = target === undefined;
    const revision = revisionOf(sdp);
    this.remoteSession = sessionOf(revision);
    await connection.setRemoteDescription(sdp);
    this.#ignoresOffer = false;
    for (const early of this.#early.splice(0)) await this.#addCandidate(early);
    if (type === "answer") return;
    await connection.setLocalDescription();
    this.#describe(revision);
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
    const state = this.connection.connectionState;
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

  /** Restarts ICE. That is of no use if DTLS has failed, or the other side knows no restart. */
  #recover(): void {
    this.#heal.stop();
    const { connectionState, iceConnectionState } = this.connection;
    const isDtls = connectionState === "failed" && iceConnectionState !== "failed";
    if (this.#canRestart && !isDtls) this.restartIce();
    else this.close(true);
  }

  #emit<Type extends Exclude<keyof PeerEventMap, "close">>(
    type: Type,
    detail: PeerEventMap[Type]["detail"],
  ): void {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** Sets what every browser is to deliver: some have `blob` as their default. */
function binary(channel: DataChannel): DataChannel {
  channel.binaryType = "arraybuffer";
  return channel;
}
