/**
 * The base of every error that a caller may want to handle. Misuse of a function is a `TypeError` or
 * a `RangeError` instead.
 */

/**
 * An error of this package: `name` is that of its class, `code` never changes between releases, and
 * the message never contains a token, a secret or key material.
 *
 * @example Telling errors apart by their code
 * ```ts
 * import { decodePublicJwk, SignalingError } from "@aikofy/client-db-sync";
 * import { assertEquals } from "@std/assert";
 *
 * try {
 *   decodePublicJwk("not a key");
 * } catch (error) {
 *   if (!(error instanceof SignalingError)) throw error;
 *   assertEquals(error.code, "ERR_INVALID_KEY");
 * }
 * ```
 */
export abstract class SignalingError extends Error {
  /** What went wrong, for programs: `ERR_` and capitals. */
  abstract readonly code: string;

  /** Accepts what `Error` accepts. */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}
