/** Clients that stay on newer tokens, and those whose time is over, on real sockets. */

import { assertEquals } from "@std/assert";
import { CLOSE } from "../../src/protocol/messages.ts";
import { EXPIRED_CLOSE_MS } from "../../src/sessions/expiries.ts";
import { Client, until } from "../helpers/client.ts";
import { newProvider } from "../helpers/provider.ts";
import { settableClock } from "../helpers/settable_clock.ts";
import { startServer } from "../helpers/server.ts";

const HOUR_MS = 3_600_000;

Deno.test("refresh: a client stays on a new token and is closed 4401 once its time is over", async () => {
  const { clock, forward } = settableClock();
  await using server = await startServer({ clock });
  const url = server.signal({ token: await server.token("room"), room: "room", nodeId: "a" });
  const client = await Client.connect(url);
  client.send({ type: "register", refresh: true });
  assertEquals(await client.next("peer-list"), { type: "peer-list", peers: [] });
  const { expiresAt: first } = await client.next("token");

  forward(HOUR_MS / 2);
  client.send({ type: "refresh", token: "nonsense" });
  assertEquals((await client.next("error")).code, "INVALID_TOKEN");
  client.send({ type: "refresh", token: await server.token("another room") });
  assertEquals((await client.next("error")).code, "INVALID_TOKEN");
  client.send({ type: "refresh", token: await server.token("room") });
  const { expiresAt: second } = await client.next("token");
  assertEquals(Math.abs(Date.parse(second) - Date.parse(first) - HOUR_MS / 2) < 10_000, true);

  forward(HOUR_MS + EXPIRED_CLOSE_MS + 1000);
  client.send({ type: "register", refresh: true }); // Without it, the server looks within a minute.
  const { code, reason } = await client.closed;
  assertEquals({ code, reason, status: 401 }, CLOSE.tokenExpired);
  await until("the peer to leave", () => server.stats().peers === 0);
});

Deno.test("refresh: with closeExpired a client that never asked is closed, and a consumer stays", async () => {
  const provider = await newProvider();
  await using server = await startServer({
    closeExpired: true,
    consumerAuth: { jwks: provider.jwks },
    // It expired so long ago that a client may stay a moment longer.
    authorize: () => ({
      room: "room",
      expiresAt: new Date(Date.now() - EXPIRED_CLOSE_MS + 300),
    }),
  });
  await using consumer = await Client.connect(server.signal({ nodeId: "c" }));
  const token = await provider.token();
  consumer.send({ type: "register", role: "consumer", token, refresh: true });
  await consumer.next("server-list");
  const client = await Client.connect(server.signal({ nodeId: "a" }));
  client.send({ type: "register" });
  const { code, reason } = await client.closed;
  assertEquals([code, reason], [4401, "token expired"]);
  consumer.send({ type: "refresh", token });
  const messages = await consumer.drain();
  assertEquals(messages.filter(({ type }) => type !== "server-list").map((m) => m.message), [
    "A consumer stays without a refresh",
  ]);
});

Deno.test("refresh: the host is asked again, and the client goes on when it is refused", async () => {
  await using server = await startServer({
    authorize: ({ headers }) => {
      const isRefused = headers.get("authorization") === "Bearer revoked";
      return isRefused ? null : { room: "room", expiresAt: new Date(Date.now() + HOUR_MS) };
    },
  });
  await using client = await Client.connect(server.signal({ nodeId: "a" }));
  client.send({ type: "register", refresh: true });
  await client.next("peer-list");
  await client.next("token");
  client.send({ type: "refresh", token: "good" });
  await client.next("token");
  client.send({ type: "refresh", token: "revoked" });
  assertEquals((await client.next("error")).message, "The server does not accept the token");
  assertEquals(await client.drain(), []);
});
