/**
 * A signaling client for tests, on a real WebSocket: whatever the server sends it, and whatever it
 * sends that the server accepts, must be valid.
 */

import { within } from "./patience.ts";
import { assertDescribed, assertMessage, prepareSchemas } from "./schemas.ts";

export { until, within } from "./patience.ts";

// deno-lint-ignore no-explicit-any
export type Message = any;

export class Client implements AsyncDisposable {
  readonly socket: WebSocket;
  /** Resolves with the close code and reason. */
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly #inbox: Message[] = [];
  #arrived: () => void = () => {};

  private constructor(url: string, options: WebSocketOptions) {
    this.socket = new WebSocket(url, options);
    this.closed = new Promise((resolve) => {
      this.socket.addEventListener("close", ({ code, reason }) => resolve({ code, reason }));
    });
    this.socket.addEventListener("message", ({ data }) => {
      const message = JSON.parse(data);
      assertMessage("ServerMessage", message); // What it throws fails the test, whoever reads on.
      this.#inbox.push(message);
      this.#arrived();
    });
  }

  /** Connects and resolves once the socket is open. */
  static async connect(url: string, options: WebSocketOptions = {}): Promise<Client> {
    prepareSchemas();
    const client = new Client(url, options);
    await within(
      "open",
      new Promise<void>((resolve, reject) => {
        client.socket.addEventListener("open", () => resolve());
        client.socket.addEventListener("close", () => reject(new Error("closed before open")));
      }),
    );
    return client;
  }

  /** Connects, registers as a normal peer and resolves with its peer list at hand. */
  static async join(
    url: string,
    register: Record<string, unknown> = {},
    options: WebSocketOptions = {},
  ): Promise<Client & { peers: string[] }> {
    const client = await Client.connect(url, options);
    client.send({ type: "register", role: "normal", ...register });
    const { peers } = await client.next("peer-list");
    return Object.assign(client, { peers });
  }

  send(message: unknown): void {
    const text = typeof message === "string" ? message : JSON.stringify(message);
    assertDescribed(text);
    this.socket.send(text);
  }

  /**
   * The next message, which has to be of this type. A `peer-list` that reintroduces peers may come
   * before it at any time, after 6 s on a busy machine.
   */
  async next(type?: string): Promise<Message> {
    let message = await this.#next(type);
    while (type !== undefined && type !== "peer-list" && message.type === "peer-list") {
      message = await this.#next(type);
    }
    if (type !== undefined && message.type !== type) {
      throw new Error(`Expected ${type}, got ${JSON.stringify(message)}`);
    }
    return message;
  }

  async #next(type: string | undefined): Promise<Message> {
    if (this.#inbox.length === 0) {
      await within(
        `a message (${type ?? "any"})`,
        new Promise<void>((resolve, reject) => {
          this.#arrived = resolve;
          this.closed.then(({ code }) => reject(new Error(`closed with ${code} instead`)));
        }),
      );
    }
    return this.#inbox.shift();
  }

  /**
   * Everything that came so far. The server answers in order: what it sent before the answer to
   * this probe has arrived when the answer has.
   */
  async drain(): Promise<Message[]> {
    const probe = `nobody-${crypto.randomUUID()}`;
    this.send({ type: "ice-candidate", to: probe, candidate: null });
    const messages: Message[] = [];
    while (true) {
      const message = await this.next();
      if (message.code === "PEER_NOT_FOUND" && message.to === probe) return messages;
      messages.push(message);
    }
  }

  async close(): Promise<void> {
    if (this.socket.readyState !== WebSocket.CLOSED) {
      this.socket.close();
      await within("close", this.closed);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
