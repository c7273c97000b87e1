/**
 * Calls the host's function that finds ICE servers: not too many calls at once, none that waits too
 * long, one for several questions about one peer, none for a while after it has let clients wait, and
 * nothing in its answer that a browser would refuse. It never rejects: a failure is logged, and the answer is `undefined`.
 */

import type { Clock } from "../runtime/clock.ts";
import { deadline } from "../runtime/deadline.ts";
import { failureFields, type LogFields, type Logger } from "../runtime/logger.ts";
import { Semaphore } from "../runtime/semaphore.ts";
import { HookPause } from "./hook_pause.ts";
import { checkIceList, type IcePeer, type IceServersHook, MAX_ICE_SERVERS } from "./ice_options.ts";
import type { IceServer } from "./ice_url.ts";

/** Milliseconds until an answer, the wait for other calls included. */
export const HOOK_TIMEOUT_MS = 3000;

/** Calls that run at once. */
export const MAX_HOOK_CALLS = 64;

/** How long the answer for one peer is used for further questions, in milliseconds at most. */
const REUSE_MS = 10_000;

/** Answers that are kept for that. */
const MAX_KEPT = 1000;

/** Least time between two log lines of one kind, in milliseconds. */
const LOG_INTERVAL_MS = 60_000;

/** What a call found; `undefined` if it failed. */
export type Found = readonly IceServer[] | undefined;

/** Options of {@linkcode HookCaller}. */
export interface HookCallerOptions {
  readonly hook: IceServersHook;
  /** How long an answer is valid, in seconds. */
  readonly ttlSeconds: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Calls one function of a host. */
export class HookCaller {
  readonly #hook: IceServersHook;
  readonly #reuseMs: number;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #running = new Semaphore(MAX_HOOK_CALLS);
  readonly #pause = new HookPause();
  /** By peer, the oldest first. */
  readonly #kept = new Map<string, { readonly found: Promise<Found>; readonly until: number }>();
  readonly #loggedAt = new Map<string, number>();

  constructor({ hook, ttlSeconds, clock, logger }: HookCallerOptions) {
    this.#hook = hook;
    // A tenth of its time at most: what is answered again is nearly as fresh as it says.
    this.#reuseMs = Math.min(REUSE_MS, ttlSeconds * 100);
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Finds the ICE servers of a peer. */
  find(peer: IcePeer): Promise<Found> {
    const now = this.#clock.elapsed();
    const key = JSON.stringify([peer.room, peer.nodeId, peer.role]);
    for (const [old, { until }] of this.#kept) {
      if (until > now && this.#kept.size < MAX_KEPT) break;
      this.#kept.delete(old);
    }
    const kept = this.#kept.get(key);
    if (kept !== undefined && kept.until > now) return kept.found;
    this.#kept.delete(key);
    if (this.#pause.isOn(now)) return Promise.resolve(undefined);
    const found = deadline(this.#call(peer, now), HOOK_TIMEOUT_MS, this.#clock).then((servers) => {
      this.#pause.succeeded(this.#clock.elapsed());
      return servers;
    }).catch((cause) => {
      this.#pause.failed(now, this.#clock.elapsed());
      if (this.#kept.get(key)?.found === found) this.#kept.delete(key);
      this.#log("Finding ICE servers failed", failureFields(asError(cause)));
      return undefined;
    });
    this.#kept.set(key, { found, until: now + this.#reuseMs });
    return found;
  }

  async #call(peer: IcePeer, askedAt: number): Promise<readonly IceServer[]> {
    using _permit = await this.#running.acquire();
    const left = askedAt + HOOK_TIMEOUT_MS - this.#clock.elapsed();
    // Nobody waits for this answer any more; a call that never ends gives its permit back.
    if (left <= 0) throw new DOMException("Too many calls are under way", "TimeoutError");
    const call = Promise.try(() => this.#hook({ ...peer }));
    return this.#usable(await deadline(call, left, this.#clock));
  }

  /** The entries that a browser accepts. */
  #usable(value: unknown): readonly IceServer[] {
    if (!Array.isArray(value)) throw new TypeError("The function did not return an array");
    const usable: IceServer[] = [];
    for (const entry of value.slice(0, MAX_ICE_SERVERS)) {
      try {
        checkIceList([...usable, entry]);
        usable.push(...checkIceList([entry]));
      } catch (cause) {
        const { cause: why } = failureFields(asError(cause));
        this.#log("An ICE server that browsers would refuse was left out", { cause: why });
      }
    }
    if (value.length > MAX_ICE_SERVERS) {
      this.#log(`ICE servers beyond ${MAX_ICE_SERVERS} were left out`, {});
    }
    return usable;
  }

  /** Logs a line, unless a line of its kind has been logged just before. */
  #log(message: string, fields: LogFields): void {
    const now = this.#clock.elapsed();
    const last = this.#loggedAt.get(message);
    if (last !== undefined && now - last < LOG_INTERVAL_MS) return;
    this.#loggedAt.set(message, now);
    this.#logger.error(message, fields);
  }
}

/** A host may throw anything, even what cannot be turned into a text. */
function asError(cause: unknown): Error {
  return cause instanceof Error ? cause : new Error(typeof cause === "string" ? cause : "No error");
}
