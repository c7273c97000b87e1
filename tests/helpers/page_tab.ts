/** The page that the server answers at `/`, as a user drives it in Chromium. */

import type { Page } from "playwright-core";
import type { TestBrowser } from "./browser.ts";
import type { TestServer } from "./server.ts";

export interface PageTabOptions {
  readonly token?: string;
  readonly room?: string;
  readonly name?: string;
  readonly role?: "normal" | "consumer";
  readonly isRelayOnly?: boolean;
  /** A script that runs before the page's own. */
  readonly script?: string;
}

/** Ids of the problems that have been read from pages. */
export const problemsRead = new Set<string>();

/** Makes a test fail whose page does what its own policy forbids: such an error is one of the page. */
const REPORT_VIOLATIONS = `addEventListener("securitypolicyviolation", (event) => {
  throw new Error("The policy forbids " + event.violatedDirective + " " + event.blockedURI);
})`;

/** A tab with the page. */
export class PageTab {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  /** Opens the page of a server, and joins by its form if any of its fields is given. */
  static async open(
    browser: TestBrowser,
    { url }: Pick<TestServer, "url">,
    { script, ...fields }: PageTabOptions = {},
  ): Promise<PageTab> {
    const page = await browser.newPage();
    await page.addInitScript({ content: REPORT_VIOLATIONS });
    if (script !== undefined) await page.addInitScript({ content: script });
    await page.goto(url);
    const tab = new PageTab(page);
    if (Object.keys(fields).length > 0) await tab.join(fields);
    return tab;
  }

  /** Fills the form and sends it. */
  async join({ token, room, name, role, isRelayOnly }: PageTabOptions): Promise<void> {
    const { page } = this;
    if (room !== undefined) await page.getByRole("textbox", { name: "Room" }).fill(room);
    if (token !== undefined) await page.getByLabel("Token", { exact: true }).fill(token);
    await page.locator("details").evaluate((details) => details.setAttribute("open", ""));
    if (name !== undefined) await page.getByLabel("Name", { exact: true }).fill(name);
    if (role !== undefined) await page.getByLabel("Join as").selectOption(role);
    await page.getByLabel("Relay only").setChecked(isRelayOnly === true);
    await page.getByRole("button", { name: "Join" }).click();
  }

  /** Waits until the page is in its room. */
  async joined(): Promise<this> {
    await this.page.locator("#status[data-state=joined]").waitFor();
    return this;
  }

  /** Waits until a peer is connected: the one of this name, or any. */
  async connected(name = ""): Promise<void> {
    await this.page.locator("#peers [data-state=connected]", { hasText: name }).waitFor();
  }

  /** Waits until the page tells this problem, and returns what it says. */
  async problem(id: string, ms?: number): Promise<string> {
    const box = this.page.locator(`#problem[data-problem=${id}]:not([hidden])`);
    await box.waitFor(ms === undefined ? {} : { timeout: ms }).catch(async (cause) => {
      const shown = await this.page.locator("header, #problem").allInnerTexts();
      throw new Error(`No ${id} but: ${shown.join("; ")}`, { cause });
    });
    problemsRead.add(id);
    return await box.innerText();
  }

  /** Drops every packet that WebRTC sends or gets from now on; HTTP and WebSockets work as before. */
  async cutPaths(): Promise<void> {
    const session = await this.page.context().newCDPSession(this.page);
    await session.send("Network.enable");
    const everything = { urlPattern: "", latency: 0, downloadThroughput: -1, uploadThroughput: -1 };
    await session.send("Network.emulateNetworkConditionsByRule", {
      matchedNetworkConditions: [{ ...everything, packetLoss: 100 }],
    });
  }

  /** Waits until the page tells no problem. */
  async noProblem(): Promise<void> {
    await this.page.locator("#problem").waitFor({ state: "hidden" });
  }

  /** Waits for a step of the timeline. */
  async step(name: string, text: string | RegExp = ""): Promise<void> {
    await this.page.locator(`#timeline [data-step="${name}"]`, { hasText: text }).first().waitFor();
  }

  async say(text: string): Promise<void> {
    await this.page.bringToFront();
    await this.page.getByLabel("Message", { exact: true }).fill(text);
    await this.page.getByRole("button", { name: "Send", exact: true }).click();
  }

  /** Waits for a text in the messages. */
  async receives(text: string): Promise<void> {
    await this.page.locator("#chat p", { hasText: text }).first().waitFor();
  }
}
