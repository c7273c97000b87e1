/**
 * Clients are authenticated by the session cookie of your own app, without room tokens. A browser
 * sends it with the handshake: client-db needs only `signalingServer: "wss://example.com/signal"`.
 *
 *     deno add jsr:@aikofy/client-db-sync
 *     deno run --allow-net own_auth.ts
 *
 * @module
 */

import { type Authorization, createSignalingHandler } from "@aikofy/client-db-sync";

/** In place of your own sessions: the cookies, and the database that each of them may sync. */
const databases = new Map<string, string>();

/** In place of your own login. No page of another site can use the cookie: it is `SameSite`. */
async function logIn(request: Request): Promise<Response> {
  if (await request.text() !== "change-me") return new Response("Wrong password", { status: 401 });
  const id = crypto.randomUUID();
  databases.set(id, "todos");
  const cookie = `session=${id}; Path=/; HttpOnly; Secure; SameSite=Strict`;
  return new Response("Welcome", { headers: { "set-cookie": cookie } });
}

/** Says which room a client may join. Add a `nodeId` to choose its name too: one for each tab. */
function authorize({ headers }: Request): Authorization | null {
  const [, id = ""] = /(?:^|; )session=([^;]+)/.exec(headers.get("cookie") ?? "") ?? [];
  const room = databases.get(id);
  return room === undefined ? null : { room };
}

/** Starts the server; port 0 chooses a free one. */
export async function start(port: number): Promise<{ port: number; close(): Promise<void> }> {
  const signaling = await createSignalingHandler({ authorize });
  const server = Deno.serve({ port }, async (request, info) => {
    const { pathname } = new URL(request.url);
    if (request.method === "POST" && pathname === "/login") return await logIn(request);
    // With `info`, which has the client's address, limits per address apply.
    return await signaling.fetch(request, info) ?? new Response("My own page");
  });
  const close = () => signaling.close().then(() => server.shutdown());
  return { port: server.addr.port, close };
}

if (import.meta.main) await start(8000);
