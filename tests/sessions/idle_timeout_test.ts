/**
 * What the server needs of Deno's internals, on real sockets: when a new version of Deno changes it,
 * these tests fail, and the server falls back to what Deno does by itself.
 */

import { assert, assertEquals } from "@std/assert";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createSignalingHandler } from "../../mod.ts";
import { denoIdleTimeout, hasIdleTimeoutHook } from "../../src/sessions/idle_timeout.ts";
import { Client, until, within } from "../helpers/client.ts";
import { frame } from "../helpers/raw.ts";
import { bytes, closeCode, probe, RawClient } from "../helpers/raw_client.ts";
import { startOpenServer } from "../helpers/server.ts";

const PING = 9;
const PONG = frame(10, "");

Deno.test("Deno has the hook of its idle timeout", () => {
  assert(hasIdleTimeoutHook());
  assertEquals([0, 2, 30, 31, 3600].map(denoIdleTimeout), [30, 2, 30, 30, 30]);
});

Deno.test("a client that floods with pongs is ended and its peer removed, one that answers pings is not", async () => {
  await using server = await startOpenServer({ idleTimeoutSeconds: 2 });
  await using a = await Client.join(server.signal({ nodeId: "a" }));
  using polite = await RawClient.join(server.port, "/signal?nodeId=polite");
  using flood = await RawClient.join(server.port, "/signal?nodeId=flood");
  await flood.write(bytes(...Array(90).fill(PONG)), probe("probe"));
  assertEquals((await within("an answer", flood.next()))?.opcode, 1);
  await flood.write(bytes(...Array(20).fill(PONG)));
  await within(
    "the end",
    (async () => {
      while (await flood.next() !== null);
    })(),
  );
  await until("its peer to be gone", () => server.stats().peers === 2);
  let pings = 0;
  for (const end = Date.now() + 5000; Date.now() < end;) {
    const next = await within("a ping", polite.next());
    if (next?.opcode === PING) pings += Number(await polite.write(PONG));
  }
  assert(pings >= 3);
  a.send({ type: "offer", to: "polite", sdp: {} });
  // On a busy machine it has been told of the other once more meanwhile.
  assertEquals((await a.drain()).filter(({ type }) => type !== "peer-list"), []);
});

Deno.test("a client that floods with pongs before it has joined is ended, too", async () => {
  await using server = await startOpenServer();
  using flood = await RawClient.open(server.port, "/signal?room=room&nodeId=flood");
  await flood.write(bytes(...Array(150).fill(PONG)));
  await within(
    "the end",
    (async () => {
      while (await flood.next() !== null);
    })(),
  );
  await until("it to be gone", () => server.stats().pending === 0);
});

Deno.test("a client that sends messages all the time is not idle, one that stops is closed in time", async () => {
  await using server = await startOpenServer({ idleTimeoutSeconds: 2 });
  using busy = await RawClient.join(server.port, "/signal?nodeId=busy");
  for (const end = Date.now() + 3000; Date.now() < end;) {
    await busy.write(probe("probe"));
    assertEquals((await within("an answer", busy.next()))?.opcode, 1);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const start = Date.now();
  const seen: (number | undefined)[] = [];
  for (let next = await busy.next(); next !== null; next = await busy.next()) {
    seen.push(next.opcode === 8 ? closeCode(next) : next.opcode);
  }
  assertEquals(seen, [PING, 1001]);
  const ms = Date.now() - start;
  assert(ms > 1500 && ms < 3000, String(ms));
});

Deno.test("a client that never sends anything is pinged and closed, too", async () => {
  await using server = await startOpenServer({ idleTimeoutSeconds: 2 });
  using silent = await RawClient.open(server.port, "/signal?nodeId=silent");
  const seen: (number | undefined)[] = [];
  for (let next = await silent.next(); next !== null; next = await silent.next()) {
    seen.push(next.opcode === 8 ? closeCode(next) : next.opcode);
  }
  assertEquals(seen, [1, PING, 1001]);
});

Deno.test("a socket does not keep the request that it came with, nor its URL and headers", async () => {
  setFlagsFromString("--expose-gc");
  const collectGarbage: () => void = runInNewContext("gc");
  await using handler = await createSignalingHandler({ authEnabled: false });
  const requests: WeakRef<Request>[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request, info) => {
    requests.push(new WeakRef(request));
    return handler.fetch(request, info).then((response) => response ?? new Response());
  });
  const clients = await Promise.all(
    ["a", "b"].map((id) => Client.join(`ws://127.0.0.1:${server.addr.port}/signal?nodeId=${id}`)),
  );
  await until("the requests to be collected", () => {
    collectGarbage();
    return requests.length === 2 && requests.every((request) => request.deref() === undefined);
  });
  assertEquals(handler.stats().peers, 2);
  await Promise.all(clients.map((client) => client.close()));
  await server.shutdown();
});
