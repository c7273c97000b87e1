/**
 * The revocations of tokens over several backplanes: each stores all of them, so that every one of them
 * is enough. What is read from one, written back to it and announced on it is the concern of its own
 * `RevocationSync`.
 */

import type { Revocation } from "../access/revocations.ts";
import { failureFields, type Logger } from "../runtime/logger.ts";
import type { RevocationKeeper, RevocationSync } from "./revocation_sync.ts";

/** What came of sharing a revocation. */
interface Shared {
  /** How many clients other instances have closed for it. */
  readonly disconnected: number;
  /** Whether an instance has not answered, or a backplane has not stored it. */
  readonly isPartial: boolean;
}

/** The revocations of one instance, on every backplane. */
export class ShardedRevocations {
  readonly #logger: Logger;
  #syncs: readonly RevocationSync[] = [];
  #keeper: RevocationKeeper | undefined;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Shares through each of these from now on. */
  use(syncs: readonly RevocationSync[]): void {
    this.#syncs = syncs;
  }

  /** Lets this keep the revocations from now on; call it before the backplanes start. */
  keepIn(keeper: RevocationKeeper): void {
    this.#keeper = keeper;
    for (const sync of this.#syncs) sync.keepIn(keeper);
  }

  /** Lets one that is not used yet keep the revocations in the same place. */
  prepare(sync: RevocationSync): void {
    if (this.#keeper !== undefined) sync.keepIn(this.#keeper);
  }

  /**
   * What a client with a room token has to wait for while this instance starts: until every backplane
   * was read, within a bound, since one of them may have lost what the others have. `undefined` from
   * then on. Never rejects.
   */
  get whenKnown(): Promise<void> | undefined {
    if (this.#syncs.every(({ whenKnown }) => whenKnown === undefined)) return undefined;
    return Promise.all(this.#syncs.map(({ whenKnown }) => whenKnown)).then(() => {});
  }

  /**
   * Stores a revocation on every backplane and tells the other instances. What one of them lacks is
   * written to it once it works again. Rejects if none has stored it.
   */
  async share(revocation: Revocation): Promise<Shared> {
    const outcomes = await Promise.allSettled(this.#syncs.map((sync) => sync.share(revocation)));
    const shared = outcomes.flatMap((one) => one.status === "fulfilled" ? [one.value] : []);
    const failed = outcomes.find((one) => one.status === "rejected");
    if (failed !== undefined) {
      if (shared.length === 0) throw failed.reason;
      this.#logger.warn("A revocation is stored, but not on every backplane yet", {
        stored: shared.length,
        shards: outcomes.length,
        ...failureFields(failed.reason),
      });
    }
    return {
      disconnected: shared.reduce((sum, { disconnected }) => sum + disconnected, 0),
      isPartial: failed !== undefined || shared.some(({ isPartial }) => isPartial),
    };
  }
}
