/**
 * One socket: what it hears, what it is sent, and that it is closed once. It guards the session
 * behind it against everything that is no text of a sensible size, and the process against whatever
 * the session throws. Its socket calls `handleEvent`, so that no connection needs closures of its own.
 */

import type { Closable } from "./connections.ts";
import type { SessionContext, SocketLike } from "./context.ts";
import { CLOSE, type CloseReason, encode, isOverBytes, type ServerMessage } from "./protocol.ts";

/** What a connection tells the session behind it. */
export interface Receiver {
  /** The socket has opened. */
  opened(): void;
  /** A text has come. */
  receive(text: string): void;
  /** The socket is closed or lost: once, and the last that is heard of it. */
  ended(): void;
}

const SOCKET_OPEN = 1;

/** The connection of one socket. */
export class Connection implements Closable, EventListenerObject {
  readonly #socket: SocketLike;
  readonly #receiver: Receiver;
  readonly #context: SessionContext;
  #hasEnded = false;
  /** What comes while the session is not to be disturbed. */
  #early: string[] | undefined;
  #earlyLength = 0;

  constructor(socket: SocketLike, receiver: Receiver, context: SessionContext) {
    this.#socket = socket;
    this.#receiver = receiver;
    this.#context = context;
  }

  /** Takes the socket's `open`, `message` and `close`. A throw would end the process: none leaves. */
  handleEvent(event: Event): void {
    try {
      switch (event.type) {
        case "message":
          return this.receive((event as MessageEvent).data);
        case "open":
          return this.#opened();
        case "close":
          return this.#gone();
      }
    } catch (cause) {
      this.fail(cause);
    }
  }

  /** Takes one message, as it came. */
  receive(data: unknown): void {
    if (this.#hasEnded) return;
    if (typeof data !== "string") {
      const message = "Send text frames, not binary ones";
      return void this.tell({ type: "error", code: "INVALID_MESSAGE", message });
    }
    const { maxMessageBytes, maxEarlyLength } = this.#context.limits;
    if (isOverBytes(data, maxMessageBytes)) return this.close(CLOSE.messageTooBig);
    if (this.#early === undefined) return this.#receiver.receive(data);
    this.#earlyLength += data.length;
    if (this.#earlyLength > maxEarlyLength) return this.close(CLOSE.messageTooBig);
    this.#early.push(data);
  }

  /** Keeps what comes from now on, within a bound, until `resume`. */
  pause(): void {
    this.#early = [];
    this.#earlyLength = 0;
  }

  /** Hands over what came meanwhile, in order, and then what comes. */
  resume(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const text of early) this.receive(text);
  }

  /** Sends a frame; `false` when the client can no longer be reached. */
  send(text: string): boolean {
    if (this.#socket.readyState !== SOCKET_OPEN) return false;
    if (this.#socket.bufferedAmount > this.#context.limits.maxSendBufferBytes) {
      this.close(CLOSE.readsTooSlowly);
      return false;
    }
    this.#socket.send(text);
    return true;
  }

  /** Sends a message of the server's own. */
  tell(message: ServerMessage): void {
    this.send(encode(message));
  }

  /** Closes the socket; the session ends first, for the client may never answer. */
  close({ code, reason }: CloseReason): void {
    if (!this.#end()) return;
    this.#context.connections.toldToClose(this);
    this.#context.logger.debug("Connection closed", { code, reason });
    this.#socket.close(code, reason);
  }

  /** Closes the socket because of an error of ours. */
  fail(cause: unknown): void {
    this.#context.logger.error("A session failed", { cause: String(cause) });
    this.close(CLOSE.internalError);
  }

  shutDown(): void {
    this.close(CLOSE.shuttingDown);
  }

  #opened(): void {
    this.#context.connections.opened(this);
    if (this.#context.isClosing()) this.shutDown();
    else this.#receiver.opened();
  }

  #gone(): void {
    if (this.#end()) this.#context.logger.debug("Connection lost");
    this.#context.connections.gone(this);
  }

  #end(): boolean {
    if (this.#hasEnded) return false;
    this.#hasEnded = true;
    this.#early = undefined;
    this.#receiver.ended();
    return true;
  }
}
