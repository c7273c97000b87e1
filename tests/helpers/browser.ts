/** Starts a headless Chromium for tests, and decides what happens where there is none. */

import type { Page } from "playwright-core";
import { testWith } from "./program.ts";

export interface TestBrowser {
  /** Opens a page in a tab of its own. */
  newPage(): Promise<Page>;
}

/** How long a page may take for what a test waits for, in milliseconds. */
const PATIENCE_MS = 20_000;

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Shows addresses and not names that need multicast: a container may not have it. */
const SHOWS_ADDRESSES = "--disable-features=WebRtcHideLocalIpsWithMdns";

/** What else a browser may be. */
export interface BrowserOptions {
  /** Hides the addresses of this device behind names, as people's browsers do. */
  readonly hidesAddresses?: boolean;
  /** Accepts every certificate. */
  readonly acceptsCertificates?: boolean;
  readonly flags?: readonly string[];
}

const EXECUTABLE = Deno.env.get("CHROMIUM") || "/usr/bin/chromium";

/** The path at which there is no Chromium, if there is none. */
export const MISSING_CHROMIUM: string | undefined = exists(EXECUTABLE) ? undefined : EXECUTABLE;

/**
 * A test with a browser of its own, whose profile is fresh and removed afterwards.
 *
 * @param alsoMissing Another program that it needs and that is missing.
 */
export function browserTest(
  name: string,
  run: (browser: TestBrowser) => Promise<void>,
  alsoMissing?: string,
): void {
  testWith(MISSING_CHROMIUM ?? alsoMissing, name, () => withBrowser(run));
}

/** How Chromium is started. */
export function chromiumFlags(): { executablePath: string; args: string[] } {
  return { executablePath: EXECUTABLE, args: [...FLAGS, SHOWS_ADDRESSES] };
}

/** Runs something with a browser; an error in one of its pages is one of the test. */
export async function withBrowser(
  run: (browser: TestBrowser) => Promise<void>,
  { hidesAddresses = false, acceptsCertificates = false, flags = [] }: BrowserOptions = {},
): Promise<void> {
  // Imported here, so that a test that is skipped does not load it.
  const { chromium } = await import("playwright-core");
  const errors: Error[] = [];
  const { executablePath, args } = chromiumFlags();
  const own = hidesAddresses ? args.filter((flag) => flag !== SHOWS_ADDRESSES) : args;
  const browser = await chromium.launch({ executablePath, args: [...own, ...flags] });
  try {
    const context = await browser.newContext({ ignoreHTTPSErrors: acceptsCertificates });
    context.setDefaultTimeout(PATIENCE_MS);
    context.on("weberror", (event) => errors.push(event.error()));
    await run({ newPage: () => context.newPage() });
  } finally {
    await browser.close();
  }
  if (errors.length > 0) throw new AggregateError(errors, "A page threw an error");
}

/** Whether there is such a file. */
export function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
