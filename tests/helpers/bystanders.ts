/** Two clients that behave, in a room of their own, while others do not. */

import { assertEquals } from "@std/assert";
import type { ServerOptions } from "../../mod.ts";
import { Client, type Message, until } from "./client.ts";
import { startServer, type TestServer } from "./server.ts";

/** How often each of the two sends, in milliseconds. */
const BEAT_MS = 10;

/**
 * Runs `act` against a server while two bystanders send each other numbered messages. Afterwards
 * each has heard all of them once and in order, nobody but the two is left, and the server answers.
 */
export async function amongBystanders(
  config: ServerOptions,
  act: (server: TestServer) => Promise<void>,
): Promise<void> {
  await using server = await startServer({
    ...config,
    limits: { maxPendingConnectionsPerIp: 0, ...config.limits },
  });
  const room = "bystanders";
  const query = {
    room,
    ...config.authEnabled === false ? {} : { token: await server.token(room) },
  };
  await using a = await Client.join(server.signal({ ...query, nodeId: "a" }));
  await using b = await Client.join(server.signal({ ...query, nodeId: "b" }));
  assertEquals(b.peers, ["a"]);
  // A pair that has not negotiated would be told of each other again.
  b.send({ type: "offer", to: "a", sdp: {} });
  await a.next("offer");
  a.send({ type: "answer", to: "b", sdp: {} });
  await b.next("answer");
  let sent = 0;
  const beat = () => {
    a.send({ type: "ice-candidate", to: "b", candidate: sent });
    b.send({ type: "ice-candidate", to: "a", candidate: sent });
    sent++;
  };
  const timer = setInterval(beat, BEAT_MS);
  try {
    await act(server);
  } finally {
    clearInterval(timer);
  }
  beat();
  // The server has read all of one's messages when it has answered its probe.
  const heardByB = await b.drain();
  const heardByA = await a.drain();
  heardByB.push(...await b.drain());
  const expected = (from: string, to: string): Message[] =>
    Array.from({ length: sent }, (_, candidate) => (
      { type: "ice-candidate", to, candidate, from, fromRole: "normal" }
    ));
  assertEquals(heardByA, expected("b", "a"));
  assertEquals(heardByB, expected("a", "b"));
  await until("everybody else to be gone", async () => {
    const { peers, status } = await server.health();
    const { pending, closing } = server.stats();
    return status === "ok" && peers === 2 && pending === 0 && closing === 0;
  });
  await using late = await Client.join(server.signal({ ...query, nodeId: "late" }));
  assertEquals(late.peers, ["a", "b"]);
}
