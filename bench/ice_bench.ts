/** What TURN credentials cost: minting them, and joining with and without asking for them. */

import { TurnSecret } from "../src/ice/credentials.ts";
import { IceServers } from "../src/ice/ice_servers.ts";
import { systemClock } from "../src/runtime/clock.ts";
import { silentLogger } from "../src/runtime/logger.ts";
import { SessionFixture } from "../tests/helpers/session_fixture.ts";

const secret = await TurnSecret.load("a-secret-of-thirty-two-bytes-or-so");
const peer = { room: "todos", nodeId: "2f1c9c6e-5d0b-4a53-9f6b-0f2b6a3d1c11" };

Deno.bench("mint TURN credentials", () => {
  secret.mint(peer, 1_800_000_000);
});

const ice = await IceServers.create({
  iceServers: [],
  turn: { urls: ["turn:turn.example.com"], secret: "a-secret-of-thirty-two-bytes-or-so" },
  ttlSeconds: 86_400,
  clock: systemClock,
  logger: silentLogger,
});
const fixture = new SessionFixture({ maxSendBufferBytes: 100_000 });
fixture.findIceServers = (peer) => ice.find(peer);
const close = new Event("close");

Deno.bench("open, join and leave", { group: "session", baseline: true }, () => {
  const { session } = fixture.open("peer");
  session.receive('{"type":"register"}');
  session.handleEvent(close);
});

Deno.bench("the same, with ICE servers", { group: "session" }, async () => {
  const { session, socket } = fixture.open("peer");
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.send = resolve;
  session.receive('{"type":"register","iceServers":true}');
  await promise;
  session.handleEvent(close);
});
