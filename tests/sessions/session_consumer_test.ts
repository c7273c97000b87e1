import { assertEquals } from "@std/assert";
import { CLOSE, type CloseReason } from "../../src/protocol/messages.ts";
import { SessionFixture } from "../helpers/session_fixture.ts";

const CONSUMER = '{"type":"register","role":"consumer","token":"t"}';
const NORMAL = '{"type":"register","role":"normal"}';

/** An authorizer whose verdicts a test gives by hand, in the order in which they were asked for. */
function manualAuthorizer() {
  const waiting: ((isValid: boolean) => void)[] = [];
  const asked: string[] = [];
  return {
    asked,
    authorize: (token: string | undefined, room: string) => {
      asked.push(`${token} for ${room}`);
      return new Promise<CloseReason | null>((resolve) =>
        waiting.push((isValid) => resolve(isValid ? null : CLOSE.invalidConsumerToken))
      );
    },
    async settle(isValid: boolean): Promise<void> {
      waiting.shift()?.(isValid);
      for (let n = 0; n < 3; n++) await Promise.resolve();
    },
  };
}

function signal(to: string, n = 0): string {
  return JSON.stringify({ type: "offer", to, n });
}

Deno.test("a consumer gets a server list and is in nobody's peer list", () => {
  const world = new SessionFixture();
  world.join("a");
  const c = world.open("c");
  c.session.receive(CONSUMER);
  assertEquals(c.socket.sent, [{ type: "server-list", servers: ["a"] }]);
  const b = world.open("b");
  b.session.receive(NORMAL);
  assertEquals(b.socket.sent, [{ type: "peer-list", peers: ["a"] }]);
});

Deno.test("a consumer signals normals, stamped as a consumer, and finds no other consumer", () => {
  const world = new SessionFixture();
  const a = world.join("a");
  const [x, y] = [world.open("x"), world.open("y")];
  for (const { session } of [x, y]) session.receive(CONSUMER);
  x.session.receive(signal("a"));
  assertEquals([a.socket.sent[0].from, a.socket.sent[0].fromRole], ["x", "consumer"]);
  x.socket.sent.length = 0;
  y.socket.sent.length = 0;
  x.session.receive(signal("y"));
  assertEquals([x.socket.sent[0].code, x.socket.sent[0].to], ["PEER_NOT_FOUND", "y"]);
  assertEquals(y.socket.sent, []);
});

Deno.test("a register that makes a normal a consumer takes it out of every list", () => {
  const world = new SessionFixture();
  const late = world.open("late");
  world.clock.tick(250);
  assertEquals(late.socket.sent.pop(), { type: "peer-list", peers: [] });
  const x = world.open("x");
  x.session.receive(CONSUMER);
  assertEquals(x.socket.sent.pop(), { type: "server-list", servers: ["late"] });
  world.clock.tick(250);
  late.session.receive(CONSUMER);
  assertEquals(late.socket.sent, [{ type: "server-list", servers: [] }]);
  assertEquals(x.socket.sent.pop(), { type: "server-list", servers: [] });
  const b = world.open("b");
  b.session.receive(NORMAL);
  assertEquals(b.socket.sent, [{ type: "peer-list", peers: [] }]);
});

Deno.test("a register that makes a consumer a normal is answered with a peer list", () => {
  const world = new SessionFixture();
  world.join("a");
  const c = world.open("c");
  c.session.receive(CONSUMER);
  c.session.receive(NORMAL);
  assertEquals(c.socket.sent.pop(), { type: "peer-list", peers: ["a"] });
  assertEquals(world.registry.peers, 2);
});

Deno.test("a later register and a heartbeat update what a normal offers", () => {
  const world = new SessionFixture();
  const a = world.join("a");
  const c = world.open("c");
  c.session.receive(CONSUMER);
  const lists = () => {
    world.clock.tick(250);
    return c.socket.sent.splice(0).map(({ servers }) => servers.join());
  };
  assertEquals(lists(), ["a"]);
  a.session.receive('{"type":"register","serveConsumers":false}');
  assertEquals(lists(), [""]);
  a.session.receive('{"type":"register","capacity":2}');
  assertEquals(lists(), ["a"]);
  a.session.receive('{"type":"heartbeat","load":{"sessions":2}}');
  assertEquals(lists(), [""]);
  a.session.receive('{"type":"heartbeat","capacity":3}');
  assertEquals(lists(), ["a"]);
  a.session.receive('{"type":"heartbeat","serveConsumers":false}');
  assertEquals(lists(), [""]);
});

Deno.test("a heartbeat of a consumer, or before joining, changes nothing", () => {
  const world = new SessionFixture();
  const c = world.open("c");
  c.session.receive('{"type":"heartbeat","serveConsumers":false}');
  assertEquals([world.registry.peers, c.socket.sent.length], [0, 0]);
  c.session.receive(CONSUMER);
  c.session.receive('{"type":"heartbeat"}');
  c.session.receive(NORMAL);
  const d = world.open("d");
  d.session.receive(CONSUMER);
  assertEquals(d.socket.sent.pop(), { type: "server-list", servers: ["c"] });
});

Deno.test("a consumer replaces a consumer of its own identity, and is refused any other's nodeId", () => {
  const world = new SessionFixture({}, (token = "") => token);
  const register = (nodeId: string, token: string) => {
    const opened = world.open(nodeId, "room", false);
    opened.session.receive(JSON.stringify({ type: "register", role: "consumer", token }));
    return opened.socket;
  };
  const normal = world.join("n");
  const consumer = register("c", "ada");
  assertEquals(register("n", "ada").closedWith, CLOSE.nodeIdInUse);
  assertEquals(register("c", "ben").closedWith, CLOSE.nodeIdInUse);
  assertEquals(consumer.closedWith, undefined);
  const successor = register("c", "ada");
  assertEquals(consumer.closedWith, CLOSE.replaced);
  assertEquals([normal.socket.closedWith, successor.closedWith], [undefined, undefined]);
  assertEquals(world.registry.peers, 2);
});

Deno.test("a normal peer takes a consumer's nodeId over, who is closed as one whose id is in use", () => {
  const world = new SessionFixture();
  const consumer = world.open("c", "room", false);
  consumer.session.receive(CONSUMER);
  const other = world.join("b");
  const normal = world.open("c");
  normal.session.receive(NORMAL);
  assertEquals(normal.socket.sent, [{ type: "peer-list", peers: ["b"] }]);
  assertEquals(consumer.socket.closedWith, CLOSE.nodeIdInUse);
  consumer.session.receive('{"type":"offer","to":"b"}');
  assertEquals(other.socket.sent, []);
  assertEquals(world.registry.peers, 2);
});

Deno.test("a client without a room token has 10 s to register as a consumer", () => {
  const world = new SessionFixture({}, () => CLOSE.consumersRefused);
  const { socket } = world.open("c", "room", false);
  world.clock.tick(9_999);
  assertEquals([socket.closedWith, world.registry.peers], [undefined, 0]);
  world.clock.tick(1);
  assertEquals(socket.closedWith, CLOSE.registrationTimeout);
});

Deno.test("a client without a room token may neither join as a normal nor signal", () => {
  const world = new SessionFixture({}, () => Promise.resolve(null));
  const a = world.join("a");
  const signaling = world.open("x", "room", false);
  signaling.session.receive(signal("a"));
  assertEquals(signaling.socket.sent[0].code, "INVALID_MESSAGE");
  const registering = world.open("y", "room", false);
  registering.session.receive(NORMAL);
  assertEquals(registering.socket.closedWith, CLOSE.missingToken);
  world.clock.tick(5000);
  assertEquals([a.socket.sent, world.registry.peers], [[], 1]);
});

Deno.test("a consumer is told why before it is closed, and never joins", async () => {
  const closed = new SessionFixture({}, () => CLOSE.consumersRefused);
  const refused = closed.open("c");
  refused.session.receive(CONSUMER);
  const checked = new SessionFixture({}, () => Promise.resolve(CLOSE.invalidConsumerToken));
  const bad = checked.open("c", "room", false);
  bad.session.receive(CONSUMER);
  for (let n = 0; n < 3; n++) await Promise.resolve();
  for (const { socket } of [refused, bad]) {
    const { type, status } = socket.sent[0];
    assertEquals([type, status, socket.closedWith?.code], ["auth-err", "UNAUTHENTICATED", 4003]);
  }
  assertEquals([closed.registry.peers, checked.registry.peers], [0, 0]);
  for (const { session } of [refused, bad]) session.handleEvent(new Event("close"));
  assertEquals([closed.clock.pending, checked.clock.pending], [0, 0]);
});

Deno.test("a consumer reads nothing while its token is verified, and all of it after, in order", async () => {
  const { authorize, asked, settle } = manualAuthorizer();
  const world = new SessionFixture({}, authorize);
  const a = world.join("a");
  const { session, socket } = world.open("c", "room", false);
  session.receive(CONSUMER);
  for (let n = 0; n < 3; n++) session.receive(signal("a", n));
  session.receive("null");
  world.clock.tick(9_999);
  assertEquals([socket.sent, a.socket.sent, asked], [[], [], ["t for room"]]);
  await settle(true);
  assertEquals(socket.sent.map(({ type }) => type), ["server-list", "error"]);
  assertEquals(a.socket.sent.map(({ n }) => n), [0, 1, 2]);
});

Deno.test("what came while a token was verified goes on waiting for the next one", async () => {
  const { authorize, settle } = manualAuthorizer();
  const world = new SessionFixture({}, authorize);
  const a = world.join("a");
  const { session, socket } = world.open("c", "room", false);
  session.receive(CONSUMER);
  session.receive(signal("a", 1));
  session.receive(CONSUMER);
  session.receive(signal("a", 2));
  await settle(true);
  session.receive(signal("a", 3));
  assertEquals(a.socket.sent.map(({ n }) => n), [1]);
  await settle(true);
  assertEquals(a.socket.sent.map(({ n }) => n), [1, 2, 3]);
  assertEquals(socket.closedWith, undefined);
});

Deno.test("a peer keeps its place while it is verified again, and loses it when that fails", async () => {
  const { authorize, settle } = manualAuthorizer();
  const world = new SessionFixture({}, authorize);
  const a = world.join("a");
  const b = world.join("b");
  a.session.receive(CONSUMER);
  b.session.receive(signal("a"));
  assertEquals(a.socket.sent.pop().type, "offer");
  await settle(false);
  assertEquals(a.socket.closedWith, CLOSE.invalidConsumerToken);
  assertEquals(world.registry.peers, 1);
});

Deno.test("a verdict that comes after the end changes nothing", async () => {
  const { authorize, settle } = manualAuthorizer();
  const world = new SessionFixture({}, authorize);
  const [lost, replaced] = [world.open("c", "room", false), world.join("a")];
  lost.session.receive(CONSUMER);
  replaced.session.receive(CONSUMER);
  lost.session.handleEvent(new Event("close"));
  const heir = world.join("a");
  await settle(true);
  await settle(true);
  assertEquals(world.registry.peers, 1);
  assertEquals(heir.socket.closedWith, undefined);
  assertEquals([lost.socket.sent, replaced.socket.sent], [[], []]);
});

Deno.test("an authorizer that fails ends that session alone", async () => {
  const world = new SessionFixture({}, () => Promise.reject(new Error("broken")));
  const a = world.join("a");
  const c = world.open("c", "room", false);
  c.session.receive(CONSUMER);
  for (let n = 0; n < 4; n++) await Promise.resolve();
  assertEquals(c.socket.closedWith, CLOSE.internalError);
  assertEquals(a.socket.closedWith, undefined);
});
