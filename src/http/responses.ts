/** HTTP answers: JSON bodies, one shape for every error. */

import type { Address } from "../access/address.ts";
import type { RefusalLog } from "../access/refusal_log.ts";
import { STATUS_CODE } from "@std/http/status";

export { STATUS_CODE };

/** For answers that are about this moment, or secret. */
export const NO_STORE = { "cache-control": "no-store" };

/** A JSON answer. */
export function json(body: unknown, status = STATUS_CODE.OK, headers?: HeadersInit): Response {
  const response = Response.json(body, { status, ...(headers === undefined ? {} : { headers }) });
  response.headers.set("x-content-type-options", "nosniff");
  return response;
}

/** An error as every route answers it: one sentence that a person can act on. */
export function errorResponse(status: number, error: string, headers?: HeadersInit): Response {
  return json({ error }, status, headers);
}

/** The answer to a request whose head is malformed; it leaves a line in the log. */
export function malformedRequest(
  refusals: Pick<RefusalLog, "refusedRequest">,
  address: Address,
): Response {
  const [code, reason] = [STATUS_CODE.BadRequest, "The request is malformed"];
  refusals.refusedRequest("Request refused", { address, code, reason }, () => ({}));
  return errorResponse(code, reason);
}

/** The answer to a method that a path does not accept. */
export function methodNotAllowed(allowed: readonly string[]): Response {
  const allow = allowed.join(", ");
  return errorResponse(STATUS_CODE.MethodNotAllowed, `Use ${allow} here`, { allow });
}
