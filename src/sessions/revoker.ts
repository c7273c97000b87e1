/**
 * Revokes room tokens: keeps what is revoked, closes the clients that are connected by it, and lets the
 * other instances do the same. What may be asked for is checked in `revoke_request.ts`.
 */

import type { Revocation, Revocations } from "../access/revocations.ts";
import {
  readRevokeRequest,
  type RevokeRequest,
  type RevokeResponse,
} from "../access/revoke_request.ts";
import { CLOSE } from "../protocol/messages.ts";
import type { Clock } from "../runtime/clock.ts";
import { SignalingError } from "../runtime/errors.ts";
import { failureFields, type Logger } from "../runtime/logger.ts";
import type { Connections } from "./connections.ts";

/** What other instances have done with a revocation. */
export interface SharedRevocation {
  readonly disconnected: number;
  /** Whether an instance has not answered. */
  readonly isPartial: boolean;
}

/** Stores a revocation for all instances and tells them; rejects if it cannot be stored. */
export type ShareRevocation = (revocation: Revocation) => Promise<SharedRevocation>;

/** Options of {@linkcode Revoker}. */
export interface RevokerOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly connections: Connections;
  readonly revocations: Revocations;
  /** How long a token may be valid, if that is limited. */
  readonly maxTtlSeconds: number | undefined;
  /** Absent where there are no other instances. */
  readonly share: ShareRevocation | undefined;
}

/**
 * A revocation was not kept, or not by every instance; `code` says which. It may be requested again.
 *
 * @example
 * ```ts
 * import { createSignalingHandler, generateKeyPairJwk, RevokeError } from "@aikofy/client-db-sync";
 *
 * await using signaling = await createSignalingHandler(await generateKeyPairJwk());
 * try {
 *   await signaling.revoke({ subject: "todos", issuedBefore: "now" });
 * } catch (error) {
 *   if (!(error instanceof RevokeError)) throw error;
 *   console.log(error.code, error.message);
 * }
 * ```
 */
export class RevokeError extends SignalingError {
  /**
   * `ERR_REVOCATIONS_FULL`: there are 100,000 already, and nothing has changed.
   * `ERR_REVOCATION_NOT_SHARED`: it applies on this instance alone, because the backplane is down.
   */
  readonly code: "ERR_REVOCATIONS_FULL" | "ERR_REVOCATION_NOT_SHARED";

  /** Accepts the code besides what `Error` accepts. */
  constructor(message: string, { code, ...options }: ErrorOptions & Pick<RevokeError, "code">) {
    super(message, options);
    this.code = code;
  }
}

/** Revokes tokens on one instance. */
export class Revoker {
  readonly #options: RevokerOptions;

  constructor(options: RevokerOptions) {
    this.#options = options;
  }

  /**
   * Revokes what is asked for.
   *
   * @throws {RevokeRequestError} It is not possible.
   * @throws {RevokeError} It is not kept, or not by every instance.
   */
  async revoke(request: RevokeRequest): Promise<RevokeResponse> {
    const { clock, logger, maxTtlSeconds, revocations, share } = this.#options;
    const revocation = readRevokeRequest(request, clock.now(), maxTtlSeconds);
    if (revocations.add(revocation) === "full") {
      const message =
        "There are too many revocations: change the key, which voids every token, or " +
        "give the next ones an earlier `expiresAt`";
      throw new RevokeError(message, { code: "ERR_REVOCATIONS_FULL" });
    }
    const here = this.#closeRevoked();
    const { expiresAt: end, ...fields } = revocation;
    const expiresAt = new Date(end).toISOString();
    const { disconnected, isPartial } = await share?.(revocation).catch((cause) => {
      const failure = failureFields(cause);
      logger.error("A revocation is known to this instance alone", { ...fields, ...failure });
      const message =
        "It is revoked on this instance alone, because the backplane is down: repeat " +
        "the request";
      throw new RevokeError(message, { code: "ERR_REVOCATION_NOT_SHARED", cause });
    }) ?? { disconnected: 0, isPartial: false };
    const total = here + disconnected;
    logger.info("Tokens revoked", { ...fields, expiresAt, disconnected: total });
    return { disconnected: total, ...(isPartial ? { partial: true } : {}) };
  }

  /** Every revocation that this instance knows. */
  all(): Revocation[] {
    return this.#options.revocations.all();
  }

  /** Adds revocations that other instances know, and tells how many clients are closed for them. */
  apply(revocations: Iterable<Revocation>): number {
    let hasChanged = false;
    let dropped = 0;
    for (const revocation of revocations) {
      const outcome = this.#options.revocations.add(revocation);
      if (outcome === "added") hasChanged = true;
      if (outcome === "full") dropped++;
    }
    if (dropped > 0) {
      this.#options.logger.error("There are too many revocations: some do not apply", { dropped });
    }
    return hasChanged ? this.#closeRevoked() : 0;
  }

  #closeRevoked(): number {
    const { connections, revocations } = this.#options;
    return connections.closeWhere(
      ({ identity }) => identity?.token !== undefined && revocations.has(identity.token),
      CLOSE.tokenRevoked,
    );
  }
}
