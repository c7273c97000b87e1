/** The minimal client that docs/protocol.md shows, as it stands there, in browsers and in this process. */

import { assert, assertEquals } from "@std/assert";
import { until } from "../helpers/client.ts";
import { ROOT } from "../helpers/command.ts";
import {
  type Engine,
  engineTest,
  serveClientPage,
  startEngine,
  type Tab,
} from "../helpers/engines.ts";
import { startOpenServer, startServer, type TestServer } from "../helpers/server.ts";

/** Lines of code, without those that only close a bracket. */
const MAX_LINES = 20;

const document = await Deno.readTextFile(`${ROOT}docs/protocol.md`);
const [, section = ""] = document.split("\n## A minimal client\n");
const [client = "", usage = ""] = [...section.matchAll(/^```js(?: ignore)?\n([\s\S]*?)^```/gm)].map(
  ([, code = ""]) => code,
);

/** What a page does with the client: all that comes over the channels is in `texts`. */
const PAGE = `<!doctype html><meta charset="utf-8"><title>Client</title><script type="module">
${client}
const { setTimeout: wait, WebSocket: Socket } = globalThis;
const codes = [];
Object.assign(globalThis, { hasJoined: false, tries: 1 });
globalThis.setTimeout = (act, ms, ...more) => {
  tries++;
  return wait(act, ms / 100, ...more);
};
globalThis.WebSocket = class extends Socket {
  constructor(...of) {
    super(...of);
    this.addEventListener("message", () => globalThis.hasJoined = true);
    this.addEventListener("close", ({ code }) => codes.push(code));
  }
};
const texts = [];
const mine = {
  peers: Object.create(null),
  rtc: { iceServers: [] },
  onChannel(id, channel) {
    channel.onopen = () => channel.send("hello from " + mine.nodeId);
    channel.onmessage = ({ data }) => texts.push(data);
  },
};
Object.assign(globalThis, {
  codes,
  texts,
  mine,
  start: ({ token, ...more }) => join(Object.assign(mine, more, { getToken: async () => token })),
});
</script>`;

/** The call that the document shows, to this server; what it logs is in `texts`. */
function usagePage(url: string, token: string): string {
  const call = usage.replace("wss://signal.example.com/signal", url);
  assert(call !== usage);
  return `<!doctype html><meta charset="utf-8"><title>Client</title><script type="module">
globalThis.texts = [];
console.log = (id, text) => texts.push(text);
const token = ${JSON.stringify(token)};
${client}${call}
</script>`;
}

Deno.test(`minimal client: the document says it in ${MAX_LINES} lines`, () => {
  const lines = client.trimEnd().split("\n").filter((line) => !/^\s*[})\]]+;?$/.test(line));
  assert(lines.length > 10 && lines.length <= MAX_LINES, String(lines.length));
  for (const line of lines) assert(line.length <= 100 && !/;./.test(line), line);
});

// The package refers to the types of a browser, which Deno does not have.
// deno-lint-ignore no-explicit-any
type Untyped = any;

Deno.test("minimal client: it runs in this process, without a browser", async () => {
  await using server = await startOpenServer();
  const { default: wrtc }: Untyped = await import("@roamhq/wrtc");
  /** As browsers have it: the description to set is found by the connection. */
  class Connection extends wrtc.RTCPeerConnection {
    async setLocalDescription(): Promise<void> {
      const isOffered = this.signalingState === "have-remote-offer";
      const sdp = isOffered ? await this.createAnswer() : await this.createOffer();
      await super.setLocalDescription(sdp);
    }
  }
  const sockets: WebSocket[] = [];
  class Socket extends WebSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      sockets.push(this);
    }
  }
  const names = ["RTCPeerConnection", "WebSocket", "setTimeout"];
  const join = new Function(...names, `${client}return join;`)(Connection, Socket, () => {});
  const texts: string[] = [];
  const start = async (nodeId: string): Promise<Untyped> => {
    const mine: Untyped = {
      url: server.signal({ room: "todos", nodeId }),
      nodeId,
      getToken: () => "",
      rtc: { iceServers: [] },
      peers: {},
      onChannel(id: string, channel: Untyped) {
        channel.onopen = () => channel.send(`${nodeId} to ${id}`);
        channel.onmessage = ({ data }: Untyped) => texts.push(data);
      },
    };
    await join(mine);
    await until("it to join", () => server.stats().peers === sockets.length);
    return mine;
  };
  const clients = [await start("a"), await start("b")];
  try {
    await until("both to be told", () => texts.length === 2);
    assertEquals(texts.sort(), ["a to b", "b to a"]);
  } finally {
    // Deno crashes if it ends while connections are open.
    for (const { peers } of clients) for (const peer of Object.values<Untyped>(peers)) peer.close();
    await Promise.all(sockets.map((socket) => {
      const closed = new Promise((resolve) => socket.addEventListener("close", resolve));
      socket.close();
      return closed;
    }));
  }
});

interface Pages extends AsyncDisposable {
  /** A page with the minimal client, which has joined. */
  minimal(engine: Engine, server: TestServer, nodeId: string, token?: string): Promise<Tab>;
  /** A page with the call as the document has it. */
  usage(engine: Engine, server: TestServer, token: string): Promise<Tab>;
}

function servePages(): Pages {
  const pages = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    () => new Response(page, { headers: { "content-type": "text/html" } }),
  );
  const url = `http://127.0.0.1:${pages.addr.port}/`;
  let page = PAGE;
  return {
    async usage(engine, server, token) {
      page = usagePage(server.signal(), token);
      const tab = await engine.open(url);
      page = PAGE;
      return tab;
    },
    async minimal(engine, server, nodeId, token = "") {
      const tab = await engine.open(url);
      await tab.until("globalThis.mine");
      const options = { url: server.signal({ room: "todos", nodeId }), nodeId, token };
      await tab.evaluate(`void start(${JSON.stringify(options)})`);
      await tab.until("hasJoined");
      return tab;
    },
    [Symbol.asyncDispose]: () => pages.shutdown(),
  };
}

function heard(tab: Tab, ...names: string[]): Promise<void> {
  const expected = JSON.stringify(names.map((name) => `hello from ${name}`));
  return tab.until(`JSON.stringify(texts.toSorted()) === ${JSON.stringify(expected)}`);
}

for (const name of ["chromium", "firefox"] as const) {
  engineTest(`minimal client in ${name}: each of three connects with the others, with a token`, [
    name,
  ], async () => {
    await using engine = await startEngine(name);
    await using server = await startServer();
    await using pages = servePages();
    const token = await server.token("todos");
    const [a, b, c] = [
      await pages.minimal(engine, server, "a", token),
      await pages.minimal(engine, server, "b", token),
      await pages.minimal(engine, server, "c", token),
    ];
    await Promise.all([heard(a, "b", "c"), heard(b, "a", "c"), heard(c, "a", "b")]);
  });
}

engineTest("minimal client: the call that the document shows connects", ["chromium"], async () => {
  await using engine = await startEngine("chromium");
  await using server = await startServer();
  await using pages = servePages();
  const token = await server.token("todos");
  const a = await pages.minimal(engine, server, "a", token);
  const shown = await pages.usage(engine, server, token);
  await shown.until(`texts.includes("hello from a")`);
  await a.until(`texts.includes("hello")`);
});

engineTest("minimal client: it connects with the client of this package, whoever comes first", [
  "chromium",
], async () => {
  await using engine = await startEngine("chromium");
  await using server = await startOpenServer();
  await using pages = servePages();
  await using full = await serveClientPage();
  const minimal = await pages.minimal(engine, server, "m");
  for (const [index, nodeId] of ["a", "z"].entries()) {
    const tab = await engine.open(full.url);
    await tab.until("globalThis.isReady");
    await tab.evaluate(`join(${JSON.stringify({ url: server.signal(), room: "todos", nodeId })})`);
    await tab.until(`linkOf("m")?.peer.channel.readyState === "open"`);
    await tab.until(`texts().includes("hello from m")`);
    await minimal.until(`texts.filter((text) => text.startsWith("name ")).length === ${index + 1}`);
  }
  const last = await pages.minimal(engine, server, "n");
  await last.until(`texts.filter((text) => text.startsWith("name ")).length === 2`);
});

engineTest("minimal client: it comes back when the server does, and not when it is replaced", [
  "chromium",
], async () => {
  await using engine = await startEngine("chromium");
  await using pages = servePages();
  const first = await startOpenServer();
  const old = await pages.minimal(engine, first, "a");
  await first.close();
  await using server = await startOpenServer({}, first.port);
  await until("it to be back", () => server.stats().peers === 1);
  const b = await pages.minimal(engine, server, "b");
  await Promise.all([heard(old, "b"), heard(b, "a")]);
  const triesBefore = await old.evaluate<number>("tries");
  assert(triesBefore > 1);
  const newer = await pages.minimal(engine, server, "a");
  await Promise.all([heard(newer, "b"), heard(b, "a", "a")]);
  await old.until("codes.at(-1) === 1000");
  assertEquals(await old.evaluate("tries"), triesBefore);
});
