/**
 * The whole standalone server, with every route of the HTTP API, for a host that brings the listener:
 * `deno serve` and Deno Deploy. The keys come from the environment.
 *
 *     deno add jsr:@aikofy/client-db-sync
 *     deno run jsr:@aikofy/client-db-sync/keygen >> .env
 *     deno serve --env-file --allow-env=AUTH_DISABLED,PRIVATE_KEY_JWK,ADMIN_SECRET,REDIS_URL deploy.ts
 *
 * Peers meet only within one process, unless `REDIS_URL` names a Redis that connects them. Deno Deploy
 * runs several, and so does `deno serve --parallel`. To reach Redis, `--allow-net` has to name its host.
 *
 * Before it ends a process, Deno Deploy sends SIGINT and waits five seconds: the clients are closed in
 * that time and come back to another one.
 *
 * @module
 */

import { createLogger, createServer } from "@aikofy/client-db-sync";
import { createRedisBackplanes } from "@aikofy/client-db-sync/redis";

const redisUrl = Deno.env.get("REDIS_URL");

const server = await createServer({
  authEnabled: Deno.env.get("AUTH_DISABLED") !== "true",
  privateKeyJwk: Deno.env.get("PRIVATE_KEY_JWK"),
  adminSecret: Deno.env.get("ADMIN_SECRET"),
  // deno-lint-ignore no-console
  logger: createLogger({ write: console.log }),
  ...(redisUrl ? { backplane: createRedisBackplanes({ url: redisUrl }) } : {}),
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, async () => {
    await server.close();
    Deno.exit();
  });
}

export default { fetch: server.fetch } satisfies Deno.ServeDefaultExport;
