/** The example pages in a real browser, against a running server. */

import type { Page } from "playwright-core";
import { createServer } from "../../mod.ts";
import { browserTest, type TestBrowser } from "../helpers/browser.ts";
import { newProvider } from "../helpers/provider.ts";
import { ADMIN_SECRET, startOpenServer, startServer, type TestServer } from "../helpers/server.ts";

browserTest("chromium: two pages exchange data through a running server", async (browser) => {
  await using server = await startServer({ playground: true });
  const open = await roomOpener(browser, server);
  const ada = await open("ada");
  const ben = await open("ben");
  await exchange(ada, ben);
});

browserTest("chromium: a page that reloads under its nodeId connects again", async (browser) => {
  await using server = await startServer({ playground: true });
  const open = await roomOpener(browser, server);
  const smaller = await open("ada");
  const larger = await open("ben");
  await exchange(smaller, larger);

  await smaller.page.reload();

  await exchange(smaller, larger);
});

browserTest("chromium: pages come back by themselves when the server does", async (browser) => {
  await using server = await startServer({ playground: true });
  const open = await roomOpener(browser, server);
  const ada = await open("ada");
  const ben = await open("ben");
  await exchange(ada, ben);

  await server.close();
  await hasState(ada, "waiting");
  await hasState(ben, "waiting");
  await exchange(ada, ben); // Their connection needs no server.

  const { port, privateKeyJwk } = server;
  await using sequel = await createServer({
    adminSecret: ADMIN_SECRET,
    privateKeyJwk,
    playground: true,
  });
  await sequel.listen({ port, host: "127.0.0.1" });
  await hasState(ada, "joined");
  await hasState(ben, "joined");
  const eve = await open("eve");
  await exchange(eve, ada);
  await exchange(eve, ben);
});

browserTest("chromium: a page needs no token where authentication is off", async (browser) => {
  await using server = await startOpenServer();
  const first = await openTab(browser, { server: server.url });
  const second = await openTab(browser, { server: server.url });
  await exchange(first, second);
});

browserTest("chromium: a page says where it finds no client", async (browser) => {
  await using server = await startServer();
  const page = await browser.newPage();
  await page.goto(addressOf("two-tabs", { server: server.url }));
  await page.locator("#state", { hasText: "start the server with AUTH_DISABLED" }).waitFor();
});

browserTest(
  "chromium: a consumer asks a normal, and the next one when that has left",
  async (browser) => {
    const provider = await newProvider();
    await using server = await startServer({
      playground: true,
      consumerAuth: { jwks: provider.jwks },
    });
    const openAs = async (role: string, token: string) => {
      const page = await browser.newPage();
      await page.goto(addressOf("consumers", { server: server.url, room: "todos", role, token }));
      await page.locator("#state", { hasText: "joined" }).waitFor();
      return page;
    };
    const token = await server.token("todos");
    const normals = [await openAs("normal", token), await openAs("normal", token)];
    const consumer = await openAs("consumer", await provider.token());
    for (let answers = 1; answers <= 2; answers++) {
      await consumer.locator("#ask:enabled").click();
      await consumer.locator("#log p", { hasText: "It is" }).nth(answers - 1).waitFor();
      const served = await Promise.any(normals.map(async (page) => {
        await page.locator("#log p", { hasText: "is a consumer" }).waitFor();
        return page;
      }));
      normals.splice(normals.indexOf(served), 1);
      await served.close();
      await consumer.locator("#log p", { hasText: "has left" }).nth(answers - 1).waitFor();
    }
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
  const query = { server: server.url, token: await server.token("todos"), room: "todos" };
  return (nodeId) => openTab(browser, { ...query, nodeId });
}

/** Opens the example as a user does, from its file, and waits until it has joined its room. */
async function openTab(browser: TestBrowser, query: Record<string, string>): Promise<Tab> {
  const page = await browser.newPage();
  await page.goto(addressOf("two-tabs", query));
  await page.locator("#state[data-state=joined]").waitFor();
  return { page, id: await page.locator("#me").innerText() };
}

function addressOf(example: string, query: Record<string, string>): string {
  const url = new URL(`../../examples/${example}.html`, import.meta.url);
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
  await from.page.getByRole("button", { name: "Send" }).click();
  await to.page.locator("#log p", { hasText: `${from.id} ${text}` }).waitFor();
}
