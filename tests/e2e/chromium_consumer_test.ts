/** Consumers, and peers that lost each other, in a real browser against a running server. */

import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import type { Page, WebSocket } from "playwright-core";
import { browserTest, type TestBrowser } from "../helpers/browser.ts";
import { type Message, until, within } from "../helpers/client.ts";
import { startServer } from "../helpers/server.ts";
import type { ServerOptions, SignalingStats } from "../../mod.ts";

const ROOM = "todos";

const PATIENCE_MS = 20_000;

/** How long a pair that has to be reintroduced may take, in milliseconds: at 6 s, or at 15 s. */
const REINTRODUCTION_MS = 25_000;

browserTest("chromium: a consumer calls a normal and is in nobody's peer list", async (browser) => {
  await using room = await startRoom(browser);
  const ada = await room.normal("ada");
  const eve = await room.consumer("eve");

  assertEquals(await call(eve, "ping"), { server: "ada", method: "ping", params: [] });

  const ben = await room.normal("ben");
  await shows(ada, "peers", ["ben"]);
  await shows(ben, "peers", ["ada"]);
  assertEquals(listed(ada), []);
  assertEquals(listed(ben), ["ada"]);
  assertEquals(received(ada, "offer").map(({ from, fromRole }) => [from, fromRole]), [
    ["eve", "consumer"],
    ["ben", "normal"],
  ]);
  assertEquals(received(ben, "offer"), []);
});

browserTest("chromium: a consumer fails over when its server crashes", async (browser) => {
  await using room = await startRoom(browser);
  const ada = await room.normal("ada");
  await room.normal("ben");
  const eve = await room.consumer("eve");
  await shows(eve, "servers", ["ada", "ben"]);
  assertEquals((await call(eve, "ping")).server, "ada");

  await crash(ada);
  // It does not know yet that its connection is dead.
  const [reply] = await Promise.all([call(eve, "ping"), shows(eve, "servers", ["ben"])]);

  assertEquals(reply.server, "ben");
  assertEquals(
    outline(eve),
    [
      "sent register, received server-list, sent offer, received answer",
      "received server-list, sent offer, received answer",
    ].join(", "),
  );
});

browserTest("chromium: a consumer that came first is told of a normal", async (browser) => {
  await using room = await startRoom(browser);
  const eve = await room.consumer("eve");
  await shows(eve, "servers", []);
  await assertRejects(() => call(eve, "ping"), Error, "UNAVAILABLE");

  await room.normal("ada");

  await shows(eve, "servers", ["ada"]);
  assertEquals((await call(eve, "ping")).server, "ada");
});

// A page that crashes says goodbye to nobody: for about five seconds ada holds the old connection,
// takes the offer for one that crossed its own, and ignores it. Nobody would ever offer again.
browserTest("chromium: a page that crashed and came back is connected again", async (browser) => {
  await using room = await startRoom(browser);
  const ada = await room.normal("ada");
  const ben = await room.normal("ben");
  await shows(ada, "peers", ["ben"]);
  await shows(ben, "peers", ["ada"]);
  ada.frames.splice(0);

  await crash(ben);
  const sequel = await room.normal("ben");
  await shows(sequel, "peers", ["ada"], REINTRODUCTION_MS);
  await shows(ada, "peers", ["ben"]);
  // It did not answer: it offered, and only once the server had named ben again.
  assertMatch(
    outline(ada),
    /^received offer, (received peer-list, ){1,2}sent offer, received answer$/,
  );
  assertEquals(listed(ada), ["ben"]);
});

// A server goes down, a tab crashes meanwhile and comes back before the other's socket does. The other
// finds it in its list but still has the old connection, and the one that came back has nobody in its.
for (const [survivor, crashed] of [["ada", "ben"], ["ben", "ada"]] as const) {
  browserTest(
    `chromium: ${crashed} crashed while the server was away and comes back before ${survivor}'s socket`,
    async (browser) => {
      await using room = await startRoom(browser);
      const stays = await room.normal(survivor);
      const crashes = await room.normal(crashed);
      await shows(stays, "peers", [crashed]);
      await shows(crashes, "peers", [survivor]);

      await stays.page.evaluate("delaySocket(3000)");
      await room.restart(() => crash(crashes));
      const sequel = await room.normal(crashed);
      assertEquals(listed(sequel), []);

      await shows(sequel, "peers", [survivor], REINTRODUCTION_MS);
      await shows(stays, "peers", [crashed], REINTRODUCTION_MS);
    },
  );
}

browserTest(
  "chromium: a pair that lost its connection while both sockets live is connected again in its turn",
  async (browser) => {
    await using room = await startRoom(browser, { reintroduceSeconds: 3 });
    const ada = await room.normal("ada");
    const ben = await room.normal("ben");
    await shows(ada, "peers", ["ben"]);
    await shows(ben, "peers", ["ada"]);
    await ada.page.evaluate("drop('ben')");
    await ben.page.evaluate("drop('ada')");
    await shows(ada, "peers", ["ben"]);
    await shows(ben, "peers", ["ada"]);
  },
);

// Its URL names the room, as that of every 2.x client does, and its app has no token yet.
browserTest(
  "chromium: a consumer whose token takes a second is in nobody's peer list meanwhile",
  async (browser) => {
    for (const authEnabled of [false, true]) {
      await using room = await startRoom(browser, { authEnabled });
      const eve = room.consumer("eve", { tokenAfter: "1500", ...room.inUrl });
      await until("eve's socket", () => room.stats().pending > 0);
      const ada = await room.normal("ada");
      await shows(await eve, "servers", ["ada"]);
      assertEquals(listed(ada), []);
      assertEquals((await call(await eve, "ping")).server, "ada");
      assertEquals(received(ada, "offer").map(({ from, fromRole }) => [from, fromRole]), [
        ["eve", "consumer"],
      ]);
      const last = await room.normal("last");
      assertEquals(listed(last), ["ada"]);
    }
  },
);

interface Frame {
  readonly way: "sent" | "received";
  readonly message: Message;
}

/** A page, with what went through its WebSocket. */
interface Client {
  readonly page: Page;
  readonly frames: Frame[];
}

/** A room of a server with authentication, which pages can join as either kind of client. */
interface TestRoom extends AsyncDisposable {
  normal(nodeId: string): Promise<Client>;
  /** A consumer, perhaps with more options of the page. */
  consumer(nodeId: string, options?: Record<string, string>): Promise<Client>;
  /** The option with which a page also presents a room token, as an app may let all of its pages do. */
  readonly inUrl: Record<string, string>;
  stats(): SignalingStats;
  /** Stops the server, lets something happen and starts it again. */
  restart(meanwhile: () => Promise<void>): Promise<void>;
}

async function startRoom(browser: TestBrowser, options: ServerOptions = {}): Promise<TestRoom> {
  const { publicKey, privateKey } = await generateKeyPair("ES256");
  const issuer = "https://idp.example";
  const audience = "todos-app";
  const consumerToken = await new SignJWT({ rooms: [ROOM] }).setProtectedHeader({ alg: "ES256" })
    .setIssuer(issuer).setAudience(audience).setExpirationTime("1h").sign(privateKey);
  const jwks = btoa(JSON.stringify(await exportJWK(publicKey)));
  const { authEnabled = true } = options;
  const config: ServerOptions = {
    ...(authEnabled ? { consumerAuth: { jwks, issuer, audience, roomClaim: "rooms" } } : {}),
    ...options,
  };
  let server = await startServer(config);
  const { port, privateKeyJwk, publicKeyJwk } = server;
  const roomToken = authEnabled ? await server.token(ROOM) : "";
  const query = { server: server.signal(), room: ROOM };
  return {
    normal: (nodeId) => join(browser, { ...query, kind: "normal", nodeId, token: roomToken }),
    consumer: (nodeId, more = {}) =>
      join(browser, { ...query, kind: "consumer", nodeId, token: consumerToken, ...more }),
    inUrl: authEnabled ? { roomToken } : {},
    stats: () => server.stats(),
    async restart(meanwhile) {
      await server.close({ drainMs: 0 });
      await meanwhile();
      server = await startServer({ ...config, privateKeyJwk, publicKeyJwk }, port);
    },
    [Symbol.asyncDispose]: () => server.close({ drainMs: 0 }),
  };
}

/** Opens a page and waits until it has got its list. */
async function join(browser: TestBrowser, query: Record<string, string>): Promise<Client> {
  const url = new URL("../helpers/page.html", import.meta.url);
  url.search = new URLSearchParams(query).toString();
  const client: Client = { page: await browser.newPage(), frames: [] };
  client.page.on("websocket", (socket) => record(socket, client.frames));
  await client.page.goto(url.href);
  await until(
    "a list",
    () => client.frames.some(({ message }) => /^(peer|server)-list$/.test(message.type)),
  );
  return client;
}

function record(socket: WebSocket, frames: Frame[]): void {
  const keep = (way: Frame["way"]) => ({ payload }: { payload: string | Uint8Array }) => {
    const message: Message = JSON.parse(String(payload));
    if (message.type !== "ice-candidate") frames.push({ way, message });
  };
  socket.on("framesent", keep("sent"));
  socket.on("framereceived", keep("received"));
}

function received({ frames }: Client, type: string): Message[] {
  return frames.filter((frame) => frame.way === "received" && frame.message.type === type)
    .map(({ message }) => message);
}

/** Whom peer lists have named: a page that is slow to register gets a second one. */
function listed(client: Client): string[] {
  return [...new Set(received(client, "peer-list").flatMap(({ peers }) => peers))];
}

/** What went through, such as `sent offer, received answer`. */
function outline({ frames }: Client): string {
  return frames.map(({ way, message }) => `${way} ${message.type}`).join(", ");
}

/** Calls a method by the page's own means, which take their time to see that a server is gone. */
function call({ page }: Client, method: string): Promise<Message> {
  return within("a result", page.evaluate(`call(${JSON.stringify(method)})`), PATIENCE_MS);
}

/** Waits until the page has exactly these peers or servers, in this order. */
async function shows(
  { page }: Client,
  list: "peers" | "servers",
  ids: string[],
  timeout = PATIENCE_MS,
): Promise<void> {
  const isShown = `JSON.stringify(${list}()) === ${JSON.stringify(JSON.stringify(ids))}`;
  await page.waitForFunction(isShown, undefined, { polling: 100, timeout });
}

/** Ends a page's process at once, as if it were killed. */
async function crash({ page }: Client): Promise<void> {
  const crashed = page.waitForEvent("crash");
  await page.goto("chrome://crash").catch(() => {}); // It fails in any case.
  await crashed;
}
