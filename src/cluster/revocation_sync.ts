/**
 * The revocations of tokens, on all instances: shares those of this one, reads what the backplane has
 * whenever it works again, and writes back what it has lost. What a revocation does here is decided by
 * its keeper.
 */

import { keyOf, mergeRevocations, type Revocation } from "../access/revocations.ts";
import type { Clock } from "../runtime/clock.ts";
import { deadline } from "../runtime/deadline.ts";
import { failureFields, type Logger } from "../runtime/logger.ts";
import type { Backplane } from "./backplane.ts";
import type { LocalMembers } from "./local_members.ts";
import type { Questioner } from "./questioner.ts";

/** Keeps the revocations of this instance. */
export interface RevocationKeeper {
  /** Every one that has not expired. */
  all(): Revocation[];
  /** Adds some, and tells how many clients were closed for them. */
  apply(revocations: Iterable<Revocation>): number;
}

/** Revocations that are sent at once. */
const BATCH = 100;

/** How long the backplane may take to store them, in milliseconds. */
const STORE_MS = 3000;

/** How long other instances may take to answer, in milliseconds. */
const ANSWER_MS = 1000;

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
  /** The name of the instance that has read what the backplane had. */
  #readAs: string | undefined;

  constructor(options: RevocationSyncOptions) {
    this.#options = options;
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

  /** Stores a revocation for instances that come later, and tells those that there are. */
  async share(revocation: Revocation): Promise<{ disconnected: number; isPartial: boolean }> {
    await this.#store([revocation]);
    return await this.#announce([revocation]);
  }

  /** Reads what the backplane has, and writes back what it lacks. */
  async up(instance: string): Promise<void> {
    const { localMembers, logger } = this.#options;
    const isOver = () => localMembers.instance !== instance;
    try {
      const stored = await this.#load();
      if (isOver()) return;
      this.#keeper?.apply(stored);
      this.#readAs = instance;
      const missing = this.#missingIn(stored);
      for (let n = 0; n < missing.length && !isOver(); n += BATCH) {
        const batch = missing.slice(n, n + BATCH);
        await this.#store(batch);
        await this.#announce(batch);
      }
    } catch (cause) {
      if (isOver()) return; // It is done again once the backplane works again.
      this.#readAs = instance;
      logger.error("Revocations cannot be shared with other instances", failureFields(cause));
    }
  }

  #missingIn(stored: readonly Revocation[]): Revocation[] {
    const byKey = new Map(stored.map((revocation) => [keyOf(revocation), revocation]));
    return this.#keeper?.all().filter((own) => {
      const there = byKey.get(keyOf(own));
      return there === undefined || mergeRevocations(there, own) !== there;
    }) ?? [];
  }

  async #announce(
    revocations: readonly Revocation[],
  ): Promise<{ disconnected: number; isPartial: boolean }> {
    const { answers, isPartial } = await this.#options.questioner.ask(
      { kind: "revoke", revocations },
      { timeoutMs: ANSWER_MS },
    );
    const disconnected = answers.reduce((sum, { answer }) => sum + answer, 0);
    return { disconnected, isPartial };
  }

  #load(): Promise<readonly Revocation[]> {
    const { backplane } = this.#options;
    return Promise.try(() => backplane.loadRevocations());
  }

  /** Rejects, too, if the backplane is down, or is one of the host that stores none. */
  #store(revocations: readonly Revocation[]): Promise<void> {
    const { backplane, clock, localMembers } = this.#options;
    if (localMembers.instance === undefined) {
      return Promise.reject(new Error("The backplane is down"));
    }
    const stored = Promise.try(() => backplane.storeRevocations(revocations));
    return deadline(stored, STORE_MS, clock);
  }
}
