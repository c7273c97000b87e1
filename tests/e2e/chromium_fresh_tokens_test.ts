/** The recipe of docs/authentication.md that gives fresh tokens to pages which client-db 2.1 runs in. */

import { assertEquals } from "@std/assert";
import type { Page } from "playwright-core";
import { browserTest, type TestBrowser } from "../helpers/browser.ts";
import { Client, until } from "../helpers/client.ts";
import { settableClock } from "../helpers/settable_clock.ts";
import { startServer, type TestServer } from "../helpers/server.ts";

/** Opens a page whose `signalingServer` is this expression; `token` is a global variable of the page. */
async function open(
  browser: TestBrowser,
  server: TestServer,
  nodeId: string,
  expression: (url: string) => string,
): Promise<Page> {
  const page = await browser.newPage();
  const url = JSON.stringify(`${server.signal()}?token=`);
  const token = JSON.stringify(await server.token("room"));
  await page.addInitScript({
    content: `globalThis.token = ${token}; globalThis.signalingServer = ${expression(url)};`,
  });
  const file = new URL("../helpers/page.html", import.meta.url);
  file.search = new URLSearchParams({ room: "room", nodeId }).toString();
  await page.goto(file.href);
  return page;
}

/** As in the docs. */
const asObject = (url: string) =>
  `{
    toString: () => ${url} + token,
    includes: (text) => (${url} + token).includes(text),
  }`;
const asText = (url: string) => `${url} + token`;

browserTest(
  "fresh tokens: a page as of client-db 2.1 comes back with the token of the moment",
  async (browser) => {
    const { clock, forward } = settableClock();
    await using server = await startServer({ clock });
    const fresh = await open(browser, server, "fresh", asObject);
    const stale = await open(browser, server, "stale", asText);
    await until("both pages to join", () => server.stats().peers === 2);

    forward(3_601_000); // The first tokens have expired.
    const next = await server.token("room");
    for (const page of [fresh, stale]) await page.evaluate((next) => globalThis.token = next, next);
    // Each page loses its connection to a client that takes its name.
    for (const nodeId of ["fresh", "stale"]) {
      const client = await Client.join(server.signal({ token: next, room: "room", nodeId }));
      await client.close();
    }

    const observer = await Client.join(server.signal({ token: next, room: "room", nodeId: "z" }));
    assertEquals((await observer.next("offer")).from, "fresh");
    assertEquals(server.stats().peers, 2); // The observer and the fresh page.
    await observer.close();
  },
);

declare global {
  var token: string;
}
