/** The error of a server that cannot listen on its internal port. */

import { SignalingError } from "../runtime/errors.ts";

/**
 * The internal port of a server cannot be listened on: its `cause` is the error of Deno. The other port
 * is closed again.
 *
 * @example
 * ```ts
 * import { createServer, InternalListenError } from "@aikofy/client-db-sync";
 * import { assertRejects } from "@std/assert";
 *
 * await using other = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, () => new Response());
 * await using server = await createServer({ authEnabled: false, internalPort: other.addr.port });
 * await assertRejects(() => server.listen({ port: 0, host: "127.0.0.1" }), InternalListenError);
 * ```
 */
export class InternalListenError extends SignalingError {
  /** Always `ERR_INTERNAL_LISTEN`. */
  override readonly code = "ERR_INTERNAL_LISTEN";
}
