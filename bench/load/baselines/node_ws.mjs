/**
 * The least that a server on Node and `ws` can do for its clients: it parses, stamps and relays.
 * Its argument is the folder in whose `node_modules` `ws` is.
 */

import { createServer } from "node:http";
import { createRequire } from "node:module";
import process from "node:process";

const { WebSocketServer } = createRequire(`${process.argv[2]}/package.json`)("ws");
const rooms = new Map();
const server = createServer((_request, response) => response.end("ok"));

new WebSocketServer({ server }).on("connection", (socket, request) => {
  const { searchParams } = new URL(request.url, "http://localhost");
  const room = searchParams.get("room");
  const id = searchParams.get("nodeId");
  socket.on("message", (data) => {
    const message = JSON.parse(data.toString());
    if (message.type === "register") {
      if (!rooms.has(room)) rooms.set(room, new Map());
      const peers = rooms.get(room);
      socket.send(JSON.stringify({ type: "peer-list", peers: [...peers.keys()] }));
      peers.set(id, socket);
      return;
    }
    message.from = id;
    message.fromRole = "normal";
    rooms.get(room)?.get(message.to)?.send(JSON.stringify(message));
  });
  socket.on("close", () => {
    const peers = rooms.get(room);
    peers?.delete(id);
    if (peers?.size === 0) rooms.delete(room);
  });
});
server.listen(Number(process.env.PORT), "127.0.0.1");
