/**
 * The last refusal of each name, so that an operator can be told why somebody is not in a room. It
 * remembers a bounded number of names, and few of one address, so that no client can push out the
 * others.
 */

import type { Address } from "./address.ts";

/** A client that was refused. */
export interface Refusal {
  /** The room that it asked for. */
  readonly room: string;
  /** The name that it asked for. */
  readonly nodeId: string;
  readonly address: Address;
  /** The close code, or the HTTP status. */
  readonly code: number;
  readonly reason: string;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
}

/** Names that are remembered at most, and those of one address. */
const MAX_NAMES = { all: 1000, ofAddress: 100 } as const;

/** Refusals of the last names. */
export class LastRefusals {
  /** By room and name, oldest first. */
  readonly #refusals = new Map<string, Refusal>();
  readonly #byAddress = new Map<Address, number>();

  /** Remembers a refusal in place of an older one of the same name. */
  add(refusal: Refusal): void {
    const key = JSON.stringify([refusal.room, refusal.nodeId]);
    this.#delete(key);
    const { address } = refusal;
    const ofAddress = this.#byAddress.get(address) ?? 0;
    if (ofAddress >= MAX_NAMES.ofAddress) this.#deleteOldest((old) => old.address === address);
    if (this.#refusals.size >= MAX_NAMES.all) this.#deleteOldest(() => true);
    this.#refusals.set(key, refusal);
    this.#byAddress.set(address, (this.#byAddress.get(address) ?? 0) + 1);
  }

  /** The refusals of names in a room, the last one first. */
  of(room: string): Refusal[] {
    return [...this.#refusals.values()].filter((refusal) => refusal.room === room).reverse();
  }

  #deleteOldest(matches: (refusal: Refusal) => boolean): void {
    for (const [key, refusal] of this.#refusals) {
      if (matches(refusal)) return this.#delete(key);
    }
  }

  #delete(key: string): void {
    const refusal = this.#refusals.get(key);
    if (refusal === undefined) return;
    this.#refusals.delete(key);
    const left = (this.#byAddress.get(refusal.address) ?? 0) - 1;
    if (left > 0) this.#byAddress.set(refusal.address, left);
    else this.#byAddress.delete(refusal.address);
  }
}
