/** Peers that reach each other through a real coturn alone, with the credentials that they are given. */

import { assert, assertEquals } from "@std/assert";
import { generateKeyPairJwk, type IceServer, type ServerOptions } from "../../mod.ts";
import { Client, until } from "../helpers/client.ts";
import { MISSING_COTURN, startCoturn, type TestCoturn } from "../helpers/coturn.ts";
import {
  type Engine,
  type EngineName,
  engineTest,
  startEngine,
  type Tab,
} from "../helpers/engines.ts";
import { listening, serve } from "../helpers/main.ts";
import { hasPrograms } from "../helpers/program.ts";
import { newProvider } from "../helpers/provider.ts";
import {
  ADMIN_SECRET,
  requestToken,
  signalUrl,
  startServer,
  type TestServer,
} from "../helpers/server.ts";

const SECRET = "a-secret-that-this-server-and-coturn-share";

/** How a page gets its ICE servers: see `tests/helpers/relay.html`. */
const WAYS = ["given", "fetched", "pushed"] as const;

for (const name of ["chromium", "firefox"] as const) {
  relayTest(`${name}: two pages exchange data through coturn, however they get credentials`, name, {
    async run(engine, server, test) {
      for (const ice of WAYS) {
        await test.step(ice, async () => {
          const ada = await openTab(engine, server, { nodeId: "ada", ice });
          const ben = await openTab(engine, server, { nodeId: "ben", ice });
          await talk(ada, ben);
          await Promise.all([ada.close(), ben.close()]);
        });
      }
    },
  });
}

relayTest("chromium: a consumer calls a normal through coturn", "chromium", {
  provider: await newProvider(),
  async run(engine, server, _, consumerToken) {
    const ice = "pushed";
    const normal = await openTab(engine, server, { nodeId: "normal", ice });
    const query = { server: server.signal(), room: "room", nodeId: "consumer", consumerToken, ice };
    await talk(await engine.open(relayPage(query)), normal);
  },
});

const WITH_NOTHING_ELSE = "chromium: pages with no other path connect by TURN_URLS and TURN_SECRET";

coturnTest(WITH_NOTHING_ELSE, "chromium", async (engine, coturn) => {
  const { privateKeyJwk } = await generateKeyPairJwk();
  const env = { HOST: "127.0.0.1", PORT: "0", PRIVATE_KEY_JWK: privateKeyJwk, ADMIN_SECRET };
  for (const isConfigured of [false, true]) {
    const pair = { TURN_URLS: `turn:127.0.0.1:${coturn.port}`, TURN_SECRET: SECRET };
    await using running = serve({ env: { ...env, ...isConfigured ? pair : {} } });
    const { url } = await listening(running);
    const token = await requestToken(url, ADMIN_SECRET, "room");
    const open = (nodeId: string) =>
      engine.open(relayPage({ server: signalUrl(url), token, nodeId, ice: "fetched" }));
    const ada = await open("ada");
    const ben = await open("ben");
    if (isConfigured) await talk(ada, ben);
    else await Promise.any([ada, ben].map((tab) => tab.until("globalThis.hasNoPath?.()")));
    await Promise.all([ada.close(), ben.close()]);
    running.kill("SIGTERM");
    await running.exited;
    assert(!running.stdout().includes(SECRET) && !running.stderr().includes(SECRET));
  }
});

Deno.test({
  name: "relay: coturn accepts credentials of each way over UDP and TCP, and no others",
  ignore: MISSING_COTURN !== undefined || !await hasPrograms("turnutils_uclient"),
  async fn() {
    await using coturn = await startCoturn({ secrets: ["the-old-secret", SECRET] });
    await using server = await startServer(turnOptions(coturn));
    const foreign = { turn: { ...turnOptions(coturn).turn, secret: "another-secret" } };
    await using other = await startServer(foreign);
    for (const ice of WAYS) {
      const [turn] = await iceServers(server, { ice });
      for (const args of [[], ["-t"]]) {
        assert(await allocates(coturn, turn, args), `${ice} ${args}`);
      }
      const [stranger] = await iceServers(other, { ice });
      assert(!await allocates(coturn, stranger, []));
      const [expires = "", tag] = turn?.username?.split(":") ?? [];
      const stretched = `${Number(expires) + 3600}:${tag}`;
      assert(!await allocates(coturn, { ...turn, username: stretched } as IceServer, []));
    }
  },
});

interface RelayTest {
  readonly provider?: Awaited<ReturnType<typeof newProvider>>;
  readonly run: (
    engine: Engine,
    server: TestServer,
    test: Deno.TestContext,
    consumerToken: string,
  ) => Promise<void>;
}

/** A test with a coturn, and a server that shares a secret with it. */
function relayTest(name: string, engine: EngineName, { provider, run }: RelayTest): void {
  coturnTest(name, engine, async (started, coturn, test) => {
    await using server = await startServer({
      ...turnOptions(coturn),
      ...(provider === undefined ? {} : { consumerAuth: { jwks: provider.jwks } }),
    });
    const consumerToken = await provider?.token({ iss: "idp", sub: "eve" }) ?? "";
    await run(started, server, test, consumerToken);
  });
}

/** A test with a coturn and a browser. */
function coturnTest(
  name: string,
  engine: EngineName,
  run: (engine: Engine, coturn: TestCoturn, test: Deno.TestContext) => Promise<void>,
): void {
  engineTest(name, [engine], async (test) => {
    await using coturn = await startCoturn({ secrets: [SECRET] });
    await using started = await startEngine(engine);
    await run(started, coturn, test);
  }, MISSING_COTURN);
}

function turnOptions({ port }: TestCoturn): ServerOptions & Required<Pick<ServerOptions, "turn">> {
  return { turn: { urls: [`turn:127.0.0.1:${port}`], secret: SECRET } };
}

/** The ICE servers of a peer, as its backend or itself gets them. */
async function iceServers(
  { url, token, signal }: TestServer,
  { ice, nodeId = "ada" }: { ice: typeof WAYS[number]; nodeId?: string },
): Promise<IceServer[]> {
  if (ice === "pushed") {
    await using client = await Client.connect(signal({ token: await token("room"), nodeId }));
    client.send({ type: "register", iceServers: true });
    return (await client.next("ice-servers")).iceServers;
  }
  const response = ice === "fetched"
    ? await fetch(`${url}/ice-servers?nodeId=${nodeId}`, {
      headers: { authorization: `Bearer ${await token("room")}` },
    })
    : await fetch(`${url}/token`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-admin-secret": ADMIN_SECRET },
      body: JSON.stringify({ ttl: "1h", subject: "room", nodeId, iceServers: true }),
    });
  return (await response.json()).iceServers;
}

async function openTab(
  engine: Engine,
  server: TestServer,
  { nodeId, ice }: { nodeId: string; ice: typeof WAYS[number] },
): Promise<Tab> {
  const given = ice === "given" ? await iceServers(server, { ice, nodeId }) : [];
  const token = await server.token("room");
  const query = { server: server.signal(), token, nodeId, ice, iceServers: JSON.stringify(given) };
  return await engine.open(relayPage(query));
}

function relayPage(query: Record<string, string>): string {
  const url = new URL("../helpers/relay.html", import.meta.url);
  url.search = new URLSearchParams(query).toString();
  return url.href;
}

/** Waits until two pages have answered each other, by relays alone. */
async function talk(...tabs: readonly Tab[]): Promise<void> {
  for (const tab of tabs) {
    await tab.until('globalThis.received?.some((text) => text.startsWith("I am "))');
    let types: string[] = [];
    await until("the candidates in use", async () => {
      types = await tab.evaluate<string[]>("pairs()");
      return types.length > 0;
    });
    assertEquals([...new Set(types)], ["relay"]);
  }
}

/** Whether coturn relays for these credentials. */
async function allocates(
  { port }: TestCoturn,
  turn: IceServer | undefined,
  args: readonly string[],
): Promise<boolean> {
  const { username = "", credential = "" } = turn ?? {};
  const { success } = await new Deno.Command("turnutils_uclient", {
    args: [
      ...["-y", "-c", "-n", "1", "-m", "1", ...args],
      ...["-u", username, "-w", credential, "-p", String(port), "127.0.0.1"],
    ],
    stdout: "null",
    stderr: "null",
  }).output();
  return success;
}
