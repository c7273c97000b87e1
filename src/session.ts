/**
 * One connection's life: opening, verifying, pending, joined, closed. A session acts for its own
 * socket alone and is itself the peer that its room knows; it sees no key and no token. Its socket
 * calls `handleEvent`, so that no connection needs closures of its own.
 */

import type { Clock, Timer } from "./clock.ts";
import type { Connection, Connections } from "./connections.ts";
import type { Logger } from "./logger.ts";
import {
  CLOSE,
  type CloseReason,
  encode,
  parseClientMessage,
  type RegisterMessage,
  type Role,
  type ServerMessage,
  type SignalMessage,
} from "./protocol.ts";
import type { SignalingRegistry } from "./registry.ts";
import type { Peer, Room } from "./room.ts";

/** What a session needs of a WebSocket. */
export interface SocketLike {
  /** As of the HTML standard: 1 is open. */
  readonly readyState: number;
  /** Bytes that were sent but not yet written. */
  readonly bufferedAmount: number;
  /** Queues a text frame. */
  send(text: string): void;
  /** Starts the closing handshake. */
  close(code: number, reason: string): void;
}

/** Who a connection speaks for. */
export interface Identity {
  /** The room it may join. */
  readonly room: string;
  /** The name it joins under. */
  readonly nodeId: string;
}

/**
 * Whether a connection is let in. A refused one is upgraded all the same and then closed: a browser
 * can read a close code, but no HTTP status.
 */
export type Admission = { readonly identity: Identity } | { readonly refusal: CloseReason };

/** What bounds a session. */
export interface SessionLimits {
  /** UTF-8 bytes of one message. */
  readonly maxMessageBytes: number;
  /** UTF-16 units of all messages that may wait while a client's token is being verified. */
  readonly maxEarlyLength: number;
  /** Bytes that may wait for a client that reads slowly. */
  readonly maxSendBufferBytes: number;
}

/** What all sessions of a handler share. */
export interface SessionContext {
  readonly registry: SignalingRegistry;
  readonly connections: Connections;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: SessionLimits;
  /** Whether sockets that open now are to be closed at once. */
  readonly isClosing: () => boolean;
}

/**
 * How long a socket may stay silent before it joins by itself, in milliseconds: clients of version
 * 0.1 never register.
 */
export const SILENT_JOIN_MS = 250;

type State =
  | { readonly name: "opening" }
  | { readonly name: "verifying"; readonly early: string[]; earlyLength: number }
  | { readonly name: "pending"; readonly timer: Timer }
  | { readonly name: "joined"; readonly room: Room }
  | { readonly name: "closed" };

const OPENING: State = { name: "opening" };
const CLOSED: State = { name: "closed" };
const NOBODY: Identity = { room: "", nodeId: "" };
const SOCKET_OPEN = 1;

/** The session of one socket. */
export class Session implements Peer, Connection, EventListenerObject {
  readonly #socket: SocketLike;
  readonly #admission: Admission | Promise<Admission>;
  readonly #context: SessionContext;
  #identity = NOBODY;
  #state: State = OPENING;

  /** `admission` must not reject. */
  constructor(
    socket: SocketLike,
    admission: Admission | Promise<Admission>,
    context: SessionContext,
  ) {
    this.#socket = socket;
    this.#admission = admission;
    this.#context = context;
  }

  get id(): string {
    return this.#identity.nodeId;
  }

  get role(): Role {
    return "normal";
  }

  /** Takes the socket's `open`, `message` and `close`. A throw would end the process: none leaves. */
  handleEvent(event: Event): void {
    try {
      switch (event.type) {
        case "message":
          return this.receive((event as MessageEvent).data);
        case "open":
          return this.#open();
        case "close":
          return this.#gone();
      }
    } catch (cause) {
      this.#fail(cause);
    }
  }

  /** Takes one message, as it came. */
  receive(data: unknown): void {
    if (this.#state.name === "closed") return;
    if (typeof data !== "string") return this.#tellInvalid("Send text frames, not binary ones");
    if (isOverBytes(data, this.#context.limits.maxMessageBytes)) {
      return this.#close(CLOSE.messageTooBig);
    }
    if (this.#state.name === "verifying") return this.#keep(data, this.#state);
    const message = parseClientMessage(data);
    switch (message.type) {
      case "offer":
      case "answer":
      case "ice-candidate":
        return this.#signal(message);
      case "register":
        return this.#register(message);
      case "invalid":
        return this.#tellInvalid(message.problem);
      case "heartbeat":
      case "unknown":
        return;
    }
  }

  send(text: string): boolean {
    if (this.#socket.readyState !== SOCKET_OPEN) return false;
    if (this.#socket.bufferedAmount > this.#context.limits.maxSendBufferBytes) {
      this.#close(CLOSE.readsTooSlowly);
      return false;
    }
    this.#socket.send(text);
    return true;
  }

  replace(): void {
    this.#close(CLOSE.replaced);
  }

  shutDown(): void {
    this.#close(CLOSE.shuttingDown);
  }

  #open(): void {
    if (this.#state.name !== "opening") return;
    this.#context.connections.opened(this);
    if (this.#context.isClosing()) return this.shutDown();
    this.#state = { name: "verifying", early: [], earlyLength: 0 };
    const admission = this.#admission;
    if (!(admission instanceof Promise)) return this.#admit(admission);
    admission.then((verdict) => this.#admit(verdict)).catch((cause) => this.#fail(cause));
  }

  /** Keeps what comes while the token is being verified, to be read in order afterwards. */
  #keep(text: string, state: State & { name: "verifying" }): void {
    state.earlyLength += text.length;
    if (state.earlyLength > this.#context.limits.maxEarlyLength) {
      return this.#close(CLOSE.messageTooBig);
    }
    state.early.push(text);
  }

  #admit(admission: Admission): void {
    const state = this.#state;
    if (state.name !== "verifying") return;
    if ("refusal" in admission) {
      this.#context.logger.info("Connection refused", { ...admission.refusal });
      return this.#close(admission.refusal);
    }
    this.#identity = admission.identity;
    const timer = this.#context.clock.setTimeout(() => this.#join(), SILENT_JOIN_MS);
    this.#state = { name: "pending", timer };
    for (const text of state.early) this.receive(text);
  }

  #register(message: RegisterMessage): void {
    if (message.role === "consumer") {
      const { reason } = CLOSE.consumersRefused;
      this.#tell({ type: "auth-err", status: "UNAUTHENTICATED", message: reason });
      return this.#close(CLOSE.consumersRefused);
    }
    if (this.#state.name === "joined") this.#tellPeers(this.#state.room);
    else this.#join();
  }

  #signal(message: SignalMessage): void {
    if (this.#state.name === "pending") this.#join();
    if (this.#state.name !== "joined") return;
    if (this.#state.room.relay(this, message) === "not found") {
      const { to } = message;
      const text = `Peer ${to} is not connected`;
      this.#tell({ type: "error", code: "PEER_NOT_FOUND", message: text, to });
    }
  }

  #join(): void {
    if (this.#state.name !== "pending") return;
    const { registry, clock, logger } = this.#context;
    clock.clearTimeout(this.#state.timer);
    const { room, outcome } = registry.join(this.#identity.room, this);
    if (outcome.kind === "taken") return this.#close(CLOSE.nodeIdInUse);
    this.#state = { name: "joined", room };
    if (outcome.kind === "replaced") outcome.old.replace();
    logger.debug("Peer joined", { room: room.name, nodeId: this.id });
    this.#tellPeers(room);
  }

  #tellPeers(room: Room): void {
    this.#tell({ type: "peer-list", peers: room.normalsBeside(this) });
  }

  #tell(message: ServerMessage): void {
    this.send(encode(message));
  }

  #tellInvalid(problem: string): void {
    this.#tell({ type: "error", code: "INVALID_MESSAGE", message: problem });
  }

  #fail(cause: unknown): void {
    this.#context.logger.error("A session failed", { cause: String(cause) });
    this.#close(CLOSE.internalError);
  }

  /** Leaves everything first: the client may never answer the closing handshake. */
  #close({ code, reason }: CloseReason): void {
    if (!this.#leave()) return;
    this.#context.connections.toldToClose(this);
    this.#context.logger.debug("Connection closed", { nodeId: this.id, code, reason });
    this.#socket.close(code, reason);
  }

  #gone(): void {
    if (this.#leave()) this.#context.logger.debug("Connection lost", { nodeId: this.id });
    this.#context.connections.gone(this);
  }

  /** Ends membership and timers, once. */
  #leave(): boolean {
    const state = this.#state;
    if (state.name === "closed") return false;
    this.#state = CLOSED;
    if (state.name === "pending") this.#context.clock.clearTimeout(state.timer);
    if (state.name === "joined") this.#context.registry.leave(state.room, this);
    return true;
  }
}

/** Tells whether a text takes more than `max` bytes as UTF-8, encoding it only when in doubt. */
function isOverBytes(text: string, max: number): boolean {
  if (text.length > max) return true;
  if (text.length * 3 <= max) return false;
  return new TextEncoder().encode(text).byteLength > max;
}
