import { assertEquals } from "@std/assert";
import type { IcePeer } from "../../src/ice/ice_options.ts";
import type { FoundIceServers } from "../../src/ice/ice_servers.ts";
import { type Opened, SessionFixture } from "../helpers/session_fixture.ts";

const TTL_SECONDS = 1000;
const ASK = '{"type":"register","iceServers":true}';

interface Call {
  readonly peer: IcePeer;
  /** Answers with a list of this name. */
  answer(name: string | undefined, more?: { isComplete?: boolean; ttl?: number }): Promise<void>;
}

/** A fixture whose ICE servers are found when the test says so. */
function createFixture() {
  const fixture = new SessionFixture({ maxSendBufferBytes: 100_000 });
  const calls: Call[] = [];
  fixture.findIceServers = (peer) => {
    const { promise, resolve } = Promise.withResolvers<FoundIceServers>();
    calls.push({
      peer,
      async answer(name, { isComplete = true, ttl = TTL_SECONDS } = {}) {
        resolve({
          answer: {
            iceServers: name === undefined ? [] : [{ urls: `stun:${name}` }],
            ttl,
            expiresAt: endOf(name),
          },
          isComplete,
        });
        await settle();
      },
    });
    return promise;
  };
  return { fixture, calls };
}

/** When the list of this name expires: another time for each name. */
function endOf(name = ""): string {
  return new Date(Number.parseInt(name.slice(0, 5), 36) * 1000 || 0).toISOString();
}

/** Lets everything run that waits for no timer. */
function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** What a session was sent since the last look: types, and of ICE servers which. */
function sent({ socket }: Opened): string[] {
  return socket.sent.splice(0).map(({ type, iceServers, expiresAt }) => {
    if (type !== "ice-servers") return type;
    assertEquals(expiresAt, endOf(iceServers[0].urls.slice("stun:".length)));
    return iceServers[0].urls;
  });
}

async function join(fixture: SessionFixture, calls: Call[], nodeId: string): Promise<Opened> {
  const opened = fixture.open(nodeId);
  opened.session.receive(ASK);
  await calls.at(-1)?.answer("first");
  assertEquals(sent(opened), ["stun:first", "peer-list"]);
  return opened;
}

Deno.test("IcePushes sends ICE servers before the list, to who asks for them alone", async () => {
  const { fixture, calls } = createFixture();
  fixture.join("silent");
  assertEquals(calls.length, 0);
  const asking = fixture.open("ada");
  asking.session.receive(ASK);
  assertEquals([sent(asking), fixture.registry.peers], [[], 1]);
  await calls[0]?.answer("first");
  assertEquals(sent(asking), ["stun:first", "peer-list"]);
  assertEquals(calls[0]?.peer, { room: "room", nodeId: "ada", role: "normal" });
});

Deno.test("IcePushes sends a consumer ICE servers once its token is accepted", async () => {
  const { fixture, calls } = createFixture();
  const consumer = fixture.open("eve");
  consumer.session.receive('{"type":"register","role":"consumer","iceServers":true}');
  await calls[0]?.answer("first");
  assertEquals(sent(consumer), ["stun:first", "server-list"]);
  assertEquals(calls[0]?.peer.role, "consumer");

  const refused = new SessionFixture({}, () => ({ code: 4003, reason: "no", status: 401 }));
  refused.findIceServers = () => Promise.reject(new Error("Nobody was accepted"));
  const other = refused.open("mallory");
  other.session.receive('{"type":"register","role":"consumer","iceServers":true}');
  assertEquals([sent(other), refused.errors], [["auth-err"], []]);
});

Deno.test("IcePushes lets frames wait while the servers are found, and then handles them in order", async () => {
  const { fixture, calls } = createFixture();
  const ben = fixture.join("ben");
  const ada = fixture.open("ada");
  ada.session.receive(ASK);
  ada.session.receive('{"type":"offer","to":"ben","sdp":1}');
  ada.session.receive('{"type":"ice-candidate","to":"ben","candidate":2}');
  fixture.clock.tick(60_000); // No other time limit ends the wait.
  assertEquals(sent(ben).filter((type) => type !== "peer-list"), []);
  await calls[0]?.answer("first");
  assertEquals(sent(ada).slice(0, 2), ["stun:first", "peer-list"]);
  assertEquals(sent(ben).slice(-2), ["offer", "ice-candidate"]);
});

Deno.test("IcePushes drops what is found for a client that has left meanwhile", async () => {
  const { fixture, calls } = createFixture();
  const ada = fixture.open("ada");
  ada.session.receive(ASK);
  ada.session.handleEvent(new Event("close"));
  await calls[0]?.answer("first");
  assertEquals([sent(ada), fixture.registry.peers, fixture.clock.pending], [[], 0, 0]);
});

Deno.test("IcePushes sends fresh ones at three quarters of their time, as long as the socket is joined", async () => {
  const { fixture, calls } = createFixture();
  const ada = await join(fixture, calls, "ada");
  for (const name of ["second", "third"]) {
    fixture.clock.tick(TTL_SECONDS * 750 - 1);
    const before = calls.length;
    fixture.clock.tick(1);
    assertEquals(calls.length, before + 1);
    await calls.at(-1)?.answer(name);
    assertEquals(sent(ada).filter((type) => type !== "peer-list"), [`stun:${name}`]);
  }
  ada.session.handleEvent(new Event("close"));
  fixture.clock.tick(TTL_SECONDS * 2000);
  assertEquals([calls.length, fixture.clock.pending], [3, 0]);
});

Deno.test("IcePushes keeps the old ones where finding fresh ones fails, and tries again soon", async () => {
  const { fixture, calls } = createFixture();
  const ada = await join(fixture, calls, "ada");
  fixture.clock.tick(TTL_SECONDS * 750);
  await calls.at(-1)?.answer("nothing", { isComplete: false, ttl: 60 });
  assertEquals(sent(ada), []);
  fixture.clock.tick(45_000);
  await calls.at(-1)?.answer("fresh");
  assertEquals(sent(ada), ["stun:fresh"]);
});

Deno.test("IcePushes renews a few lists at once, with one timer for all", async () => {
  const { fixture, calls } = createFixture();
  for (let number = 0; number < 40; number++) {
    fixture.open(`peer-${number}`, `room-${number}`).session.receive(ASK);
  }
  await Promise.all(calls.map((call) => call.answer("first")));
  assertEquals([fixture.registry.peers, fixture.clock.pending <= 3], [40, true]);
  calls.length = 0;
  fixture.clock.tick(TTL_SECONDS * 750);
  assertEquals(calls.length, 16);
  await calls[0]?.answer("second");
  assertEquals(calls.length, 17);
});

Deno.test("IcePushes answers each register that asks, and stops for one that does not", async () => {
  const { fixture, calls } = createFixture();
  const ada = await join(fixture, calls, "ada");
  fixture.clock.tick(TTL_SECONDS * 500);
  ada.session.receive(ASK);
  await calls.at(-1)?.answer("second");
  assertEquals(sent(ada).filter((type) => type !== "peer-list"), ["stun:second"]);
  fixture.clock.tick(TTL_SECONDS * 500);
  assertEquals(calls.length, 2); // The time of the first list is over, that of the second is not.
  fixture.clock.tick(TTL_SECONDS * 250);
  assertEquals(calls.length, 3);
  ada.session.receive('{"type":"register","capacity":3}');
  await calls.at(-1)?.answer("third");
  fixture.clock.tick(TTL_SECONDS * 2000);
  assertEquals(calls.length, 3);
  assertEquals(sent(ada).includes("stun:third"), false);
});

Deno.test("IcePushes lets a register with iceServers that is no boolean be invalid", () => {
  const { fixture, calls } = createFixture();
  const ada = fixture.open("ada");
  for (const value of ['"true"', "1", "[]", "{}"]) {
    ada.session.receive(`{"type":"register","iceServers":${value}}`);
  }
  assertEquals([sent(ada), calls.length], [["error", "error", "error", "error"], 0]);
});

Deno.test("IcePushes lets a newer connection keep its name while an older one waits for servers", async () => {
  const { fixture, calls } = createFixture();
  const older = fixture.open("ada");
  older.session.receive(ASK);
  fixture.clock.tick(300);
  const newer = fixture.join("ada");
  await calls[0]?.answer("first");
  assertEquals(older.socket.closedWith?.code, 1000);
  assertEquals([sent(older), newer.socket.closedWith, fixture.registry.peers], [[], undefined, 1]);
});

Deno.test("IcePushes lets the newer of two connections that wait for servers have the name", async () => {
  for (const answered of [[0, 1], [1, 0]]) {
    const { fixture, calls } = createFixture();
    const [older, newer] = [fixture.open("ada"), fixture.open("ada")];
    older.session.receive(ASK);
    fixture.clock.tick(1);
    newer.session.receive(ASK);
    for (const call of answered) await calls[call]?.answer("first");
    assertEquals(older.socket.closedWith?.code, 1000);
    assertEquals([newer.socket.closedWith, sent(newer)], [undefined, ["stun:first", "peer-list"]]);
  }
});

Deno.test("IcePushes lets a normal peer that waited for servers have the name of a consumer", async () => {
  const { fixture, calls } = createFixture();
  const ada = fixture.open("ada");
  ada.session.receive(ASK);
  fixture.clock.tick(1);
  const consumer = fixture.open("ada");
  consumer.session.receive('{"type":"register","role":"consumer"}');
  await calls[0]?.answer("first");
  assertEquals(consumer.socket.closedWith?.code, 4409);
  assertEquals(sent(ada), ["stun:first", "peer-list"]);
});

Deno.test("IcePushes keeps nothing of a joined peer waiting while its servers are found again", async () => {
  const { fixture, calls } = createFixture();
  const ben = fixture.join("ben");
  const ada = await join(fixture, calls, "ada");
  ada.session.receive(ASK);
  for (let count = 0; count < 90; count++) {
    ada.session.receive(`{"type":"offer","to":"ben","sdp":"${"x".repeat(800)}"}`);
    fixture.clock.tick(100);
  }
  assertEquals([sent(ben).filter((type) => type === "offer").length, sent(ada)], [90, []]);
  await calls.at(-1)?.answer("second");
  assertEquals(sent(ada), ["stun:second", "peer-list"]);
});

Deno.test("IcePushes answers each register of a joined peer, and the last decides about servers", async () => {
  const { fixture, calls } = createFixture();
  const ada = await join(fixture, calls, "ada");
  ada.session.receive(ASK);
  ada.session.receive('{"type":"register","role":"consumer","iceServers":true}');
  await calls[2]?.answer("consumer");
  assertEquals(sent(ada), ["stun:consumer", "server-list"]);
  await calls[1]?.answer("normal");
  assertEquals(sent(ada), ["server-list"]);
  ada.session.receive('{"type":"register","iceServers":true}');
  ada.session.receive('{"type":"register"}');
  assertEquals(sent(ada), ["peer-list"]);
  await calls[3]?.answer("late");
  assertEquals(sent(ada), ["peer-list"]);
  fixture.clock.tick(TTL_SECONDS * 2000);
  assertEquals(calls.length, 4);
});

Deno.test("IcePushes sends a joined peer that has left nothing of what is found for it", async () => {
  const { fixture, calls } = createFixture();
  const ada = await join(fixture, calls, "ada");
  ada.session.receive(ASK);
  ada.session.handleEvent(new Event("close"));
  await calls.at(-1)?.answer("second");
  assertEquals([sent(ada), fixture.errors, fixture.clock.pending], [[], [], 0]);
});

Deno.test("IcePushes sends what is left before the old ones are over, if finding fresh ones goes on to fail", async () => {
  const { fixture, calls } = createFixture();
  const ada = await join(fixture, calls, "ada");
  const left = { isComplete: false, ttl: 60 };
  fixture.clock.tick(TTL_SECONDS * 750);
  for (let secondsLeft = 250; secondsLeft > 45; secondsLeft -= 45) {
    await calls.at(-1)?.answer("left", left);
    assertEquals(sent(ada).filter((type) => type !== "peer-list"), []);
    fixture.clock.tick(45_000);
  }
  for (let count = 0; count < 3; count++) { // In 25 s the first list is over, and then each in 60 s.
    await calls.at(-1)?.answer("left", left);
    assertEquals(sent(ada), ["stun:left"]);
    fixture.clock.tick(45_000);
    await calls.at(-1)?.answer(undefined, left);
    assertEquals(sent(ada), []);
    fixture.clock.tick(45_000);
  }
  await calls.at(-1)?.answer("fresh");
  assertEquals(sent(ada), ["stun:fresh"]);
});
