/**
 * Which sockets there are, by what has become of each, and how many more there may be. One that was
 * told to close stays until its client answers or its time is over; and of a client that resets its
 * connection during the handshake Deno 2.9 never says anything again.
 */

import type { Address } from "../access/address.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import type { Limits } from "../access/limits.ts";
import { Overdue } from "./timeout_set.ts";
import { CLOSE, type CloseReason } from "../protocol/messages.ts";

/**
 * `opening` since its upgrade, `pending` once open, `joined` a room; `refused` once it was told to
 * close before that, `closing` if after; `lost` if it never opened, `gone` for good.
 */
export type Phase = "opening" | "pending" | "joined" | "refused" | "closing" | "lost" | "gone";

/** A socket that can be told to close. */
export interface Closable {
  /** Whose it is. */
  readonly address: Address;
  /** What has become of it; only {@linkcode Connections} changes it. */
  phase: Phase;
  /** Ends the connection. */
  close(why: CloseReason): void;
  /** Ends the connection of a client that did not answer its close. */
  terminate(): void;
  /** Ends the connection if its client has stopped reading. */
  checkFlow(): void;
  /** Whether it is told to close after the others when the server stops. */
  readonly closesLast: boolean;
}

/** Why there is no room for another socket. */
export type Crowd = "server" | "pending" | "address" | "pending of address";

/** How long an upgraded socket may take to open, in milliseconds, before it is given up. */
const OPEN_WITHIN_MS = 2000;

/** How long a client may take to answer its close, in milliseconds. */
const GO_WITHIN_MS = 5000;

/** How often sockets are closed while the server drains, in milliseconds. */
const DRAIN_STEP_MS = 10;

/** Of the sockets that there were when file descriptors ran out, one in so many is not filled again. */
const RESERVE = 16;

/** How long that holds, in milliseconds: something else may have had them. */
const RESERVE_MS = 60_000;

/** One in so many sockets may be a refused one, so that those who are let in find room. */
const REFUSED_SHARE = 4;

type Tally = Record<Phase, number>;

/** The sockets of one handler. */
export class Connections {
  readonly #clock: Clock;
  readonly #checkMs: number;
  readonly #limits: Limits;
  readonly #all = new Set<Closable>();
  readonly #opening: Overdue<Closable>;
  readonly #closing: Overdue<Closable>;
  readonly #tally: Tally = {
    opening: 0,
    pending: 0,
    joined: 0,
    refused: 0,
    closing: 0,
    lost: 0,
    gone: 0,
  };
  readonly #byAddress = new Map<string, { sockets: number; pending: number }>();
  #most = 0;
  #fit = Infinity;
  #fitUntil = 0;
  #flowTimer: Timer | undefined;
  #isShut = false;
  #whenGone: (() => void) | undefined;

  /** Looks for clients that have stopped reading every `checkMs` milliseconds; 0 never does. */
  constructor(clock: Clock, checkMs: number, limits: Limits) {
    this.#clock = clock;
    this.#checkMs = checkMs;
    this.#limits = limits;
    this.#opening = new Overdue(clock, OPEN_WITHIN_MS, (socket) => this.became(socket, "lost"));
    this.#closing = new Overdue(clock, GO_WITHIN_MS, (socket) => socket.terminate());
  }

  /** How many sockets are upgraded and have not joined. */
  get pending(): number {
    return this.#tally.opening + this.#tally.pending;
  }

  /** How many sockets were told to close and have not gone yet. */
  get closing(): number {
    return this.#tally.closing + this.#tally.refused;
  }

  /** Whether there are so many of them that who is refused is to get no socket. */
  get isCrowdedByRefused(): boolean {
    const share = Math.max(Math.floor(this.#room() / REFUSED_SHARE), 1);
    return this.closing >= Math.min(this.#limits.maxRefusedConnections, share);
  }

  /** How many sockets were upgraded and never heard of again. */
  get lost(): number {
    return this.#tally.lost;
  }

  /** How many sockets there are. */
  get size(): number {
    return this.#all.size;
  }

  /** What is full for another socket of this address, if anything is. */
  crowd(address: Address): Crowd | undefined {
    const limits = this.#limits;
    if (this.#all.size >= this.#room()) return "server";
    const own = address === undefined ? undefined : this.#byAddress.get(address);
    if (own !== undefined && own.sockets >= limits.maxConnectionsPerIp) return "address";
    if (own !== undefined && own.pending >= limits.maxPendingConnectionsPerIp) {
      return "pending of address";
    }
    return this.pending >= limits.maxPendingConnections ? "pending" : undefined;
  }

  /**
   * Takes note that the process has no file descriptor left: for a minute no more sockets fit than
   * there were, less a reserve.
   *
   * @returns How many, or `Infinity` when so few sockets cannot be the reason.
   */
  ranOut(): number {
    const isOurs = this.#most >= RESERVE;
    this.#fit = isOurs ? this.#most - Math.ceil(this.#most / RESERVE) : Infinity;
    this.#fitUntil = this.#clock.elapsed() + RESERVE_MS;
    return this.#fit;
  }

  /** Counts a socket that has been upgraded. */
  upgraded(connection: Closable): void {
    this.#all.add(connection);
    this.#most = Math.max(this.#most, this.#all.size);
    this.#opening.add(connection);
    this.#tally.opening++;
    this.#count(connection, 1, 1);
  }

  /** Counts a socket as what it has become; one that has gone stays so, since Deno may say it twice. */
  became(connection: Closable, next: Phase): void {
    const { phase: before } = connection;
    const phase = next === "closing" && isStranger(before) ? "refused" : next;
    if (before === phase || before === "gone") return;
    connection.phase = phase;
    this.#tally[before]--;
    this.#tally[phase]++;
    if (before === "opening") this.#opening.delete(connection);
    if (isClosing(before)) this.#closing.delete(connection);
    if (isClosing(phase) && !this.#isShut) this.#closing.add(connection);
    const wasThere = before !== "lost";
    const isThere = phase !== "lost" && phase !== "gone";
    if (isThere) this.#all.add(connection);
    else this.#all.delete(connection);
    this.#count(
      connection,
      Number(isThere) - Number(wasThere),
      Number(isStranger(phase)) - Number(isStranger(before)),
    );
    this.#watch();
    if (this.#all.size === 0) this.#whenGone?.();
  }

  /** Ends every socket that was told to close and has not gone. */
  terminateClosing(): void {
    this.#closing.flush();
  }

  /** Closes every socket that has opened and not joined. */
  closePending(why: CloseReason): void {
    for (const connection of [...this.#all]) {
      if (connection.phase === "pending") connection.close(why);
    }
  }

  /**
   * Tells every socket to close, spread evenly over `drainMs` milliseconds, those that never come
   * back last, waits until all have gone, `graceMs` milliseconds at most, and ends the others.
   */
  async shutDown(drainMs: number, graceMs: number): Promise<void> {
    this.closePending(CLOSE.shuttingDown);
    const joined = [...this.#all].filter(({ phase }) => phase === "joined");
    const first = joined.filter(({ closesLast }) => !closesLast);
    const start = this.#clock.elapsed();
    for (let closed = 0; closed < first.length;) {
      const due = drainMs > 0 ? (this.#clock.elapsed() - start) / drainMs * first.length : Infinity;
      for (; closed <= due && closed < first.length; closed++) {
        first[closed]?.close(CLOSE.shuttingDown);
      }
      if (closed < first.length) await this.#sleep(DRAIN_STEP_MS);
    }
    for (const connection of [...this.#all]) connection.close(CLOSE.shuttingDown);
    if (this.#all.size > 0) await this.#sleep(graceMs, (wake) => this.#whenGone = wake);
    this.#whenGone = undefined;
    this.terminateClosing();
    this.#isShut = true;
    this.#opening.stop();
    this.#closing.stop();
    this.#watch();
  }

  /** How many sockets there may be. */
  #room(): number {
    if (this.#clock.elapsed() >= this.#fitUntil) this.#fit = Infinity;
    return Math.min(this.#limits.maxConnections, this.#fit);
  }

  #sleep(ms: number, orUntil?: (wake: () => void) => void): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.setTimeout(resolve, ms);
      orUntil?.(() => {
        this.#clock.clearTimeout(timer);
        resolve();
      });
    });
  }

  #count({ address }: Closable, sockets: number, pending: number): void {
    if (address === undefined || (sockets === 0 && pending === 0)) return;
    let own = this.#byAddress.get(address);
    if (own === undefined) this.#byAddress.set(address, own = { sockets: 0, pending: 0 });
    own.sockets += sockets;
    own.pending += pending;
    if (own.sockets === 0) this.#byAddress.delete(address);
  }

  /** Keeps one timer going for as long as there is a socket. */
  #watch(): void {
    if (this.#all.size === 0 || this.#isShut) {
      if (this.#flowTimer !== undefined) this.#clock.clearTimeout(this.#flowTimer);
      this.#flowTimer = undefined;
    } else if (this.#checkMs > 0) {
      this.#flowTimer ??= this.#clock.setTimeout(() => this.#check(), this.#checkMs);
    }
  }

  #check(): void {
    this.#flowTimer = undefined;
    for (const connection of [...this.#all]) {
      if (!isClosing(connection.phase)) connection.checkFlow();
    }
    this.#watch();
  }
}

function isClosing(phase: Phase): boolean {
  return phase === "closing" || phase === "refused";
}

/** Whether its client has not joined, and holds a socket all the same. */
function isStranger(phase: Phase): boolean {
  return phase === "opening" || phase === "pending" || phase === "refused";
}
