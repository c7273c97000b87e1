/**
 * A client that does not behave: bare TCP below a WebSocket. It reads only when told to, answers no
 * ping and no close, and leaves without a word. It never leaves before its socket is open at the
 * server: Deno 2.9 keeps a file descriptor for ever of who resets at that very moment.
 */

import { within } from "../../tests/helpers/patience.ts";
import { frame, handshake } from "../../tests/helpers/raw.ts";
import { type Holder, sleep, type World } from "./world.ts";

const TEXT = 1;

/** What is kept of what was read, in characters. */
const MAX_KEPT = 65536;

/** A client on bare TCP. */
export class RawPeer implements Holder {
  readonly #world: World;
  readonly #connection: Deno.TcpConn;
  readonly #decoder = new TextDecoder();
  readonly #buffer = new Uint8Array(65536);
  #text = "";

  private constructor(world: World, connection: Deno.TcpConn) {
    this.#world = world;
    this.#connection = connection;
    world.took(this);
  }

  /** Connects and sends these bytes, whatever they are. */
  static async connect(world: World, bytes: string): Promise<RawPeer> {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: world.port });
    const raw = new RawPeer(world, connection);
    await raw.write(new TextEncoder().encode(bytes));
    return raw;
  }

  /** Opens a WebSocket at this path. */
  static async open(world: World, path: string): Promise<RawPeer> {
    const raw = await RawPeer.connect(world, handshake(path));
    await raw.reads(/\r\n\r\n/);
    if (!raw.#text.startsWith("HTTP/1.1 101")) {
      raw.drop();
      throw new Error(`No upgrade: ${raw.#text.slice(0, 200)}`);
    }
    raw.#text = raw.#text.slice(raw.#text.indexOf("\r\n\r\n") + 4);
    world.tally.counts.connects++;
    return raw;
  }

  /** Joins a room as a normal peer, and has its peer list read. */
  static async join(world: World, room: string, id: string): Promise<RawPeer> {
    const raw = await RawPeer.open(world, world.path(room, id));
    await raw.send({ type: "register" });
    await raw.reads(/"peer-list"/);
    return raw;
  }

  async send(message: Record<string, unknown>): Promise<void> {
    await this.write(frame(TEXT, JSON.stringify(message)));
  }

  /** Sends bytes; that the server has ended meanwhile is none of its business. */
  async write(bytes: Uint8Array): Promise<void> {
    try {
      for (let sent = 0; sent < bytes.length;) {
        sent += await this.#connection.write(bytes.subarray(sent));
      }
    } catch {
      // The server, or `drop`, was faster.
    }
  }

  /** Reads until what came matches. */
  async reads(pattern: RegExp): Promise<void> {
    await within(`${pattern} on bare TCP`, this.#readUntil(() => pattern.test(this.#text)));
    if (!pattern.test(this.#text)) throw new Error(`The server ended before ${pattern}`);
  }

  /** Reads until the server ends the connection. */
  async readsEnd(): Promise<void> {
    await within("the end on bare TCP", this.#readUntil(() => false));
  }

  /** Ends its half of the connection without a closing handshake, waits for the other, and goes. */
  async finish(): Promise<void> {
    await this.#connection.closeWrite().catch(() => {});
    await this.readsEnd();
    this.drop();
  }

  /** Resets the connection: the system does so when a socket is closed while it holds unread bytes. */
  async reset(): Promise<void> {
    for (let n = 0; n < 3; n++) await this.send({ type: "offer", to: "nobody", sdp: {} });
    await sleep(30);
    this.drop();
  }

  drop(): void {
    this.#world.letGo(this);
    try {
      this.#connection.close();
    } catch {
      // It is closed.
    }
  }

  async #readUntil(isDone: () => boolean): Promise<void> {
    while (!isDone()) {
      const count = await this.#connection.read(this.#buffer).catch(() => null);
      if (count === null) return;
      const text = this.#decoder.decode(this.#buffer.subarray(0, count), { stream: true });
      this.#text = (this.#text + text).slice(-MAX_KEPT);
    }
  }
}
