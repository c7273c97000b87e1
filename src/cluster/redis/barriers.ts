/**
 * Waits until what was published for this instance has been received. Replies to commands and what is
 * published come over two connections, so that a reply may arrive before what happened earlier.
 */

/** The barriers of one instance. */
export class Barriers {
  readonly #waiting = new Map<number, PromiseWithResolvers<void>>();
  #lastId = 0;

  /** Resolves once a barrier that is published now has come back; rejects if it never will. */
  pass(publish: (id: number) => void): Promise<void> {
    const id = ++this.#lastId;
    const barrier = Promise.withResolvers<void>();
    this.#waiting.set(id, barrier);
    publish(id);
    return barrier.promise;
  }

  /** A barrier has come back. */
  received(id: number): void {
    this.#waiting.get(id)?.resolve();
    this.#waiting.delete(id);
  }

  /** Gives up all, because the connection has ended. */
  clear(): void {
    for (const { reject } of this.#waiting.values()) reject(new Error("Redis is down"));
    this.#waiting.clear();
  }
}
