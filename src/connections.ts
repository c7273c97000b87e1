/**
 * Which sockets there are: those that are open, and those that were told to close and have not gone
 * yet. Deno cannot terminate a socket, so the second kind may stay for as long as its client likes.
 */

import type { Clock, Timer } from "./clock.ts";

/** A socket that can be told to close. */
export interface Closable {
  /** Ends the connection because the server stops. */
  shutDown(): void;
  /** Ends the connection if its client has stopped reading. */
  checkFlow(): void;
  /** Whether it is told to close after the others when the server stops. */
  readonly closesLast: boolean;
}

/** The sockets of one handler. */
export class Connections {
  readonly #open = new Set<Closable>();
  readonly #closing = new Set<Closable>();
  readonly #clock: Clock;
  readonly #checkMs: number;
  #timer: Timer | undefined;
  #whenGone: (() => void) | undefined;

  /** Looks for clients that have stopped reading every `checkMs` milliseconds; 0 never does. */
  constructor(clock: Clock, checkMs: number) {
    this.#clock = clock;
    this.#checkMs = checkMs;
  }

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
    this.#watch();
  }

  /** Counts a socket that was told to close. */
  toldToClose(connection: Closable): void {
    this.#open.delete(connection);
    this.#closing.add(connection);
    this.#watch();
  }

  /** Forgets a socket that has gone; Deno may say so twice. */
  gone(connection: Closable): void {
    this.#open.delete(connection);
    this.#closing.delete(connection);
    this.#watch();
    if (this.#open.size + this.#closing.size === 0) this.#whenGone?.();
  }

  /** Tells every socket to close and waits until all have gone, at most `graceMs` milliseconds. */
  async shutDown(graceMs: number): Promise<void> {
    const last: Closable[] = [];
    for (const connection of [...this.#open]) {
      if (connection.closesLast) last.push(connection);
      else connection.shutDown();
    }
    for (const connection of last) connection.shutDown();
    if (this.#closing.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = this.#clock.setTimeout(resolve, graceMs);
      this.#whenGone = () => {
        this.#clock.clearTimeout(timer);
        resolve();
      };
    });
    this.#whenGone = undefined;
  }

  /** Keeps one timer going for as long as a socket is open. */
  #watch(): void {
    if (this.#open.size === 0 || this.#checkMs === 0) {
      if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
      this.#timer = undefined;
    } else if (this.#timer === undefined) {
      this.#timer = this.#clock.setTimeout(() => this.#check(), this.#checkMs);
    }
  }

  #check(): void {
    this.#timer = undefined;
    for (const connection of [...this.#open]) connection.checkFlow();
    this.#watch();
  }
}
