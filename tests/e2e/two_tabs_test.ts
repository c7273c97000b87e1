/** Two clients that come back under one nodeId again and again, as two tabs of one profile do. */

import { assertEquals } from "@std/assert";
import { Client, within } from "../helpers/client.ts";
import { RawClient } from "../helpers/raw_client.ts";
import { startOpenServer, type TestServer } from "../helpers/server.ts";

const QUERY = { room: "room", nodeId: "tab" };
const IN_USE = { code: 4409, reason: "nodeId already in use" };

/** Clients that come one after the other until the last of them keeps the nodeId. */
async function takeOver(server: TestServer, times: number): Promise<Client> {
  let holder = await Client.join(server.signal(QUERY));
  for (let n = 0; n < times; n++) {
    const newcomer = await Client.join(server.signal(QUERY));
    assertEquals(await holder.closed, { code: 1000, reason: "replaced by new connection" });
    holder = newcomer;
  }
  return holder;
}

/** What a client gets that registers. */
async function attempt(server: TestServer): Promise<{ code: number; reason: string } | "list"> {
  const client = await Client.connect(server.signal(QUERY));
  client.send({ type: "register", role: "normal" });
  const outcome = await Promise.race([
    client.closed,
    client.next("peer-list").then(() => "list" as const, () => client.closed),
  ]);
  await client.close();
  return outcome;
}

Deno.test("two tabs: after three takeovers the holder stays, and who comes gets 4409 before any list", async () => {
  await using server = await startOpenServer();
  await using other = await Client.join(server.signal({ room: "room", nodeId: "other" }));
  await using holder = await takeOver(server, 3);
  assertEquals([await attempt(server), await attempt(server)], [IN_USE, IN_USE]);
  other.send({ type: "offer", to: "tab", sdp: {} });
  assertEquals((await holder.next("offer")).from, "other");
});

Deno.test("two tabs: however many come for a nodeId, its holder stays connected", async () => {
  await using server = await startOpenServer();
  await using holder = await takeOver(server, 3);
  for (let n = 0; n < 150; n++) assertEquals(await attempt(server), IN_USE);
  assertEquals(holder.socket.readyState, WebSocket.OPEN);
});

Deno.test("two tabs: a holder that has closed its socket keeps nothing", async () => {
  await using server = await startOpenServer();
  const holder = await takeOver(server, 3);
  await holder.close();
  assertEquals(await attempt(server), "list");
});

Deno.test("two tabs: a holder that answers no ping loses the nodeId after 2 s", async () => {
  await using server = await startOpenServer();
  const last = await takeOver(server, 2);
  using holder = await RawClient.join(server.port, "/signal?room=room&nodeId=tab");
  assertEquals((await last.closed).code, 1000);
  const start = performance.now();
  assertEquals(await within("a verdict", attempt(server)), "list");
  const seconds = Math.round((performance.now() - start) / 1000);
  assertEquals(seconds, 2);
  holder.close();
});
