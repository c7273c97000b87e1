import { assertEquals } from "@std/assert";
import type { Identity } from "../../src/access/admission.ts";
import type { RefreshVerdict } from "../../src/access/refresh.ts";
import type { TokenClaims } from "../../src/access/room_tokens.ts";
import { CLOSE } from "../../src/protocol/messages.ts";
import { EXPIRED_CLOSE_MS } from "../../src/sessions/expiries.ts";
import { settle } from "../helpers/cluster_fixture.ts";
import { type Opened, SessionFixture } from "../helpers/session_fixture.ts";

const ASKS = '{"type":"register","refresh":true}';
const REFRESH = '{"type":"refresh","token":"new"}';

function claims(world: SessionFixture, seconds: number): TokenClaims {
  const exp = Math.floor(world.clock.now() / 1000) + seconds;
  return { sub: "room", iss: "i", aud: "a", exp };
}

function identity(world: SessionFixture, nodeId: string, seconds: number): Identity {
  return { room: "room", nodeId, canJoinAsNormal: true, token: claims(world, seconds) };
}

/** A client whose token expires in so many seconds, and which registers with this message. */
function join(world: SessionFixture, nodeId: string, seconds: number, register = ASKS): Opened {
  const opened = world.openAs(identity(world, nodeId, seconds));
  opened.session.receive(register);
  return opened;
}

function tokenMessage(world: SessionFixture, seconds: number) {
  const { exp } = claims(world, seconds);
  return { type: "token", expiresAt: new Date(exp * 1000).toISOString() };
}

function accepts(world: SessionFixture, nodeId: string, seconds: number): RefreshVerdict {
  return { kind: "accepted", identity: identity(world, nodeId, seconds) };
}

Deno.test("a peer that asks for refreshes is told its expiry after its list, and closed 25 s after that", () => {
  const world = new SessionFixture();
  const { socket } = join(world, "a", 60);
  assertEquals(socket.sent, [{ type: "peer-list", peers: [] }, tokenMessage(world, 60)]);
  world.clock.tick(60_000 + EXPIRED_CLOSE_MS - 1000);
  assertEquals(socket.closedWith, undefined);
  world.clock.tick(1000);
  assertEquals(socket.closedWith, CLOSE.tokenExpired);
  assertEquals(world.registry.peers, 0);
});

Deno.test("a peer that does not ask is told nothing and stays, unless all are to be closed", () => {
  const world = new SessionFixture();
  const silent = world.openAs(identity(world, "silent", 60));
  const { socket } = join(world, "a", 60, '{"type":"register"}');
  world.clock.tick(3_600_000);
  assertEquals([socket.closedWith, silent.socket.closedWith], [undefined, undefined]);
  assertEquals(socket.sent.map(({ type }) => type).includes("token"), false);

  const strict = new SessionFixture();
  Object.assign(strict.context, { refreshes: strict.refreshes(true) });
  const normals = [
    join(strict, "a", 60, '{"type":"register"}'),
    join(strict, "b", 60),
    strict.openAs(identity(strict, "c", 60)), // It joins by its silence.
  ];
  const consumer = join(strict, "d", 60, '{"type":"register","role":"consumer"}');
  strict.clock.tick(60_000 + EXPIRED_CLOSE_MS + 1000);
  for (const { socket } of normals) assertEquals(socket.closedWith, CLOSE.tokenExpired);
  assertEquals(consumer.socket.closedWith, undefined);
});

Deno.test("a consumer is told no expiry and never closed for it, and a normal that becomes one neither", () => {
  const world = new SessionFixture();
  const asConsumer = '{"type":"register","role":"consumer","refresh":true}';
  const consumer = join(world, "c", 60, asConsumer);
  assertEquals(consumer.socket.sent, [{ type: "server-list", servers: [] }]);
  const normal = join(world, "n", 60);
  normal.session.receive(asConsumer);
  consumer.socket.sent.length = 0;
  consumer.session.receive(REFRESH);
  assertEquals(consumer.socket.sent, [
    { type: "error", code: "INVALID_MESSAGE", message: "A consumer stays without a refresh" },
  ]);
  world.clock.tick(3_600_000);
  assertEquals([consumer.socket.closedWith, normal.socket.closedWith], [undefined, undefined]);
});

Deno.test("a refresh that is accepted moves the close, and one that is not leaves it where it was", () => {
  const world = new SessionFixture();
  const { session, socket } = join(world, "a", 60);
  world.clock.tick(50_000);
  world.checkToken = () => accepts(world, "a", 60);
  socket.sent.length = 0;
  session.receive(REFRESH);
  assertEquals(socket.sent, [tokenMessage(world, 60)]);
  world.clock.tick(60_000);
  world.checkToken = () => ({ kind: "refused", message: "No." });
  socket.sent.length = 0;
  session.receive(REFRESH);
  assertEquals(socket.sent, [{ type: "error", code: "INVALID_TOKEN", message: "No." }]);
  world.clock.tick(EXPIRED_CLOSE_MS - 1000);
  assertEquals(socket.closedWith, undefined);
  world.clock.tick(1000);
  assertEquals(socket.closedWith, CLOSE.tokenExpired);
});

Deno.test("what follows a refresh is relayed at once and in order, and only one refresh is checked at a time", async () => {
  const world = new SessionFixture();
  const b = world.join("b");
  const { session, socket } = join(world, "a", 60);
  const { promise, resolve } = Promise.withResolvers<RefreshVerdict>();
  let checked = 0;
  world.checkToken = () => {
    checked++;
    return promise;
  };
  socket.sent.length = 0;
  session.receive(REFRESH);
  for (let mark = 0; mark < 3; mark++) {
    session.receive(JSON.stringify({ type: "ice-candidate", to: "b", candidate: null, mark }));
    session.receive(REFRESH);
  }
  assertEquals(b.socket.sent.map(({ mark }) => mark), [0, 1, 2]);
  const busy = {
    type: "error",
    code: "INVALID_MESSAGE",
    message: "Your last refresh is still being checked: wait for its answer",
  };
  assertEquals(socket.sent, [busy, busy, busy]);
  resolve(accepts(world, "a", 90));
  await settle();
  assertEquals([checked, socket.sent.slice(3)], [1, [tokenMessage(world, 90)]]);
  session.receive(REFRESH);
  await settle();
  assertEquals([checked, socket.sent.length], [2, 5]);
});

Deno.test("a verdict that comes after the end of a session, or of its time, changes nothing", async () => {
  for (const end of ["lost", "over"] as const) {
    const world = new SessionFixture();
    const { session, socket } = join(world, "a", 60);
    const { promise, resolve } = Promise.withResolvers<RefreshVerdict>();
    world.checkToken = () => promise;
    session.receive(REFRESH);
    if (end === "lost") session.handleEvent(new Event("close"));
    else world.clock.tick(60_000 + EXPIRED_CLOSE_MS);
    socket.sent.length = 0;
    resolve(accepts(world, "a", 600));
    await settle();
    assertEquals(socket.sent, []);
    if (end === "lost") assertEquals(world.clock.pending, 0);
  }
});

Deno.test("a refresh is refused with a reason where there is nothing to refresh, or nobody asked", () => {
  const world = new SessionFixture();
  let checked = 0;
  world.checkToken = () => {
    checked++;
    return { kind: "refused", message: "told to" };
  };
  const notAsked = join(world, "a", 60, '{"type":"register"}');
  const unregistered = world.openAs(identity(world, "b", 60));
  const withdrawn = join(world, "c", 60);
  withdrawn.session.receive('{"type":"register"}');
  const tokenless = world.open("d");
  tokenless.session.receive(ASKS);
  assertEquals(tokenless.socket.sent.map(({ type }) => type), ["peer-list"]);
  const ask = 'Register with "refresh": true first';
  for (
    const [{ session, socket }, message] of [
      [notAsked, ask],
      [unregistered, ask],
      [withdrawn, ask],
      [tokenless, "Nothing expires here: there is no token to refresh"],
    ] as const
  ) {
    socket.sent.length = 0;
    session.receive(REFRESH);
    assertEquals(socket.sent, [{ type: "error", code: "INVALID_MESSAGE", message }]);
  }
  const { session, socket } = join(world, "e", 60);
  for (const token of [undefined, "", 5, null, ["new"]]) {
    socket.sent.length = 0;
    session.receive(JSON.stringify({ type: "refresh", token }));
    const message = "`token` must be a token, as a string";
    assertEquals(socket.sent, [{ type: "error", code: "INVALID_TOKEN", message }]);
  }
  assertEquals(checked, 0);
});

Deno.test("a peer that withdraws its wish is not closed, and one that asks later is told", () => {
  const world = new SessionFixture();
  const { session, socket } = join(world, "a", 60);
  session.receive('{"type":"register"}');
  world.clock.tick(3_600_000);
  assertEquals(socket.closedWith, undefined);
  socket.sent.length = 0;
  session.receive(ASKS);
  assertEquals(socket.sent.map(({ type }) => type), ["peer-list", "token"]);
  assertEquals(socket.closedWith, undefined);
  world.clock.tick(1); // Its time has long been over.
  assertEquals(socket.closedWith, CLOSE.tokenExpired);
});

Deno.test("an expiry beyond the year 9999 is written as its last moment, and one without an end as null", () => {
  const world = new SessionFixture();
  const far = join(world, "b", 1e15);
  assertEquals(far.socket.sent[1], { type: "token", expiresAt: "9999-12-31T23:59:59.999Z" });
  const host = world.openAs({
    room: "room",
    nodeId: "c",
    canJoinAsNormal: true,
    request: new Request("http://h/signal"),
  });
  host.session.receive(ASKS);
  assertEquals(host.socket.sent.map(({ type }) => type), ["peer-list"]);
  world.checkToken = (_, current) => ({ kind: "accepted", identity: current });
  host.session.receive(REFRESH);
  assertEquals(host.socket.sent[1], { type: "token", expiresAt: null });
});
