/** What the page says when something is wrong: each of these failures is staged in Chromium. */

import { assert, assertStringIncludes } from "@std/assert";
import { browserTest } from "../helpers/browser.ts";
import { Client } from "../helpers/client.ts";
import { MISSING_COTURN, startCoturn } from "../helpers/coturn.ts";
import { PageTab } from "../helpers/page_tab.ts";
import { freePort } from "../helpers/port.ts";
import { newProvider } from "../helpers/provider.ts";
import { ADMIN_SECRET, startOpenServer, startServer } from "../helpers/server.ts";
import { settableClock } from "../helpers/settable_clock.ts";

/** Lets a page find its addresses, but no path: it uses none of the other side's. */
const NO_PATH = `
  RTCPeerConnection.prototype.addIceCandidate = () => Promise.resolve();
  const describe = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
    return describe.call(this, { type, sdp: sdp.replace(/a=candidate:.*\\r\\n/g, "") });
  };
`;

/** How long a page may take to say that a connection does not come about, in milliseconds. */
const SLOW_MS = 40_000;

browserTest("page: it says what is wrong with a token, and what to do", async (browser) => {
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
  await tab.join({ token, room: "todos" });
  await tab.joined();
  await tab.noProblem();
  const revoked = await fetch(`${server.url}/revoke`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-admin-secret": ADMIN_SECRET },
    body: JSON.stringify({ subject: "todos", issuedBefore: "now" }),
  });
  await revoked.body?.cancel();
  await tab.problem("revoked-token");
  forward(2 * 3600 * 1000);
  await tab.join({ token, room: "todos" });
  assertStringIncludes(await tab.problem("expired-token"), "It was valid until");
});

browserTest(
  "page: it says when a consumer is refused, and when nobody serves it",
  async (browser) => {
    const provider = await newProvider();
    await using server = await startServer({ playground: true });
    const token = await provider.token();
    const tab = await PageTab.open(browser, server, { role: "consumer", room: "todos", token });
    assertStringIncludes(await tab.problem("consumers-off"), "CONSUMER_JWKS_URL");
    const consumerAuth = { jwks: (await newProvider()).jwks };
    await using strict = await startServer({ playground: true, consumerAuth });
    const refused = await PageTab.open(browser, strict, { role: "consumer", room: "todos", token });
    await refused.problem("consumer-token");
    await using open = await startOpenServer();
    const alone = await PageTab.open(browser, open, { role: "consumer", room: "todos" });
    await alone.problem("no-servers");
  },
);

browserTest(
  "page: it says that ALLOWED_ORIGINS does not contain its own origin",
  async (browser) => {
    await using server = await startOpenServer({ allowedOrigins: ["https://app.example.com"] });
    const tab = await PageTab.open(browser, server);
    assertStringIncludes(await tab.problem("origin"), `Add ${server.url} to ALLOWED_ORIGINS`);
  },
);

browserTest(
  "page: it says when the server does not answer, and joins when it does",
  async (browser) => {
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
);

browserTest("page: it says when a limit or another tab keeps it out", async (browser) => {
  await using small = await startOpenServer({ limits: { maxPeersPerRoom: 1, maxConnections: 2 } });
  await using _peer = await Client.join(small.signal({ room: "demo" }));
  const crowded = await PageTab.open(browser, small);
  await crowded.problem("room-full");
  await using _other = await Client.join(small.signal({ room: "another" }));
  const full = await PageTab.open(browser, small);
  await full.problem("no-socket");

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

  await using open = await startOpenServer();
  const first = await (await PageTab.open(browser, open, { name: "ada" })).joined();
  const second = await PageTab.open(browser, open, { name: "ada" });
  await second.joined();
  await first.problem("name-in-use");
});

browserTest(
  "page: it says that the one who has invited it may be on another instance",
  async (browser) => {
    await using server = await startOpenServer();
    await using other = await startOpenServer();
    const ada = await (await PageTab.open(browser, server)).joined();
    const address = await ada.page.getByLabel("Address for another").inputValue();
    const url = address.replace(server.url, other.url);
    const ben = await (await PageTab.open(browser, { url })).joined();
    assertStringIncludes(
      await ben.problem("instances"),
      "set REDIS_URL and REDIS_PREFIX to the same",
    );
    const eve = await PageTab.open(browser, { url: address });
    await eve.connected();
    await eve.noProblem();
  },
);

browserTest(
  "page: it says when the browser has no WebRTC or gives no candidate",
  async (browser) => {
    await using server = await startOpenServer();
    const none = await PageTab.open(browser, server, {
      script: "delete globalThis.RTCPeerConnection",
    });
    await none.problem("no-webrtc");
    await (await PageTab.open(browser, server)).joined();
    const relayed = await PageTab.open(browser, server, { isRelayOnly: true });
    assertStringIncludes(await relayed.problem("no-candidates"), "clear Relay only");
  },
);

browserTest(
  "page: it says when there are local addresses alone, and no path between them",
  async (browser) => {
    await using server = await startOpenServer();
    const ada = await (await PageTab.open(browser, server, { script: NO_PATH })).joined();
    const ben = await PageTab.open(browser, server, { script: NO_PATH });
    for (const tab of [ada, ben]) {
      assertStringIncludes(await tab.problem("only-host", SLOW_MS), "Set ICE_SERVERS");
    }
  },
);

browserTest("page: it says when a peer does not answer", async (browser) => {
  await using server = await startOpenServer();
  await using _mute = await Client.join(server.signal({ room: "demo", nodeId: "mute" }));
  const tab = await PageTab.open(browser, server);
  assertStringIncludes(await tab.problem("no-answer", SLOW_MS), "mute does not answer");
});

browserTest(
  "page: it says that TURN refuses the credentials, or does not answer",
  async (browser) => {
    await using coturn = await startCoturn();
    const turn = {
      urls: [`turn:127.0.0.1:${coturn.port}`],
      secret: "another-secret-than-that-of-coturn",
    };
    await using server = await startServer({ playground: true, turn });
    const token = await server.token("todos");
    const ada = await (await PageTab.open(browser, server, { token })).joined();
    const text = await ada.problem("turn-refused");
    assertStringIncludes(text, "static-auth-secret");
    assert(!text.includes(turn.secret));
    const ben = await PageTab.open(browser, server, { token, isRelayOnly: true });
    await ben.problem("turn-refused");
    await ben.page.locator("#problem[data-kind=error]").waitFor();

    const silent = { ...turn, urls: [`turn:127.0.0.1:${freePort()}`] };
    await using quiet = await startServer({ playground: true, turn: silent });
    const eve = await PageTab.open(browser, quiet, { token: await quiet.token("todos") });
    assertStringIncludes(await eve.problem("turn-silent", SLOW_MS), silent.urls[0] ?? "");
  },
  MISSING_COTURN,
);
