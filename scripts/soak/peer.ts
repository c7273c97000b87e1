/** A client that behaves: a plain WebSocket that joins, signals and leaves as browsers do. */

import { within } from "../../tests/helpers/patience.ts";
import type { Holder, World } from "./world.ts";

/** A message as the server sends it; of the fields only what a soak looks at. */
export interface Message {
  readonly type: string;
  readonly from?: string;
  readonly fromRole?: string;
  readonly to?: string;
  readonly code?: string;
  readonly seq?: number;
  readonly peers?: readonly string[];
  readonly servers?: readonly string[];
}

interface Waiting {
  readonly matches: (message: Message) => boolean;
  readonly resolve: (message: Message) => void;
}

/** A well-behaved client. */
export class Peer implements Holder {
  readonly id: string;
  readonly socket: WebSocket;
  /** Resolves with the close code. */
  readonly closed: Promise<number>;
  /** Receives every message. */
  onMessage: (message: Message) => void = () => {};
  /** The code it was closed with, once it is. */
  closeCode: number | undefined;
  readonly #world: World;
  readonly #waiting = new Set<Waiting>();

  private constructor(world: World, url: string, id: string) {
    this.#world = world;
    this.id = id;
    this.socket = new WebSocket(url);
    world.took(this);
    this.closed = new Promise((resolve) => {
      this.socket.addEventListener("close", ({ code }) => {
        this.closeCode = code;
        world.letGo(this);
        resolve(code);
      });
    });
    this.socket.addEventListener("message", ({ data }) => this.#hear(JSON.parse(data)));
  }

  /** Opens a socket. */
  static async open(world: World, query: Record<string, string>): Promise<Peer> {
    const id = query["nodeId"] ?? "";
    const peer = new Peer(world, world.signal(query), id);
    await within(
      `${id} to open`,
      new Promise<void>((resolve, reject) => {
        peer.socket.addEventListener("open", () => resolve());
        peer.closed.then((code) => reject(new Error(`${id} was closed with ${code} at once`)));
      }),
    );
    world.tally.counts.connects++;
    return peer;
  }

  /** Joins a room as a normal peer and resolves with who is there. */
  static async join(
    world: World,
    room: string,
    id: string,
    register: Record<string, unknown> = {},
  ): Promise<{ peer: Peer; peers: readonly string[] }> {
    const peer = await Peer.open(world, world.query(room, id));
    return { peer, peers: await peer.register(register) };
  }

  /** Registers as a normal peer and resolves with who is there. */
  async register(options: Record<string, unknown> = {}): Promise<readonly string[]> {
    const list = this.expect("peer-list");
    this.send({ type: "register", role: "normal", ...options });
    return (await list).peers ?? [];
  }

  send(message: Record<string, unknown>): void {
    this.socket.send(JSON.stringify(message));
  }

  /** The next message of this type that matches. */
  expect(type: string, matches: (message: Message) => boolean = () => true): Promise<Message> {
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    const waiting: Waiting = {
      matches: (message) => message.type === type && matches(message),
      resolve,
    };
    this.#waiting.add(waiting);
    this.closed.then((code) => reject(new Error(`${this.id} was closed with ${code}`)));
    return within(`${type} for ${this.id}`, promise)
      .finally(() => this.#waiting.delete(waiting));
  }

  /** Says goodbye and waits until the socket is closed. */
  async leave(): Promise<void> {
    if (this.closeCode === undefined) this.socket.close();
    await within(`${this.id} to close`, this.closed);
  }

  drop(): void {
    this.socket.close();
  }

  #hear(message: Message): void {
    if (message.from !== undefined) this.#world.tally.counts.relayed++;
    for (const waiting of this.#waiting) {
      if (waiting.matches(message)) waiting.resolve(message);
    }
    this.onMessage(message);
  }
}
