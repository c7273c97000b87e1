/** What a client does, on a simulated web: its socket, tokens and close codes, and its peers. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { SignalingClient, type SignalingClientOptions, StopError } from "../../src/client/mod.ts";
import { type FakeConnection, type FakeSocket, FakeWeb } from "../helpers/fake_web.ts";
import { Random } from "../helpers/random.ts";

const URL_ = "ws://server/signal";

interface Page {
  readonly client: SignalingClient;
  /** `state`, with the code that is why. */
  readonly states: string[];
  /** The delays that were announced. */
  readonly delays: number[];
}

function open(nodeId: string, options: Partial<SignalingClientOptions> = {}): Page {
  const client = new SignalingClient({ url: URL_, room: "r", nodeId, ...options });
  const page: Page = { client, states: [], delays: [] };
  client.addEventListener("state", ({ detail: { state, code, retryInMs } }) => {
    page.states.push(code === undefined ? state : `${state} ${code}`);
    if (retryInMs !== undefined) page.delays.push(retryInMs);
  });
  client.connect().catch(() => {});
  return page;
}

/** The ids of the peers to which both sides are connected. */
function connected({ client }: Page): string[] {
  return [...client.peers.values()].filter(({ connection, channel }) =>
    connection.connectionState === "connected" && channel.readyState === "open"
  ).map(({ id }) => id).sort();
}

function socketOf(web: FakeWeb, nodeId: string): FakeSocket {
  const socket = web.members.get(nodeId);
  assert(socket !== undefined);
  return socket;
}

/** A test on a simulated web, in which nothing must be left when every client is closed. */
function webTest(name: string, run: (web: FakeWeb) => Promise<void>): void {
  Deno.test(`client: ${name}`, async () => {
    using web = new FakeWeb();
    await run(web);
  });
}

function isClean(web: FakeWeb): void {
  assertEquals([web.sockets.size, web.connections.size, web.clock.pending], [0, 0, 0]);
}

webTest("two clients connect, and nothing is left when both are closed", async (web) => {
  const a = open("a"), b = open("b");
  await web.run(1000);
  assertEquals([connected(a), connected(b)], [["b"], ["a"]]);
  assertEquals(a.states, ["connecting", "joined"]);
  a.client.close();
  await web.run();
  assertEquals(b.client.peers.size, 0);
  b.client[Symbol.dispose]();
  await web.run();
  assertEquals(a.states.at(-1), "stopped");
  isClean(web);
});

webTest("options that TypeScript would refuse are refused with what to do", async (web) => {
  const good = { url: URL_, room: "r" };
  const wrong: readonly (readonly [object, RegExp])[] = [
    [{ url: URL_ }, /^Option room must be a name, such as "todos"$/],
    [{ url: `${URL_}?room=r`, room: undefined }, /^Option room /],
    [{ ...good, room: null }, /^Option room /],
    [{ ...good, room: 7 }, /^Option room /],
    [{ ...good, room: "" }, /^Option room /],
    [{ room: "r" }, /^Option url must be an address, such as "wss:/],
    [{ ...good, url: null }, /^Option url /],
    [{ ...good, url: "" }, /^Option url /],
    [{ ...good, url: "/signal" }, /^Option url /],
    [
      { ...good, getTokn: () => "token" },
      /^Option getTokn is none of url, room, nodeId, .*getToken/,
    ],
    [{ ...good, toString: undefined }, /^Option toString is none of /],
  ];
  for (const [options, message] of wrong) {
    const error = assertThrows(() => Reflect.construct(SignalingClient, [options]), TypeError);
    assert(message.test(error.message), error.message);
  }
  await web.run();
  isClean(web);
});

webTest("every option is accepted, also one that is undefined", async (web) => {
  const { signal } = new AbortController();
  const options: Required<SignalingClientOptions> = {
    url: new URL(URL_),
    room: "r",
    nodeId: "a",
    role: "normal",
    serveConsumers: true,
    capacity: 1,
    getToken: () => "token",
    getConsumerToken: () => "token",
    tokenIn: "subprotocol",
    reconnect: {},
    rtc: {},
    RTCPeerConnection: Reflect.get(globalThis, "RTCPeerConnection"),
    signal,
  };
  for (const name of Object.keys(options)) {
    const isNeeded = name === "url" || name === "room";
    const given = { ...options, ...isNeeded ? {} : { [name]: undefined } };
    using client: SignalingClient = Reflect.construct(SignalingClient, [given]);
    assertEquals(client.state, "waiting");
  }
  await web.run();
  isClean(web);
});

webTest("the delay between attempts grows up to 20 s, and differs each time", async (web) => {
  web.isUp = false;
  const { client, delays } = open("a");
  await web.run(300_000);
  assert(delays.length > 12, `${delays.length} attempts`);
  delays.forEach((delay, n) => {
    assert(delay >= 500 && delay <= Math.min(20_000, 500 + 500 * 2 ** n), `${n}: ${delay}`);
  });
  assertEquals(new Set(delays.filter((delay) => delay < 20_000)).size > 5, true);
  client.close();
  isClean(web);
});

webTest("the delay starts again only after a list and 10 s", async (web) => {
  const { client, delays, states } = open("a", { reconnect: { minMs: 1000, maxMs: 64_000 } });
  for (let n = 0; n < 6; n++) {
    await web.run();
    assertEquals(client.state, "joined");
    web.crash(1001);
    await web.run();
    while (states.at(-1) !== "joined") await web.run(250);
  }
  const random = delays.map((delay, n) => (delay - 1000) / (1000 * 2 ** n));
  assert(random.every((share) => share >= 0 && share <= 1), String(delays));
  assert(Math.max(...delays) > 2000, String(delays)); // They did grow.
  await web.run(10_500);
  web.crash(1001);
  await web.run();
  assert((delays.at(-1) ?? 0) <= 2000, String(delays));
  client.close();
  isClean(web);
});

webTest("a socket that is not answered with a list is given up after 30 s", async (web) => {
  web.onFrame = () => true;
  const { client, states } = open("a");
  await web.run(29_000);
  assertEquals(states, ["connecting"]);
  await web.run(2000);
  assertEquals(states.slice(0, 2), ["connecting", "waiting"]);
  client.close();
  isClean(web);
});

for (const code of [1000, 1009, 4001, 4403, 4409]) {
  webTest(`close code ${code} stops it for good`, async (web) => {
    const { client, states } = open("a");
    await web.run();
    web.crash(code);
    await web.run(60_000);
    assertEquals(states, ["connecting", "joined", `stopped ${code}`]);
    isClean(web);
    await client.connect(); // It has joined once.
  });
}

for (const code of [1001, 1006, 1011, 1013, 4002, 4429]) {
  webTest(`after close code ${code} it comes back`, async (web) => {
    const { client, states } = open("a");
    await web.run();
    web.crash(code);
    await web.run(2000);
    assertEquals(states, ["connecting", "joined", `waiting ${code}`, "connecting", "joined"]);
    client.close();
    isClean(web);
  });
}

for (const code of [4003, 4401]) {
  webTest(`after ${code} it asks for another token once, then stops`, async (web) => {
    const reasons: string[] = [];
    web.onFrame = (socket) => (socket.end(code, "refused"), true);
    const client = new SignalingClient({
      url: URL_,
      room: "r",
      getToken: (reason) => `${reasons.push(reason)}`,
    });
    const joined = client.connect();
    await web.run(60_000);
    assertEquals(reasons, ["connect", "refused"]);
    assertEquals(client.state, "stopped");
    await assertRejects(() => joined, Error, `${code} refused`);
    isClean(web);
  });

  webTest(`after ${code} it stops at once if it has no other token`, async (web) => {
    web.onFrame = (socket) => (socket.end(code), true);
    const { states } = open("a");
    await web.run(60_000);
    assertEquals(states, ["connecting", `stopped ${code}`]);
    isClean(web);
  });
}

webTest("a token is a subprotocol, or in the query where that is wanted", async (web) => {
  const a = open("a", { getToken: () => "secret" });
  const b = open("b", { getToken: () => Promise.resolve("secret"), tokenIn: "query" });
  await web.run();
  const [first, second] = [socketOf(web, "a"), socketOf(web, "b")];
  assertEquals(first.protocols, ["client-db-sync", "bearer.secret"]);
  assertEquals(first.url.search, "?room=r&nodeId=a");
  assertEquals(second.protocols, ["client-db-sync"]);
  assertEquals(second.url.searchParams.get("token"), "secret");
  for (const { client } of [a, b]) client.close();
});

webTest("a StopError of the token source ends it, any other error is tried again", async (web) => {
  const errors = [new Error("no network"), new StopError("signed out")];
  const client = new SignalingClient({
    url: URL_,
    room: "r",
    getToken: () => Promise.reject(errors.shift()),
  });
  const joined = client.connect();
  await web.run(5000);
  assertEquals([client.state, errors.length], ["stopped", 0]);
  await assertRejects(() => joined, StopError, "signed out");
  isClean(web);
});

webTest("an exception of the browser in the token source is tried again, and told", async (web) => {
  const errors = [new DOMException("too slow", "TimeoutError"), new SyntaxError("no JSON")];
  const told: unknown[] = [];
  const { client } = open("a", {
    getToken: () => errors.length > 0 ? Promise.reject(errors.shift()) : "t",
  });
  client.addEventListener("state", ({ detail: { error } }) => error && told.push(`${error}`));
  await web.run(5000);
  assertEquals(client.state, "joined");
  assertEquals(told, ["TimeoutError: too slow", "SyntaxError: no JSON"]);
  client.close();
  isClean(web);
});

webTest("a token that can be no subprotocol ends it", async (web) => {
  const { client } = open("a", { getToken: () => "two words" });
  await web.run();
  await assertRejects(() => client.connect(), DOMException, "no subprotocol");
  isClean(web);
});

webTest("a token that comes too late opens no socket", async (web) => {
  let give = (_token: string): void => {};
  const client = new SignalingClient({
    url: URL_,
    room: "r",
    getToken: () => new Promise((resolve) => give = resolve),
  });
  client.connect().catch(() => {});
  await web.run();
  client.close();
  give("late");
  await web.run();
  isClean(web);
});

webTest("a fresh token is sent before the old one expires, on the same socket", async (web) => {
  const reasons: string[] = [];
  const inOneHour = () => new Date(web.clock.now() + 3_600_000).toISOString();
  web.onFrame = (socket, { type }) => {
    if (type === "register") web.send(socket, { type: "peer-list", peers: [] });
    web.send(socket, { type: "token", expiresAt: inOneHour() });
    return true;
  };
  const { client, states } = open("a", { getToken: (reason) => `t${reasons.push(reason)}` });
  await web.run(2_690_000);
  assertEquals(reasons, ["connect"]);
  await web.run(20_000);
  assertEquals(reasons, ["connect", "expiring"]);
  assertEquals(web.frames.at(-1), { type: "refresh", token: "t2" });
  assertEquals(web.frames[0]?.["refresh"], true);
  await web.run(2_700_000);
  assertEquals(reasons.length, 3);
  assertEquals(states, ["connecting", "joined"]);
  client.close();
  isClean(web);
});

webTest("a clock that is wrong by hours makes no storm of refreshes", async (web) => {
  let refreshes = 0;
  web.onFrame = (socket, { type }) => {
    if (type === "register") web.send(socket, { type: "peer-list", peers: [] });
    else refreshes++;
    web.send(socket, { type: "token", expiresAt: "2020-01-01T00:00:00Z" });
    return true;
  };
  const { client } = open("a", { getToken: () => "t" });
  await web.run(60_000);
  assertEquals(refreshes, 6);
  client.close();
});

webTest("ICE servers of the server come first, and reach connections that exist", async (web) => {
  const servers = [{ urls: "stun:server" }];
  const own = { urls: "stun:own" };
  web.onFrame = (socket, { type }) => {
    if (type === "register") web.send(socket, { type: "ice-servers", iceServers: servers });
    return false;
  };
  const a = open("a", { rtc: { iceServers: [own] } }), b = open("b");
  await web.run();
  const [peer] = a.client.peers.values();
  const configuration = (): unknown => peer?.connection.getConfiguration().iceServers;
  assertEquals(configuration(), [...servers, own]);
  const fresh = [{ urls: "turn:server", username: "u", credential: "c" }];
  web.send(socketOf(web, "a"), { type: "ice-servers", iceServers: fresh });
  await web.run();
  assertEquals(configuration(), [...fresh, own]);
  for (const { client } of [a, b]) client.close();
});

webTest("an aborted signal closes it, before and after it has connected", async (web) => {
  const controller = new AbortController();
  const { client } = open("a", { signal: controller.signal });
  await web.run();
  controller.abort(new Error("enough"));
  await web.run();
  assertEquals(client.state, "stopped");
  const late = new SignalingClient({ url: URL_, room: "r", signal: controller.signal });
  await assertRejects(() => late.connect(), Error, "enough");
  isClean(web);
});

webTest("it tries at once when the network is back", async (web) => {
  web.isUp = false;
  const { client, states } = open("a", { reconnect: { minMs: 10_000 } });
  await web.run();
  web.isUp = true;
  globalThis.dispatchEvent(new Event("online"));
  await web.run();
  assertEquals(states, ["connecting", "waiting 1006", "connecting", "joined"]);
  client.close();
  globalThis.dispatchEvent(new Event("online"));
  await web.run();
  isClean(web);
});

webTest("it leaves with the page and comes back with it", async (web) => {
  const a = open("a"), b = open("b");
  await web.run();
  globalThis.dispatchEvent(new Event("pagehide")); // Of both.
  await web.run(60_000);
  assertEquals([web.sockets.size, web.connections.size], [0, 0]);
  assertEquals(a.states, ["connecting", "joined", "waiting"]);
  globalThis.dispatchEvent(new Event("pageshow"));
  await web.run(1000);
  assertEquals([connected(a), connected(b)], [["b"], ["a"]]);
  for (const { client } of [a, b]) client.close();
  isClean(web);
});

webTest("a listener that closes the client when the page is left ends it for good", async (web) => {
  const a = open("a"), b = open("b");
  await web.run();
  for (const peer of a.client.peers.values()) {
    peer.addEventListener("close", () => a.client.close());
  }
  globalThis.dispatchEvent(new Event("pagehide"));
  globalThis.dispatchEvent(new Event("pageshow"));
  await web.run(1000);
  assertEquals([a.states.at(-1), a.client.state], ["stopped", "stopped"]);
  b.client.close();
  isClean(web);
});

webTest("a dead socket is noticed when the network changes", async (web) => {
  const { client, states } = open("a");
  await web.run();
  web.onFrame = () => true; // It has vanished without a word.
  globalThis.dispatchEvent(new Event("online"));
  await web.run(4000);
  assertEquals(states.at(-1), "joined");
  web.onFrame = undefined;
  await web.run(2000);
  assertEquals(states, ["connecting", "joined", "connecting", "joined"]);
  globalThis.dispatchEvent(new Event("online"));
  await web.run(10_000);
  assertEquals(states.length, 4); // This one has answered.
  client.close();
  isClean(web);
});

webTest("a list that comes again adds those that are unknown and removes nobody", async (web) => {
  const a = open("a"), b = open("b"), c = open("c");
  await web.run();
  const [peer] = a.client.peers.values();
  web.send(socketOf(web, "a"), { type: "peer-list", peers: ["b"] });
  web.send(socketOf(web, "a"), { type: "peer-list", peers: [] });
  web.send(socketOf(web, "a"), { type: "peer-list", peers: ["a", 1, null] });
  web.send(socketOf(web, "a"), { type: "peer-list" });
  await web.run();
  assertEquals(connected(a), ["b", "c"]);
  assertEquals([...a.client.peers.values()][0], peer);
  for (const { client } of [a, b, c]) client.close();
  isClean(web);
});

webTest("a peer that is not there is dropped, one that is connected is not", async (web) => {
  const a = open("a"), b = open("b");
  await web.run();
  web.send(socketOf(web, "a"), { type: "peer-list", peers: ["ghost"] });
  web.send(socketOf(web, "a"), { type: "error", code: "PEER_NOT_FOUND", message: "", to: "b" });
  await web.run();
  assertEquals([...a.client.peers.keys()], ["b"]);
  for (const { client } of [a, b]) client.close();
  isClean(web);
});

webTest("an offer that a busy peer did not get is sent again", async (web) => {
  let isBusy = true;
  web.onFrame = (socket, { type, to }) => {
    if (type === "register" || !isBusy) return false;
    web.send(socket, { type: "error", code: "PEER_BUSY", message: "", to });
    return true;
  };
  const a = open("a"), b = open("b");
  await web.run(500);
  assertEquals(connected(a), []);
  isBusy = false;
  await web.run(2000);
  assertEquals([connected(a), connected(b)], [["b"], ["a"]]);
  for (const { client } of [a, b]) client.close();
  isClean(web);
});

webTest("an offer that was made without a socket is sent with the next one", async (web) => {
  const a = open("a"), b = open("b");
  await web.run();
  for (const crashed of ["a", "b"]) {
    const page = crashed === "a" ? a : b;
    socketOf(web, crashed).end(1006);
    await web.run();
    page.client.peers.forEach((peer) => peer.restartIce());
    await web.run(2000);
    const states = [...web.connections].map(({ signalingState }) => signalingState);
    assertEquals([states, connected(a)], [["stable", "stable"], ["b"]], crashed);
  }
  for (const { client } of [a, b]) client.close();
  isClean(web);
});

webTest("a lost path heals by itself, or after 5 s by a restart of the smaller id", async (web) => {
  const a = open("a"), b = open("b");
  await web.run();
  const offers = (): unknown[] => web.frames.filter(({ type }) => type === "offer");
  const check = (): void => {
    for (const connection of web.connections) connection.check();
  };
  const before = offers().length;
  web.hasPath = false;
  check();
  await web.run(4000);
  web.hasPath = true;
  check();
  await web.run(20_000);
  assertEquals([connected(a), offers().length], [["b"], before]);
  web.hasPath = false;
  check();
  await web.run(6000);
  assertEquals(offers().length, before + 1);
  assertEquals((web.frames.findLast(({ type }) => type === "offer"))?.["to"], "b");
  web.hasPath = true;
  check();
  await web.run(1000);
  assertEquals([connected(a), connected(b)], [["b"], ["a"]]);
  for (const { client } of [a, b]) client.close();
  isClean(web);
});

webTest("a path that is found after ICE has failed keeps the connection", async (web) => {
  const a = open("a"), b = open("b");
  await web.run();
  const before = [...a.client.peers.values(), ...b.client.peers.values()];
  web.hasPath = false;
  for (const connection of web.connections) connection.check();
  await web.run(20_000);
  assertEquals(before.map(({ connection }) => connection.connectionState), ["failed", "failed"]);
  web.hasPath = true;
  for (const connection of web.connections) connection.check();
  await web.run(1000);
  assertEquals([connected(a), connected(b)], [["b"], ["a"]]);
  assertEquals([...a.client.peers.values(), ...b.client.peers.values()], before);
  for (const { client } of [a, b]) client.close();
  isClean(web);
});

webTest(
  "a peer without a path is dropped after 30 s, and connected when it is named again",
  async (web) => {
    const a = open("a"), b = open("b");
    await web.run();
    web.hasPath = false;
    for (const connection of web.connections) connection.check();
    await web.run(29_000);
    assertEquals([a.client.peers.size, b.client.peers.size], [1, 1]);
    await web.run(2000);
    assertEquals([a.client.peers.size, b.client.peers.size], [0, 0]);
    web.hasPath = true;
    web.reintroduce();
    await web.run(1000);
    assertEquals([connected(a), connected(b)], [["b"], ["a"]]);
    for (const { client } of [a, b]) client.close();
    isClean(web);
  },
);

webTest("a peer that crashed and came back is connected again at once", async (web) => {
  for (const [stays, crashes] of [["a", "b"], ["b", "a"]] as const) {
    const survivor = open(stays);
    let page = open(crashes);
    await web.run();
    for (const { connection } of page.client.peers.values()) {
      (connection as unknown as FakeConnection).vanish();
    }
    page.client.close();
    page = open(crashes);
    await web.run();
    assertEquals([connected(survivor), connected(page)], [[crashes], [stays]]);
    for (const { client } of [survivor, page]) client.close();
    isClean(web);
  }
});

webTest("a connection whose encryption fails is replaced at once", async (web) => {
  const a = open("a"), b = open("b");
  await web.run();
  for (const connection of [...web.connections]) {
    connection.connectionState = "failed"; // ICE is still connected: a restart is of no use.
    connection.dispatchEvent(new Event("connectionstatechange"));
  }
  await web.run();
  assertEquals([connected(a), connected(b)], [["b"], ["a"]]);
  for (const { client } of [a, b]) client.close();
  await web.run();
  isClean(web);
});

webTest("a peer of another make gets a new offer instead of a restart", async (web) => {
  web.onFrame = (socket, frame) => { // As if b's client did not know the field.
    if (frame["for"] === undefined) return false;
    const { for: _, ...rest } = frame;
    web.serve(socket, rest);
    return true;
  };
  const a = open("a"), b = open("b");
  await web.run();
  assertEquals([connected(a), connected(b)], [["b"], ["a"]]);
  const [old] = a.client.peers.values();
  web.hasPath = false;
  for (const connection of web.connections) connection.check();
  await web.run(5500);
  assertEquals(old?.connection.connectionState, "closed");
  web.hasPath = true;
  for (const connection of web.connections) connection.check();
  await web.run();
  assertEquals([connected(a), connected(b)], [["b"], ["a"]]);
  for (const { client } of [a, b]) client.close();
  await web.run();
  isClean(web);
});

webTest("what is no message harms nobody", async (web) => {
  const a = open("a"), b = open("b");
  await web.run();
  const socket = socketOf(web, "a");
  const offer = { type: "offer", from: "b", fromRole: "normal" };
  const bad = ["{", "null", "[]", "1", "{}", JSON.stringify({ type: 1 })];
  for (const text of bad) socket.arrive(text);
  const sdps = [null, 1, {}, { type: "offer" }, { type: "answer", sdp: "v=0" }, { sdp: "v=0" }];
  for (const sdp of sdps) web.send(socket, { ...offer, sdp });
  web.send(socket, { ...offer, type: "ice-candidate", candidate: "x" });
  web.send(socket, { ...offer, type: "answer", sdp: { type: "answer", sdp: "v=0" } });
  web.send(socket, { type: "ice-servers", iceServers: "x" });
  web.send(socket, { type: "token", expiresAt: {} });
  await web.run(1000);
  assertEquals([connected(a), connected(b)], [["b"], ["a"]]);
  for (const { client } of [a, b]) client.close();
  isClean(web);
});

webTest("a consumer goes from one server to the next, and accepts no offers", async (web) => {
  const offers: unknown[] = [];
  web.onFrame = (socket, { type, to }) => {
    if (socket.isConsumer && type === "offer") offers.push(to);
    return false;
  };
  const b = open("b");
  await web.run();
  const eve = open("eve", {
    role: "consumer",
    getConsumerToken: () => "identity",
  });
  await web.run(1000);
  assertEquals([connected(eve), connected(b)], [["b"], ["eve"]]);
  assertEquals(b.client.peers.get("eve")?.role, "consumer");
  web.send(socketOf(web, "b"), { type: "peer-list", peers: ["eve"] });
  const register = web.frames.find(({ role }) => role === "consumer");
  assertEquals([register?.["token"], register?.["refresh"]], ["identity", false]);

  const a = open("a");
  await web.run();
  web.send(socketOf(web, "eve"), { type: "server-list", servers: ["ghost", "a", "b"] });
  await web.run();
  assertEquals(connected(eve), ["b"]); // It works: it stays.
  b.client.peers.get("eve")?.close();
  await web.run();
  assertEquals([connected(eve), offers], [["a"], ["b", "ghost", "a"]]);
  for (const { client } of [a, b]) client.close();
  await web.run(5000);
  assertEquals(connected(eve), []);
  const again = open("a");
  await web.run(20_000);
  assertEquals(connected(eve), ["a"]);
  for (const { client } of [eve, again]) client.close();
  isClean(web);
});

webTest("both offer at once, in any order of events, and connect without delay", async (web) => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = new Random(seed);
    web.onFrame = (socket, { type }) => { // Nobody is told of the other.
      if (type !== "register") return false;
      web.members.set(socket.nodeId, socket);
      web.send(socket, { type: "peer-list", peers: [] });
      return true;
    };
    const pages = [open("a"), open("b")];
    let peers = 0;
    for (const { client } of pages) client.addEventListener("peer", () => peers++);
    await web.run();
    web.send(socketOf(web, "a"), { type: "peer-list", peers: ["b"] });
    web.send(socketOf(web, "b"), { type: "peer-list", peers: ["a"] });
    await web.run(0, random);
    assertEquals(pages.map(connected), [["b"], ["a"]], `seed ${seed}`);
    assertEquals(peers, 2, `seed ${seed}`);
    for (const { client } of pages) {
      client.peers.forEach((peer) => peer.restartIce());
      await web.step(random);
    }
    await web.run(0, random);
    const states = [...web.connections].map(({ signalingState }) => signalingState);
    assertEquals([states, pages.map(connected)], [["stable", "stable"], [["b"], ["a"]]]);
    for (const { client } of pages) client.close();
    await web.run();
    isClean(web);
  }
});
