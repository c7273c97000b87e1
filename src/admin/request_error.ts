/** The error for a question of an operator that has no answer. */

import { SignalingError } from "../runtime/errors.ts";

/**
 * What an operator asks for is not possible, such as a page with a cursor that no page has given; the
 * message says why.
 *
 * @example
 * ```ts
 * import { AdminRequestError, createSignalingHandler } from "@aikofy/client-db-sync";
 * import { assertRejects } from "@std/assert";
 *
 * await using signaling = await createSignalingHandler({ authEnabled: false });
 * await assertRejects(() => signaling.rooms({ limit: 5000 }), AdminRequestError);
 * ```
 */
export class AdminRequestError extends SignalingError {
  /** Always `ERR_ADMIN_REQUEST`. */
  override readonly code = "ERR_ADMIN_REQUEST";
}
