/** ICE servers over the socket, against a running server. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { createMemoryBackplane } from "../../src/cluster/mod.ts";
import { TurnSecret } from "../../src/ice/credentials.ts";
import { Client } from "../helpers/client.ts";
import { newProvider } from "../helpers/provider.ts";
import { startOpenServer, startServer } from "../helpers/server.ts";

const STUN = { urls: "stun:stun.example.com" };
const turn = { urls: ["turn:turn.example.com"], secret: "a-secret-that-coturn-shares" };
const secret = await TurnSecret.load(turn.secret);

Deno.test("ice servers: a peer that asks gets them before its list, and fresh ones in time", async () => {
  await using server = await startServer({ turn, iceTtl: "2s" });
  const token = await server.token("todos");
  await using plain = await Client.join(server.signal({ token, nodeId: "plain" }));
  await using ada = await Client.connect(server.signal({ token, nodeId: "ada" }));
  ada.send({ type: "register", iceServers: true });
  const first = await ada.next("ice-servers");
  assertEquals(await ada.next("peer-list"), { type: "peer-list", peers: ["plain"] });
  const second = await ada.next("ice-servers");
  for (const { iceServers, expiresAt, ...rest } of [first, second]) {
    assertMatch(expiresAt, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    const expires = Date.parse(expiresAt) / 1000;
    const credentials = secret.mint({ room: "todos", nodeId: "ada" }, expires);
    assertEquals(iceServers, [{ urls: turn.urls, ...credentials }]);
    assertEquals(rest, { type: "ice-servers" });
  }
  assert(second.expiresAt > first.expiresAt);
  assertEquals(await plain.drain(), []);
});

Deno.test("ice servers: a consumer that asks gets them before its list", async () => {
  const provider = await newProvider();
  await using server = await startServer({ turn, consumerAuth: { jwks: provider.jwks } });
  await using consumer = await Client.connect(server.signal({ room: "todos", nodeId: "eve" }));
  const token = await provider.token();
  consumer.send({ type: "register", role: "consumer", token, iceServers: true });
  const { iceServers, expiresAt } = await consumer.next("ice-servers");
  const peer = { room: "todos", nodeId: "eve" };
  const { username } = secret.mint(peer, Date.parse(expiresAt) / 1000);
  assertEquals(iceServers[0].username, username);
  assertEquals((await consumer.next()).type, "server-list");
});

Deno.test("ice servers: a peer gets an empty list where nothing is configured", async () => {
  await using server = await startOpenServer();
  await using ada = await Client.connect(server.signal({ room: "r" }));
  ada.send({ type: "register", iceServers: true });
  assertEquals((await ada.next("ice-servers")).iceServers, []);
  assertEquals((await ada.next()).type, "peer-list");
});

Deno.test("ice servers: a host's function that fails keeps nobody from joining", async () => {
  let calls = 0;
  const iceServers = () => ++calls % 2 ? Promise.reject(new Error("no")) : [STUN];
  await using server = await startOpenServer({ iceServers });
  await using ada = await Client.connect(server.signal({ room: "r", nodeId: "ada" }));
  ada.send({ type: "register", iceServers: true });
  assertEquals((await ada.next("ice-servers")).iceServers, []);
  assertEquals((await ada.next()).type, "peer-list");
  ada.send({ type: "register", iceServers: true });
  assertEquals((await ada.next("ice-servers")).iceServers, [STUN]);
});

Deno.test("ice servers: they come before the list where other instances are asked, too", async () => {
  const memory = createMemoryBackplane();
  await using one = await startOpenServer({ backplane: memory.connect(), iceServers: [STUN] });
  await using other = await startOpenServer({ backplane: memory.connect(), iceServers: [STUN] });
  await using _ben = await Client.join(other.signal({ room: "r", nodeId: "ben" }));
  await using ada = await Client.connect(one.signal({ room: "r", nodeId: "ada" }));
  ada.send({ type: "register", iceServers: true });
  ada.send({ type: "offer", to: "ben", sdp: 1 });
  assertEquals((await ada.next()).type, "ice-servers");
  assertEquals((await ada.next()).peers, ["ben"]);
  assertEquals((await _ben.next("offer")).from, "ada");
});
