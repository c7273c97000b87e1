/**
 * One socket: what it hears, what it is sent, and that it is closed once. It guards the session
 * behind it against everything that is no text of a sensible size, and the process against whatever
 * the session throws. Its socket calls `handleEvent`, so that no connection needs closures of its own.
 */

import type { Address } from "../access/address.ts";
import type { Phase, TrackedConnection } from "./connections.ts";
import type { SessionContext, SocketLike } from "./context.ts";
import {
  CLOSE,
  type CloseReason,
  encode,
  isOverBytes,
  type ServerMessage,
} from "../protocol/messages.ts";
import { failureFields } from "../runtime/logger.ts";
import { terminate } from "./terminate.ts";

/** What a connection tells the session behind it. */
export interface Receiver {
  /** The socket has opened. */
  onOpen(): void;
  /** A text has come. */
  onMessage(text: string): void;
  /** The socket is closed or lost: once, and the last that is heard of it. */
  onEnd(): void;
  /** Whether the connection is closed after the others when the server stops. */
  readonly closesLast: boolean;
}

/** Options of {@linkcode Connection}. */
export interface ConnectionOptions {
  readonly socket: SocketLike;
  readonly receiver: Receiver;
  readonly context: ConnectionContext;
  readonly address: Address;
}

/** What a connection needs of what all sessions share. */
export type ConnectionContext = Pick<
  SessionContext,
  "clock" | "connections" | "isClosing" | "limits" | "logger"
>;

const SOCKET_OPEN = 1;

/** UTF-16 units of all messages that may wait while a token is being verified. */
const MAX_BUFFERED_LENGTH = 65536;

/** The connection of one socket. */
export class Connection implements TrackedConnection, EventListenerObject {
  readonly address: Address;
  phase: Phase = "opening";
  readonly #socket: SocketLike;
  readonly #receiver: Receiver;
  readonly #context: ConnectionContext;
  #hasEnded = false;
  /** What comes while the session is not to be disturbed. */
  #buffered: string[] | undefined;
  #bufferedLength = 0;
  #maxMessageBytes: number;
  /**
   * When what was received will have been paid for at the rate that is allowed: a token bucket as
   * one number (GCRA, ITU-T I.371).
   */
  #theoreticalArrivalTime = 0;
  /** Bytes that waited to be written when that was last seen, or fewer: never more. */
  #bufferedAtLastCheck = 0;
  /** Whether some waited at the last look. */
  #hadBufferedBytes = false;
  /** Whether some have been written since. */
  #hasWritten = false;

  constructor({ socket, receiver, context, address }: ConnectionOptions) {
    this.address = address;
    this.#maxMessageBytes = context.limits.maxPendingMessageBytes;
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
          return this.#onOpen();
        case "close":
          return this.#onClose();
      }
    } catch (cause) {
      this.fail(cause);
    }
  }

  /** Runs what a timer calls, under the same guard. */
  run(act: () => void): void {
    try {
      act();
    } catch (cause) {
      this.fail(cause);
    }
  }

  /** Takes one message, as it came. */
  receive(data: unknown): void {
    if (this.#hasEnded) return;
    if (this.#isOverRate()) return this.close(CLOSE.tooManyMessages);
    if (typeof data !== "string") return this.#receiveBinary(data, this.#maxMessageBytes);
    if (isOverBytes(data, this.#maxMessageBytes)) return this.close(CLOSE.messageTooBig);
    this.#deliver(data);
  }

  #isOverRate(): boolean {
    const { maxMessagesPerSecond, messageBurst } = this.#context.limits;
    const now = this.#context.clock.elapsed();
    this.#theoreticalArrivalTime = Math.max(this.#theoreticalArrivalTime, now) +
      1000 / maxMessagesPerSecond;
    // A little for what rounding makes of the sum.
    return (this.#theoreticalArrivalTime - now) * maxMessagesPerSecond >
      (messageBurst + 0.0001) * 1000;
  }

  #deliver(text: string): void {
    if (this.#hasEnded) return;
    if (this.#buffered === undefined) return this.#receiver.onMessage(text);
    this.#bufferedLength += text.length;
    if (this.#bufferedLength > MAX_BUFFERED_LENGTH) return this.close(CLOSE.messageTooBig);
    this.#buffered.push(text);
  }

  #receiveBinary(data: unknown, max: number): void {
    if (data instanceof ArrayBuffer && data.byteLength > max) {
      return this.close(CLOSE.messageTooBig);
    }
    if (this.#buffered !== undefined) return; // Nobody yet is answered.
    const message = "Send text frames, not binary ones";
    this.sendMessage({ type: "error", code: "INVALID_MESSAGE", message });
  }

  /** Keeps what comes from now on, within a bound, until `resume`. */
  pause(): void {
    this.#buffered = [];
    this.#bufferedLength = 0;
  }

  /** Keeps a text that was handed over too soon, before what has come since. */
  requeue(text: string): void {
    this.#deliver(text);
  }

  /** Hands over what came meanwhile, in order, and then what comes. */
  resume(): void {
    const early = this.#buffered ?? [];
    this.#buffered = undefined;
    for (const text of early) this.#deliver(text);
  }

  /** Sends a frame; `false` when the client can no longer be reached. */
  send(text: string): boolean {
    if (this.#hasEnded || this.#socket.readyState !== SOCKET_OPEN) return false;
    const waiting = this.#socket.bufferedAmount;
    if (waiting > this.#context.limits.maxSendBufferBytes) {
      this.close(CLOSE.readsTooSlowly);
      return false;
    }
    if (waiting < this.#bufferedAtLastCheck) this.#hasWritten = true;
    this.#bufferedAtLastCheck = waiting + text.length;
    this.#socket.send(text);
    return true;
  }

  /** Sends a message of the server's own. */
  sendMessage(message: ServerMessage): void {
    this.send(encode(message));
  }

  /**
   * Closes the socket; the session ends first, for the client may never answer. The close frame goes
   * out a turn later: Deno drops a connection without one when a frame is read right after it.
   */
  close({ code, reason }: CloseReason): void {
    if (!this.#end()) return;
    this.#context.connections.setPhase(this, "closing");
    this.#context.logger.debug("Connection closed", { code, reason });
    this.#context.clock.setTimeout(() => this.#socket.close(code, reason), 0);
  }

  terminate(): void {
    terminate(this.#socket);
  }

  /**
   * Closes a client that has read nothing since the last look though something was waiting for it:
   * its pings wait behind that, so that the idle timeout never finds it.
   */
  closeIfStalled(): void {
    const waiting = this.#socket.bufferedAmount;
    const isStuck = this.#hadBufferedBytes && !this.#hasWritten &&
      waiting >= this.#bufferedAtLastCheck;
    this.#bufferedAtLastCheck = waiting;
    this.#hadBufferedBytes = waiting > 0;
    this.#hasWritten = false;
    if (isStuck) this.close(CLOSE.readsTooSlowly);
  }

  get closesLast(): boolean {
    return this.#receiver.closesLast;
  }

  /** Closes the socket because of an error of ours. */
  fail(cause: unknown): void {
    this.#context.logger.error("A session failed", failureFields(cause));
    this.close(CLOSE.internalError);
  }

  /** Takes note that its client has joined a room: it may send bigger messages. */
  markJoined(): void {
    this.#maxMessageBytes = this.#context.limits.maxMessageBytes;
    this.#context.connections.setPhase(this, "joined");
  }

  #onOpen(): void {
    this.#context.connections.setPhase(this, "pending");
    if (this.#context.isClosing()) this.close(CLOSE.shuttingDown);
    else this.#receiver.onOpen();
  }

  #onClose(): void {
    if (this.#end()) this.#context.logger.debug("Connection lost");
    this.#context.connections.setPhase(this, "closed");
  }

  #end(): boolean {
    if (this.#hasEnded) return false;
    this.#hasEnded = true;
    this.#buffered = undefined;
    this.#receiver.onEnd();
    return true;
  }
}
