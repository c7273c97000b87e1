/**
 * Signaling beside your own routes, on plain `Deno.serve`. A user who has logged in gets a room token
 * from `POST /session`, for client-db: `signalingServer: "wss://example.com/signal?token=" + token`.
 *
 *     deno add jsr:@aikofy/client-db-sync
 *     deno run --allow-net --allow-env=PORT deno_serve.ts
 *
 * @module
 */

import { createSignalingHandler, generateKeyPairJwk } from "@aikofy/client-db-sync";

/** In place of your own login: the session cookies, and the database that each of them may sync. */
const databases = new Map([["cookie-of-ada", "todos"]]);

/** Starts the server; port 0 chooses a free one. */
export async function start(port: number): Promise<{ port: number; close(): Promise<void> }> {
  // Make the keys once and keep them secret and safe: older tokens are not valid with new ones.
  const signaling = await createSignalingHandler(await generateKeyPairJwk());

  async function issueToken({ headers }: Request): Promise<Response> {
    const [, id = ""] = /(?:^|; )session=([^;]+)/.exec(headers.get("cookie") ?? "") ?? [];
    const subject = databases.get(id);
    if (subject === undefined) return new Response("Log in first", { status: 401 });
    return Response.json(await signaling.issueToken({ ttl: "12h", subject }));
  }

  const server = Deno.serve({ port }, async (request, info) => {
    const { pathname } = new URL(request.url);
    if (request.method === "POST" && pathname === "/session") return await issueToken(request);
    // With `info`, which has the client's address, limits per address apply.
    return await signaling.fetch(request, info) ?? new Response("My own page");
  });
  async function close(): Promise<void> {
    await signaling.close(); // tells every client, which then connects again
    await server.shutdown(); // finishes the requests that are running
  }
  return { port: server.addr.port, close };
}

if (import.meta.main) {
  const { close } = await start(Number(Deno.env.get("PORT") || 8000));
  const stop = () => close().then(() => Deno.exit());
  Deno.addSignalListener("SIGINT", stop);
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", stop);
}
