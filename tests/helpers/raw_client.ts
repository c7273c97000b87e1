/** A WebSocket client on bare TCP: it sends the bytes that it is given and reads frame by frame. */

import { Buffer } from "node:buffer";
import { within } from "./patience.ts";
import { frame, handshake } from "./raw.ts";
import { assertMessage } from "./schemas.ts";

/** A frame of the server's. */
export interface Frame {
  readonly opcode: number;
  readonly payload: Uint8Array;
}

const REGISTER = frame(1, '{"type":"register","role":"normal"}');
const HEAD_END = "\r\n\r\n";

/** A message for nobody: the server answers it in order, so that what came before has been read. */
export function probe(name: string): Uint8Array {
  return frame(1, `{"type":"offer","to":"${name}","sdp":{}}`);
}

/** The code of a close frame, or `undefined`. */
export function closeCode({ opcode, payload }: Frame): number | undefined {
  const [high, low] = payload;
  return opcode !== 8 || high === undefined || low === undefined ? undefined : high << 8 | low;
}

/** The JSON of a text frame of the server's, which must be valid. */
// deno-lint-ignore no-explicit-any
export function json({ payload }: Frame): any {
  const message = JSON.parse(new TextDecoder().decode(payload));
  assertMessage("ServerMessage", message);
  return message;
}

/** Joins bytes, and texts as UTF-8. */
export function bytes(...parts: (string | Uint8Array | readonly number[])[]): Uint8Array {
  return new Uint8Array(Buffer.concat(
    parts.map((part) => typeof part === "string" ? Buffer.from(part) : new Uint8Array(part)),
  ));
}

/** A client that never answers pings or close frames, and reads only when it is asked to. */
export class RawClient implements Disposable {
  readonly connection: Deno.TcpConn;
  #unread = new Uint8Array();
  #isClosed = false;

  private constructor(connection: Deno.TcpConn) {
    this.connection = connection;
  }

  /** Connects without a word. */
  static async connect(port: number): Promise<RawClient> {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    connection.setNoDelay();
    return new RawClient(connection);
  }

  /** Shakes hands, with what else is given in the same write. */
  static async open(port: number, target: string, ...behind: Uint8Array[]): Promise<RawClient> {
    const client = await RawClient.connect(port);
    await client.write(handshake(target), ...behind);
    const head = await client.head();
    if (!head.startsWith("HTTP/1.1 101")) throw new Error(`No upgrade: ${head}`);
    return client;
  }

  /** Joins as a normal peer and reads its peer list. */
  static async join(port: number, target: string): Promise<RawClient & { peers: string[] }> {
    const client = await RawClient.open(port, target, REGISTER);
    const list = await client.next();
    return Object.assign(client, { peers: list === null ? [] : json(list).peers });
  }

  /** Writes all of it at once; `false` when the connection has gone. */
  async write(...parts: (string | Uint8Array)[]): Promise<boolean> {
    const data = bytes(...parts);
    try {
      for (let sent = 0; sent < data.length;) {
        sent += await this.connection.write(data.subarray(sent));
      }
      return true;
    } catch {
      return false;
    }
  }

  /** The head of the HTTP answer, or what there was of it when the server ended the connection. */
  async head(): Promise<string> {
    while (true) {
      const end = Buffer.from(this.#unread).indexOf(HEAD_END);
      if (end >= 0) return new TextDecoder().decode(this.#take(end + HEAD_END.length));
      if (!await this.#read()) return new TextDecoder().decode(this.#unread);
    }
  }

  /** The next frame, or `null` when the server ended the connection. */
  async next(): Promise<Frame | null> {
    while (true) {
      const [first = 0, second = 0] = this.#unread;
      const size = second < 126 ? 0 : second === 126 ? 2 : 8;
      const length = size === 0
        ? second
        : this.#unread.subarray(2, 2 + size).reduce((sum, byte) => sum * 256 + byte, 0);
      const start = 2 + size;
      if (this.#unread.length >= 2 && this.#unread.length >= start + length) {
        return { opcode: first & 15, payload: this.#take(start + length).subarray(start) };
      }
      if (!await this.#read()) return null;
    }
  }

  /** Ends the connection with an RST, since there is an answer that it has not read. */
  async reset(): Promise<void> {
    await this.write(probe("nobody"));
    await within("a byte", this.connection.read(new Uint8Array(1)).catch(() => null));
    this.close();
  }

  close(): void {
    if (!this.#isClosed) this.connection.close();
    this.#isClosed = true;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #take(count: number): Uint8Array {
    const taken = this.#unread.slice(0, count);
    this.#unread = this.#unread.slice(count);
    return taken;
  }

  async #read(): Promise<boolean> {
    const buffer = new Uint8Array(65536);
    const count = await this.connection.read(buffer).catch(() => null);
    if (count === null) return false;
    this.#unread = bytes(this.#unread, buffer.subarray(0, count)) as Uint8Array<ArrayBuffer>;
    return true;
  }
}
