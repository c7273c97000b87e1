/**
 * What the log says about clients that are refused: who, by which code and why, in a few lines a minute
 * for each address; and failures that are not theirs. It also remembers the last refusal of each name.
 */

import { CLOSE, type CloseReason } from "../protocol/messages.ts";
import type { Clock } from "../runtime/clock.ts";
import { failureFields, type LogFields, type Logger } from "../runtime/logger.ts";
import type { Address } from "./address.ts";
import { KeySetError } from "./key_set_error.ts";
import { LastRefusals } from "./last_refusals.ts";
import type { Attempt } from "./verification_limiter.ts";

/** Lines about one address in a minute. */
const MAX_LINES = 5;

const WINDOW_MS = 60_000;

const NO_FURTHER_LINES = "More refusals of this address within this minute are not logged at info";

/** Addresses that are counted at once; the lines about others are left out. */
const MAX_ADDRESSES = 1000;

/** Options of {@linkcode RefusalLog}. */
export interface RefusalLogOptions {
  readonly clock: Pick<Clock, "elapsed" | "now">;
  readonly logger: Logger;
}

/** Who was refused, or whose connection was closed, with further fields of the line. */
export interface RefusedClient extends LogFields {
  readonly address: Address;
  /** The close code, or the HTTP status where there is no socket. */
  readonly code: number;
  /** The close reason, or the message of the HTTP answer. */
  readonly reason: string;
  /** The room that it asked for. */
  readonly room?: string | undefined;
  /** The name that it asked for. */
  readonly nodeId?: string | undefined;
}

/** Logs refusals, and says with which code they close. */
export class RefusalLog {
  /** The last refusal of each name. */
  readonly last = new LastRefusals();
  readonly #clock: RefusalLogOptions["clock"];
  readonly #logger: Logger;
  readonly #lines = new Map<Address, number>();
  #windowEnd = 0;

  /** Logs here. */
  constructor({ clock, logger }: RefusalLogOptions) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /**
   * Logs and remembers that a client was refused.
   *
   * @param message What happened: a fixed text.
   */
  refused(message: string, client: RefusedClient): void {
    this.#remember(client);
    this.closed(message, client);
  }

  /** Logs that a connection was closed: at debug where its address has had its lines. */
  closed(message: string, client: LogFields & Pick<RefusedClient, "address">): void {
    const level = this.#mayLog(client.address) ? "info" : "debug";
    this.#logger[level](message, client);
  }

  /**
   * The same as `refused` for a request that gets an HTTP answer. So many can come that they are
   * described only where there is to be a line.
   */
  refusedRequest(
    message: string,
    client: RefusedClient,
    describe: () => LogFields & Pick<RefusedClient, "room" | "nodeId">,
  ): void {
    if (!this.#mayLog(client.address)) return;
    const fields = { ...client, ...describe() };
    this.#remember(fields);
    this.#logger.info(message, fields);
  }

  /** Logs that the admin secret was wrong or missing, apart from the lines about the same address. */
  refusedSecret(address: Address, fields: LogFields): void {
    if (!this.#mayLog(address, `secret ${address}`)) return;
    this.#logger.warn("Admin secret refused", { address, ...fields });
  }

  /** Logs a failure of ours, of the host or of the identity provider, and says how to close. */
  logFailure(message: string, cause: unknown): CloseReason {
    const isOfProvider = cause instanceof KeySetError;
    this.#logger.error(message, failureFields(isOfProvider ? cause.cause ?? cause : cause));
    return isOfProvider ? CLOSE.keySetUnavailable : CLOSE.internalError;
  }

  #remember({ room, nodeId, address, code, reason }: RefusedClient): void {
    if (!room || !nodeId) return;
    this.last.add({ room, nodeId, address, code, reason, at: this.#clock.now() });
  }

  /** Whether there may be another line about an address; says once that there may not. */
  #mayLog(address: Address, key = address): boolean {
    const now = this.#clock.elapsed();
    if (now >= this.#windowEnd) {
      this.#lines.clear();
      this.#windowEnd = now + WINDOW_MS;
    }
    const lines = this.#lines.get(key) ?? 0;
    if (lines > MAX_LINES || (lines === 0 && this.#lines.size >= MAX_ADDRESSES)) return false;
    this.#lines.set(key, lines + 1);
    if (lines < MAX_LINES) return true;
    this.#logger.info(NO_FURTHER_LINES, { address });
    return false;
  }
}

/** Why a token is refused, as fields of a log line. */
export function causeOf(attempt: Exclude<Attempt<unknown>, { kind: "valid" }>): LogFields {
  if (attempt.kind === "throttled") {
    return { cause: `Too many failed attempts: not verified for ${attempt.seconds} s` };
  }
  const { claim, message: cause } = attempt.error;
  return claim === undefined ? { cause } : { cause, claim };
}
