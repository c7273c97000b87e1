/**
 * Lets requests with the admin secret through, and counts the others against their address. What a
 * route does is not its concern.
 */

import { remoteAddressOf } from "../access/address.ts";
import { bearerOf } from "../access/credentials.ts";
import { createSecretCheck } from "../access/secrets.ts";
import { VerificationLimiter } from "../access/verification_limiter.ts";
import type { HandlerParts } from "./handler_parts.ts";
import { errorResponse, NO_STORE, STATUS_CODE } from "./responses.ts";
import { splitUrl } from "./url.ts";

/** Answers requests; `info` is what `Deno.serve` gave along. */
export type Route = (request: Request, info: unknown) => Response | Promise<Response>;

/** What the guard depends on. */
export type AdminGuardParts = Pick<
  HandlerParts,
  "addressOf" | "failures" | "metrics" | "refusals"
>;

/**
 * Creates the function that puts the check of the admin secret in front of a route. It checks the
 * secret first: a client without it learns nothing, and its body is not read.
 */
export async function createAdminGuard(
  { addressOf, failures, metrics, refusals }: AdminGuardParts,
  adminSecret: string,
): Promise<(route: Route) => Route> {
  const isAdminSecret = await createSecretCheck(adminSecret);
  // A counter of its own: clients with invalid tokens do not lock the admin out, nor the reverse.
  const limiter = new VerificationLimiter(failures.counterFor("secret"));
  const verify = async (secret: string) =>
    await isAdminSecret(secret) ? { kind: "valid" as const } : { kind: "invalid" as const };
  const checked = async (route: Route, request: Request, info: unknown) => {
    const address = addressOf(remoteAddressOf(info), request.headers);
    const secret = presentedSecret(request.headers);
    const attempt = await limiter.attempt(address, () => verify(secret));
    if (attempt.kind !== "valid") {
      const cause = attempt.kind === "throttled"
        ? "too often"
        : secret === ""
        ? "missing"
        : "wrong";
      refusals.refusedSecret(address, { path: splitUrl(request.url).pathname, cause });
    }
    switch (attempt.kind) {
      case "valid":
        return await route(request, info);
      case "invalid":
        return refuse(
          STATUS_CODE.Unauthorized,
          "The admin secret is missing or wrong: send it as x-admin-secret or Bearer",
          { "www-authenticate": "Bearer" },
        );
      case "throttled":
        return refuse(
          STATUS_CODE.TooManyRequests,
          "Too many secrets from your address were wrong",
          { "retry-after": String(attempt.seconds) },
        );
    }
  };
  return (route) => async (request, info) => {
    const response = await checked(route, request, info);
    metrics.countAdminRequest(splitUrl(request.url).pathname, response.status);
    return response;
  };
}

function refuse(status: number, message: string, headers: Record<string, string>): Response {
  return errorResponse(status, message, { ...NO_STORE, ...headers });
}

/** A missing secret counts as a wrong one: it is empty. */
function presentedSecret(headers: Headers): string {
  return headers.get("x-admin-secret") || bearerOf(headers);
}
