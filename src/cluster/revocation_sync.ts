/**
 * The revocations of tokens, on all instances: shares those of this one, reads what the backplane has
 * whenever it works again and from time to time, and writes back what it has lost. What a revocation
 * does here is decided by its keeper.
 */

import {
  keyOf,
  MAX_REVOCATIONS,
  mergeRevocations,
  type Revocation,
} from "../access/revocations.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { deadline } from "../runtime/deadline.ts";
import { failureFields, type Logger } from "../runtime/logger.ts";
import type { Backplane } from "./backplane.ts";
import type { LocalMembers } from "./local_members.ts";
import type { Questioner } from "./questioner.ts";
import { RevocationGate } from "./revocation_gate.ts";

/** Keeps the revocations of this instance. */
export interface RevocationKeeper {
  /** Every one that has not expired. */
  all(): Revocation[];
  /** Adds some, and tells how many clients were closed for them. */
  apply(revocations: Iterable<Revocation>): number;
}

/** Revocations that are sent at once. */
const BATCH = 100;

/** How long other instances may take to answer, in milliseconds. */
const ANSWER_MS = 1000;

/** How long a caller waits until a revocation is stored and answered, in milliseconds. */
const SHARE_MS = 4000;

/** How often it is checked at most whether the backplane has lost some, in milliseconds. */
const CHECK_MS = 5000;

/** Milliseconds between two checks for each revocation, so that many are not read all the time. */
const CHECK_MS_EACH = 10;

/** Options of {@linkcode RevocationSync}. */
export interface RevocationSyncOptions {
  readonly backplane: Backplane;
  readonly localMembers: LocalMembers;
  readonly questioner: Questioner;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The revocations of one instance among those of the others. */
export class RevocationSync {
  readonly #options: RevocationSyncOptions;
  #keeper: RevocationKeeper | undefined;
  /**
   * Those that some other instance may not have been told of, by key: they may be stored already when
   * the backplane fails. They are announced again when it works again.
   */
  readonly #unannounced = new Map<string, Revocation>();
  /** The name of the instance that has read what the backplane had. */
  #readAs: string | undefined;
  readonly #gate: RevocationGate;
  #timer: Timer | undefined;
  /** When it was read last, by `Clock.elapsed`. */
  #readAt = 0;
  /** How many are being shared, or read, at the moment. */
  #busy = 0;

  constructor(options: RevocationSyncOptions) {
    this.#options = options;
    this.#gate = new RevocationGate(options);
    options.questioner.answer({
      revoke: ({ revocations }) => this.#keeper?.apply(revocations) ?? 0,
    });
  }

  /** Lets this keep the revocations from now on; call it before the backplane starts. */
  keepIn(keeper: RevocationKeeper): void {
    this.#keeper = keeper;
  }

  /** Whether this instance knows what the backplane had when it began to work. */
  get isRead(): boolean {
    return this.#readAs !== undefined && this.#readAs === this.#options.localMembers.instance;
  }

  /**
   * What a client with a room token has to wait for while this instance starts: until the revocations
   * have been read, within a bound. `undefined` from then on. Never rejects.
   */
  get whenKnown(): Promise<void> | undefined {
    return this.#gate.whenOpen;
  }

  /** The backplane is about to start. */
  start(): void {
    this.#gate.start();
    this.#checkLater();
  }

  /** Nothing is read any more: nobody waits for it. */
  close(): void {
    this.#gate.open();
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
  }

  /**
   * Stores a revocation for instances that come later, and tells those that there are. Rejects if that
   * fails or takes long; what takes long is done all the same.
   */
  share(revocation: Revocation): Promise<{ disconnected: number; isPartial: boolean }> {
    this.#busy++;
    const shared = this.#share([revocation]).finally(() => this.#busy--);
    return deadline(shared, SHARE_MS, this.#options.clock);
  }

  /** Reads what the backplane has, and writes back what it lacks. */
  async up(instance: string): Promise<void> {
    const { localMembers, logger } = this.#options;
    const isOver = () => localMembers.instance !== instance;
    this.#gate.reading();
    try {
      const stored = await this.#load();
      if (isOver()) return;
      this.#keeper?.apply(stored);
      this.#readAs = instance;
      this.#gate.open();
      const isStored = storedIn(stored);
      const unshared = this.#keeper?.all().filter((own) =>
        !isStored(own) || this.#unannounced.has(keyOf(own))
      );
      await this.#writeBack(unshared ?? [], isOver);
    } catch (cause) {
      if (isOver()) return; // It is done again once the backplane works again.
      this.#readAs = instance;
      this.#gate.open();
      logger.error("Revocations cannot be shared with other instances", failureFields(cause));
    }
  }

  #checkLater(): void {
    this.#timer = this.#options.clock.setTimeout(() => {
      this.#checkLater();
      this.#check();
    }, CHECK_MS);
  }

  /** Writes back what the backplane has lost while it works, as when its keys are deleted. */
  async #check(): Promise<void> {
    const { localMembers, clock, logger } = this.#options;
    const { instance } = localMembers;
    const isOver = () => localMembers.instance !== instance;
    const own = this.#keeper?.all() ?? [];
    if (own.length === 0 || this.#busy > 0 || !this.isRead) return;
    if (clock.elapsed() - this.#readAt < own.length * CHECK_MS_EACH) return;
    this.#busy++;
    try {
      const stored = await this.#load();
      if (isOver()) return;
      this.#keeper?.apply(stored);
      const isStored = storedIn(stored);
      const lost = own.filter((one) => !isStored(one));
      if (lost.length === 0) return;
      logger.warn("The backplane has lost revocations: writing them back", { lost: lost.length });
      await this.#writeBack(lost, isOver);
    } catch (cause) {
      logger.debug("Revocations cannot be compared", failureFields(cause));
    } finally {
      this.#busy--;
    }
  }

  async #writeBack(revocations: readonly Revocation[], isOver: () => boolean): Promise<void> {
    for (let n = 0; n < revocations.length && !isOver(); n += BATCH) {
      await this.#share(revocations.slice(n, n + BATCH));
    }
  }

  async #share(
    revocations: readonly Revocation[],
  ): Promise<{ disconnected: number; isPartial: boolean }> {
    if (this.#unannounced.size >= MAX_REVOCATIONS) this.#forgetExpired();
    for (const revocation of revocations) this.#unannounced.set(keyOf(revocation), revocation);
    await this.#store(revocations);
    const { answers, isPartial } = await this.#options.questioner.ask(
      { kind: "revoke", revocations },
      { timeoutMs: ANSWER_MS },
    );
    for (const revocation of isPartial ? [] : revocations) {
      const key = keyOf(revocation);
      if (this.#unannounced.get(key) === revocation) this.#unannounced.delete(key);
    }
    const disconnected = answers.reduce((sum, { answer }) => sum + answer, 0);
    return { disconnected, isPartial };
  }

  #forgetExpired(): void {
    const now = this.#options.clock.now();
    for (const [key, { expiresAt }] of this.#unannounced) {
      if (expiresAt <= now) this.#unannounced.delete(key);
    }
  }

  #load(): Promise<readonly Revocation[]> {
    const { backplane, clock } = this.#options;
    this.#readAt = clock.elapsed();
    return Promise.try(() => backplane.loadRevocations());
  }

  /** Rejects, too, if the backplane is down, or is one of the host that stores none. */
  #store(revocations: readonly Revocation[]): Promise<void> {
    const { backplane, localMembers } = this.#options;
    return Promise.try(() => {
      if (localMembers.instance === undefined) throw new Error("The backplane is down");
      return backplane.storeRevocations(revocations);
    });
  }
}

/** Tells whether a revocation is among these, with nothing to add. */
function storedIn(stored: readonly Revocation[]): (revocation: Revocation) => boolean {
  const byKey = new Map(stored.map((one) => [keyOf(one), one]));
  return (revocation) => {
    const there = byKey.get(keyOf(revocation));
    return there !== undefined && mergeRevocations(there, revocation) === there;
  };
}
