/**
 * Signaling beside Express and Socket.IO, all three on one port of one `node:http` server.
 *
 *     deno add jsr:@aikofy/client-db-sync npm:express npm:socket.io
 *     deno run --allow-net --allow-env express.ts
 *
 * @module
 */

import { createServer } from "node:http";
import { createSignalingHandler } from "@aikofy/client-db-sync";
// @ts-types="npm:@types/express@^5.0.0"
import express from "express";
import { Server } from "socket.io";

/** Starts the server; port 0 chooses a free one. */
export async function start(port: number): Promise<{ port: number; close(): Promise<void> }> {
  const app = express();
  app.get("/", (_request, response) => void response.send("My own page"));
  const server = createServer(app);

  const io = new Server(server);
  io.on("connection", (socket) => socket.on("chat", (text) => io.emit("chat", text)));

  // Anyone may join any room: deno_serve.ts and own_auth.ts show how to admit your own users only.
  const signaling = await createSignalingHandler({ authEnabled: false });
  server.on("upgrade", (request, socket, head) => {
    socket.on("error", () => {}); // without a listener, a connection's reset ends the process
    if (signaling.handleUpgrade(request, socket, head)) return;
    if (!request.url?.startsWith(io.path())) socket.end("HTTP/1.1 404 Not Found\r\n\r\n");
  });

  await new Promise<void>((resolve) => server.listen(port, resolve));
  async function close(): Promise<void> {
    await signaling.close();
    await io.close(); // and with it the server
  }
  return { port: (server.address() as { port: number }).port, close };
}

if (import.meta.main) {
  const { port } = await start(8000);
  // deno-lint-ignore no-console -- node:http says nothing by itself
  console.log(`Listening on http://localhost:${port}/`);
}
