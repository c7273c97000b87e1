/** The example page in a real browser, against a running server. */

import { assertEquals, assertMatch } from "@std/assert";
import type { Page } from "playwright-core";
import { createServer } from "../../mod.ts";
import { browserTest, type TestBrowser } from "../helpers/browser.ts";
import { until } from "../helpers/client.ts";
import { ADMIN_SECRET, startOpenServer, startServer, type TestServer } from "../helpers/server.ts";

/** Makes a page send and take no ICE candidate, so that there is no path to its peers. */
const NO_CANDIDATES = {
  content: `
    RTCPeerConnection.prototype.addIceCandidate = () => Promise.resolve();
    const { send } = WebSocket.prototype;
    WebSocket.prototype.send = function (text) {
      if (!text.includes("ice-candidate")) send.call(this, text);
    };
  `,
};

/** Makes a page expect another key than its peers have, so that its connections fail. */
const ANOTHER_KEY = {
  content: `
    const describe = RTCPeerConnection.prototype.setRemoteDescription;
    RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
      return describe.call(this, { type, sdp: sdp.replace(/(fingerprint:sha-256 )../, "$100") });
    };
  `,
};

browserTest("chromium: two pages exchange data through a running server", async (browser) => {
  await using server = await startServer();
  const open = await roomOpener(browser, server);
  const ada = await open("ada");
  const ben = await open("ben");

  await exchange(ada, ben);

  const { auth, peers, rooms } = await server.health();
  assertEquals({ auth, peers, rooms }, { auth: "enabled", peers: 2, rooms: 1 });
});

// The page that reloads offers to the one that stayed, which may not know yet that the old connection
// has ended. It answers all the same if its own id is the larger one. If it is the smaller one, it
// takes the offer for one that crossed its own and ignores it, and nobody offers again. A page that
// reloads closes its connections first, which nearly always arrives in time, but nothing promises it.
browserTest("chromium: a page that reloads under its nodeId connects again", async (browser) => {
  await using server = await startServer();
  const open = await roomOpener(browser, server);
  const smaller = await open("ada");
  const larger = await open("ben");
  await exchange(smaller, larger);

  await smaller.page.reload();

  await exchange(smaller, larger);
});

browserTest("chromium: pages come back by themselves when the server does", async (browser) => {
  await using server = await startServer();
  const open = await roomOpener(browser, server);
  const ada = await open("ada");
  const ben = await open("ben");
  await exchange(ada, ben);

  await server.close();
  await hasState(ada, "offline");
  await hasState(ben, "offline");
  await exchange(ada, ben); // Their connection needs no server.

  const { port, privateKeyJwk } = server;
  await using sequel = await createServer({ adminSecret: ADMIN_SECRET, privateKeyJwk });
  await sequel.listen({ port, host: "127.0.0.1" });
  await hasState(ada, "connected");
  await hasState(ben, "connected");
  const eve = await open("eve");
  await exchange(eve, ada);
  await exchange(eve, ben);
});

browserTest("chromium: a page needs no token where authentication is off", async (browser) => {
  await using server = await startOpenServer();
  const first = await openTab(browser, { server: server.signal() });
  const second = await openTab(browser, { server: server.signal() });

  await exchange(first, second);

  assertMatch(first.id, /^tab-\w+$/);
  assertEquals(await first.page.locator("#room").textContent(), "demo");
});

browserTest(
  "chromium: a page takes ICE servers as URLs or JSON, and says what it cannot read",
  async (browser) => {
    await using server = await startOpenServer();
    const ice = ["stun:foo", "stun:a:3478, stun:b", '[{"urls":"stun:foo"}]'];
    for (const text of ice) await openTab(browser, { server: server.signal(), ice: text });
    for (const text of ["foo", "[{", '[{"urls":"http://foo"}]']) {
      const page = await openPage(browser, { server: server.signal(), ice: text });
      await page.locator("#state[data-state=failed]", { hasText: /^Check .* ice is neither/ })
        .waitFor();
    }
  },
);

browserTest(
  "chromium: a page finds a server by host and port, and says when none answers",
  async (browser) => {
    await using server = await startOpenServer();
    await openTab(browser, { server: `127.0.0.1:${server.port}` });
    await openTab(browser, { server: server.url });
    const lost = await openPage(browser, { server: "localhost:1" });
    const noAnswer = /^no answer from ws:\/\/localhost:1\/signal, trying again in \d s$/;
    await lost.locator("#state[data-state=offline]", { hasText: noAnswer }).waitFor();
    const page = await openPage(browser, { server: "ftp://localhost" });
    await page.locator("#state[data-state=failed]", { hasText: "server is no URL like" }).waitFor();
  },
);

browserTest(
  "chromium: a page says when no path to a peer is found, and what helps",
  async (browser) => {
    await using server = await startOpenServer();
    await openTab(browser, { server: server.signal(), nodeId: "ada" });
    const page = await browser.newPage();
    await page.clock.install();
    await page.addInitScript(NO_CANDIDATES);
    await page.goto(addressOf({ server: server.signal(), nodeId: "ben" }));
    await page.locator("#peers [data-state=connecting]", { hasText: "ada: connecting" }).waitFor();
    const noPath = page.locator("#peers [data-state=connecting]", {
      hasText: "ada: no path found yet",
    });
    await until("the page to say so", async () => {
      await page.clock.fastForward(10_000);
      return await noPath.count() > 0;
    });
    await page.locator("#log p", { hasText: "add ?ice=stun:… to the address of both pages" })
      .waitFor();
  },
);

browserTest(
  "chromium: a page keeps a peer in sight to which the connection failed",
  async (browser) => {
    await using server = await startOpenServer();
    await openTab(browser, { server: server.signal(), nodeId: "ada" });
    const page = await browser.newPage();
    await page.addInitScript(ANOTHER_KEY);
    await page.goto(addressOf({ server: server.signal(), nodeId: "ben" }));
    await page.locator("#peers [data-state=failed]", { hasText: "ada: no path found" }).waitFor();
    await page.locator("#log p", { hasText: "No path to ada was found" }).waitFor();
  },
);

interface Tab {
  readonly page: Page;
  /** The `nodeId` that the page shows. */
  readonly id: string;
}

/** Opens tabs, by `nodeId`, with a token for one room. */
async function roomOpener(
  browser: TestBrowser,
  server: TestServer,
): Promise<(nodeId: string) => Promise<Tab>> {
  const query = { server: server.signal(), token: await server.token("todos"), room: "todos" };
  return (nodeId) => openTab(browser, { ...query, nodeId });
}

/** Opens the example as a user does, from its file, and waits until it has joined its room. */
async function openTab(browser: TestBrowser, query: Record<string, string>): Promise<Tab> {
  const page = await openPage(browser, query);
  const tab: Tab = { page, id: await page.locator("#me").innerText() };
  await hasState(tab, "connected");
  return tab;
}

async function openPage(browser: TestBrowser, query: Record<string, string>): Promise<Page> {
  const page = await browser.newPage();
  await page.goto(addressOf(query));
  return page;
}

function addressOf(query: Record<string, string>): string {
  const url = new URL("../../examples/two-tabs.html", import.meta.url);
  url.search = new URLSearchParams(query).toString();
  return url.href;
}

function hasState({ page }: Tab, state: string): Promise<void> {
  return page.locator(`#state[data-state=${state}]`).waitFor();
}

/** Sends a text each way, the newer page first: the other may still hold a connection that ended. */
async function exchange(first: Tab, second: Tab): Promise<void> {
  await deliver(first, second);
  await deliver(second, first);
}

async function deliver(from: Tab, to: Tab): Promise<void> {
  const text = `<b>hello</b> ${crypto.randomUUID()}`;
  await from.page.locator("#peers [data-state=connected]", { hasText: to.id }).waitFor();
  await from.page.bringToFront();
  await from.page.locator("#text").fill(text);
  await from.page.locator("#send").click();
  await to.page.locator("#log p", { hasText: `${from.id} ${text}` }).waitFor();
}
