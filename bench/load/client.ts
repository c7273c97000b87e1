/** One client of the load generator: connects, joins, answers pings, closes. */

import { CLOSE_FRAME, frameOf, FrameReader, OPCODE } from "./frames.ts";
import type { Identity, Protocol } from "./protocols.ts";
import type { SocketOwner, Sockets } from "./tcp.ts";

/** What all clients of one run share. */
export interface World {
  readonly sockets: Sockets;
  readonly protocol: Protocol;
  readonly port: number;
  /** What went wrong, in words, with how often. */
  readonly problems: Map<string, number>;
}

const decoder = new TextDecoder();
const headDecoder = new TextDecoder("latin1"); // A character per byte.
const HEAD_END = "\r\n\r\n";
const HANDSHAKE = [
  "Host: 127.0.0.1",
  "Origin: http://localhost",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
].join("\r\n");

/** Notes that something went wrong. */
export function note({ problems }: World, problem: string): void {
  problems.set(problem, (problems.get(problem) ?? 0) + 1);
}

/** A client, from its connect to its end. */
export class Client implements Identity, SocketOwner {
  id: string;
  readonly room: string;
  readonly token: string | undefined;
  /** The message that let it in. */
  list = "";
  /** Receives each text once the client has joined. */
  onText: ((payload: Uint8Array) => void) | undefined;
  readonly #world: World;
  readonly #frames: FrameReader;
  #socket = -1;
  #head: string | undefined = "";
  #onSettled: ((joined: boolean) => void) | undefined;
  #isClosing = false;

  constructor(world: World, id: string, room: string, token: string | undefined) {
    this.#world = world;
    this.id = id;
    this.room = room;
    this.token = token;
    this.#frames = new FrameReader((opcode, payload) => this.#frame(opcode, payload));
  }

  /** Connects and joins; `onSettled` receives the outcome. */
  join(onSettled: (joined: boolean) => void): void {
    const { sockets, port, protocol } = this.#world;
    this.#onSettled = onSettled;
    this.#socket = sockets.connect(port, this);
    sockets.send(
      this.#socket,
      new TextEncoder().encode(
        `GET ${protocol.target(this)} HTTP/1.1\r\n${HANDSHAKE}${HEAD_END}`,
      ),
    );
  }

  /** Sends a frame that is made already. */
  send(frame: Uint8Array<ArrayBuffer>): void {
    this.#world.sockets.send(this.#socket, frame);
  }

  /** Says goodbye; the socket closes when the server has answered. */
  leave(): void {
    this.#isClosing = true;
    this.send(CLOSE_FRAME);
  }

  /** Ends the connection without a word. */
  drop(): void {
    this.#isClosing = true;
    this.#world.sockets.close(this.#socket);
  }

  received(bytes: Uint8Array): void {
    if (this.#head === undefined) return this.#frames.read(bytes);
    const before = this.#head.length;
    const head = this.#head + headDecoder.decode(bytes);
    const end = head.indexOf(HEAD_END);
    this.#head = head;
    if (end < 0) return;
    this.#head = undefined;
    if (!head.startsWith("HTTP/1.1 101")) return this.#fail(head.slice(0, head.indexOf("\r")));
    this.#act(this.#world.protocol.opened(this));
    const behind = bytes.subarray(end + HEAD_END.length - before);
    if (behind.length > 0) this.#frames.read(behind);
  }

  ended(): void {
    if (!this.#isClosing) this.#fail("the server has ended a connection");
  }

  #frame(opcode: number, payload: Uint8Array): void {
    if (opcode === OPCODE.text) {
      if (this.#onSettled === undefined) this.onText?.(payload);
      else this.#joining(decoder.decode(payload));
    } else if (opcode === OPCODE.ping) this.send(frameOf(payload, OPCODE.pong));
    else if (opcode === OPCODE.close) {
      if (this.#isClosing) this.drop();
      else {
        const code = (payload[0] ?? 0) << 8 | (payload[1] ?? 0);
        this.#fail(`closed with ${code} ${decoder.decode(payload.subarray(2))}`);
      }
    }
  }

  #joining(text: string): void {
    const next = this.#world.protocol.joining(this, text);
    if (next === "joined") this.list = text;
    this.#act(next);
  }

  #act(next: string[] | "joined"): void {
    if (next === "joined") this.#settle(true);
    else for (const text of next) this.send(frameOf(text));
  }

  #fail(problem: string): void {
    note(this.#world, problem);
    this.drop();
    this.#settle(false);
  }

  #settle(joined: boolean): void {
    const settled = this.#onSettled;
    this.#onSettled = undefined;
    settled?.(joined);
  }
}
