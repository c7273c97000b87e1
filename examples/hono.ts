/**
 * Signaling on a route of a Hono app, with room tokens for users who know a password.
 *
 *     deno add jsr:@aikofy/client-db-sync npm:hono
 *     deno run --allow-net hono.ts
 *
 * @module
 */

import { createSignalingHandler, generateKeyPairJwk } from "@aikofy/client-db-sync";
import { Hono } from "hono";
import { basicAuth } from "hono/basic-auth";

/** Starts the app; port 0 chooses a free one. */
export async function start(port: number): Promise<{ port: number; close(): Promise<void> }> {
  // Make the keys once and keep them secret and safe: older tokens are not valid with new ones.
  const signaling = await createSignalingHandler(await generateKeyPairJwk());
  const app = new Hono<{ Bindings: Deno.ServeHandlerInfo }>();

  app.get("/", (context) => context.text("My own page"));

  app.post(
    "/session",
    basicAuth({ username: "ada", password: "change-me" }), // in place of your own login
    async (context) => context.json(await signaling.issueToken({ ttl: "12h", subject: "todos" })),
  );

  // Hono's `env` is the `info` of Deno.serve: with the client's address, limits per address apply.
  app.all(
    "/signal",
    async (context) => await signaling.fetch(context.req.raw, context.env) ?? context.notFound(),
  );

  const server = Deno.serve({ port }, app.fetch);
  const close = () => signaling.close().then(() => server.shutdown());
  return { port: server.addr.port, close };
}

if (import.meta.main) await start(8000);
