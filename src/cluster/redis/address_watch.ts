/**
 * Whether the address of a connection still leads to the server that it is connected to. A name may
 * have got another address, a proxy another target, or Sentinels another primary, while the old server
 * works on: then instances that connect later would not meet this one. It looks by a connection of its
 * own; to end the connection that is watched is left to its owner.
 */

import type { Clock } from "../../runtime/clock.ts";
import { askServer } from "./client.ts";
import type { Endpoint } from "./endpoint.ts";
import type { RedisKeys } from "./keys.ts";

/** Heartbeats of the instance between two looks: 10 s. */
const HEARTBEATS_BETWEEN_LOOKS = 20;

/** Heartbeats that the server at the address may lack and still be the same, or a copy of it: 3 s. */
const MAX_MISSING_HEARTBEATS = 6;

const MOVED = "The address leads to another Redis";

/** Options of {@linkcode AddressWatch}. */
export interface AddressWatchOptions {
  readonly endpoint: Endpoint;
  readonly keys: RedisKeys;
  readonly clock: Clock;
  /** The name of the instance, whose heartbeats are looked for. */
  readonly instance: string;
}

/** Looks from time to time whether an address leads to the server that has an instance's heartbeats. */
export class AddressWatch {
  readonly #options: AddressWatchOptions;
  readonly #onMoved: (reason: string) => void;
  readonly #stopping = new AbortController();
  /** Heartbeats until the next look; random at first, so that not all instances look at once. */
  #left = Math.ceil(Math.random() * HEARTBEATS_BETWEEN_LOOKS);
  #isLooking = false;
  /** Whether the last look has found another server. */
  #isSuspected = false;

  /** Calls `onMoved` after two looks, one heartbeat apart, that have found another server. */
  constructor(options: AddressWatchOptions, onMoved: (reason: string) => void) {
    this.#options = options;
    this.#onMoved = onMoved;
  }

  /**
   * Call it for each heartbeat of the instance.
   *
   * @param count How many heartbeats the server that is connected has counted.
   */
  beat(count: number): void {
    // A node of a Redis Cluster that does not own a slot any more refuses its keys.
    if (this.#options.endpoint.kind === "cluster" || this.#isLooking || --this.#left > 0) return;
    this.#look(count);
  }

  /** Ends a look that is under way. None follows. */
  stop(): void {
    this.#left = Infinity;
    this.#stopping.abort();
  }

  async #look(count: number): Promise<void> {
    this.#isLooking = true;
    const isOther = await this.#isOther(count).catch(() => false); // The connection itself works.
    this.#isLooking = false;
    const hasMoved = isOther && this.#isSuspected;
    this.#isSuspected = isOther;
    if (this.#stopping.signal.aborted) return;
    this.#left = isOther ? 1 : HEARTBEATS_BETWEEN_LOOKS;
    if (hasMoved) this.#onMoved(MOVED);
  }

  /** Whether the server at the address lacks heartbeats that the one that is connected has counted. */
  async #isOther(count: number): Promise<boolean> {
    const { endpoint, keys, clock, instance } = this.#options;
    const { signal } = this.#stopping;
    const server = await endpoint.resolve(signal);
    const found = await askServer(server, ["ZSCORE", keys.instances, instance], clock, signal);
    return Number(found ?? 0) < count - MAX_MISSING_HEARTBEATS;
  }
}
