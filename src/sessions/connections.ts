/**
 * Which sockets there are, in which phase each is, and how many more there may be. A socket that was
 * told to close stays until its client answers or its deadline is over; and of a client that resets
 * its connection during the handshake Deno 2.9 reports nothing ever again.
 */

import type { Address } from "../access/address.ts";
import type { Limits } from "../access/limits.ts";
import type { Identity } from "../access/admission.ts";
import { CLOSE, type CloseReason } from "../protocol/messages.ts";
import type { Histogram } from "../metrics/histogram.ts";
import type { Clock } from "../runtime/clock.ts";
import { type Phase, PHASES } from "./phases.ts";
import { TimeoutSet } from "./timeout_set.ts";
import { Watchdog, type WatchedConnection } from "./watchdog.ts";

export type { Phase };

/** A socket that can be told to close. */
export interface TrackedConnection extends WatchedConnection {
  /** The client's address. */
  readonly address: Address;
  /** The phase that the socket is in; only {@linkcode Connections} changes it. */
  phase: Phase;
  /** Tells the client to close the socket. */
  close(reason: CloseReason): void;
  /** Ends the connection of a client that did not answer its close. */
  terminate(): void;
  /** Whether the socket is closed after the others when the server stops. */
  readonly closesLast: boolean;
  /** Who the client is, once it is admitted. */
  readonly identity?: Identity;
}

/** The limit that leaves no room for another socket. */
export type ExceededLimit = "server" | "pending" | "address" | "pending of address";

/** Joined sockets that are closed in a second while the server stops. */
export const CLOSES_PER_SECOND = 500;

/** How often sockets are closed while the server drains, in milliseconds. */
const DRAIN_STEP_MS = 10;

/** After file descriptors ran out, one in so many of the sockets that there were is not replaced. */
const RESERVE = 16;

/** How long that reserve is kept, in milliseconds: something else may have used the descriptors. */
const RESERVE_MS = 60_000;

/** One in so many sockets may be a refused one, so that accepted clients find room. */
const REFUSED_SHARE = 4;

/** Why clients are refused whose token was valid once. */
const WERE_VALID: ReadonlySet<CloseReason> = new Set([
  CLOSE.expiredToken,
  CLOSE.revokedToken,
  CLOSE.expiredConsumerToken,
]);

/** Options of {@linkcode Connections}. */
export interface ConnectionsOptions {
  /** What the ids of connections begin with: the id of this instance. */
  readonly instance?: string;
  readonly clock: Clock;
  /** Milliseconds between two checks for clients that have stopped reading; 0 never checks. */
  readonly checkMs: number;
  /** Milliseconds between two looks whether the process is busy; 0 never looks. */
  readonly tickMs: number;
  readonly limits: Limits;
  /** Where the delay of each of those looks is counted, in seconds. */
  readonly lag?: Histogram;
}

/** The sockets of one handler. */
export class Connections {
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #connections = new Set<TrackedConnection>();
  readonly #watchdog: Watchdog;
  /** The sockets of each phase that has a deadline. */
  readonly #deadlines = new Map<Phase, TimeoutSet<TrackedConnection>>();
  readonly #countByPhase: Record<Phase, number> = {
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
  #isShut = false;
  readonly #instance: string;
  #lastId = 0;
  #whenEmpty: (() => void) | undefined;

  constructor({ instance = "", clock, checkMs, tickMs, limits, lag }: ConnectionsOptions) {
    this.#instance = instance;
    this.#clock = clock;
    this.#watchdog = new Watchdog({
      clock,
      checkMs,
      tickMs,
      connections: this.#connections,
      ...(lag && { lag }),
    });
    this.#limits = limits;
    for (const phase of ["opening", "refused", "closing"] as const) {
      const { deadlineMs } = PHASES[phase];
      const onTimeout = (connection: TrackedConnection) => this.#onDeadline(connection);
      this.#deadlines.set(phase, new TimeoutSet({ clock, withinMs: deadlineMs, onTimeout }));
    }
  }

  /** The id of the next connection: short, and no other instance has the same. */
  nextId(): string {
    return `${this.#instance}-${(++this.#lastId).toString(36)}`;
  }

  /** How many sockets are upgraded and have not joined. */
  get pending(): number {
    return this.#countByPhase.opening + this.#countByPhase.pending;
  }

  /** How many sockets have joined a room. */
  get joined(): number {
    return this.#countByPhase.joined;
  }

  /** How many sockets were told to close and are not closed yet. */
  get closing(): number {
    return this.#countByPhase.closing + this.#countByPhase.refused;
  }

  /** Whether so many are closing that a client has to be verified before it gets a socket. */
  get mustVerifyBeforeUpgrade(): boolean {
    const share = Math.max(Math.floor(this.#capacity() / REFUSED_SHARE), 1);
    return this.closing >= Math.min(this.#limits.maxRefusedConnections, share);
  }

  /** How many sockets were upgraded and have never opened. */
  get neverOpened(): number {
    return this.#countByPhase.neverOpened;
  }

  /** Whether the process ran out of file descriptors within the last minute. */
  get isOutOfDescriptors(): boolean {
    return this.#clock.elapsed() < this.#reducedUntil;
  }

  /** How many sockets there are. */
  get size(): number {
    return this.#connections.size;
  }

  /** The limit that another socket of this address would exceed, if there is one. */
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
   * Reduces the capacity because the process has no file descriptor left: for a minute to the number
   * of sockets that there were, less a reserve.
   *
   * @returns The capacity; `Infinity` when there were so few sockets that they cannot be the reason.
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
    this.#countByPhase.opening++;
    this.#deadlines.get("opening")?.add(connection);
    this.#count(connection, PHASES.opening.sockets, PHASES.opening.pending);
  }

  /**
   * Counts a socket that was told to close. A client whose token was valid once comes back with it again
   * and again: it must not keep the others of its address out, so it is not pending any more.
   */
  markClosing(connection: TrackedConnection, reason?: CloseReason): void {
    const wasValid = reason !== undefined && WERE_VALID.has(reason);
    const isRefused = PHASES[connection.phase].pending && !wasValid;
    this.setPhase(connection, isRefused ? "refused" : "closing");
  }

  /** Moves a socket to another phase; one that is closed stays so, since Deno may report it twice. */
  setPhase(connection: TrackedConnection, phase: Phase): void {
    const before = connection.phase;
    if (before === phase || before === "closed") return;
    connection.phase = phase;
    this.#countByPhase[before]--;
    this.#countByPhase[phase]++;
    this.#deadlines.get(before)?.delete(connection);
    if (!this.#isShut) this.#deadlines.get(phase)?.add(connection);
    const [was, is] = [PHASES[before], PHASES[phase]];
    if (is.sockets) this.#connections.add(connection);
    else this.#connections.delete(connection);
    this.#count(connection, is.sockets - was.sockets, is.pending - was.pending);
    this.#watch();
    if (this.#connections.size === 0) this.#whenEmpty?.();
  }

  /** Ends every socket that was told to close and is not closed yet. */
  terminateClosing(): void {
    for (const phase of ["refused", "closing"] as const) this.#deadlines.get(phase)?.flush();
  }

  /** Closes every socket that has opened and not joined. */
  closePending(reason: CloseReason): void {
    this.closeWhere(({ phase }) => phase === "pending", reason);
  }

  /** Closes every socket that this is true of, unless it was told to close before; tells how many. */
  closeWhere(isMeant: (connection: TrackedConnection) => boolean, reason: CloseReason): number {
    const meant = [...this.#connections].filter((connection) =>
      !PHASES[connection.phase].isClosing && isMeant(connection)
    );
    for (const connection of meant) connection.close(reason);
    return meant.length;
  }

  /**
   * Closes every socket: pending ones at once, joined ones at a rate of 500 a second or faster, so
   * that their clients do not all come back at once, and those that never come back last. Then waits
   * until all are closed and ends the others.
   *
   * @param drainMs How long the closes may be spread, in milliseconds.
   * @param answerMs How long to wait for the answers to the last ones, in milliseconds.
   */
  async shutDown(drainMs: number, answerMs: number): Promise<void> {
    this.closePending(CLOSE.shuttingDown);
    const joined = [...this.#connections].filter(({ phase }) => phase === "joined");
    const first = joined.filter(({ closesLast }) => !closesLast);
    const spreadMs = Math.min(first.length * 1000 / CLOSES_PER_SECOND, drainMs);
    const start = this.#clock.elapsed();
    for (let closed = 0; closed < first.length;) {
      const due = spreadMs > 0
        ? (this.#clock.elapsed() - start) / spreadMs * first.length
        : Infinity;
      for (; closed <= due && closed < first.length; closed++) {
        first[closed]?.close(CLOSE.shuttingDown);
      }
      if (closed < first.length) await this.#sleep(DRAIN_STEP_MS);
    }
    for (const connection of [...this.#connections]) connection.close(CLOSE.shuttingDown);
    if (this.#connections.size > 0) await this.#sleep(answerMs, (wake) => this.#whenEmpty = wake);
    this.#whenEmpty = undefined;
    this.terminateClosing();
    this.#isShut = true;
    for (const deadline of this.#deadlines.values()) deadline.stop();
    this.#watch();
  }

  /** What is due for a socket that stayed in a phase for too long. */
  #onDeadline(connection: TrackedConnection): void {
    if (connection.phase === "opening") this.setPhase(connection, "neverOpened");
    else connection.terminate();
  }

  /** How many sockets there may be. */
  #capacity(): number {
    if (!this.isOutOfDescriptors) this.#reducedCapacity = Infinity;
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

  #watch(): void {
    if (this.#connections.size === 0 || this.#isShut) this.#watchdog.stop();
    else this.#watchdog.start();
  }
}
