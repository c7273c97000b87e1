/**
 * A connection that was refused before its upgrade. A browser can read a close code but no HTTP
 * status, so the socket is upgraded all the same and closed as soon as it is open. It is nobody: it
 * hears nothing and is in no room.
 */

import type { Connections } from "./connections.ts";
import type { Logger } from "./logger.ts";
import type { CloseReason } from "./protocol.ts";
import type { SocketLike } from "./session.ts";

/** The listener of a refused socket. */
export class Refusal implements EventListenerObject {
  readonly #socket: SocketLike;
  readonly #why: CloseReason;
  readonly #connections: Connections;
  readonly #logger: Logger;

  constructor(socket: SocketLike, why: CloseReason, connections: Connections, logger: Logger) {
    this.#socket = socket;
    this.#why = why;
    this.#connections = connections;
    this.#logger = logger;
  }

  /** Takes the socket's `open` and `close`. A throw would end the process: none leaves. */
  handleEvent(event: Event): void {
    try {
      if (event.type !== "open") return this.#connections.gone(this);
      const { code, reason } = this.#why;
      this.#connections.toldToClose(this);
      this.#logger.info("Connection refused", { code, reason });
      this.#socket.close(code, reason);
    } catch (cause) {
      this.#logger.error("A refusal failed", { cause: String(cause) });
    }
  }
}
