/**
 * The client in real browsers, for each pair of engines, against a running server. The browsers of a
 * pair serve all of its steps, since they take seconds to start.
 */

import { assert, assertEquals } from "@std/assert";
import {
  type ClientPage,
  type Engine,
  type EngineName,
  engineTest,
  serveClientPage,
  startEngine,
  type Tab,
} from "../helpers/engines.ts";
import { startOpenServer } from "../helpers/server.ts";

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
    for (const [name, run] of Object.entries(STEPS)) {
      await test.step(name, () => run(context));
    }
  });
}

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

  async "both sides restart ICE at the same time, again and again, and stay connected"(context) {
    if (context.second.name === "firefox") return;
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
};

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
