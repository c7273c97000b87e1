/** The page in real browsers: two tabs connect and talk, and what it may not do with what it is given. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Buffer } from "node:buffer";
import decodeQR from "qr/decode.js";
import { browserTest } from "../helpers/browser.ts";
import { until } from "../helpers/client.ts";
import { MISSING_COTURN, startCoturn } from "../helpers/coturn.ts";
import {
  type EngineName,
  engineTest,
  serveClientPage,
  startEngine,
  type Tab,
} from "../helpers/engines.ts";
import { PageTab } from "../helpers/page_tab.ts";
import { newProvider } from "../helpers/provider.ts";
import { startOpenServer, startServer } from "../helpers/server.ts";

browserTest("page: two tabs of it connect and talk, and it shows each step", async (browser) => {
  await using server = await startOpenServer();
  const ada = await (await PageTab.open(browser, server)).joined();
  const ben = await PageTab.open(browser, server);
  await Promise.all([ada.connected(), ben.connected()]);
  const evil = '<img src=x onerror="document.title=1"> ' + "a".repeat(50);
  await ada.say(evil);
  await ben.receives(evil);
  await ben.say("and back");
  await ada.receives("and back");
  for (const tab of [ada, ben]) {
    for (
      const step of [
        ["server", "authentication is disabled"],
        ["token", "not needed"],
        ["socket", "open after"],
        ["ICE servers", "names none"],
        ["room", "joined demo as tab-"],
        ["list", tab === ada ? "no other peer" : "1 peer"],
        ["offer", tab === ada ? "received from" : "sent to"],
        ["answer", tab === ada ? "sent to" : "received from"],
        ["candidates", /own: host, udp/],
        ["candidates", /of tab-\w+: host, udp/],
        ["selected pair", "host udp"],
        ["round trip", "ms"],
        ["channel", "open to"],
      ] as const
    ) await tab.step(step[0], step[1]);
    const card = tab.page.locator(".card[data-state=connected]");
    await card.locator('[data-value="Received"]', { hasText: /\d B|kB/ }).waitFor();
    await card.locator('[data-value="Own candidates"]', { hasText: /\d host/ }).waitFor();
    await tab.noProblem();
    assertEquals(await tab.page.locator("#chat img").count(), 0);
  }
});

browserTest("page: a file goes over the channel and is offered for download", async (browser) => {
  await using server = await startOpenServer();
  const ada = await (await PageTab.open(browser, server)).joined();
  const ben = await PageTab.open(browser, server);
  await ben.connected();
  const bytes = crypto.getRandomValues(new Uint8Array(60_000));
  const name = '..<b>"evil".html';
  const file = { name, mimeType: "text/html", buffer: Buffer.from(bytes) };
  await ben.page.getByLabel("Send a file").setInputFiles(file);
  const download = ada.page.waitForEvent("download");
  await ada.page.locator("#chat a[download]").click();
  const saved = await download;
  assertMatch(saved.suggestedFilename(), /^[^<"/]*evil_\.html$/);
  assertEquals(await Deno.readFile(await saved.path()), bytes);
  await ben.receives("delivered");
});

browserTest(
  "page: a file that is too large, longer than announced, or no file, is refused",
  async (browser) => {
    await using server = await startOpenServer();
    await using client = await serveClientPage();
    const tab = await (await PageTab.open(browser, server, { name: "ada" })).joined();
    const other = await browser.newPage();
    await other.goto(client.url);
    await other.evaluate(
      `join(${JSON.stringify({ url: server.signal(), room: "demo", nodeId: "eve" })})`,
    );
    await other.waitForFunction("linkOf('ada')?.peer.channel.readyState === 'open'");
    const errors: Error[] = [];
    tab.page.on("pageerror", (error) => errors.push(error));
    // Channels that announce nothing are no transfers.
    await other.evaluate(`for (let n = 0; n < 9; n++) linkOf("ada").peer.openChannel("file")`);
    for (
      const [messages, answer] of [
        ['JSON.stringify({name:"a",size:1e15})', "the file is too large"],
        ['JSON.stringify({name:"a",size:-1})', "the file was not announced"],
        ["new ArrayBuffer(9)", "the file was not announced"],
        ['"no JSON"', "the file was not announced"],
        [
          'JSON.stringify({name:"a",size:1}), new ArrayBuffer(2)',
          "the file is larger than announced",
        ],
        ['JSON.stringify({name:"a",size:1}), "text"', "bytes were expected"],
        [
          'JSON.stringify({name:"a",size:1.5}), new ArrayBuffer(2), new ArrayBuffer(2)',
          "the file was not announced",
        ],
        ['JSON.stringify({name:"a",size:1}), "text", "text", "text"', "bytes were expected"],
      ]
    ) {
      const text = await other.evaluate(`new Promise((resolve) => {
        const channel = linkOf("ada").peer.openChannel("file");
        channel.onopen = () => { for (const each of [${messages}]) channel.send(each) };
        channel.onmessage = ({ data }) => resolve(data);
      })`);
      assertEquals(text, answer);
    }
    assertEquals(await tab.page.locator("#chat a").count(), 0);
    await tab.connected("eve");
    const transfers = tab.page.locator("#timeline [data-step=file]");
    await transfers.nth(2).waitFor();
    assertEquals(await transfers.count(), 3);
    assertEquals(errors, []);
  },
);

browserTest(
  "page: names and floods of a peer change nothing of the page but their own lines",
  async (browser) => {
    await using server = await startOpenServer();
    await using client = await serveClientPage();
    const room = "de\u202emo\n";
    const tab = await PageTab.open(browser, {
      url: `${server.url}/#${new URLSearchParams({ room })}`,
    });
    await tab.joined();
    const other = await browser.newPage();
    await other.goto(client.url);
    const eve = "ok\u202e is connected\n\nserver: type your token";
    const joined = { url: server.signal(), room: room.trim(), nodeId: eve };
    await other.evaluate(`join(${JSON.stringify(joined)})`);
    await tab.connected("ok_ is connected__server: type your token");
    await tab.receives("ok_ is connected__server: type your token is connected");
    await tab.page.bringToFront();
    await other.evaluate(`{
      const [link] = links;
      const { channel } = link.peer;
      let sent = 0;
      const more = () => {
        for (let n = 0; n < 100 && sent < 20_000; n++) channel.send(sent++ + "x".repeat(50));
        channel.send("flood");
        if (sent < 20_000) setTimeout(more);
        else channel.send("the end");
      };
      more();
    }`);
    await tab.receives("the end");
    assertEquals(await tab.page.locator("#chat > p").count(), 200);
    const shown = await tab.page.evaluate("document.title + document.body.textContent");
    assertMatch(String(shown), /de_mo/);
    assertEquals(/[\u202e]/.test(String(shown)), false);
  },
);

browserTest(
  "page: a token is in no address, in no storage and not in the history, and goes to the tab that it opens",
  async (browser) => {
    await using server = await startServer({ playground: true });
    const token = await server.token("todos");
    const tab = await PageTab.open(browser, server, { token });
    await tab.joined(); // The room is the token's.
    const opened = tab.page.context().waitForEvent("page");
    await tab.page.getByRole("link", { name: "Open another tab" }).click();
    const other = await new PageTab(await opened).joined();
    await Promise.all([tab.connected(), other.connected()]);
    for (const { page } of [tab, other]) {
      assertMatch(page.url(), /#room=todos$/);
      const found: unknown[] = await page.evaluate(`[
        history.length > 3,
        localStorage.length + sessionStorage.length,
        document.cookie,
        location.href + document.documentElement.outerHTML,
      ]`);
      assertEquals(found.slice(0, 3), [false, 0, ""]);
      assert(!String(found[3]).includes(token));
    }
    assertEquals(await other.page.evaluate("opener"), null);
  },
);

browserTest(
  "page: a token that the opening tab hands over late is used, unless the user goes on without",
  async (browser) => {
    await using server = await startServer({ playground: true });
    // The tab answers when it is told to.
    const script = `{
      const held = [];
      addEventListener("message", (event) => {
        if (!event.isTrusted) return;
        event.stopImmediatePropagation();
        held.push(event);
      });
      globalThis.release = () => {
        for (const { origin, source, data } of held.splice(0)) {
          dispatchEvent(new MessageEvent("message", { origin, source, data }));
        }
      };
    }`;
    const tab = await PageTab.open(browser, server, { token: await server.token("todos"), script });
    await tab.joined();
    const others: PageTab[] = [];
    for (let n = 0; n < 2; n++) {
      const opened = tab.page.context().waitForEvent("page");
      await tab.page.getByRole("link", { name: "Open another tab" }).click();
      others.push(new PageTab(await opened));
    }
    const [waiting, used] = others;
    assert(waiting !== undefined && used !== undefined);
    await used.join({ name: "ben" });
    for (const each of others) await each.problem("no-token");
    await tab.page.evaluate("release()");
    await waiting.joined();
    assertEquals(await used.page.getByLabel("Token", { exact: true }).inputValue(), "");
  },
);

browserTest(
  "page: the address for another device is also a QR code where one can reach it",
  async (browser) => {
    await using server = await startOpenServer();
    const local = await (await PageTab.open(browser, server)).joined();
    assertEquals(await local.page.locator("#qr svg").count(), 0);
    await local.page.getByText("works on this machine alone").waitFor();
    // As another device sees it: under an address that is not known to be this machine's own.
    const url = `http://[::ffff:127.0.0.1]:${server.port}`;
    const { page } = await (await PageTab.open(browser, { url })).joined();
    const [, size = ""] = (await page.locator("#qr svg").getAttribute("viewBox") ?? "").split(
      " 0 ",
    );
    const path = await page.locator("#qr path").getAttribute("d") ?? "";
    const address = await page.getByLabel("Address for another").inputValue();
    assertMatch(address, /#room=demo&peer=tab-\w+$/);
    assertEquals(readQr(Number.parseInt(size), path), address);
  },
);

browserTest(
  "page: a consumer connects by a consumer token, and its peer shows it",
  async (browser) => {
    const provider = await newProvider();
    await using server = await startServer({
      playground: true,
      consumerAuth: { jwks: provider.jwks },
    });
    const consumer = await PageTab.open(browser, server, {
      room: "todos",
      role: "consumer",
      token: await provider.token(),
    });
    await consumer.problem("no-servers");
    const normal = await PageTab.open(browser, server, { token: await server.token("todos") });
    await consumer.connected();
    await consumer.noProblem();
    await normal.page.locator('[data-value="State"]', { hasText: "a consumer" }).waitFor();
    await consumer.say("hello");
    await normal.receives("hello");
  },
);

browserTest(
  "page: it fits 320 px and wide screens, light and dark, and each control has a name",
  async (browser) => {
    await using server = await startOpenServer();
    const ada = await (await PageTab.open(browser, server, { name: "a".repeat(128) })).joined();
    const ben = await PageTab.open(browser, server, { name: "b".repeat(128), room: "demo" });
    await ben.connected();
    await ada.say("w".repeat(300));
    for (const colorScheme of ["light", "dark"] as const) {
      await ben.page.emulateMedia({ colorScheme });
      for (const width of [320, 390, 768, 1280, 2560]) {
        await ben.page.setViewportSize({ width, height: 800 });
        const wide = await ben.page.evaluate("document.documentElement.scrollWidth");
        assertEquals([width, wide], [width, width]);
      }
      assertEquals(await ben.page.evaluate(CONTRAST), []);
    }
    for (const { page } of [ada, ben]) {
      assertEquals(await page.evaluate(UNNAMED), []);
      assertEquals(await page.evaluate(DUPLICATE_IDS), []);
    }
    await ben.page.getByRole("status").filter({ hasText: "In the room demo as b" }).waitFor();
    await ben.page.getByRole("status").filter({ hasText: "1 peer is connected" }).waitFor();
    // By keyboard alone: from the first field to the message.
    await ben.page.getByRole("textbox", { name: "Room" }).focus();
    const order: string[] = [];
    for (let n = 0; n < 20 && order.at(-1) !== "message"; n++) {
      await ben.page.keyboard.press("Tab");
      order.push(await ben.page.evaluate("document.activeElement.id"));
    }
    const ids = [
      "token",
      "role",
      "name",
      "relay",
      "enter",
      "leave",
      "another",
      "address",
      "chat",
      "message",
    ];
    assertEquals(order.filter((id) => id !== ""), ids);
    await server.close();
    await ben.page.getByRole("alert").filter({ hasText: "The server does not answer" }).waitFor();
  },
);

/** Reads a QR code that is drawn by a square for each dark module. */
function readQr(size: number, path: string): string {
  const scale = 4;
  const width = size * scale;
  const data = new Uint8Array(width * width * 4).fill(255);
  for (const [, x, y] of path.matchAll(/M(\d+) (\d+)h/g)) {
    for (let n = 0; n < scale ** 2; n++) {
      const [column, row] = [
        Number(x) * scale + n % scale,
        Number(y) * scale + Math.floor(n / scale),
      ];
      data.fill(0, (row * width + column) * 4, (row * width + column) * 4 + 3);
    }
  }
  return decodeQR({ width, height: width, data });
}

/** Controls without a name for a screen reader. */
const UNNAMED = `
  [...document.querySelectorAll("input, select, button, a, [role=log], progress")]
    .filter((element) => !(element.labels?.length || element.ariaLabel || element.textContent.trim()))
    .map((element) => element.outerHTML)
`;

/** Ids of more than one element. */
const DUPLICATE_IDS = `
  [...document.querySelectorAll("[id]")].map(({ id }) => id)
    .filter((id, index, all) => all.indexOf(id) !== index)
`;

/** Texts whose contrast is below 4.5 (WCAG 2.2, 1.4.3). */
const CONTRAST = `{
  const channel = (value) => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((value) => channel(value / 255));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = parse(getComputedStyle(each).backgroundColor);
      if (color[3] !== 0) return color;
    }
    return [255, 255, 255];
  };
  [...document.querySelectorAll("h1, h2, h3, p, label, b, dt, dd, li, summary, td, th, a, button:enabled, .time")]
    .filter((element) => element.checkVisibility())
    .filter((element) => {
      const pair = [luminance(parse(getComputedStyle(element).color)), luminance(behind(element))];
      return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05) < 4.5;
    })
    .map((element) => element.outerHTML.slice(0, 100));
}`;

/** Waits until an expression is true. The page's policy forbids what the browsers' drivers have for it. */
function becomes(tab: Tab, expression: string): Promise<void> {
  return until(expression, () => tab.evaluate<boolean>(expression), 30_000);
}

/** Chooses a file, as a user does. */
const SEND_FILE = `{
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(60000)], "zeros.bin"));
  const input = document.querySelector("#file");
  input.files = data.files;
  input.dispatchEvent(new Event("change"));
}`;

const ENGINES: readonly (readonly [EngineName, EngineName])[] = [
  ["firefox", "firefox"],
  ["chromium", "firefox"],
];

for (const pair of ENGINES) {
  engineTest(`page: ${pair.join(" and ")} connect and talk`, pair, async () => {
    await using server = await startOpenServer();
    await using first = await startEngine(pair[0]);
    await using other = pair[0] === pair[1] ? undefined : await startEngine(pair[1]);
    const ada = await first.open(server.url);
    await becomes(ada, "document.querySelector('#status').dataset.state === 'joined'");
    const ben = await (other ?? first).open(server.url);
    for (const tab of [ada, ben]) {
      await becomes(tab, "document.querySelector('#peers [data-state=connected]') !== null");
      await tab.evaluate(`{
        document.querySelector("#message").value = "hello";
        document.querySelector("#talk").requestSubmit();
      }`);
    }
    for (const tab of [ada, ben]) {
      await tab.evaluate(SEND_FILE);
    }
    for (const tab of [ada, ben]) {
      await becomes(tab, "document.querySelector('#chat .theirs')?.textContent.endsWith(' hello')");
      await becomes(tab, "document.querySelector('#chat a[download]') !== null");
      await becomes(tab, "document.querySelector('#chat').textContent.includes('delivered')");
      await becomes(
        tab,
        `["selected pair", "round trip"]
        .every((step) => document.querySelector('#timeline [data-step="' + step + '"]') !== null)`,
      );
    }
  });
}

browserTest("page: it tests STUN and TURN and connects by the relay alone", async (browser) => {
  const secret = "a-secret-that-this-server-and-coturn-share";
  await using coturn = await startCoturn({ secrets: [secret] });
  const urls = [`turn:127.0.0.1:${coturn.port}`, `turn:127.0.0.1:${coturn.port}?transport=tcp`];
  await using server = await startServer({
    playground: true,
    iceServers: [{ urls: `stun:127.0.0.1:${coturn.port}` }],
    turn: { urls, secret },
  });
  const token = await server.token("todos");
  const ada = await (await PageTab.open(browser, server, { token, isRelayOnly: true })).joined();
  const ben = await PageTab.open(browser, server, { token, isRelayOnly: true });
  await Promise.all([ada.connected(), ben.connected()]);
  await ben.step("candidates", /own: relay/);
  await ben.step("selected pair", "relay udp");
  for (const url of urls) {
    const row = ben.page.locator(`#servers [data-url="${url}"]`);
    await row.getByText(/^gives a relay, after \d/).waitFor();
  }
  const stun = ben.page.locator('#servers [data-url^="stun:"] [data-outcome=ok]');
  await stun.waitFor();
  await ben.page.getByRole("button", { name: "Test again" }).click();
  await ben.page.locator("#servers td", { hasText: "testing…" }).first().waitFor();
  await stun.waitFor();
  await ben.noProblem();
}, MISSING_COTURN);
