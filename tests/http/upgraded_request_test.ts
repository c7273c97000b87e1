/** What becomes of the signal of a request that is a socket now. */

import { assertEquals } from "@std/assert";
import { spareAbort } from "../../src/http/upgraded_request.ts";

/** What Deno keeps of the signal of an upgraded request after it has answered, and the signal itself. */
async function signalAfterUpgrade(prepare: (request: Request) => void) {
  const seen = Promise.withResolvers<{ kept: unknown; isAborted: boolean }>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    prepare(request);
    const { socket, response } = Deno.upgradeWebSocket(request);
    spareAbort(request);
    socket.onopen = () => {
      const mark = Object.getOwnPropertySymbols(request)
        .find(({ description }) => description === "signalCache");
      const kept = mark && Reflect.get(request, mark);
      seen.resolve({ kept, isAborted: request.signal.aborted });
    };
    return response;
  });
  const socket = new WebSocket(`ws://127.0.0.1:${server.addr.port}`);
  const closed = new Promise((resolve) => socket.onclose = resolve);
  const found = await seen.promise;
  socket.close();
  await closed;
  await server.shutdown();
  return found;
}

Deno.test("spareAbort() leaves no signal behind with a socket, and who asks for it gets an aborted one", async () => {
  assertEquals(await signalAfterUpgrade(() => {}), { kept: false, isAborted: true });
});

Deno.test("spareAbort() leaves a signal alone that the host has asked for", async () => {
  const signals: AbortSignal[] = [];
  const { kept, isAborted } = await signalAfterUpgrade(({ signal }) => signals.push(signal));
  assertEquals(kept, signals[0]);
  assertEquals(isAborted, true);
});
