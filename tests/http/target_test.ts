/** What a request is for stands in its request line alone, on `Deno.serve` and on `node:http` alike. */

import { assert, assertEquals } from "@std/assert";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import {
  createLogger,
  createSignalingHandler,
  type SignalingHandler,
  type SignalingHandlerOptions,
} from "../../mod.ts";
import { until, within } from "../helpers/client.ts";
import { exchange, handshake } from "../helpers/raw.ts";
import { startOpenServer, startServer } from "../helpers/server.ts";

interface Mounted extends AsyncDisposable {
  readonly port: number;
}

/** Closes a handler whose clients have all left. */
async function closeEmpty(handler: SignalingHandler): Promise<void> {
  await until("every client to be gone", () => {
    const { pending, peers, closing } = handler.stats();
    return pending + peers + closing === 0;
  });
  await handler.close();
}

/** A handler on `Deno.serve`; the host answers 404 to what is not the handler's. */
async function mountOnDeno(
  options: SignalingHandlerOptions = { authEnabled: false },
): Promise<Mounted> {
  const handler = await createSignalingHandler(options);
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request, info) => {
      try {
        return await handler.fetch(request, info) ?? new Response("", { status: 404 });
      } catch {
        return new Response("thrown", { status: 500 });
      }
    },
  );
  const close = async () => {
    await closeEmpty(handler);
    await server.shutdown();
  };
  return { port: server.addr.port, [Symbol.asyncDispose]: close };
}

/** The same on `node:http`. */
async function mountOnNode(
  options: SignalingHandlerOptions = { authEnabled: false },
): Promise<Mounted> {
  const handler = await createSignalingHandler(options);
  const server = createServer((_, response) => response.writeHead(404).end());
  server.on("upgrade", (request, socket, head) => {
    socket.on("error", () => {});
    if (!handler.handleUpgrade(request, socket, head)) {
      socket.end("HTTP/1.1 404 Not Found\r\n\r\n");
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const close = async () => {
    await closeEmpty(handler);
    await within("the server to close", new Promise((resolve) => server.close(resolve)));
  };
  return { port, [Symbol.asyncDispose]: close };
}

async function statusOf(port: number, head: string): Promise<number> {
  const answer = await within(head, exchange(port, head, /\r\n\r\n/));
  return Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
}

function withHost(target: string, host: string): string {
  return handshake(target).replace("Host: localhost", `Host: ${host}`);
}

const BAD_HOSTS = [
  "x/token?",
  "x/signal?room=r&a=",
  "x?y",
  "x#y",
  "u@x",
  "x\\y",
  "[",
  "[::1",
  "x y",
  "a:b",
  "%",
  "a%zz",
  "[:::::]",
  "x:99999999",
  "1.2.3.4.5",
  "xn--",
];

for (const [name, mount] of [["Deno.serve", mountOnDeno], ["node:http", mountOnNode]] as const) {
  Deno.test(`${name}: a Host that is no host is 400 and changes no path`, async () => {
    await using mounted = await mount();
    for (const host of BAD_HOSTS) {
      assertEquals(await statusOf(mounted.port, withHost("/signal", host)), 400, host);
      const elsewhere = await statusOf(mounted.port, withHost("/public", host));
      assert(elsewhere === 400 || elsewhere === 404, `${host}: ${elsewhere}`);
    }
    for (const host of ["", "localhost", "EXAMPLE.com:8080", "[::1]:80", "1.2.3.4", "a_b.c~d"]) {
      assertEquals(await statusOf(mounted.port, withHost("/signal", host)), 101, host);
    }
  });

  Deno.test(`${name}: a request with two Hosts is 400`, async () => {
    await using mounted = await mount();
    const head = handshake("/signal", ["Host: localhost"]);
    assertEquals(await statusOf(mounted.port, head), 400);
  });

  Deno.test(`${name}: a Host that is no host is 400 before the host of the program is asked, without a log line`, async () => {
    const lines: string[] = [];
    const logger = createLogger({ level: "debug", write: (line) => lines.push(line) });
    await using mounted = await mount({ authorize: () => null, logger });
    for (const host of BAD_HOSTS) {
      const head = withHost("/signal?token=secret", host);
      assertEquals(await statusOf(mounted.port, head), 400, host);
    }
    const absolute = handshake("http://xn--/signal?token=secret");
    assertEquals(await statusOf(mounted.port, absolute), 400);
    assertEquals(lines.filter((line) => line.includes("secret")), []);
  });

  Deno.test(`${name}: an absolute target is for its path, whatever its scheme and host`, async () => {
    await using mounted = await mount();
    const targets: [string, number][] = [
      ["http://else.where/signal?room=r", 101],
      ["https://else.where:8443/signal", 101],
      ["HTTPS://else.where/signal", 101],
      ["ws://else.where/signal", 101],
      ["http:///signal", 404],
      ["http://else.where/other", 404],
      ["http://else.where/other/signal", 404],
      ["//signal", 404],
      ["/x/../signal", 404],
    ];
    for (const [target, status] of targets) {
      assertEquals(await statusOf(mounted.port, handshake(target)), status, target);
    }
  });

  Deno.test(`${name}: HEAD is answered without a body`, async () => {
    await using mounted = await mount();
    const head = handshake("/signal", ["Connection: close"]).replace("GET", "HEAD")
      .replace("Connection: Upgrade", "Connection: upgrade");
    const answer = await within("the end", exchange(mounted.port, head));
    assert(/^HTTP\/1\.1 426 /.test(answer), answer);
    assertEquals(answer.slice(answer.indexOf("\r\n\r\n") + 4), "");
  });
}

Deno.test("routes: a Host that is no host is 400 on every path", async () => {
  await using server = await startServer();
  for (const host of BAD_HOSTS) {
    for (const path of ["/health", "/token", "/nothing"]) {
      const head = `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
      assertEquals(await statusOf(server.port, head), 400, `${host} ${path}`);
    }
  }
});

Deno.test("routes: no Host opens a socket on another path", async () => {
  await using server = await startOpenServer();
  const head = withHost("/public", "x/signal?room=r&a=");
  assertEquals(await statusOf(server.port, head), 400);
});
