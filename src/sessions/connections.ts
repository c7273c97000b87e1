/**
 * Which sockets there are, by what has become of each, and how many more there may be. One that was
 * told to close stays until its client answers or its time is over; and of a client that resets its
 * connection during the handshake Deno 2.9 never says anything again.
 */

import type { Address } from "../access/address.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import type { Limits } from "../access/limits.ts";
import { TimeoutSet } from "./timeout_set.ts";
import { CLOSE, type CloseReason } from "../protocol/messages.ts";

/**
 * `opening` since its upgrade, `pending` once open, `joined` a room; `refused` once it was told to
 * close before that, `closing` if after; `neverOpened` if it did not open in time, `closed` for good.
 */
export type Phase =
  | "opening"
  | "pending"
  | "joined"
  | "refused"
  | "closing"
  | "neverOpened"
  | "closed";

/** A socket that can be told to close. */
export interface TrackedConnection {
  /** Whose it is. */
  readonly address: Address;
  /** What has become of it; only {@linkcode Connections} changes it. */
  phase: Phase;
  /** Ends the connection. */
  close(why: CloseReason): void;
  /** Ends the connection of a client that did not answer its close. */
  terminate(): void;
  /** Ends the connection if its client has stopped reading. */
  closeIfStalled(): void;
  /** Whether it is told to close after the others when the server stops. */
  readonly closesLast: boolean;
}

/** Why there is no room for another socket. */
export type ExceededLimit = "server" | "pending" | "address" | "pending of address";

/** How long an upgraded socket may take to open, in milliseconds, before it is given up. */
const OPEN_TIMEOUT_MS = 2000;

/** How long a client may take to answer its close, in milliseconds. */
const CLOSE_ANSWER_TIMEOUT_MS = 5000;

/** How often sockets are closed while the server drains, in milliseconds. */
const DRAIN_STEP_MS = 10;

/** Of the sockets that there were when file descriptors ran out, one in so many is not filled again. */
const RESERVE = 16;

/** How long that holds, in milliseconds: something else may have had them. */
const RESERVE_MS = 60_000;

/** One in so many sockets may be a refused one, so that those who are let in find room. */
const REFUSED_SHARE = 4;

type PhaseCounts = Record<Phase, number>;

/** Options of {@linkcode Connections}. */
export interface ConnectionsOptions {
  readonly clock: Clock;
  /** Milliseconds between two looks for clients that have stopped reading; 0 never looks. */
  readonly checkMs: number;
  readonly limits: Limits;
}

/** The sockets of one handler. */
export class Connections {
  readonly #clock: Clock;
  readonly #checkMs: number;
  readonly #limits: Limits;
  readonly #connections = new Set<TrackedConnection>();
  readonly #opening: TimeoutSet<TrackedConnection>;
  readonly #closing: TimeoutSet<TrackedConnection>;
  readonly #countByPhase: PhaseCounts = {
    opening: 0,
    pending: 0,
    joined: 0,
    refused: 0,
    closing: 0,
    neverOpened: 0,
    closed: 0,
  };
  readonly #byAddress = new Map<string, { sockets: number; pending: number }>();
  #peakSize = 0;
  #reducedCapacity = Infinity;
  #reducedUntil = 0;
  #flowTimer: Timer | undefined;
  #isShut = false;
  #whenGone: (() => void) | undefined;

  constructor({ clock, checkMs, limits }: ConnectionsOptions) {
    this.#clock = clock;
    this.#checkMs = checkMs;
    this.#limits = limits;
    this.#opening = new TimeoutSet({
      clock,
      withinMs: OPEN_TIMEOUT_MS,
      onTimeout: (socket) => this.setPhase(socket, "neverOpened"),
    });
    this.#closing = new TimeoutSet({
      clock,
      withinMs: CLOSE_ANSWER_TIMEOUT_MS,
      onTimeout: (socket) => socket.terminate(),
    });
  }

  /** How many sockets are upgraded and have not joined. */
  get pending(): number {
    return this.#countByPhase.opening + this.#countByPhase.pending;
  }

  /** How many sockets were told to close and have not gone yet. */
  get closing(): number {
    return this.#countByPhase.closing + this.#countByPhase.refused;
  }

  /** Whether there are so many of them that who is refused is to get no socket. */
  get mustVerifyBeforeUpgrade(): boolean {
    const share = Math.max(Math.floor(this.#capacity() / REFUSED_SHARE), 1);
    return this.closing >= Math.min(this.#limits.maxRefusedConnections, share);
  }

  /** How many sockets were upgraded and never heard of again. */
  get neverOpened(): number {
    return this.#countByPhase.neverOpened;
  }

  /** How many sockets there are. */
  get size(): number {
    return this.#connections.size;
  }

  /** What is full for another socket of this address, if anything is. */
  exceededLimit(address: Address): ExceededLimit | undefined {
    const limits = this.#limits;
    if (this.#connections.size >= this.#capacity()) return "server";
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
  reduceCapacity(): number {
    const isOurs = this.#peakSize >= RESERVE;
    this.#reducedCapacity = isOurs
      ? this.#peakSize - Math.ceil(this.#peakSize / RESERVE)
      : Infinity;
    this.#reducedUntil = this.#clock.elapsed() + RESERVE_MS;
    return this.#reducedCapacity;
  }

  /** Counts a socket that has been upgraded. */
  add(connection: TrackedConnection): void {
    this.#connections.add(connection);
    this.#peakSize = Math.max(this.#peakSize, this.#connections.size);
    this.#opening.add(connection);
    this.#countByPhase.opening++;
    this.#count(connection, 1, 1);
  }

  /** Counts a socket as what it has become; one that has gone stays so, since Deno may say it twice. */
  setPhase(connection: TrackedConnection, next: Phase): void {
    const { phase: before } = connection;
    const phase = next === "closing" && isPending(before) ? "refused" : next;
    if (before === phase || before === "closed") return;
    connection.phase = phase;
    this.#countByPhase[before]--;
    this.#countByPhase[phase]++;
    if (before === "opening") this.#opening.delete(connection);
    if (isClosing(before)) this.#closing.delete(connection);
    if (isClosing(phase) && !this.#isShut) this.#closing.add(connection);
    const wasThere = before !== "neverOpened";
    const isThere = phase !== "neverOpened" && phase !== "closed";
    if (isThere) this.#connections.add(connection);
    else this.#connections.delete(connection);
    this.#count(
      connection,
      Number(isThere) - Number(wasThere),
      Number(isPending(phase)) - Number(isPending(before)),
    );
    this.#watch();
    if (this.#connections.size === 0) this.#whenGone?.();
  }

  /** Ends every socket that was told to close and has not gone. */
  terminateClosing(): void {
    this.#closing.flush();
  }

  /** Closes every socket that has opened and not joined. */
  closePending(why: CloseReason): void {
    for (const connection of [...this.#connections]) {
      if (connection.phase === "pending") connection.close(why);
    }
  }

  /**
   * Tells every socket to close, spread evenly over `drainMs` milliseconds, those that never come
   * back last, waits until all have gone, `graceMs` milliseconds at most, and ends the others.
   */
  async shutDown(drainMs: number, answerMs: number): Promise<void> {
    this.closePending(CLOSE.shuttingDown);
    const joined = [...this.#connections].filter(({ phase }) => phase === "joined");
    const first = joined.filter(({ closesLast }) => !closesLast);
    const start = this.#clock.elapsed();
    for (let closed = 0; closed < first.length;) {
      const due = drainMs > 0 ? (this.#clock.elapsed() - start) / drainMs * first.length : Infinity;
      for (; closed <= due && closed < first.length; closed++) {
        first[closed]?.close(CLOSE.shuttingDown);
      }
      if (closed < first.length) await this.#sleep(DRAIN_STEP_MS);
    }
    for (const connection of [...this.#connections]) connection.close(CLOSE.shuttingDown);
    if (this.#connections.size > 0) await this.#sleep(answerMs, (wake) => this.#whenGone = wake);
    this.#whenGone = undefined;
    this.terminateClosing();
    this.#isShut = true;
    this.#opening.stop();
    this.#closing.stop();
    this.#watch();
  }

  /** How many sockets there may be. */
  #capacity(): number {
    if (this.#clock.elapsed() >= this.#reducedUntil) this.#reducedCapacity = Infinity;
    return Math.min(this.#limits.maxConnections, this.#reducedCapacity);
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

  #count({ address }: TrackedConnection, sockets: number, pending: number): void {
    if (address === undefined || (sockets === 0 && pending === 0)) return;
    let own = this.#byAddress.get(address);
    if (own === undefined) this.#byAddress.set(address, own = { sockets: 0, pending: 0 });
    own.sockets += sockets;
    own.pending += pending;
    if (own.sockets === 0) this.#byAddress.delete(address);
  }

  /** Keeps one timer going for as long as there is a socket. */
  #watch(): void {
    if (this.#connections.size === 0 || this.#isShut) {
      if (this.#flowTimer !== undefined) this.#clock.clearTimeout(this.#flowTimer);
      this.#flowTimer = undefined;
    } else if (this.#checkMs > 0) {
      this.#flowTimer ??= this.#clock.setTimeout(() => this.#check(), this.#checkMs);
    }
  }

  #check(): void {
    this.#flowTimer = undefined;
    for (const connection of [...this.#connections]) {
      if (!isClosing(connection.phase)) connection.closeIfStalled();
    }
    this.#watch();
  }
}

function isClosing(phase: Phase): boolean {
  return phase === "closing" || phase === "refused";
}

/** Whether its client has not joined, and holds a socket all the same. */
function isPending(phase: Phase): boolean {
  return phase === "opening" || phase === "pending" || phase === "refused";
}
