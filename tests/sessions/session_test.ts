import { assert, assertEquals } from "@std/assert";
import { DEFAULT_LIMITS } from "../../src/access/limits.ts";
import { CLOSE } from "../../src/protocol/messages.ts";
import { SILENT_JOIN_MS } from "../../src/sessions/deadlines.ts";
import { MAX_PEERS, SessionFixture } from "../helpers/session_fixture.ts";

function offer(to: string): string {
  return JSON.stringify({ type: "offer", to, sdp: {} });
}

Deno.test("a session joins when it registers, once, and is answered every time", () => {
  const world = new SessionFixture();
  world.join("a");
  const { session, socket } = world.open("b");
  session.receive('{"type":"register"}');
  session.receive('{"type":"register","serveConsumers":false}');
  const list = { type: "peer-list", peers: ["a"] };
  assertEquals(socket.sent, [list, list]);
  assertEquals(world.registry.peers, 2);
});

for (
  const [url, namesRoom, ms] of [
    ["without a room", false, SILENT_JOIN_MS.urlWithoutRoom],
    ["with a room", true, SILENT_JOIN_MS.urlWithRoom],
  ] as const
) {
  Deno.test(`a session of a URL ${url} that sends nothing joins by itself after ${ms} ms`, () => {
    const world = new SessionFixture();
    world.namesRoom = namesRoom;
    const { session, socket } = world.open("a");
    session.receive('{"type":"heartbeat"}');
    world.clock.tick(ms - 1);
    assertEquals(socket.sent, []);
    assertEquals(world.registry.peers, 0);
    world.clock.tick(1);
    assertEquals(socket.sent, [{ type: "peer-list", peers: [] }]);
    assertEquals(world.clock.pending, 0);
  });
}

Deno.test("a consumer whose app takes 4 s to get its token never stands in a peer list", () => {
  const world = new SessionFixture();
  world.namesRoom = true;
  const c = world.open("c");
  world.clock.tick(4000);
  assertEquals(world.join("a").socket.sent, []);
  const b = world.open("b");
  b.session.receive('{"type":"register"}');
  c.session.receive('{"type":"register","role":"consumer"}');
  assertEquals([b.socket.sent, c.socket.sent], [
    [{ type: "peer-list", peers: ["a"] }],
    [{ type: "server-list", servers: ["a", "b"] }],
  ]);
});

Deno.test("a session that signals first joins before its signal is relayed", () => {
  const world = new SessionFixture();
  const b = world.join("b");
  const a = world.open("a");
  a.session.receive(offer("b"));
  assertEquals(a.socket.sent, [{ type: "peer-list", peers: ["b"] }]);
  assertEquals(b.socket.sent, [
    { type: "offer", to: "b", sdp: {}, from: "a", fromRole: "normal" },
  ]);
});

Deno.test("a pending session is no peer of its room", () => {
  const world = new SessionFixture();
  const a = world.join("a");
  world.open("b");
  a.session.receive(offer("b"));
  assertEquals(a.socket.sent[0].code, "PEER_NOT_FOUND");
  assertEquals([world.registry.peers, world.connections.pending], [1, 1]);
});

Deno.test("a session that is replaced is told so, is read no longer and removes no other peer", () => {
  const world = new SessionFixture();
  const b = world.join("b");
  const old = world.join("a");
  const newcomer = world.join("a");
  assertEquals(old.socket.closedWith, CLOSE.replaced);
  old.session.receive(offer("b"));
  assertEquals(b.socket.sent, []);
  old.session.handleEvent(new Event("close"));
  old.session.handleEvent(new Event("close"));
  b.session.receive(offer("a"));
  assertEquals(newcomer.socket.sent.length, 1);
  assertEquals(world.registry.peers, 2);
});

Deno.test("a session leaves when its socket is lost, also when Deno says so twice", () => {
  const world = new SessionFixture();
  const a = world.join("a");
  a.session.handleEvent(new Event("close"));
  a.session.handleEvent(new Event("close"));
  assertEquals([world.registry.peers, world.registry.rooms], [0, 0]);
  assertEquals([world.connections.size, world.connections.closing], [0, 0]);
});

Deno.test("a session that is lost while pending leaves no timer", () => {
  const world = new SessionFixture();
  const a = world.open("a");
  a.session.handleEvent(new Event("close"));
  assertEquals(world.clock.pending, 0);
  world.clock.tick(SILENT_JOIN_MS.urlWithoutRoom);
  assertEquals(world.registry.peers, 0);
});

Deno.test("a session whose client never answers its close leaves its room all the same", () => {
  const world = new SessionFixture();
  const a = world.join("a");
  a.session.close(CLOSE.shuttingDown);
  assertEquals(a.socket.closedWith, CLOSE.shuttingDown);
  assertEquals(world.registry.rooms, 0);
  assertEquals([world.connections.size, world.connections.closing], [1, 1]);
});

Deno.test("a session answers what it cannot read and goes on", () => {
  const world = new SessionFixture();
  const a = world.join("a");
  for (const data of ["null", "{", new ArrayBuffer(2), '{"type":"register","role":"admin"}']) {
    a.session.receive(data);
    const { type, code } = a.socket.sent.pop();
    assertEquals([type, code], ["error", "INVALID_MESSAGE"]);
  }
  a.session.receive('{"type":"from-the-future"}');
  a.session.receive('{"type":"heartbeat"}');
  assertEquals(a.socket.sent, []);
  assertEquals(a.socket.closedWith, undefined);
});

Deno.test("a session tells whom it could not reach", () => {
  const world = new SessionFixture();
  const a = world.join("a");
  a.session.receive(offer("b"));
  assertEquals(a.socket.sent, [
    { type: "error", code: "PEER_NOT_FOUND", message: "Peer b is not connected", to: "b" },
  ]);
});

Deno.test("a session closes for a message over the limit, counted in bytes", () => {
  const world = new SessionFixture();
  const a = world.join("a");
  a.session.receive(JSON.stringify({ type: "x", pad: "é".repeat(480) }));
  assertEquals(a.socket.closedWith, undefined);
  a.session.receive(JSON.stringify({ type: "x", pad: "é".repeat(490) }));
  assertEquals(a.socket.closedWith, CLOSE.messageTooBig);
  assertEquals(world.registry.peers, 0);
});

Deno.test("a session that fills another's buffer is told so, and others still reach it", () => {
  const world = new SessionFixture({ maxSendBufferBytes: 16_000, maxMessageBytes: 16_000 });
  const [a, b, c] = [world.join("a"), world.join("b"), world.join("c")];
  b.socket.send = () => b.socket.bufferedAmount += 5000;
  const big = JSON.stringify({ type: "offer", to: "b", sdp: "x".repeat(5000) });
  for (let n = 0; n < 5; n++) a.session.receive(big);
  const told = { type: "error", code: "PEER_BUSY", to: "b" };
  const message = "Peer b has not read what you sent it before";
  assertEquals(a.socket.sent, [{ ...told, message }, { ...told, message }]);
  c.session.receive(offer("b"));
  assertEquals([c.socket.sent, b.socket.bufferedAmount], [[], 20_000]);
  assertEquals([b.socket.closedWith, world.registry.peers], [undefined, 3]);
});

Deno.test("a session that fails ends alone, with 1011", () => {
  const world = new SessionFixture();
  const [a, b] = [world.join("a"), world.join("b")];
  a.socket.send = () => {
    throw new Error("broken");
  };
  a.session.handleEvent(new MessageEvent("message", { data: "null" }));
  assertEquals(a.socket.closedWith, CLOSE.internalError);
  assertEquals(world.errors, ["A session failed: Error: broken"]);
  assertEquals(world.registry.peers, 1);
  assert(b.socket.closedWith === undefined);
});

Deno.test("a session that opens while the server stops is closed at once", () => {
  const world = new SessionFixture();
  world.isClosing = true;
  const { session, socket } = world.open("a");
  assertEquals(socket.closedWith, CLOSE.shuttingDown);
  session.handleEvent(new Event("close"));
  assertEquals(world.clock.pending, 0);
});

Deno.test("a session keeps what comes while it is verified, and reads it in order", async () => {
  const world = new SessionFixture();
  const a = world.join("a");
  const { session, socket, settle } = world.verify();
  session.receive('{"type":"register"}');
  session.receive(offer("a"));
  world.clock.tick(9_999);
  assertEquals([socket.sent, a.socket.sent, world.registry.peers], [[], [], 1]);
  await settle({
    kind: "accepted",
    identity: { room: "room", nodeId: "b", canJoinAsNormal: true },
  });
  assertEquals(socket.sent, [{ type: "peer-list", peers: ["a"] }]);
  assertEquals(a.socket.sent[0].from, "b");
});

Deno.test("a session that is refused gets no answer to what it sent before or after", async () => {
  const world = new SessionFixture();
  const a = world.join("a");
  const { session, socket, settle } = world.verify();
  session.receive(offer("a"));
  await settle({ kind: "rejected", close: CLOSE.invalidToken });
  session.receive(offer("a"));
  assertEquals(socket.closedWith, CLOSE.invalidToken);
  assertEquals([socket.sent, a.socket.sent], [[], []]);
  assertEquals([world.connections.size, world.connections.closing], [2, 1]);
});

Deno.test("a session that is lost while it is verified never joins", async () => {
  const world = new SessionFixture();
  const { session, settle } = world.verify();
  session.receive('{"type":"register"}');
  session.handleEvent(new Event("close"));
  await settle({
    kind: "accepted",
    identity: { room: "room", nodeId: "a", canJoinAsNormal: true },
  });
  world.clock.tick(10_000);
  assertEquals([world.registry.peers, world.connections.pending, world.clock.pending], [0, 0, 0]);
});

Deno.test("a session that sends too much while it is verified is closed", () => {
  const world = new SessionFixture();
  const { session, socket } = world.verify();
  for (let n = 0; n < 65; n++) session.receive("x".repeat(1000));
  assertEquals(socket.closedWith, undefined);
  session.receive("x".repeat(537));
  assertEquals(socket.closedWith, CLOSE.messageTooBig);
});

Deno.test("a session whose client has stopped reading is closed, though its buffer is not full", () => {
  const world = new SessionFixture();
  const { session, socket } = world.join("a");
  const look = (bufferedAmount: number) => {
    socket.bufferedAmount = bufferedAmount;
    session.closeIfStalled();
    return socket.closedWith;
  };
  socket.send = () => {}; // What is sent is no message.
  const send = () => session.send(JSON.stringify("ß".repeat(8)));
  assertEquals(look(0), undefined);
  send(); // in the very turn of the look: nothing has been written yet
  assertEquals(look(18), undefined);
  socket.bufferedAmount = 0; // it was written in time, and more has come
  send();
  assertEquals(look(18), undefined);
  assertEquals(look(10), undefined); // it is read slowly
  send();
  assertEquals(look(28), CLOSE.readsTooSlowly);
  assertEquals(world.registry.peers, 0);
});

Deno.test("a session whose token nobody ever verifies is closed after the register timeout", () => {
  const world = new SessionFixture();
  const { session, socket } = world.verify();
  world.clock.tick(10_000);
  assertEquals(socket.closedWith, CLOSE.registrationTimeout);
  session.handleEvent(new Event("close"));
  assertEquals(world.clock.pending, 0);
});

Deno.test("a session takes no binary frame over the limit, and answers none before it is admitted", () => {
  const world = new SessionFixture();
  const verifying = world.verify();
  verifying.session.receive(new ArrayBuffer(10));
  assertEquals([verifying.socket.sent, verifying.socket.closedWith], [[], undefined]);
  const a = world.join("a");
  a.session.receive(new ArrayBuffer(1001));
  assertEquals(a.socket.closedWith, CLOSE.messageTooBig);
});

Deno.test("a timer that fails ends its session alone", () => {
  const world = new SessionFixture();
  const { socket } = world.open("a");
  socket.send = () => {
    throw new Error("broken");
  };
  world.clock.tick(SILENT_JOIN_MS.urlWithoutRoom);
  assertEquals(socket.closedWith, CLOSE.internalError);
  assertEquals(world.registry.peers, 0);
});

Deno.test("a session may send a burst and then so many messages a second, and no more", () => {
  const world = new SessionFixture({ maxMessagesPerSecond: 10, messageBurst: 20 });
  const { session, socket } = world.open("a");
  const send = (count: number) => {
    for (let n = 0; n < count; n++) session.receive('{"type":"heartbeat"}');
    return socket.closedWith;
  };
  assertEquals(send(20), undefined);
  world.clock.tick(500);
  assertEquals(send(5), undefined);
  world.clock.tick(60_000);
  assertEquals(send(20), undefined);
  assertEquals(send(1), CLOSE.tooManyMessages);
  assertEquals(world.registry.peers, 0);
});

Deno.test("a session pays for the lists that it asks for again and again", () => {
  const world = new SessionFixture({
    maxSendBufferBytes: 1e6,
    maxBytesPerSecond: 1,
    byteBurst: 2000,
  });
  for (const name of ["b", "c", "d"]) world.join(name.repeat(100));
  const { session, socket } = world.join("a"); // Its first list is 340 bytes.
  const lists = () => {
    socket.sent.length = 0;
    session.receive('{"type":"register"}');
    return socket.sent.length;
  };
  assertEquals([lists(), lists(), lists()], [1, 1, 1]);
  assertEquals([lists(), lists()], [1, 0]);
  assertEquals(socket.closedWith, CLOSE.tooManyBytes);
});

Deno.test("a session has a budget of bytes, too, whatever they are in", () => {
  const limits = { maxBytesPerSecond: 1000, byteBurst: 5000, maxMessageBytes: 2000 };
  const world = new SessionFixture(limits);
  const { session, socket } = world.join("a");
  const big = JSON.stringify({ type: "heartbeat", pad: "x".repeat(971) });
  assertEquals(big.length, 1000);
  for (let n = 0; n < 4; n++) session.receive(big);
  world.clock.tick(1000);
  session.receive(new ArrayBuffer(1000));
  assertEquals(socket.closedWith, undefined);
  session.receive(big);
  assertEquals(socket.closedWith, CLOSE.tooManyBytes);
});

Deno.test("a session may offer to a room of 1,000 at once, with the default limits", () => {
  const { maxBytesPerSecond, byteBurst, maxMessageBytes } = DEFAULT_LIMITS;
  const world = new SessionFixture({ maxBytesPerSecond, byteBurst, maxMessageBytes });
  const { session, socket } = world.join("a");
  const candidate = JSON.stringify({ type: "ice-candidate", to: "b", candidate: "x".repeat(200) });
  const big = JSON.stringify({ type: "offer", to: "b", sdp: "v=0 ".repeat(750) });
  for (let n = 0; n < 999; n++) session.receive(big);
  for (let n = 0; n < 1000; n++) session.receive(candidate);
  world.clock.tick(5000);
  for (let n = 0; n < 1000; n++) session.receive(candidate);
  assertEquals(socket.closedWith, undefined);
});

Deno.test("a session's binary, malformed and early messages count, too", () => {
  const world = new SessionFixture({ maxMessagesPerSecond: 10, messageBurst: 3 });
  for (const data of [new ArrayBuffer(2), "{", '{"type":"unheard-of"}']) {
    const { session, socket } = world.verify();
    for (let n = 0; n < 4; n++) session.receive(data);
    assertEquals(socket.closedWith, CLOSE.tooManyMessages);
  }
});

Deno.test("a session that waited for its verdict pays for its messages once", async () => {
  const world = new SessionFixture({ maxMessagesPerSecond: 10, messageBurst: 3 });
  const { session, socket, settle } = world.verify();
  for (let n = 0; n < 3; n++) session.receive('{"type":"register"}');
  await settle({
    kind: "accepted",
    identity: { room: "room", nodeId: "a", canJoinAsNormal: true },
  });
  assertEquals([socket.sent.length, socket.closedWith], [3, undefined]);
});

Deno.test("a session may send bigger messages once it has joined", () => {
  const world = new SessionFixture({ maxPendingMessageBytes: 100 });
  const big = JSON.stringify({ type: "heartbeat", pad: "x".repeat(100) });
  const pending = world.open("a");
  pending.session.receive(big);
  assertEquals(pending.socket.closedWith, CLOSE.messageTooBig);
  const joined = world.join("b");
  joined.session.receive(big);
  assertEquals(joined.socket.closedWith, undefined);
});

Deno.test("a session finds a full room closed, unless it takes its own place over", () => {
  const world = new SessionFixture();
  const peers = Array.from({ length: MAX_PEERS }, (_, n) => world.join(`p${n}`));
  const late = world.open("late");
  late.session.receive('{"type":"register"}');
  assertEquals(late.socket.closedWith, CLOSE.roomFull);
  world.join("p0");
  assertEquals(peers[0]?.socket.closedWith, CLOSE.replaced);
  assertEquals(world.registry.peers, MAX_PEERS);
});
