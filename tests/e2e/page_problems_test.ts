/**
 * What the page says when something is wrong: each of these failures is staged with the programs that
 * have it, and its sentence is read from the page in Chromium.
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createRedisBackplane } from "../../src/cluster/redis/backplane.ts";
import { type Clock, systemClock } from "../../src/runtime/clock.ts";
import {
  type BrowserOptions,
  MISSING_CHROMIUM,
  type TestBrowser,
  withBrowser,
} from "../helpers/browser.ts";
import { Client, until } from "../helpers/client.ts";
import { ROOT, temporaryFolder } from "../helpers/command.ts";
import { MISSING_COTURN, startCoturn, turnUser } from "../helpers/coturn.ts";
import { listening, OPEN, serve } from "../helpers/main.ts";
import { startNatStun } from "../helpers/nat_stun.ts";
import { PageTab, problemsRead } from "../helpers/page_tab.ts";
import { freePort } from "../helpers/port.ts";
import { hasPrograms, testWith } from "../helpers/program.ts";
import { newProvider } from "../helpers/provider.ts";
import { exchange, handshake, openRaw } from "../helpers/raw.ts";
import { hasRedis, startRedis } from "../helpers/redis.ts";
import { ADMIN_SECRET, startOpenServer, startServer, type TestServer } from "../helpers/server.ts";
import { settableClock } from "../helpers/settable_clock.ts";
import { makeCertificate } from "../helpers/certificate.ts";
import { PROXIES, startTlsProxy } from "../helpers/tls_proxy.ts";
import { TurnClient } from "../helpers/turn_client.ts";

/** How long a page may take to say that a connection does not come about, in milliseconds. */
const SLOW_MS = 60_000;

const DAY_MS = 24 * 3600 * 1000;

/** A host that no DNS knows (RFC 6761). */
const UNKNOWN_HOST = "turn.invalid";

/** A TURN server with credentials that coturn accepts. */
function turnServer(urls: string) {
  return { urls, ...turnUser("secret") };
}

const staged = new Set<string>();

/** What a test of problems is about, and what it needs. */
interface Stages extends BrowserOptions {
  readonly missing?: string | undefined;
  /** The problems that it reads from pages. */
  readonly ids: readonly string[];
}

/** A test whose stages run at the same time: a page that finds no path waits for most of the time. */
function problemTest(
  name: string,
  { ids, missing, ...options }: Stages,
  stages: Readonly<Record<string, (browser: TestBrowser) => Promise<void>>>,
): void {
  for (const id of ids) staged.add(id);
  testWith(MISSING_CHROMIUM ?? missing, name, () =>
    withBrowser(async (browser) => {
      const failures: Error[] = [];
      await Promise.all(
        Object.entries(stages).map(([stage, run]) =>
          run(browser).catch((cause) => failures.push(new Error(stage, { cause })))
        ),
      );
      if (failures.length > 0) throw new AggregateError(failures, "Stages have failed");
      assertEquals(ids.filter((id) => !problemsRead.has(id)), []);
    }, options));
}

/** Sends a request as an operator. */
async function post({ url }: TestServer, path: string, body: unknown) {
  const response = await fetch(`${url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-admin-secret": ADMIN_SECRET },
    body: JSON.stringify(body),
  });
  return await response.json();
}

Deno.test("page: each problem that it knows is staged in a test", async () => {
  const known: string[] = [];
  for (const file of ["problem.ts", "path_problem.ts"]) {
    const source = await Deno.readTextFile(`${ROOT}page/${file}`);
    for (const [, id = ""] of source.matchAll(/\bid: "([\w-]+)"/g)) known.push(id);
  }
  assertEquals(known.length, new Set(known).size, "each id is that of one problem");
  assertEquals([...staged].sort(), known.sort());
});

problemTest("page: it says what is wrong with a token, and what to do", {
  ids: [
    "no-token",
    "malformed-token",
    "bad-token",
    "foreign-token",
    "wrong-room",
    "wrong-name",
    "revoked-token",
    "expired-token",
    "throttled",
    "long-room",
  ],
}, {
  async "a room whose name no server admits"(browser) {
    await using server = await startOpenServer();
    const tab = await PageTab.open(browser, { url: `${server.url}/#room=${"r".repeat(70_000)}` });
    assertStringIncludes(
      await tab.problem("long-room"),
      "It has 70000 characters; at most 256 are allowed",
    );
    await tab.join({ room: "r".repeat(256) });
    await tab.joined();
    await tab.noProblem();
  },
  async "one token after the other"(browser) {
    const { clock, forward } = settableClock();
    await using server = await startServer({ playground: true, clock });
    await using other = await startServer();
    const tab = await PageTab.open(browser, server);
    assertStringIncludes(await tab.problem("no-token"), "POST /token");
    await tab.join({ token: "no token" });
    await tab.problem("malformed-token");
    await tab.join({ token: await other.token("todos") });
    assertStringIncludes(await tab.problem("bad-token"), "VERIFY_KEYS_JWK");
    await tab.join({ token: await (await newProvider()).token() });
    await tab.problem("foreign-token");
    const token = await server.token("todos");
    await tab.join({ token, room: "elsewhere" });
    assertStringIncludes(await tab.problem("wrong-room"), "Write todos into the field Room");
    const own = await post(server, "/token", { ttl: "1h", subject: "todos", nodeId: "ada" });
    await tab.join({ token: own.token, room: "todos", name: "ben" });
    assertStringIncludes(await tab.problem("wrong-name"), "Write ada into the field Name");
    await tab.join({ token, room: "todos" });
    await tab.joined();
    await tab.noProblem();
    await post(server, "/revoke", { subject: "todos", issuedBefore: "now" });
    await tab.problem("revoked-token");
    forward(2 * 3600 * 1000);
    await tab.join({ token, room: "todos" });
    assertStringIncludes(await tab.problem("expired-token"), "It was valid until");
  },
  async "too many of them"(browser) {
    await using server = await startServer({
      playground: true,
      limits: { maxFailedAuthPerMinute: 1 },
    });
    const token = await server.token("todos");
    const [head, claims, signature = ""] = token.split(".");
    const forged = [head, claims, [...signature].reverse().join("")].join(".");
    const guesser = await PageTab.open(browser, server, { token: forged });
    await guesser.problem("bad-token");
    await guesser.join({ token });
    await guesser.problem("throttled");
  },
  async "a server that refuses without a socket"(browser) {
    // Refused sockets that stay open are cut after a while: not before a slow page has met them.
    const clock: Clock = {
      ...systemClock,
      setTimeout: (callback, ms) => systemClock.setTimeout(callback, 20 * ms),
    };
    await using server = await startServer({
      playground: true,
      limits: { maxRefusedConnections: 2 },
      clock,
    });
    await using other = await startServer();
    const rude = [
      await openRaw(server.port, "/signal?token=x"),
      await openRaw(server.port, "/signal?token=y"),
    ];
    const request = handshake("/signal?token=z");
    await until("refusals to need no socket", async () => {
      return (await exchange(server.port, request, /\r\n\r\n/)).startsWith("HTTP/1.1 401");
    });
    const tab = await PageTab.open(browser, server);
    await tab.problem("no-token");
    await tab.join({ token: await other.token("todos") });
    await tab.problem("bad-token");
    await tab.step("socket", "not opened");
    for (const connection of rude) connection.close();
  },
});

problemTest("page: it says why a consumer, or a page of a host, is refused", {
  ids: [
    "consumers-off",
    "consumer-token",
    "provider",
    "no-servers",
    "identity-full",
    "not-authorized",
    "disconnected",
  ],
}, {
  async "no keys, other keys, no keys to be had"(browser) {
    const role = "consumer";
    const token = await (await newProvider()).token();
    await using server = await startServer({ playground: true });
    const tab = await PageTab.open(browser, server, { role, room: "todos", token });
    assertStringIncludes(await tab.problem("consumers-off"), "CONSUMER_JWKS_URL");
    const consumerAuth = { jwks: (await newProvider()).jwks };
    await using strict = await startServer({ playground: true, consumerAuth });
    const refused = await PageTab.open(browser, strict, { role, room: "todos", token });
    await refused.problem("consumer-token");
    const jwksUrl = `http://127.0.0.1:${freePort()}/jwks`;
    await using waiting = await startServer({ playground: true, consumerAuth: { jwksUrl } });
    const unknown = await PageTab.open(browser, waiting, { role, room: "todos", token });
    assertStringIncludes(await unknown.problem("provider"), "Check CONSUMER_JWKS_URL");
  },
  async "nobody to serve it, and one too many"(browser) {
    const role = "consumer";
    const { jwks, token } = await newProvider();
    await using server = await startServer({
      playground: true,
      consumerAuth: { jwks },
      limits: { maxConsumersPerIdentity: 1 },
    });
    const own = await token({ iss: "https://idp.example", sub: "ada" });
    const first = await PageTab.open(browser, server, { role, room: "todos", token: own });
    await first.problem("no-servers");
    const second = await PageTab.open(browser, server, { role, room: "todos", token: own });
    assertStringIncludes(await second.problem("identity-full"), "MAX_CONSUMERS_PER_IDENTITY");
  },
  async "a check of the host"(browser) {
    await using server = await startServer({ playground: true, authorize: () => null });
    const tab = await PageTab.open(browser, server);
    await tab.problem("not-authorized");
  },
  async "the operator"(browser) {
    await using server = await startOpenServer();
    const tab = await (await PageTab.open(browser, server)).joined();
    await post(server, "/admin/disconnect", { room: "demo" });
    await tab.problem("disconnected");
    await tab.join({});
    await tab.joined();
    await tab.noProblem();
  },
});

problemTest("page: it says which limit keeps it out", {
  ids: [
    "room-full",
    "no-socket",
    "name-in-use",
    "too-fast",
    "too-big",
    "overloaded",
    "closed",
  ],
}, {
  async "a full room and a full server"(browser) {
    await using server = await startOpenServer({
      limits: { maxPeersPerRoom: 1, maxConnections: 2 },
    });
    await using _peer = await Client.join(server.signal({ room: "demo" }));
    const crowded = await PageTab.open(browser, server);
    await crowded.problem("room-full");
    await using _other = await Client.join(server.signal({ room: "another" }));
    const full = await PageTab.open(browser, server);
    assertStringIncludes(await full.problem("no-socket"), "MAX_CONNECTIONS");
  },
  async "a name that is used"(browser) {
    await using server = await startOpenServer();
    const first = await (await PageTab.open(browser, server, { name: "ada" })).joined();
    const second = await PageTab.open(browser, server, { name: "ada" });
    await second.joined();
    await first.problem("name-in-use");
  },
  async "messages that are too many, or too long"(browser) {
    for (
      const [id, limits, setting] of [
        ["too-fast", { maxMessagesPerSecond: 1, messageBurst: 2 }, "MAX_MESSAGES_PER_SECOND"],
        ["too-big", { maxMessageBytes: 500 }, "MAX_MESSAGE_BYTES"],
      ] as const
    ) {
      await using server = await startOpenServer({ limits });
      await using _peer = await Client.join(server.signal({ room: "demo", nodeId: "mute" }));
      const tab = await PageTab.open(browser, server);
      assertStringIncludes(await tab.problem(id), `Raise ${setting}`);
    }
  },
  async "memory"(browser) {
    await using server = await startOpenServer({ limits: { maxMemoryMb: 1 } });
    await (await PageTab.open(browser, server)).joined();
    await until("the memory to be read", () => server.stats().memory !== "ok");
    const tab = await PageTab.open(browser, server);
    assertStringIncludes(await tab.problem("overloaded"), "Raise MAX_MEMORY_MB");
  },
  async "a check of the host that fails"(browser) {
    await using server = await startServer({
      playground: true,
      authorize: () => Promise.reject(new Error("The database is down")),
    });
    const tab = await PageTab.open(browser, server);
    assertStringIncludes(await tab.problem("closed"), "Its reason: internal error (1011)");
  },
});

problemTest("page: it says when the server or its origin is out of reach", {
  ids: ["origin", "unreachable", "stopping"],
}, {
  async "an origin that is not allowed"(browser) {
    await using server = await startOpenServer({ allowedOrigins: ["https://app.example.com"] });
    const tab = await PageTab.open(browser, server);
    assertStringIncludes(await tab.problem("origin"), `Add ${server.url} to ALLOWED_ORIGINS`);
  },
  async "a server that ends, and starts again"(browser) {
    const server = await startOpenServer();
    const tab = await (await PageTab.open(browser, server)).joined();
    await server.close();
    assertStringIncludes(await tab.problem("unreachable"), `Nothing answers at ${server.url}`);
    await tab.join({});
    await tab.problem("unreachable");
    await using _again = await startOpenServer({}, server.port);
    await tab.joined();
    await tab.noProblem();
  },
  async "a process that was told to end"(browser) {
    await using folder = await temporaryFolder();
    await using server = serve({ cwd: folder.path, env: { ...OPEN, DRAIN_SECONDS: "60" } });
    const { url } = await listening(server);
    await using _peer = await Client.join(`${url.replace("http", "ws")}/signal`);
    const tab = await (await PageTab.open(browser, { url })).joined();
    server.kill("SIGTERM");
    await tab.problem("stopping", SLOW_MS);
    await tab.page.locator("#problem[data-kind=warning]").waitFor();
  },
});

const [nginx] = PROXIES;

problemTest("page: it says when a proxy keeps it from the server", {
  ids: ["no-socket", "gateway"],
  acceptsCertificates: true,
  missing: await hasPrograms("nginx") ? undefined : "nginx",
}, {
  async "nginx without WebSockets, then without a server, then without the path"(browser) {
    assert(nginx !== undefined);
    await using folder = await temporaryFolder();
    await using server = await startOpenServer();
    const certificate = await makeCertificate(folder.path);
    const noUpgrade = ["proxy_set_header Upgrade $http_upgrade;", ""] as const;
    await using proxy = await startTlsProxy(nginx, [server.port], {
      folder: folder.path,
      certificate,
      changes: [noUpgrade],
    });
    const tab = await PageTab.open(browser, proxy);
    assertStringIncludes(await tab.problem("no-socket"), "let it pass WebSockets");
    await server.close();
    await tab.join({});
    const text = await tab.problem("gateway");
    assertStringIncludes(text, `${proxy.url}/health is answered with 502`);
    assertStringIncludes(text, "check that the server runs");
  },
});

problemTest("page: it says when instances of a server do not know each other", {
  ids: ["instances", "backplane", "some-backplanes"],
  missing: hasRedis ? undefined : "redis-server",
}, {
  async "without Redis, or with another prefix"(browser) {
    await using redis = await startRedis();
    const options = (prefix: string) => ({
      backplane: createRedisBackplane({ url: redis.url, prefix }),
    });
    for (
      const [one, another, text] of [
        [{}, {}, "connected to no other"],
        [options("a"), options("b"), "perhaps not to the same"],
      ] as const
    ) {
      await using server = await startOpenServer(one);
      await using other = await startOpenServer(another);
      const ada = await (await PageTab.open(browser, server)).joined();
      const address = await ada.page.getByLabel("Address for another").inputValue();
      const url = address.replace(server.url, other.url);
      const ben = await (await PageTab.open(browser, { url })).joined();
      const told = await ben.problem("instances");
      assertStringIncludes(told, text);
      assertStringIncludes(told, "give all of them the same REDIS_URL and REDIS_PREFIX");
      const eve = await PageTab.open(browser, { url: address });
      await eve.connected();
      await eve.noProblem();
    }
  },
  async "Redis that stalls"(browser) {
    await using redis = await startRedis();
    const options = () => ({ backplane: createRedisBackplane({ url: redis.url }) });
    await using server = await startOpenServer(options());
    await using other = await startOpenServer(options());
    const ada = await (await PageTab.open(browser, server)).joined();
    const ben = await PageTab.open(browser, other);
    await Promise.all([ada.connected(), ben.connected()]);
    const address = await ada.page.getByLabel("Address for another").inputValue();
    redis.stall();
    assertStringIncludes(await ada.problem("backplane", SLOW_MS), "Start Redis again");
    const eve = await PageTab.open(browser, { url: address.replace(server.url, other.url) });
    await eve.problem("backplane", SLOW_MS);
    redis.resume();
    for (const tab of [ada, eve]) await tab.noProblem();
    await eve.page.locator("#peers [data-state=connected]").nth(1).waitFor();
  },
  async "one Redis of two that stalls, and then the other"(browser) {
    await using one = await startRedis();
    await using another = await startRedis();
    const backplane = [one, another].map(({ url }) => createRedisBackplane({ url }));
    await using server = await startOpenServer({ backplane });
    const ada = await (await PageTab.open(browser, server)).joined();
    one.stall();
    const text = await ada.problem("some-backplanes", SLOW_MS);
    assertStringIncludes(text, "The server has lost 1 of 2 Redis servers");
    assertStringIncludes(text, "All other rooms work");
    await ada.step("server", "1 of 2 Redis servers are down");
    another.stall();
    assertStringIncludes(await ada.problem("backplane", SLOW_MS), "The server has lost Redis");
    one.resume();
    await ada.problem("some-backplanes", SLOW_MS);
    another.resume();
    await ada.noProblem();
  },
});

/** Two tabs of a server, of which one loses every packet. */
async function openApart(browser: TestBrowser, server: TestServer): Promise<PageTab[]> {
  const ada = await (await PageTab.open(browser, server)).joined();
  await ada.cutPaths();
  return [ada, await PageTab.open(browser, server)];
}

problemTest("page: it says what is missing for a path to a peer", {
  ids: [
    "no-webrtc",
    "relay-without-turn",
    "no-remote-candidates",
    "only-host",
    "no-public-address",
    "stun-silent",
    "unresolved",
    "no-answer",
    "needs-turn",
  ],
}, {
  async "no WebRTC"(browser) {
    await using server = await startOpenServer();
    const script = "delete globalThis.RTCPeerConnection";
    await (await PageTab.open(browser, server, { script })).problem("no-webrtc");
  },
  async "a peer that may use relays alone, without any"(browser) {
    await using server = await startOpenServer();
    const ada = await (await PageTab.open(browser, server, { room: "relayed" })).joined();
    const ben = await PageTab.open(browser, server, { room: "relayed", isRelayOnly: true });
    assertStringIncludes(await ben.problem("relay-without-turn"), "clear Relay only");
    await ada.problem("no-remote-candidates", SLOW_MS);
  },
  async "two networks without STUN and TURN"(browser) {
    await using server = await startOpenServer();
    for (const tab of await openApart(browser, server)) {
      const text = await tab.problem("only-host", SLOW_MS);
      assertStringIncludes(text, "Set ICE_SERVERS");
      assertStringIncludes(text, "a firewall");
    }
  },
  async "two networks with STUN that does not answer, and one page alone"(browser) {
    const urls = `stun:127.0.0.1:${freePort()}`;
    await using server = await startOpenServer({ iceServers: [{ urls }] });
    const alone = await PageTab.open(browser, server, { room: "alone" });
    for (const tab of await openApart(browser, server)) {
      assertStringIncludes(await tab.problem("no-public-address", SLOW_MS), urls);
    }
    assertStringIncludes(await alone.problem("stun-silent", SLOW_MS), urls);
  },
  async "names that no DNS knows"(browser) {
    for (
      const options of [
        { iceServers: [{ urls: `stun:${UNKNOWN_HOST}` }] },
        { iceServers: [turnServer(`turn:${UNKNOWN_HOST}`)] },
      ]
    ) {
      await using server = await startOpenServer(options);
      const tab = await PageTab.open(browser, server);
      assertMatch(
        await tab.problem("unresolved", SLOW_MS),
        /stun:turn\.invalid|turn:turn\.invalid/,
      );
    }
  },
  async "a peer that does not answer, and then leaves"(browser) {
    await using server = await startOpenServer();
    await using mute = await Client.join(server.signal({ room: "demo", nodeId: "mute" }));
    const tab = await PageTab.open(browser, server);
    assertStringIncludes(await tab.problem("no-answer", SLOW_MS), "mute does not answer");
    await mute.close();
  },
  async "networks that let nothing pass"(browser) {
    await using stun = await startNatStun();
    const iceServers = [{ urls: `stun:127.0.0.1:${stun.port}` }];
    await using server = await startOpenServer({ iceServers });
    for (const tab of await openApart(browser, server)) {
      assertStringIncludes(await tab.problem("needs-turn", SLOW_MS), "TURN_URLS");
      await tab.step("candidates", /: srflx, udp 203\.0\.113\.7/);
    }
  },
});

problemTest("page: it says when a policy of the browser keeps WebRTC from every address", {
  ids: ["no-candidates"],
  flags: ["--webrtc-ip-handling-policy=disable_non_proxied_udp"],
}, {
  async "without UDP"(browser) {
    await using server = await startOpenServer();
    await (await PageTab.open(browser, server)).joined();
    const tab = await PageTab.open(browser, server);
    assertStringIncludes(await tab.problem("no-candidates"), "Allow WebRTC");
  },
});

problemTest("page: it says when the addresses may be hidden behind names of multicast", {
  ids: ["only-host"],
  hidesAddresses: true,
}, {
  async "two networks"(browser) {
    await using server = await startOpenServer();
    const [ada] = await openApart(browser, server);
    await ada?.step("candidates", /own: host, udp \S+\.local:/);
    assertStringIncludes(await ada?.problem("only-host", SLOW_MS) ?? "", "perhaps multicast");
  },
});

problemTest("page: it says what is wrong with TURN, from a broken setting to the reason", {
  ids: [
    "turn-refused",
    "turn-silent",
    "turn-tls",
    "turn-error",
    "no-relay",
    "slow-gathering",
    "relay-fails",
  ],
  missing: MISSING_COTURN,
}, {
  async "another secret"(browser) {
    await using coturn = await startCoturn();
    const urls = [`turn:127.0.0.1:${coturn.port}`];
    const secret = "another-secret-than-that-of-coturn";
    await using server = await startServer({ playground: true, turn: { urls, secret } });
    const token = await server.token("todos");
    const ada = await (await PageTab.open(browser, server, { token })).joined();
    const text = await ada.problem("turn-refused");
    assertStringIncludes(text, "static-auth-secret");
    assert(!text.includes(secret));
    const ben = await PageTab.open(browser, server, { token, isRelayOnly: true });
    await ben.problem("turn-refused");
    await ben.page.locator("#problem[data-kind=error]").waitFor();
  },
  async "a clock that is two days slow, and a password that is wrong"(browser) {
    await using coturn = await startCoturn({ secrets: ["secret"] });
    const urls = `turn:127.0.0.1:${coturn.port}`;
    const { clock, forward } = settableClock();
    forward(-2 * DAY_MS);
    const turn = { urls: [urls], secret: "secret" };
    await using slow = await startServer({ playground: true, clock, turn });
    const tab = await PageTab.open(browser, slow, { token: await slow.token("todos") });
    assertStringIncludes(await tab.problem("turn-refused"), "clocks of both machines");
    const iceServers = [{ urls, username: "ada", credential: "guessed" }];
    await using wrong = await startOpenServer({ iceServers });
    const other = await PageTab.open(browser, wrong);
    assertStringIncludes(await other.problem("turn-refused"), "check username and credential");
  },
  async "a port that nothing listens on, before and after it is known that nothing else helps"(
    browser,
  ) {
    const urls = `turn:127.0.0.1:${freePort()}?transport=tcp`;
    await using server = await startOpenServer({ iceServers: [turnServer(urls)] });
    const [, tab] = await openApart(browser, server);
    assertStringIncludes(await tab?.problem("turn-silent") ?? "", urls);
    await tab?.page.locator("#problem[data-kind=error]").waitFor();
  },
  async "UDP that nothing answers, with and without other addresses"(browser) {
    const urls = `turn:127.0.0.1:${freePort()}`;
    await using server = await startOpenServer({ iceServers: [turnServer(urls)] });
    const room = "relayed";
    await (await PageTab.open(browser, server, { room, isRelayOnly: true })).joined();
    const relayed = await PageTab.open(browser, server, { room, isRelayOnly: true });
    const others = await openApart(browser, server);
    await relayed.problem("slow-gathering", SLOW_MS);
    for (const tab of [relayed, ...others]) {
      assertStringIncludes(await tab.problem("no-relay", SLOW_MS), urls);
    }
  },
  async "a certificate of nobody"(browser) {
    await using folder = await temporaryFolder();
    const tls = await makeCertificate(folder.path);
    await using coturn = await startCoturn({ secrets: ["secret"], tls });
    const urls = `turns:127.0.0.1:${coturn.tlsPort}`;
    await using server = await startOpenServer({ iceServers: [turnServer(urls)] });
    const tab = await PageTab.open(browser, server);
    assertStringIncludes(await tab.problem("turn-tls"), "valid for the host in the URL");
  },
  async "a quota, and no free port"(browser) {
    const port = freePort();
    for (
      const [config, setting] of [
        [["total-quota=1"], "total-quota"],
        [[`min-port=${port}`, `max-port=${port}`], "max-port"],
      ] as const
    ) {
      await using coturn = await startCoturn({ secrets: ["secret"], config });
      using _other = await TurnClient.allocate(coturn.port, turnUser("secret"));
      const urls = `turn:127.0.0.1:${coturn.port}`;
      await using server = await startOpenServer({ iceServers: [turnServer(urls)] });
      const tab = await PageTab.open(browser, server);
      assertStringIncludes(await tab.problem("turn-error"), setting);
    }
  },
  async "a relay that may not reach the peer"(browser) {
    const config = ["denied-peer-ip=127.0.0.0-127.255.255.255"];
    await using coturn = await startCoturn({ secrets: ["secret"], config });
    const urls = `turn:127.0.0.1:${coturn.port}`;
    await using server = await startOpenServer({ iceServers: [turnServer(urls)] });
    const ada = await (await PageTab.open(browser, server, { isRelayOnly: true })).joined();
    const ben = await PageTab.open(browser, server, { isRelayOnly: true });
    for (const tab of [ada, ben]) {
      assertStringIncludes(await tab.problem("relay-fails", SLOW_MS), "denied-peer-ip");
    }
  },
});
