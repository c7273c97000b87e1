// deno-lint-ignore-file no-console
/**
 * How fast 2,000 clients come back when their server stops, with its closes spread and without. They
 * wait as client-db does: a second and at most 0.3 s more; their successor listens already.
 */

import { ChildServer, refuseArguments } from "./_child.ts";

refuseArguments();

const CLIENTS = 2000;
const ROOMS = 200;
const SLOT_MS = 100;
const LIMITS = { maxPendingConnections: 0, maxPendingConnectionsPerIp: 0 };

async function run(command: "close" | "close at once"): Promise<void> {
  await using server = await ChildServer.start(LIMITS);
  await using successor = await ChildServer.start(LIMITS);
  const comebacks: number[] = [];
  const sockets: WebSocket[] = [];
  const join = async (url: string, token: string, n: number): Promise<WebSocket> => {
    const socket = new WebSocket(
      `${url.replace("http", "ws")}/signal?token=${token}&nodeId=${n}`,
    );
    sockets.push(socket);
    await new Promise<void>((resolve, reject) => {
      socket.onopen = () => socket.send('{"type":"register"}');
      socket.onmessage = () => resolve();
      socket.onclose = () => reject(new Error("closed"));
    });
    return socket;
  };
  const tokens = await Promise.all(Array.from({ length: ROOMS }, async (_, n) => ({
    first: await server.token(`room${n}`),
    second: await successor.token(`room${n}`),
  })));
  let stoppedAt = 0;
  const returned: Promise<void>[] = [];
  for (let n = 0; n < CLIENTS; n++) {
    const { first = "", second = "" } = tokens[n % ROOMS] ?? {};
    const socket = await join(server.url, first, n);
    returned.push(
      new Promise((resolve) => {
        socket.onclose = async () => {
          await new Promise((wake) => setTimeout(wake, 1000 + Math.random() * 300));
          await join(successor.url, second, n);
          comebacks.push(performance.now() - stoppedAt);
          resolve();
        };
      }),
    );
  }
  await successor.report();
  stoppedAt = performance.now();
  await server.tell(command);
  await Promise.all(returned);
  const { worstMs } = await successor.report();
  const slots = new Map<number, number>();
  for (const at of comebacks) {
    const slot = Math.floor(at / SLOT_MS);
    slots.set(slot, (slots.get(slot) ?? 0) + 1);
  }
  const peak = Math.max(...slots.values()) * 1000 / SLOT_MS;
  const spanMs = Math.max(...comebacks) - Math.min(...comebacks);
  console.log(
    `${command}: ${CLIENTS} come back within ${spanMs.toFixed(0)} ms, at most ${peak} a second ` +
      `(in ${SLOT_MS} ms); the successor's timers at most ${worstMs.toFixed(1)} ms late`,
  );
  for (const socket of sockets) {
    socket.onclose = null;
    socket.close();
  }
}

for (let round = 0; round < 2; round++) {
  await run("close at once");
  await run("close");
}
