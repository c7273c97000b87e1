/**
 * The client in real browsers, for each pair of engines, against a running server. The browsers of a
 * pair serve all of its steps, since they take seconds to start.
 */

import { assert, assertEquals } from "@std/assert";
import { MISSING_COTURN, startCoturn } from "../helpers/coturn.ts";
import {
  type ClientPage,
  type Engine,
  type EngineName,
  engineTest,
  serveClientPage,
  startEngine,
  type Tab,
} from "../helpers/engines.ts";
import { listening, OPEN, serve } from "../helpers/main.ts";
import { signalUrl, startOpenServer, startServer } from "../helpers/server.ts";

const PAIRS: readonly (readonly [EngineName, EngineName])[] = [
  ["chromium", "chromium"],
  ["firefox", "firefox"],
  ["chromium", "firefox"],
];

/** How many times both sides offer at the same time. */
const GLARES = 200;

for (const pair of PAIRS) {
  engineTest(`client: ${pair.join(" and ")}`, pair, async (test) => {
    await using page = await serveClientPage();
    await using first = await startEngine(pair[0]);
    await using other = pair[0] === pair[1] ? undefined : await startEngine(pair[1]);
    const context: Context = { page, first, second: other ?? first };
    // They mostly wait for time to pass: meanwhile the steps go on.
    const waiting = Object.entries(WAITING_STEPS).map(([name, run]) => {
      const ignore = run === relayed && MISSING_COTURN !== undefined;
      return { name, ignore, result: Promise.allSettled(ignore ? [] : [run(context)]) };
    });
    for (const [name, run] of Object.entries(STEPS)) {
      await test.step({ name, fn: () => run(context), ...UNSANITIZED });
    }
    for (const { name, ignore, result } of waiting) {
      const fn = async () => {
        for (const each of await result) if (each.status === "rejected") throw each.reason;
      };
      await test.step({ name, ignore, fn, ...UNSANITIZED });
    }
  });
}

/** Of steps, since others run beside them; of the whole test everything is checked. */
const UNSANITIZED = { sanitizeExit: false, sanitizeOps: false, sanitizeResources: false };

engineTest("client: a page that is cut off comes back", ["chromium"], async () => {
  await using page = await serveClientPage();
  await using engine = await startEngine("chromium");
  await using server = await startOpenServer();
  const context: Context = { page, first: engine, second: engine };
  await using couple = await connect(context, { url: server.signal() });
  await couple.ada.setOffline(true);
  await couple.ada.until("!navigator.onLine");
  await couple.ada.evaluate("say('ben', 'cut off')");
  await couple.ben.until("texts().includes('cut off')"); // Chromium cuts off servers alone.
  await couple.ada.setOffline(false);
  await couple.ada.until("client().state === 'joined'");
  await using third = await openTab(engine, page);
  await join(third.tab, { url: server.signal(), nodeId: "cyd" });
  await isConnected(third.tab, ["ada", "ben"]);
});

interface Context {
  readonly page: ClientPage;
  readonly first: Engine;
  readonly second: Engine;
}

/** Two tabs of one room that are connected. */
interface Couple extends AsyncDisposable {
  readonly ada: Tab;
  readonly ben: Tab;
}

const STEPS: Record<string, (context: Context) => Promise<void>> = {
  async "two pages connect, talk, and open another channel"(context) {
    await using server = await startOpenServer();
    await using couple = await connect(context, { url: server.signal() });
    const { ada, ben } = couple;
    await ada.evaluate("say('ben', 'hello ben')");
    await ben.evaluate("say('ada', 'hello ada')");
    await ben.until("texts().includes('hello ben')");
    await ada.until("texts().includes('hello ada')");
    await ada.evaluate(
      "{ const channel = linkOf('ben').peer.openChannel('more'); channel.onopen = () => channel.send('by another channel') }",
    );
    await ben.until("texts().includes('by another channel')");
    assertEquals(await ada.evaluate("[links.length, client().state]"), [1, "joined"]);
  },

  async "both sides offer at the same time, again and again, and stay connected"(context) {
    await using server = await startOpenServer();
    await using couple = await connect(context, { url: server.signal() });
    const { ada, ben } = couple;
    const [, ways] = await Promise.all([
      ada.evaluate<number>(`glare("ben", ${GLARES}, true)`),
      ben.evaluate<number>(`glare("ada", ${GLARES}, false)`),
    ]);
    assert(ways > GLARES / 2, `${ways} offers gave way`); // The larger id is the polite one.
    await ada.evaluate("say('ben', 'still there')");
    await ben.until("texts().includes('still there')");
    assertEquals(await ada.evaluate("links.length"), 1);
    assertEquals(await ben.evaluate("links.length"), 1);
  },

  async "a page that reloads under its name connects again, whichever of the two it is"(context) {
    await using server = await startOpenServer();
    const options = { url: server.signal() };
    await using couple = await connect(context, options);
    for (const [stays, reloads, id] of [["ada", "ben", "ben"], ["ben", "ada", "ada"]] as const) {
      await couple[reloads].reload();
      await join(couple[reloads], { ...options, nodeId: id });
      await isConnected(couple[reloads], [stays]);
      await isConnected(couple[stays], [id]);
    }
  },

  async "a page that crashed and came back is connected again"(context) {
    await using server = await startOpenServer();
    const options = { url: server.signal() };
    await using couple = await connect(context, options);
    await couple.ben.crash();
    await using sequel = await openTab(context.second, context.page);
    await join(sequel.tab, { ...options, nodeId: "ben" });
    await isConnected(sequel.tab, ["ada"]);
    await isConnected(couple.ada, ["ben"]);
  },

  async "connections outlive the server, and the pages come back when it does"(context) {
    await using server = serve({ env: OPEN });
    const { url, port } = await listening(server);
    await using couple = await connect(context, { url: signalUrl(url) });
    const { ada, ben } = couple;
    server.kill("SIGKILL");
    await server.exited;
    await ada.until("client().state === 'waiting'");
    await ada.evaluate("say('ben', 'without a server')");
    await ben.until("texts().includes('without a server')");
    await using restarted = await startOpenServer({}, port);
    await bothJoin(couple);
    await restarted.close({ drainMs: 500 });
    await ada.until("states.findLast(({ code }) => code)?.code === 1001");
    await using sequel = await startOpenServer({}, port);
    await bothJoin(couple);
    assertEquals([await ada.evaluate("links.length"), await ben.evaluate("links.length")], [1, 1]);
    await using third = await openTab(context.second, context.page);
    await join(third.tab, { url: sequel.signal(), nodeId: "cyd" });
    await isConnected(third.tab, ["ada", "ben"]);
    await isConnected(ada, ["ben", "cyd"]);
  },

  async "ten pages are connected with each other"({ page, first, second }) {
    await using server = await startOpenServer();
    await using tabs = new AsyncDisposableStack();
    const ids = [..."abcdefghij"];
    const opened = await Promise.all(ids.map(async (nodeId, n) => {
      const { tab } = tabs.use(await openTab(n % 2 === 0 ? first : second, page));
      return { nodeId, tab };
    }));
    await Promise.all(opened.map(({ nodeId, tab }) => join(tab, { url: server.signal(), nodeId })));
    for (const { nodeId, tab } of opened) {
      await isConnected(tab, ids.filter((id) => id !== nodeId));
      assertEquals(await tab.evaluate("links.length"), ids.length - 1);
    }
  },

  async "100 MB go over a channel, of which little waits at a time"(context) {
    await using server = await startOpenServer();
    await using couple = await connect(context, { url: server.signal() });
    const bytes = 100 * 2 ** 20;
    const most = await couple.ada.evaluate<number>(`pump("ben", ${bytes})`);
    await couple.ben.until(`linkOf("ada").received === ${bytes}`);
    assert(most <= 2 ** 20, `${most} bytes waited`);
  },

  async "a consumer goes to the next normal when the first leaves or crashes"(
    { page, first, second },
  ) {
    await using server = await startOpenServer();
    const url = server.signal();
    await using ada = await openTab(first, page);
    await using ben = await openTab(second, page);
    await using eve = await openTab(first, page);
    await join(ada.tab, { url, nodeId: "ada" });
    await join(eve.tab, { url, nodeId: "eve", role: "consumer" });
    await isConnected(eve.tab, ["ada"]);
    assertEquals(await ada.tab.evaluate("client().peers.get('eve').role"), "consumer");
    await join(ben.tab, { url, nodeId: "ben" });
    await isConnected(ben.tab, ["ada"]);
    await ada.tab.evaluate("client().close()");
    await isConnected(eve.tab, ["ben"]);
    if (second.name === "firefox") return; // It takes half a minute to notice.
    await ben.tab.crash();
    await join(ada.tab, { url, nodeId: "ada" });
    await isConnected(eve.tab, ["ada"]);
  },
};

const WAITING_STEPS: Record<string, (context: Context) => Promise<void>> = {
  "a refused token is replaced by the next, and an old one by a fresh one in time": refreshed,
  "pages connect by TURN alone, also when the first credentials and the first path are over":
    relayed,
};

async function refreshed({ page, first, second }: Context): Promise<void> {
  await using server = await startServer();
  await using ada = await openTab(first, page);
  await using ben = await openTab(second, page);
  const url = server.signal();
  const tokens = ["no.to.ken", await server.token("todos", "30s"), await server.token("todos")];
  await join(ada.tab, { url, nodeId: "ada", tokens });
  await join(ben.tab, { url, nodeId: "ben", tokens: tokens.slice(2) });
  await ada.tab.until("asked.length === 3 && states.at(-1).state === 'joined'");
  assertEquals(await ada.tab.evaluate("asked"), ["connect", "refused", "expiring"]);
  assertEquals(await ada.tab.evaluate("states.map(({ state, code }) => code ?? state)"), [
    "connecting",
    4003,
    "connecting",
    "joined",
  ]);
  await isConnected(ada.tab, ["ben"]);
  await isConnected(ben.tab, ["ada"]);
}

async function relayed(context: Context): Promise<void> {
  await using first = new AsyncDisposableStack();
  const { port } = first.use(await startCoturn());
  const urls = [`turn:127.0.0.1:${port}`];
  await using server = await startServer({ turn: { urls, secret: "north" }, iceTtl: "16s" });
  const tokens = [await server.token("todos")];
  const options = { url: server.signal(), tokens, rtc: { iceTransportPolicy: "relay" } };
  await using couple = await connect(context, options);
  const { ada, ben } = couple;

  // The server has sent fresh ones before that.
  const user = "linkOf('ben').peer.connection.getConfiguration().iceServers[0].username";
  const expires = Number((await ada.evaluate<string>(user)).split(":")[0]);
  await ada.until(`Date.now() > ${expires + 1} * 1000 && !${user}.startsWith(${expires})`);
  await using third = await openTab(context.second, context.page);
  await join(third.tab, { ...options, nodeId: "cyd" });
  await isConnected(third.tab, ["ada", "ben"]);

  // Every path leads through coturn: it is as if the network were cut, and another one found.
  await first.disposeAsync();
  await ada.until("linkOf('ben').peer.connection.connectionState !== 'connected'");
  await using _second = await startCoturn({ port });
  await ada.until("linkOf('ben').peer.connection.connectionState === 'connected'");
  await ada.evaluate("say('ben', 'by another relay')");
  await ben.until("texts().includes('by another relay')");
  assertEquals(await ada.evaluate("links.length"), 2);
  assertEquals(await relayTypes(ada), ["relay"]);
}

/** The kinds of this side's candidates for Ben. */
async function relayTypes(tab: Tab): Promise<string[]> {
  return [
    ...new Set(
      await tab.evaluate<string[]>(`linkOf("ben").peer.connection.getStats().then((stats) =>
      [...stats.values()].filter(({ type }) => type === "local-candidate")
        .map(({ candidateType }) => candidateType))`),
    ),
  ];
}

async function bothJoin({ ada, ben }: Couple): Promise<void> {
  for (const tab of [ada, ben]) await tab.until("client().state === 'joined'");
}

/** The tab is closed, unless it has crashed, by `await using`. */
async function openTab(
  engine: Engine,
  page: ClientPage,
): Promise<AsyncDisposable & { readonly tab: Tab }> {
  const tab = await engine.open(page.url);
  return { tab, [Symbol.asyncDispose]: () => tab.close() };
}

async function connect(
  { page, first, second }: Context,
  options: Record<string, unknown>,
): Promise<Couple> {
  const ada = await first.open(page.url);
  const ben = await second.open(page.url);
  await join(ada, { ...options, nodeId: "ada" });
  await join(ben, { ...options, nodeId: "ben" });
  await isConnected(ada, ["ben"]);
  await isConnected(ben, ["ada"]);
  return {
    ada,
    ben,
    async [Symbol.asyncDispose]() {
      await Promise.all([ada.close(), ben.close()]);
    },
  };
}

async function join(tab: Tab, options: Record<string, unknown>): Promise<void> {
  await tab.until("globalThis.isReady");
  await tab.evaluate(`join(${JSON.stringify({ room: "todos", ...options })})`);
}

function isConnected(tab: Tab, ids: readonly string[], ms?: number): Promise<void> {
  return tab.until(`connected().join() === ${JSON.stringify(ids.join())}`, ms);
}
