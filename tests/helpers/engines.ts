/**
 * Browsers of two engines behind one interface, each a process of its own with a fresh profile, and
 * the server of the page that they open. `browser.ts` is for tests of Chromium alone.
 */

import { CLIENT_JS } from "../../src/page/client_js.ts";
import { chromiumFlags, exists, MISSING_CHROMIUM } from "./browser.ts";
import { testWith } from "./program.ts";

/** How long a page may take for what a test waits for, in milliseconds. */
const PATIENCE_MS = 30_000;

export type EngineName = "chromium" | "firefox";

const FIREFOX = Deno.env.get("FIREFOX") || "/usr/bin/firefox-esr";

const MISSING: Record<EngineName, string | undefined> = {
  chromium: MISSING_CHROMIUM,
  firefox: exists(FIREFOX) ? undefined : FIREFOX,
};

/** A page. */
export interface Tab {
  evaluate<T>(expression: string): Promise<T>;
  /** Waits until an expression is true. */
  until(expression: string, ms?: number): Promise<void>;
  reload(): Promise<void>;
  close(): Promise<void>;
  /** Ends the process of the page at once, as if it were killed. */
  crash(): Promise<void>;
  /** Cuts the page off the network, or connects it again: in Chromium only. */
  setOffline(isOffline: boolean): Promise<void>;
}

export interface Engine extends AsyncDisposable {
  readonly name: EngineName;
  open(url: string): Promise<Tab>;
}

/**
 * A test with engines.
 *
 * @param alsoMissing Another program that it needs and that is missing.
 */
export function engineTest(
  name: string,
  engines: readonly EngineName[],
  run: (test: Deno.TestContext) => Promise<void>,
  alsoMissing?: string,
): void {
  const missing = engines.map((engine) => MISSING[engine]).find((path) => path !== undefined);
  testWith(missing ?? alsoMissing, name, run);
}

export function startEngine(name: EngineName): Promise<Engine> {
  return name === "chromium" ? startChromium() : startFirefox();
}

async function startChromium(): Promise<Engine> {
  const { chromium } = await import("playwright-core");
  const browser = await chromium.launch(chromiumFlags());
  const context = await browser.newContext();
  return {
    name: "chromium",
    async open(url) {
      const page = await context.newPage();
      await page.goto(url);
      return {
        evaluate: (expression) => page.evaluate(expression),
        until: (expression, timeout = PATIENCE_MS) =>
          page.waitForFunction(expression, undefined, { polling: 50, timeout }).then(() => {}),
        reload: () => page.reload().then(() => {}),
        close: () => page.close(),
        async crash() {
          const crashed = page.waitForEvent("crash");
          await page.goto("chrome://crash").catch(() => {}); // It fails in any case.
          await crashed;
        },
        setOffline: (isOffline) => context.setOffline(isOffline),
      };
    },
    [Symbol.asyncDispose]: () => browser.close(),
  };
}

async function startFirefox(): Promise<Engine> {
  const { default: puppeteer } = await import("puppeteer-core");
  const browser = await puppeteer.launch({
    browser: "firefox",
    executablePath: FIREFOX,
    headless: true,
    protocolTimeout: 3 * PATIENCE_MS,
    extraPrefsFirefox: {
      // A TURN server of a test is on loopback.
      "media.peerconnection.ice.loopback": true,
      "media.peerconnection.ice.obfuscate_host_addresses": false,
      // Only one tab is in front: the timers of the others must not wait for seconds.
      "dom.min_background_timeout_value": 4,
      "dom.timeout.enable_budget_timer_throttling": false,
    },
  });
  return {
    name: "firefox",
    async open(url) {
      const page = await browser.newPage();
      await page.goto(url);
      return {
        evaluate: (expression) => page.evaluate(expression) as Promise<never>,
        until: (expression, timeout = PATIENCE_MS) =>
          page.waitForFunction(expression, { polling: 50, timeout }).then(() => {}),
        reload: () => page.reload().then(() => {}),
        close: () => page.close().catch(() => {}), // It may have crashed.
        crash: () => page.goto("about:crashcontent").then(() => {}, () => {}),
        setOffline: () => Promise.reject(new Error("Firefox cannot be cut off")),
      };
    },
    [Symbol.asyncDispose]: () => browser.close(),
  };
}

export interface ClientPage extends AsyncDisposable {
  /** The address of `client_page.html` with the client. */
  readonly url: string;
}

/** Serves the page with the client as it was last built. */
export async function serveClientPage(): Promise<ClientPage> {
  const html = await Deno.readTextFile(new URL("client_page.html", import.meta.url));
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, ({ url }) => {
    const [body, type] = new URL(url).pathname === "/client.js"
      ? [CLIENT_JS, "text/javascript"]
      : [html, "text/html"];
    return new Response(body, { headers: { "content-type": `${type}; charset=utf-8` } });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
