/**
 * The types of WebRTC that the client uses (W3C WebRTC 1.0). Where the DOM library is loaded, as in a
 * web project, they are the DOM's own; elsewhere, as in Deno, their part that the client needs: JSR
 * lets no package load the library by itself. This file has no code: nothing of it reaches a browser.
 */

/** An offer or answer: `RTCSessionDescriptionInit` of the DOM. */
export interface Description {
  /** Whether it is an offer or an answer. */
  readonly type: "answer" | "offer" | "pranswer" | "rollback";
  /** The description as SDP (RFC 8866). */
  readonly sdp?: string;
}

/** An ICE server: `RTCIceServer` of the DOM. */
export interface IceServer {
  /** One or more URLs that start with `stun:`, `turn:` or `turns:`. */
  urls: string | string[];
  /** The user name for TURN. */
  username?: string;
  /** The password for TURN. */
  credential?: string;
}

/** What is needed of `RTCConfiguration` of the DOM. */
export interface BasicConfiguration {
  /** STUN and TURN servers. */
  iceServers?: IceServer[];
  /** `relay` uses TURN alone. */
  iceTransportPolicy?: "all" | "relay";
}

/** What is needed of `RTCDataChannelInit` of the DOM. */
export interface BasicChannelInit {
  /** The number of a negotiated channel. */
  id?: number;
  /** Milliseconds in which a message is sent again. */
  maxPacketLifeTime?: number;
  /** How many times a message is sent again. */
  maxRetransmits?: number;
  /** Whether both sides create the channel. */
  negotiated?: boolean;
  /** Whether messages keep their order. */
  ordered?: boolean;
  /** The name of what is spoken over the channel. */
  protocol?: string;
}

/** What is needed of `RTCDataChannel` of the DOM. */
export interface BasicDataChannel extends EventTarget {
  /** The type of binary messages. */
  binaryType: "blob" | "arraybuffer";
  /** Where `bufferedamountlow` is fired. */
  bufferedAmountLowThreshold: number;
  /** Bytes that wait to be sent. */
  readonly bufferedAmount: number;
  /** The state of the channel. */
  readonly readyState: "connecting" | "open" | "closing" | "closed";
  /** Sends a message. */
  send(data: string | ArrayBuffer): void;
  /** Ends it. */
  close(): void;
}

/** What is needed of `RTCPeerConnection` of the DOM. */
export interface BasicPeerConnection extends EventTarget {
  /** The state of the connection. */
  readonly connectionState: string;
  /** The state of ICE alone. */
  readonly iceConnectionState: string;
  /** The description of this side. */
  readonly localDescription: Description | null;
  /** The description of the other side. */
  readonly remoteDescription: Description | null;
  /** The state of the negotiation. */
  readonly signalingState: string;
  /** Adds a candidate of the other side. */
  addIceCandidate(candidate: object): Promise<void>;
  /** Creates a channel. */
  createDataChannel(label: string, init?: BasicChannelInit): BasicDataChannel;
  /** The configuration. */
  getConfiguration(): BasicConfiguration;
  /** Makes the next offer restart ICE. */
  restartIce(): void;
  /** Changes the configuration. */
  setConfiguration(configuration: BasicConfiguration): void;
  /** Creates and sets an offer or answer. */
  setLocalDescription(): Promise<void>;
  /** Sets the offer or answer of the other side. */
  setRemoteDescription(description: Description): Promise<void>;
  /** Ends it. */
  close(): void;
}

/** The DOM's type of this name, where there is one. */
export type Dom<Name extends string, Otherwise> = typeof globalThis extends
  Record<Name, { readonly prototype: infer Type }> ? Type : Otherwise;

/** `RTCPeerConnection`: the DOM's, or the part of it that the client uses where there is no DOM. */
export type PeerConnection = Dom<"RTCPeerConnection", BasicPeerConnection>;

/** `RTCDataChannel`: the DOM's, or the part of it that the client uses where there is no DOM. */
export type DataChannel = Dom<"RTCDataChannel", BasicDataChannel>;

/** `RTCConfiguration`: the DOM's, or the part of it that the client uses where there is no DOM. */
export type Configuration = ReturnType<PeerConnection["getConfiguration"]>;

/** `RTCDataChannelInit`: the DOM's, or the part of it that the client uses where there is no DOM. */
export type ChannelInit = NonNullable<Parameters<PeerConnection["createDataChannel"]>[1]>;

/** The constructor `RTCPeerConnection`, or one that works alike. */
export type PeerConnectionConstructor = new (configuration?: Configuration) => PeerConnection;
