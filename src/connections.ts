/**
 * Which sockets there are: those that are open, and those that were told to close and have not gone
 * yet. Deno cannot terminate a socket, so the second kind may stay for as long as its client likes.
 */

import type { Clock } from "./clock.ts";

/** A socket that can be told to close. */
export interface Closable {
  /** Ends the connection because the server stops. */
  shutDown(): void;
}

/** The sockets of one handler. */
export class Connections {
  readonly #open = new Set<Closable>();
  readonly #closing = new Set<Closable>();
  #whenGone: (() => void) | undefined;

  /** How many sockets are open. */
  get open(): number {
    return this.#open.size;
  }

  /** How many sockets were told to close and have not gone yet. */
  get closing(): number {
    return this.#closing.size;
  }

  /** Counts a socket that has opened. */
  opened(connection: Closable): void {
    this.#open.add(connection);
  }

  /** Counts a socket that was told to close. */
  toldToClose(connection: Closable): void {
    this.#open.delete(connection);
    this.#closing.add(connection);
  }

  /** Forgets a socket that has gone; Deno may say so twice. */
  gone(connection: Closable): void {
    this.#open.delete(connection);
    this.#closing.delete(connection);
    if (this.#open.size + this.#closing.size === 0) this.#whenGone?.();
  }

  /** Tells every socket to close and waits until all have gone, at most `graceMs` milliseconds. */
  async shutDown(clock: Clock, graceMs: number): Promise<void> {
    for (const connection of [...this.#open]) connection.shutDown();
    if (this.#closing.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = clock.setTimeout(resolve, graceMs);
      this.#whenGone = () => {
        clock.clearTimeout(timer);
        resolve();
      };
    });
    this.#whenGone = undefined;
  }
}
