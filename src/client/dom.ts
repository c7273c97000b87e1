/**
 * The types of WebRTC that the client uses (W3C WebRTC 1.0). Where the DOM library is loaded, as in a
 * web project, they are the DOM's own; elsewhere, as in Deno, their part that the client needs. This
 * file has no code: nothing of it reaches a browser.
 */

/** An offer or answer as it is sent: `RTCSessionDescriptionInit` of the DOM. */
export interface Description {
  /** Whether it is an offer or an answer. */
  readonly type: "offer" | "answer";
  /** The description as SDP (RFC 8866). */
  readonly sdp: string;
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
  /** The number of the channel. */
  readonly id: number | null;
  /** The name of the channel. */
  readonly label: string;
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
  readonly connectionState:
    | "new"
    | "connecting"
    | "connected"
    | "disconnected"
    | "failed"
    | "closed";
  /** The state of ICE alone. */
  readonly iceConnectionState: string;
  /** The description of this side. */
  readonly localDescription: { readonly type: string; readonly sdp: string } | null;
  /** The description of the other side. */
  readonly remoteDescription: { readonly type: string; readonly sdp: string } | null;
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

/** `RTCPeerConnection`: the DOM's, or the part of it that the client uses where there is no DOM. */
export type PeerConnection = typeof globalThis extends
  { RTCPeerConnection: { prototype: infer Type } } ? Type
  : BasicPeerConnection;

/** `RTCDataChannel`: the DOM's, or the part of it that the client uses where there is no DOM. */
export type DataChannel = typeof globalThis extends { RTCDataChannel: { prototype: infer Type } }
  ? Type
  : BasicDataChannel;

/** `RTCConfiguration`: the DOM's, or the part of it that the client uses where there is no DOM. */
export type Configuration = typeof globalThis extends
  { RTCPeerConnection: new (configuration?: infer Type) => unknown } ? NonNullable<Type>
  : BasicConfiguration;

/** `RTCDataChannelInit`: the DOM's, or the part of it that the client uses where there is no DOM. */
export type ChannelInit = PeerConnection extends
  { createDataChannel(label: string, init?: infer Type): unknown } ? NonNullable<Type>
  : BasicChannelInit;

/** The constructor `RTCPeerConnection`, or one that works alike. */
export type PeerConnectionConstructor = new (configuration?: Configuration) => PeerConnection;
