/**
 * Signaling on a route of a Hono app, with room tokens for who knows a password.
 *
 *     deno add jsr:@aikofy/client-db-sync npm:hono
 *     deno run --allow-net hono.ts
 *
 * @module
 */

import { createSignalingHandler, generateKeyPairJwk } from "@aikofy/client-db-sync";
import { Hono } from "hono";
import { basicAuth } from "hono/basic-auth";

/** Starts the app; port 0 takes a free one. */
export async function start(port: number): Promise<{ port: number; close(): Promise<void> }> {
  // Make the keys once and keep them secret and safe: with new ones, no older token holds.
  const signaling = await createSignalingHandler(await generateKeyPairJwk());
  const app = new Hono();

  app.get("/", (context) => context.text("My own page"));

  app.post(
    "/session",
    basicAuth({ username: "ada", password: "change-me" }), // in place of your own login
    async (context) => context.json(await signaling.issueToken({ ttl: "12h", subject: "todos" })),
  );

  app.all(
    "/signal",
    async (context) => await signaling.fetch(context.req.raw) ?? context.notFound(),
  );

  const server = Deno.serve({ port }, app.fetch);
  const close = () => signaling.close().then(() => server.shutdown());
  return { port: server.addr.port, close };
}

if (import.meta.main) await start(8000);
