/**
 * The whole standalone server, with `/health`, `/public-key`, `/token` and `/signal`, for a host that
 * brings the listener: `deno serve` and Deno Deploy. The keys come from the environment.
 *
 *     deno add jsr:@aikofy/client-db-sync
 *     deno run jsr:@aikofy/client-db-sync/keygen >> .env
 *     deno serve --env-file --allow-env=AUTH_DISABLED,PRIVATE_KEY_JWK,ADMIN_SECRET deploy.ts
 *
 * Peers meet only within one process: on Deno Deploy, run one instance.
 *
 * @module
 */

import { createServer } from "@aikofy/client-db-sync";

const server = await createServer({
  authEnabled: Deno.env.get("AUTH_DISABLED") !== "true",
  privateKeyJwk: Deno.env.get("PRIVATE_KEY_JWK"),
  adminSecret: Deno.env.get("ADMIN_SECRET"),
});

export default { fetch: server.fetch } satisfies Deno.ServeDefaultExport;
