/**
 * The error of an identity provider's keys that cannot be used. What is logged about refused clients
 * needs it; `fetched_keys.ts`, which throws it, is loaded only where keys are fetched.
 */

import { SignalingError } from "../runtime/errors.ts";

/**
 * The identity provider's keys cannot be used at the moment: they cannot be fetched, or one of them
 * is malformed. It says nothing about the token.
 *
 * @example
 * ```ts
 * import { KeySetError, makeConsumerVerifier } from "@aikofy/client-db-sync";
 * import { assertRejects } from "@std/assert";
 * import { generateKeyPair, SignJWT } from "jose";
 *
 * const { privateKey } = await generateKeyPair("ES256");
 * const token = await new SignJWT().setProtectedHeader({ alg: "ES256" }).sign(privateKey);
 * const verify = makeConsumerVerifier({ jwksUrl: "http://127.0.0.1:1/nothing-listens-here" });
 * await assertRejects(() => verify(token), KeySetError);
 * ```
 */
export class KeySetError extends SignalingError {
  /** Always `ERR_KEY_SET`. */
  override readonly code = "ERR_KEY_SET";
}
