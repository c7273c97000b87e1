/** The client in one room with clients that behave as client-db 2.1 does, in a real browser. */

import { assertEquals } from "@std/assert";
import { until } from "../helpers/client.ts";
import {
  type ClientPage,
  type Engine,
  engineTest,
  serveClientPage,
  startEngine,
  type Tab,
} from "../helpers/engines.ts";
import { startOpenServer, type TestServer } from "../helpers/server.ts";

interface Room extends AsyncDisposable {
  readonly server: TestServer;
  /** A page with the client of this package, which opens a channel with this label to each peer. */
  ours(nodeId: string, opens: string, role?: string): Promise<Tab>;
  /** A page that behaves as client-db does. */
  theirs(nodeId: string, kind?: string): Promise<Tab>;
}

async function startRoom(): Promise<Room> {
  await using stack = new AsyncDisposableStack();
  const page: ClientPage = stack.use(await serveClientPage());
  const engine: Engine = stack.use(await startEngine("chromium"));
  const server = stack.use(await startOpenServer());
  const owned = stack.move();
  return {
    server,
    async ours(nodeId, opens, role = "normal") {
      const tab = await engine.open(page.url);
      await tab.until("globalThis.isReady");
      const options = { url: server.signal(), room: "todos", nodeId, opens, role };
      await tab.evaluate(`join(${JSON.stringify(options)})`);
      return tab;
    },
    async theirs(nodeId, kind = "normal") {
      const url = new URL("../helpers/page.html", import.meta.url);
      const query = { kind, nodeId, server: server.signal(), room: "todos", token: "" };
      url.search = new URLSearchParams(query).toString();
      const before = server.stats().peers;
      const tab = await engine.open(url.href);
      await until("it to join", () => server.stats().peers > before);
      return tab;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function interopTest(name: string, run: (room: Room) => Promise<void>): void {
  engineTest(`client and client-db: ${name}`, ["chromium"], async () => {
    await using room = await startRoom();
    await run(room);
  });
}

/** Both know each other over the channel of client-db, on which each says its name. */
async function isConnected(ours: Tab, ourId: string, theirs: Tab, theirId: string): Promise<void> {
  await ours.until(`texts().includes(${JSON.stringify(theirId)})`);
  await ours.evaluate(
    `linkOf("${theirId}").channels.forEach((channel) => channel.send("${ourId}"))`,
  );
  await theirs.until(`JSON.stringify(peers()) === ${JSON.stringify(JSON.stringify([ourId]))}`);
}

for (const [ourId, theirId] of [["ada", "ben"], ["ben", "ada"]] as const) {
  interopTest(`${ourId} offers to ${theirId}, who was there first`, async (room) => {
    const theirs = await room.theirs(theirId);
    const ours = await room.ours(ourId, "sync");
    await ours.until(`linkOf("${theirId}")?.channels[0]?.readyState === "open"`);
    await ours.evaluate(`linkOf("${theirId}").channels[0].send("${ourId}")`);
    await isConnected(ours, ourId, theirs, theirId);
  });

  interopTest(`${ourId} answers ${theirId}, who came later`, async (room) => {
    const ours = await room.ours(ourId, "");
    const theirs = await room.theirs(theirId);
    await isConnected(ours, ourId, theirs, theirId);
  });

  interopTest(
    `${ourId} is connected again with ${theirId}, who lost the connection`,
    async (room) => {
      const ours = await room.ours(ourId, "");
      const theirs = await room.theirs(theirId);
      await isConnected(ours, ourId, theirs, theirId);
      await theirs.evaluate(`drop("${ourId}")`);
      await ours.until("client().peers.size === 0");
      await theirs.reload();
      await ours.until(`texts().filter((text) => text === "${theirId}").length === 2`);
    },
  );
}

interopTest("a consumer calls a client-db normal", async (room) => {
  await room.theirs("ada");
  const eve = await room.ours("eve", "rpc", "consumer");
  await eve.until(`linkOf("ada")?.channels[0]?.readyState === "open"`);
  await eve.evaluate(
    `linkOf("ada").channels[0].send(JSON.stringify({ id: 1, method: "ping", params: [] }))`,
  );
  await eve.until("texts().length === 1");
  assertEquals(JSON.parse((await eve.evaluate<string[]>("texts()"))[0] ?? ""), {
    id: 1,
    result: { server: "ada", method: "ping", params: [] },
  });
});

interopTest("a client-db consumer calls a normal of this client", async (room) => {
  const ada = await room.ours("ada", "");
  const eve = await room.theirs("eve", "consumer");
  await eve.evaluate("void call('ping')");
  await ada.until("links[0]?.channels[0]?.label === 'rpc' && texts()[0]?.includes('ping')");
  assertEquals(await ada.evaluate("links[0].peer.role"), "consumer");
});
