/**
 * An open WebSocket on a bare connection. It shows what Deno's client hides: the server's pings, and
 * whether a connection ended with a close frame. It answers pings as browsers do. Opening it is
 * `handshake.ts`; what messages mean is not its concern.
 */

import { isObject } from "../protocol/messages.ts";
import { untilAborted } from "../runtime/until_aborted.ts";
import { closeQuietly, joinBytes, writeAll } from "./bytes.ts";
import { decodeFrame, encodeFrame, type Frame, OPCODE } from "./frames.ts";

/** Messages that wait to be read; a server that sends more is not this one. */
const MAX_WAITING = 1000;

/** Of one message; this server sends none. */
const MAX_FRAGMENTS = 64;

/** Milliseconds for the server to answer a close frame. */
const CLOSE_TIMEOUT_MS = 1000;

/** How a WebSocket ended. */
export interface SocketEnd {
  /** The code of the close frame; `undefined` if the connection ended without one. */
  readonly code: number | undefined;
  readonly reason: string;
  /** `performance.now()`. */
  readonly at: number;
}

/** Thrown when a message is waited for on a WebSocket that has ended. */
export class SocketEnded extends Error {
  readonly end: SocketEnd;

  constructor(end: SocketEnd) {
    super("The WebSocket has ended");
    this.end = end;
  }
}

/** An open WebSocket. */
export class RawSocket {
  /** Resolves when it ends, by whomever. */
  readonly ended: Promise<SocketEnd>;
  /** How many pings have come. */
  pings = 0;
  readonly conn: Deno.Conn;
  readonly #messages: Record<string, unknown>[] = [];
  #unread: Uint8Array;
  #parts: Frame[] = [];
  #close: Pick<SocketEnd, "code" | "reason"> = { code: undefined, reason: "" };
  #arrived = Promise.withResolvers<void>();
  #isClosed = false;

  constructor(conn: Deno.Conn, unread: Uint8Array) {
    this.conn = conn;
    this.#unread = unread;
    this.ended = this.#read();
  }

  /** Sends a message. A connection that has ended shows in `ended`. */
  async send(message: unknown): Promise<void> {
    await this.#write(OPCODE.text, new TextEncoder().encode(JSON.stringify(message)));
  }

  /**
   * The next message for which `isWanted` is true; those before it are dropped.
   *
   * @throws {SocketEnded} It ended first.
   * @throws The reason of the signal, when it aborts.
   */
  async next(
    isWanted: (message: Record<string, unknown>) => boolean,
    signal: AbortSignal,
  ): Promise<Record<string, unknown>> {
    while (true) {
      signal.throwIfAborted();
      const message = this.#messages.shift();
      if (message === undefined) {
        if (this.#isClosed) throw new SocketEnded(await this.ended);
        await untilAborted(this.#arrived.promise, signal);
      } else if (isWanted(message)) return message;
    }
  }

  /** Closes it, and waits a moment for the other side to do so. */
  async close(): Promise<void> {
    const timer = setTimeout(() => this.#end(), CLOSE_TIMEOUT_MS);
    await this.#write(OPCODE.close, new Uint8Array([1000 >> 8, 1000 & 255]));
    await this.ended;
    clearTimeout(timer);
  }

  /** Reads until the connection ends. */
  async #read(): Promise<SocketEnd> {
    const chunk = new Uint8Array(16_384);
    try {
      while (!await this.#handleFrames()) {
        const count = await this.conn.read(chunk);
        if (count === null) break;
        this.#unread = joinBytes(this.#unread, chunk.subarray(0, count));
      }
    } catch {
      // A reset, or a frame that is none: there was no close frame.
    }
    this.#end();
    this.#isClosed = true;
    this.#arrived.resolve();
    return { ...this.#close, at: performance.now() };
  }

  /** True when the server has closed. */
  async #handleFrames(): Promise<boolean> {
    for (let frame; (frame = decodeFrame(this.#unread)) !== undefined;) {
      this.#unread = this.#unread.subarray(frame.size);
      if (frame.opcode === OPCODE.close) {
        const [high, low] = frame.payload;
        const code = high === undefined || low === undefined ? 1005 : high << 8 | low;
        this.#close = { code, reason: new TextDecoder().decode(frame.payload.subarray(2)) };
        await this.#write(OPCODE.close, frame.payload.subarray(0, 2));
        return true;
      }
      if (frame.opcode === OPCODE.ping) {
        this.pings++;
        await this.#write(OPCODE.pong, frame.payload);
      } else if (frame.opcode <= OPCODE.text) this.#collect(frame);
    }
    return false;
  }

  #collect(frame: Frame): void {
    this.#parts.push(frame);
    if (this.#parts.length > MAX_FRAGMENTS) {
      throw new RangeError("A message has too many fragments");
    }
    if (!frame.isFinal) return;
    const payload = this.#parts.map(({ payload }) => payload).reduce(joinBytes);
    this.#parts = [];
    let message: unknown;
    try {
      message = JSON.parse(new TextDecoder().decode(payload));
    } catch {
      return; // Not of this server.
    }
    if (!isObject(message) || this.#messages.length >= MAX_WAITING) return;
    this.#messages.push(message);
    this.#arrived.resolve();
    this.#arrived = Promise.withResolvers();
  }

  async #write(opcode: number, payload: Uint8Array): Promise<void> {
    try {
      await writeAll(this.conn, encodeFrame(opcode, payload));
    } catch {
      // It has ended, which `ended` says.
    }
  }

  #end(): void {
    closeQuietly(this.conn);
  }
}

/** How the socket ends, `undefined` if it does not within a time or before the signal aborts. */
export async function endWithin(
  ended: Promise<SocketEnd>,
  ms: number,
  signal: AbortSignal,
): Promise<SocketEnd | undefined> {
  const over = Promise.withResolvers<undefined>();
  const finish = () => over.resolve(undefined);
  const timer = setTimeout(finish, ms);
  signal.addEventListener("abort", finish);
  if (signal.aborted) finish();
  try {
    return await Promise.race([over.promise, ended]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", finish);
  }
}
