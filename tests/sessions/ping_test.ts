/**
 * Pings by names that are internal to Deno: these tests fail when a Deno changes them. Then a server
 * still works, but an id that two tabs share is kept from a tab whose predecessor is dead until the
 * idle timeout closes that.
 */

import { assert, assertEquals } from "@std/assert";
import { Liveness } from "../../src/sessions/liveness.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { Client, within } from "../helpers/client.ts";
import { RawClient } from "../helpers/raw_client.ts";
import { FakeSocket } from "../helpers/socket.ts";

function livenessOf(socket: WebSocket | FakeSocket, onFlood = () => {}): Liveness {
  return new Liveness({ socket, clock: systemClock, idleTimeoutSeconds: 30, owner: { onFlood } });
}

/** A server with one socket, which a client has opened. */
async function withSocket(
  open: (port: number) => Promise<Client | RawClient>,
  act: (socket: WebSocket, closed: Promise<CloseEvent>) => Promise<void>,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<WebSocket>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 30 });
    socket.addEventListener("open", () => resolve(socket));
    return response;
  });
  const client = await open(server.addr.port);
  const socket = await promise;
  const closed = new Promise<CloseEvent>((found) => socket.addEventListener("close", found));
  try {
    await act(socket, closed);
  } finally {
    await client.close();
    await within("close", closed);
    await server.shutdown();
  }
}

const live = (port: number) => Client.connect(`ws://127.0.0.1:${port}/`);
const silent = (port: number) => RawClient.open(port, "/");

Deno.test("Liveness.ping() finds a client that lives, and leaves Deno's idle timeout as it was", async () => {
  await withSocket(live, async (socket, closed) => {
    const timeouts = () =>
      Object.getOwnPropertySymbols(socket)
        .filter(({ description }) => description === "[[idleTimeout]]")
        .map((symbol) => Reflect.get(socket, symbol));
    assertEquals(timeouts(), [30]);
    const liveness = livenessOf(socket);
    const first = liveness.ping(300);
    assert(first !== undefined, "Deno's internal names are others");
    assertEquals(liveness.ping(300), first);
    assertEquals([await first, await liveness.ping(300)], [true, true]);
    assertEquals(timeouts(), [30]);
    // It is not closed once the time for its answer is over.
    const { promise, resolve } = Promise.withResolvers<string>();
    setTimeout(() => resolve("open"), 400);
    assertEquals(await Promise.race([closed, promise]), "open");
  });
});

Deno.test("Liveness.ping() finds a client that answers nothing, whose socket Deno closes", async () => {
  await withSocket(silent, async (socket, closed) => {
    assertEquals(await livenessOf(socket).ping(200), false);
    assertEquals((await within("close", closed)).code, 1001);
  });
});

Deno.test("Liveness.ping() causes no flood: its answer does not count, and is good for a second", async () => {
  await withSocket(live, async (socket) => {
    let floods = 0;
    const liveness = livenessOf(socket, () => floods++);
    for (let n = 0; n < 100; n++) liveness.onFrame();
    for (let n = 0; n < 5; n++) assertEquals(await liveness.ping(5000), true);
    assertEquals(floods, 0);
    liveness.onFrame();
    assertEquals(floods, 1);
  });
});

Deno.test("Liveness.ping() waits no longer than the connection is open", async () => {
  await withSocket(silent, async (socket) => {
    const liveness = livenessOf(socket);
    const answer = liveness.ping(60_000);
    liveness.end();
    assertEquals(await answer, false);
    socket.close();
  });
});

Deno.test("Liveness.ping() asks nobody where the socket is none of Deno's", () => {
  assertEquals(livenessOf(new FakeSocket()).ping(200), undefined);
});
