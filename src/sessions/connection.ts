/**
 * One socket: what comes in, what goes out, and that it is closed once. It protects the session behind
 * it from everything that is no text of a sensible size, and the process from whatever the session
 * throws. Its socket calls `handleEvent`, so that no connection needs closures of its own.
 */

import type { Address } from "../access/address.ts";
import type { Identity, RefusalDetail } from "../access/admission.ts";
import {
  CLOSE,
  type CloseReason,
  encode,
  invalidMessage,
  isOverBytes,
  type ServerMessage,
} from "../protocol/messages.ts";
import type { SignalOutcome } from "../rooms/peer.ts";
import { failureFields } from "../runtime/logger.ts";
import type { Phase, TrackedConnection } from "./connections.ts";
import type { SessionContext, SocketLike } from "./context.ts";
import { FrameQueue } from "./frame_queue.ts";
import { LateClose, QUIET_MS } from "./late_close.ts";
import { Liveness } from "./liveness.ts";
import { type ConnectionFields, fieldsOf, logClose } from "./log_connection.ts";
import { Outbox } from "./outbox.ts";
import { PHASES } from "./phases.ts";
import { InboundRate, lengthOf } from "./rate_limit.ts";
import { terminate } from "./terminate.ts";

/** What a connection calls on the session behind it. */
export interface Receiver {
  /** The socket has opened. */
  onOpen(): void;
  /** A text frame has come. Not called while {@linkcode Receiver.isAwaiting}. */
  onMessage(text: string): void;
  /** The socket is closed or lost. Called once; no other call follows. */
  onEnd(): void;
  /** Whether a verdict is awaited: until it is there, frames stay in the connection's queue. */
  readonly isAwaiting: boolean;
  /** Whether the connection is closed after the others when the server stops. */
  readonly closesLast: boolean;
  /** Who the client is, once it is admitted. */
  readonly identity: Identity;
}

/** Options of {@linkcode Connection}. */
export interface ConnectionOptions {
  readonly socket: SocketLike;
  readonly receiver: Receiver;
  readonly context: SessionContext;
  readonly address: Address;
}

/** How long the first frame of a client may take to arrive after the socket has opened. */
const FIRST_FRAME_MS = 250;

/** The connection of one socket. */
export class Connection implements TrackedConnection, EventListenerObject {
  /** Every log line about the connection has it. */
  readonly id: string;
  readonly address: Address;
  /** When the request for the socket was accepted, in milliseconds since the Unix epoch. */
  readonly connectedAt: number;
  /** When the request for the socket was accepted, by `Clock.elapsed`. */
  readonly upgradedAt: number;
  phase: Phase = "opening";
  /** Why the server closes the socket, once it does; the close frame follows when it is safe. */
  closeReason: CloseReason | undefined;
  readonly #socket: SocketLike;
  readonly #receiver: Receiver;
  readonly #context: SessionContext;
  readonly #outbox: Outbox;
  readonly #liveness: Liveness;
  readonly #inbound: InboundRate;
  #maxMessageBytes: number;
  /** The frames that came while the session awaits a verdict. */
  #queue: FrameQueue | undefined;
  #hasEnded = false;
  /** The close frame that is held back, once the server closes the socket. */
  #lateClose: LateClose | undefined;
  /** When the last frame came, or at first the moment up to which a first frame is expected. */
  lastReceivedAt = 0;

  constructor({ socket, receiver, context, address }: ConnectionOptions) {
    const { limits, clock, idleTimeoutSeconds } = context;
    this.id = context.connections.nextId();
    this.address = address;
    this.connectedAt = clock.now();
    this.upgradedAt = clock.elapsed();
    this.#maxMessageBytes = limits.maxPendingMessageBytes;
    this.#socket = socket;
    this.#receiver = receiver;
    this.#context = context;
    this.#outbox = new Outbox(socket, limits.maxSendBufferBytes);
    this.#liveness = new Liveness({ socket, clock, idleTimeoutSeconds, owner: this });
    this.#inbound = new InboundRate(limits);
  }

  get closesLast(): boolean {
    return this.#receiver.closesLast;
  }

  get identity(): Identity {
    return this.#receiver.identity;
  }

  /** Bytes that wait for the client to read them. */
  get unreadBytes(): number {
    return this.#socket.bufferedAmount;
  }

  /** What a log line about the connection says of it. */
  get logFields(): ConnectionFields {
    return fieldsOf(this);
  }

  /** Handles the socket's `open`, `message` and `close`. A throw would end the process: none escapes. */
  handleEvent(event: Event): void {
    try {
      switch (event.type) {
        case "message":
          return this.receive((event as MessageEvent).data);
        case "open":
          return this.#onOpen();
        case "close":
          return this.#onClose((event as CloseEvent).code);
      }
    } catch (cause) {
      this.fail(cause);
    }
  }

  /** Handles one message of the socket, text or binary. */
  receive(data: unknown): void {
    const now = this.lastReceivedAt = this.#liveness.onMessage();
    if (this.#hasEnded) return this.#lateClose?.received(now);
    if (this.#inbound.countMessage(now)) return this.close(CLOSE.tooManyMessages);
    const length = lengthOf(data);
    this.#context.metrics.receivedBytes += length;
    if (this.#inbound.countBytes(length, now)) return this.close(CLOSE.tooManyBytes);
    if (typeof data !== "string") return this.#receiveBinary(data);
    if (isOverBytes(data, this.#maxMessageBytes)) return this.close(CLOSE.messageTooBig);
    if (!this.#receiver.isAwaiting) return this.#receiver.onMessage(data);
    this.#queue ??= new FrameQueue();
    if (!this.#queue.push(data)) this.close(CLOSE.messageTooBig);
  }

  #receiveBinary(data: unknown): void {
    this.#context.metrics.messages.invalid++;
    if (data instanceof ArrayBuffer && data.byteLength > this.#maxMessageBytes) {
      return this.close(CLOSE.messageTooBig);
    }
    if (this.#receiver.isAwaiting) return; // An unauthenticated client gets no answer.
    this.sendMessage(invalidMessage("Send text frames, not binary ones"));
  }

  /** Puts a frame back in front of the queue because the session awaits a verdict on it first. */
  requeue(text: string): void {
    if (this.#hasEnded) return;
    this.#queue ??= new FrameQueue();
    this.#queue.unshift(text);
  }

  /** Hands the queued frames to the session, in order, until it awaits a verdict again. */
  resume(): void {
    const queue = this.#queue;
    while (queue !== undefined && !this.#hasEnded && !this.#receiver.isAwaiting) {
      const text = queue.shift();
      if (text === undefined) {
        this.#queue = undefined;
        return;
      }
      this.#receiver.onMessage(text);
    }
  }

  /** Sends a frame of the server's own; `false` when it cannot be sent. */
  send(text: string): boolean {
    const isSent = !this.#hasEnded && this.#outbox.send(text);
    if (isSent) this.#context.metrics.sentBytes += text.length;
    return isSent;
  }

  /** Sends a frame that another peer made. */
  signal(text: string, sender: object): SignalOutcome {
    const outcome = this.#hasEnded ? "unreachable" : this.#outbox.signal(text, sender);
    if (outcome === "sent") this.#context.metrics.sentBytes += text.length;
    return outcome;
  }

  /** Sends a message of the server's own; `false` when it cannot be sent. */
  sendMessage(message: ServerMessage): boolean {
    return this.send(encode(message));
  }

  /** Sends an answer that a client can ask for at will: it counts like bytes that the client sends. */
  answer(message: ServerMessage): boolean {
    const text = encode(message);
    const isExceeded = this.#inbound.countBytes(text.length, this.#context.clock.elapsed());
    if (isExceeded) this.close(CLOSE.tooManyBytes);
    return this.send(text);
  }

  /**
   * Ends the session, for the client may never answer, and closes the socket once the client is quiet;
   * late_close.ts says why.
   *
   * @param detail Why, as further fields of its log line.
   */
  close(reason: CloseReason, detail?: RefusalDetail): void {
    const hadJoined = !PHASES[this.phase].pending;
    if (!this.#end()) return;
    this.closeReason = reason;
    this.#context.metrics.countClose(reason.code);
    this.#context.connections.markClosing(this, reason);
    logClose(this.#context, this.logFields, { reason, hadJoined, detail });
    const { clock } = this.#context;
    const lastReceivedAt = this.lastReceivedAt;
    this.#lateClose = new LateClose({ socket: this.#socket, clock, reason, lastReceivedAt });
  }

  /** A client that floods the server with control frames reads no close frame: its connection ends. */
  onFlood(): void {
    this.close(CLOSE.tooManyMessages);
    this.terminate();
  }

  /** See {@linkcode Liveness.ping}. */
  ping(withinMs: number): Promise<boolean> | undefined {
    return this.#liveness.ping(withinMs);
  }

  terminate(): void {
    terminate(this.#socket);
  }

  keepAlive(wasBusy: boolean): void {
    if (wasBusy) this.#liveness.forgive();
    else this.#liveness.extend();
  }

  /**
   * Closes a client that has read nothing since the last check although something waited for it: its
   * pings wait behind that, so that the idle timeout never notices.
   */
  closeIfStalled(): void {
    if (this.#outbox.checkStalled()) this.close(CLOSE.readsTooSlowly);
  }

  /** Closes the socket because of a failure of the server's own. */
  fail(cause: unknown): void {
    this.#context.logger.error("A session failed", { ...this.logFields, ...failureFields(cause) });
    this.close(CLOSE.internalError);
  }

  /** Lets the client send bigger messages, because it has joined a room. */
  markJoined(): void {
    this.#maxMessageBytes = this.#context.limits.maxMessageBytes;
    this.#context.connections.setPhase(this, "joined");
  }

  #onOpen(): void {
    this.lastReceivedAt = this.#context.clock.elapsed() + FIRST_FRAME_MS - QUIET_MS;
    this.#liveness.onOpen();
    this.#lateClose?.opened(this.lastReceivedAt);
    this.#context.connections.setPhase(this, "pending");
    if (this.#context.isClosing()) this.close(CLOSE.shuttingDown);
    else this.#receiver.onOpen();
  }

  #onClose(code: number): void {
    if (this.#end()) {
      this.#context.metrics.countClientClose(code);
      this.#context.logger.debug("Connection lost", { ...this.logFields, code });
    }
    this.#lateClose?.stop();
    this.#context.connections.setPhase(this, "closed");
  }

  #end(): boolean {
    if (this.#hasEnded) return false;
    this.#hasEnded = true;
    this.#liveness.end();
    this.#queue = undefined;
    this.#receiver.onEnd();
    return true;
  }
}
