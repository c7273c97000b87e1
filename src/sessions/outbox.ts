/**
 * What waits to be written to one socket: how much that may be, which of several senders may still
 * add to it, and whether the client has stopped reading. It closes nothing; that is the connection's
 * decision.
 */

import type { SignalOutcome } from "../rooms/peer.ts";
import type { SocketLike } from "./context.ts";

const SOCKET_OPEN = 1;

/** Above this part of the bound, bytes are counted for each sender. */
const COUNTED_FROM = 1 / 4;

/** Nothing is written once so many times the bound waits. */
const HARD_BOUND = 2;

/** Beyond the bound, one sender may have this part of what is left below the hard bound. */
const SENDER_SHARE = 1 / 16;

/**
 * The outgoing side of one socket.
 *
 * A client that reads slowly must not lose its place because of what others send it, and one sender
 * must not take the others' place. So beyond `maxBytes` a signal is accepted only from a sender whose
 * own bytes, counted since a quarter of the bound waited, are a sixteenth of what is left at most: the
 * sender that fills the buffer is refused at once, and any other may still send an offer and its
 * candidates. What is left shrinks with every signal, so that senders together never reach the hard
 * bound, and the server's own short messages find room.
 */
export class Outbox {
  readonly #socket: SocketLike;
  readonly #maxBytes: number;
  /** Bytes of each sender, while so much waits that they are counted. */
  #bytesOf: Map<object, number> | undefined;
  /** A lower bound of `bufferedAmount` at the last send or check. */
  #bufferedAtLastCheck = 0;
  /** Whether anything waited at the last check. */
  #hadBufferedBytes = false;
  /** Whether anything has been written since. */
  #hasWritten = false;

  /** Allows `maxBytes` to wait in the socket before senders are told apart; `Infinity` is no bound. */
  constructor(socket: SocketLike, maxBytes: number) {
    this.#socket = socket;
    this.#maxBytes = maxBytes;
  }

  /** Sends a frame of the server's own; `false` when it was dropped. */
  send(text: string): boolean {
    if (this.#socket.readyState !== SOCKET_OPEN) return false;
    const waiting = this.#socket.bufferedAmount;
    if (waiting > this.#maxBytes * HARD_BOUND) return false;
    this.#write(text, waiting);
    return true;
  }

  /** Sends a frame that another peer made. */
  signal(text: string, sender: object): SignalOutcome {
    if (this.#socket.readyState !== SOCKET_OPEN) return "unreachable";
    const waiting = this.#socket.bufferedAmount;
    if (waiting <= this.#maxBytes * COUNTED_FROM) this.#bytesOf = undefined;
    else if (!this.#isWithinShare(sender, text.length, waiting)) return "busy";
    this.#write(text, waiting);
    return "sent";
  }

  /** Whether the client has read nothing since the last check although something waited for it. */
  checkStalled(): boolean {
    const waiting = this.#socket.bufferedAmount;
    const isStalled = this.#hadBufferedBytes && !this.#hasWritten &&
      waiting >= this.#bufferedAtLastCheck;
    this.#bufferedAtLastCheck = waiting;
    this.#hadBufferedBytes = waiting > 0;
    this.#hasWritten = false;
    return isStalled;
  }

  #isWithinShare(sender: object, length: number, waiting: number): boolean {
    this.#bytesOf ??= new Map();
    const bytes = (this.#bytesOf.get(sender) ?? 0) + length;
    const left = this.#maxBytes * HARD_BOUND - waiting;
    if (waiting + length > this.#maxBytes && bytes > left * SENDER_SHARE) return false;
    this.#bytesOf.set(sender, bytes);
    return true;
  }

  #write(text: string, waiting: number): void {
    if (waiting < this.#bufferedAtLastCheck) this.#hasWritten = true;
    this.#bufferedAtLastCheck = waiting + text.length;
    this.#socket.send(text);
  }
}
