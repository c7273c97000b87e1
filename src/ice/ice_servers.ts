/**
 * The ICE servers of a peer: those that are the same for everybody or that the host finds, and TURN
 * servers with credentials made for this peer. Who may ask, and how the answer travels, is decided
 * elsewhere.
 */

import { Metrics } from "../metrics/metrics.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import type { TurnSecret } from "./credentials.ts";
import type { HookCaller } from "./hook_caller.ts";
import type { IcePeer, IceServersAnswer, IceServersHook, TurnOptions } from "./ice_options.ts";
import type { IceServer } from "./ice_url.ts";

/** Seconds after which a client should ask again when the host's function has failed. */
const FAILED_TTL_SECONDS = 60;

/** What a handler says about ICE servers, checked. */
export interface IceConfig {
  readonly iceServers: readonly IceServer[] | IceServersHook;
  readonly turn: TurnOptions | undefined;
  /** How long credentials are valid. */
  readonly ttlSeconds: number;
}

/** An answer, and whether everything that should be in it was found. */
export interface FoundIceServers {
  readonly answer: IceServersAnswer;
  readonly isComplete: boolean;
}

/** Options of {@linkcode IceServers}. */
export interface IceServersOptions extends IceConfig {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Where is counted what was found; nowhere that matters when absent. */
  readonly metrics?: Metrics;
}

/** The ICE servers of all peers of one handler. */
export class IceServers {
  readonly #fixed: readonly IceServer[];
  readonly #hook: HookCaller | undefined;
  readonly #turn: { readonly urls: readonly string[]; readonly secret: TurnSecret } | undefined;
  readonly #ttlSeconds: number;
  readonly #clock: Clock;
  readonly #metrics: Metrics;

  private constructor(
    options: IceServersOptions,
    { hook, secret }: { hook: HookCaller | undefined; secret: TurnSecret | undefined },
  ) {
    const { iceServers, turn, ttlSeconds, clock } = options;
    this.#fixed = typeof iceServers === "function" ? [] : iceServers;
    this.#hook = hook;
    this.#turn = turn && secret && { urls: turn.urls, secret };
    this.#ttlSeconds = ttlSeconds;
    this.#clock = clock;
    this.#metrics = options.metrics ?? new Metrics();
  }

  /** Loads what calls the host's function, and what signs with a TURN secret, if there is one. */
  static async create(options: IceServersOptions): Promise<IceServers> {
    const { iceServers, turn } = options;
    const hook = typeof iceServers === "function" ? await loadHook(iceServers, options) : undefined;
    const secret = turn && await loadSecret(turn.secret);
    return new IceServers(options, { hook, secret });
  }

  /** Finds the ICE servers of a peer, within 3 s. It never rejects. */
  async find(peer: IcePeer): Promise<FoundIceServers> {
    const found = this.#hook === undefined ? this.#fixed : await this.#hook.find(peer);
    const now = Math.floor(this.#clock.now() / 1000);
    const turn = this.#mint(peer, now + this.#ttlSeconds);
    const isComplete = found !== undefined;
    this.#metrics.iceAnswers[isComplete ? "complete" : "incomplete"]++;
    const ttl = isComplete ? this.#ttlSeconds : Math.min(this.#ttlSeconds, FAILED_TTL_SECONDS);
    const answer = {
      iceServers: [...found ?? [], ...turn],
      ttl,
      expiresAt: new Date((now + ttl) * 1000).toISOString(),
    };
    return { answer, isComplete };
  }

  #mint(peer: IcePeer, expires: number): readonly IceServer[] {
    if (this.#turn === undefined) return [];
    const { urls, secret } = this.#turn;
    this.#metrics.iceCredentials++;
    return [{ urls, ...secret.mint(peer, expires) }];
  }
}

async function loadHook(hook: IceServersHook, options: IceServersOptions): Promise<HookCaller> {
  const { HookCaller } = await import("./hook_caller.ts");
  return new HookCaller({ ...options, hook });
}

async function loadSecret(secret: string): Promise<TurnSecret> {
  const { TurnSecret } = await import("./credentials.ts");
  return await TurnSecret.load(secret);
}
