/** Takes the picture of the page that the README shows: two tabs that talk. `deno task build:image`. */

import { chromiumFlags } from "./browser.ts";
import { ROOT } from "./command.ts";
import { PageTab } from "./page_tab.ts";
import { startOpenServer } from "./server.ts";

const { chromium } = await import("playwright-core");
await using server = await startOpenServer();
const browser = await chromium.launch(chromiumFlags());
try {
  const context = await browser.newContext({ viewport: { width: 1040, height: 720 } });
  const tabs = { newPage: () => context.newPage() };
  const ada = await (await PageTab.open(tabs, server)).joined();
  const ben = await PageTab.open(tabs, server);
  await ada.connected();
  await ben.connected();
  await ben.say("Hello from the other tab");
  await ada.receives("Hello");
  await ada.say("This went from browser to browser");
  await ada.step("round trip");
  // The port is another one each time.
  await ada.page.getByLabel("Address for another").evaluate(
    (input) => Reflect.set(input, "value", "http://127.0.0.1:8080/#room=demo&peer=ada"),
  );
  await ada.page.getByLabel("Address for another").blur();
  await ada.page.evaluate("scrollTo({ top: 0, behavior: 'instant' })");
  await ada.page.screenshot({ path: `${ROOT}docs/page.png` });
} finally {
  await browser.close();
}
