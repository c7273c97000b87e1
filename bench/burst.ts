// deno-lint-ignore-file no-console
/** How late the server's timers are while 2,000 clients connect in the same moment, each with a token. */

import { ChildServer, refuseArguments } from "./_child.ts";

refuseArguments();

const CLIENTS = 2000;
const ROOMS = 200;
const ROUNDS = 5;

await using server = await ChildServer.start({
  maxPendingConnections: 0,
  maxPendingConnectionsPerIp: 0,
});
const tokens = await Promise.all(Array.from({ length: ROOMS }, (_, n) => server.token(`room${n}`)));
const { hostname, port } = new URL(server.url);
for (let round = 1; round <= ROUNDS; round++) {
  const sockets = await Promise.all(
    Array.from({ length: CLIENTS }, () => Deno.connect({ hostname, port: Number(port) })),
  );
  await new Promise((resolve) => setTimeout(resolve, 500));
  await server.report();
  const start = performance.now();
  await Promise.all(sockets.map(async (socket, n) => {
    await socket.write(new TextEncoder().encode(
      `GET /signal?token=${
        tokens[n % ROOMS]
      }&nodeId=${n} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n` +
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    ));
    await socket.read(new Uint8Array(512));
  }));
  const tookMs = performance.now() - start;
  let pending = Infinity;
  let worstMs = 0;
  while (pending > 0) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const report = await server.report();
    ({ pending } = report);
    worstMs = Math.max(worstMs, report.worstMs);
  }
  const { peers } = await server.report();
  console.log(
    `round ${round}: ${CLIENTS} upgraded in ${tookMs.toFixed(0)} ms, ${peers} peers joined, ` +
      `timers at most ${worstMs.toFixed(1)} ms late`,
  );
  for (const socket of sockets) socket.close();
  await new Promise((resolve) => setTimeout(resolve, 1000));
}
