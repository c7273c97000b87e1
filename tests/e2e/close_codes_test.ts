/** Close codes reach a browser whose client sends `register` from `onopen`, as all clients do. */

import { assert, assertEquals } from "@std/assert";
import { browserTest, type TestBrowser } from "../helpers/browser.ts";
import { until } from "../helpers/client.ts";
import { startDelayedProxy } from "../helpers/delayed_proxy.ts";
import { startServer } from "../helpers/server.ts";

const TRIES = 60;
/** Sockets that are open at the same time. */
const AT_ONCE = 6;

/** How often each close code came to a page that connects to these URLs at once, again and again. */
async function closeCodes(
  browser: TestBrowser,
  urls: readonly string[],
): Promise<Record<string, number>> {
  const page = await browser.newPage();
  const codes = await page.evaluate(async ({ urls, tries }) => {
    const connect = (url: string) =>
      new Promise<number>((resolve) => {
        const socket = new WebSocket(url);
        socket.onopen = () => socket.send('{"type":"register","role":"normal"}');
        socket.onclose = ({ code, reason }) => resolve(reason === "" ? -code : code);
      });
    const codes: number[] = [];
    while (codes.length < tries) codes.push(...await Promise.all(urls.map(connect)));
    return codes;
  }, { urls, tries: TRIES });
  return Object.fromEntries(
    [...new Set(codes)].map((code) => [code, codes.filter((other) => other === code).length]),
  );
}

function testCloseCodes(where: string, delayMs: number | undefined): void {
  const name = `close codes: a refused client ${where} sees why in ${TRIES} of ${TRIES} tries`;
  browserTest(name, async (browser) => {
    await using server = await startServer({ limits: { maxFailedAuthPerMinute: 0 } });
    using proxies = new DisposableStack();
    // A browser opens one socket to a port at a time: proxies have a port for each.
    const ports = Array.from({ length: AT_ONCE }, () => {
      if (delayMs === undefined) return server.port;
      return proxies.use(startDelayedProxy(server.port, delayMs)).port;
    });
    const signal = (query: Record<string, string>) =>
      ports.map((port) => server.signal(query).replace(`:${server.port}`, `:${port}`));
    assertEquals(await closeCodes(browser, signal({ token: "x.y.z" })), { 4003: TRIES });
    assertEquals(await closeCodes(browser, signal({ room: "r" })), { 4001: TRIES });
    const start = performance.now();
    await until("refused sockets to be gone", () => server.stats().closing === 0);
    assert(performance.now() - start < 1000);
  });
}

testCloseCodes("on loopback", undefined);
testCloseCodes("behind 75 ms each way", 75);
