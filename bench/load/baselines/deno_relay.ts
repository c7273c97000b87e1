/**
 * The baselines: the least that a server on `Deno.upgradeWebSocket` can do for its clients. By its
 * argument it relays by parsing (`json`), by scanning (`scan`), by parsing for clients whose token it
 * has verified (`verify`), or does nothing with its sockets (`idle`). No limits, no checks, no log.
 */

import { jwtVerify } from "jose";

const [mode] = Deno.args;
const rooms = new Map<string, Map<string, WebSocket>>();

function serve(socket: WebSocket, room: string, id: string): void {
  const join = () => {
    let peers = rooms.get(room);
    if (peers === undefined) rooms.set(room, peers = new Map());
    socket.send(JSON.stringify({ type: "peer-list", peers: [...peers.keys()] }));
    peers.set(id, socket);
  };
  const parse = ({ data }: MessageEvent<string>) => {
    const message = JSON.parse(data);
    if (message.type === "register") return join();
    message.from = id;
    message.fromRole = "normal";
    rooms.get(room)?.get(message.to)?.send(JSON.stringify(message));
  };
  const scan = ({ data }: MessageEvent<string>) => {
    if (data.startsWith('{"type":"register"')) return join();
    const start = data.indexOf('"to":"') + 6;
    const end = data.indexOf('"', start);
    rooms.get(room)?.get(data.slice(start, end))
      ?.send(`${data.slice(0, end + 1)},"fromRole":"normal"${data.slice(end + 1)}`);
  };
  socket.onmessage = mode === "scan" ? scan : parse;
  socket.onclose = () => {
    const peers = rooms.get(room);
    peers?.delete(id);
    if (peers?.size === 0) rooms.delete(room);
  };
}

function upgrade(request: Request, room: string, id: string): Response {
  const { socket, response } = Deno.upgradeWebSocket(request);
  if (mode !== "idle") serve(socket, room, id);
  return response;
}

async function publicKey(): Promise<CryptoKey> {
  const jwk = JSON.parse(atob(Deno.env.get("PUBLIC_KEY_JWK") ?? ""));
  return await crypto.subtle.importKey("jwk", jwk, "Ed25519", false, ["verify"]);
}

const key = mode === "verify" ? await publicKey() : undefined;

Deno.serve(
  { hostname: "127.0.0.1", port: Number(Deno.env.get("PORT")), onListen() {} },
  (request) => {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname !== "/signal") return new Response("ok");
    const room = searchParams.get("room") ?? "";
    const id = searchParams.get("nodeId") ?? "";
    if (key === undefined) return upgrade(request, room, id);
    return jwtVerify(searchParams.get("token") ?? "", key, { algorithms: ["EdDSA"] }).then(
      () => upgrade(request, room, id),
      () => new Response(null, { status: 401 }),
    );
  },
);
