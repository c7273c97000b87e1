/** `GET /` and `GET /client.js`: where they are, and what their headers allow. */

import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { createServer } from "../../mod.ts";
import { CLIENT_JS } from "../../src/page/client_js.ts";
import { exchange } from "../helpers/raw.ts";
import { startOpenServer, startServer } from "../helpers/server.ts";

Deno.test("GET / is the page without authentication, or where the playground is on, else 404", async () => {
  await using open = await startOpenServer();
  await using playground = await startServer({ playground: true });
  await using closed = await startServer();
  for (const path of ["/", "/client.js"]) {
    for (const { url } of [open, playground]) {
      const response = await fetch(url + path);
      assertEquals([response.status, (await response.text()).length > 1000], [200, true]);
      const head = await fetch(url + path, { method: "HEAD" });
      assertEquals([head.status, await head.text()], [200, ""]);
      const post = await fetch(url + path, { method: "POST" });
      assertEquals([post.status, post.headers.get("allow")], [405, "GET, HEAD"]);
      await post.body?.cancel();
    }
    const response = await fetch(closed.url + path);
    assertEquals(response.status, 404);
    assertMatch((await response.json()).error, /^Not found/);
  }
});

Deno.test("GET / may run its own script and style, and connect to its own server, and nothing else", async () => {
  await using server = await startOpenServer();
  const response = await fetch(`${server.url}/`);
  const html = await response.text();
  const { headers } = response;
  assertEquals(headers.get("content-type"), "text/html; charset=utf-8");
  assertEquals(headers.get("cache-control"), "no-store");
  assertEquals(headers.get("referrer-policy"), "no-referrer");
  assertEquals(headers.get("x-content-type-options"), "nosniff");
  const policy = directives(headers.get("content-security-policy"));
  assertEquals(policy.get("default-src"), "'none'");
  assertEquals(
    policy.get("connect-src"),
    `'self' ws://127.0.0.1:${server.port} wss://127.0.0.1:${server.port}`,
  );
  assertEquals(policy.get("frame-ancestors"), "'none'");
  assertEquals(
    policy.get("script-src"),
    await hashOf(between(html, '<script type="module">', "</script>")),
  );
  assertEquals(policy.get("style-src"), await hashOf(between(html, "<style>", "</style>")));
});

Deno.test("GET /: no Host adds anything to the policy but a host", async () => {
  await using server = await startOpenServer();
  for (const host of ["a;b", "a'self'", "*", "a,b", "a(b)", ""]) {
    const request = `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
    const answer = await exchange(server.port, request);
    const [, value = ""] = /content-security-policy: ([^\r]*)/i.exec(answer) ?? [];
    assertEquals(directives(value).get("connect-src"), "'self'", host);
  }
});

Deno.test("GET /: the page is one file that names no other, no inline handler and no style attribute", async () => {
  await using server = await startOpenServer();
  const html = await (await fetch(`${server.url}/`)).text();
  const markup = html.replace(/<(script|style)[^>]*>[\s\S]*?<\/\1>/g, "");
  assert(!/\bsrc=|\bon\w+=|\bstyle=|<link(?! rel="icon" href="data:,")/.test(markup), markup);
  assert(!/url\(|@import/.test(between(html, "<style>", "</style>")));
  assert(!/https?:\/\/(?!www\.w3\.org\/)/.test(html.replace(/\/\*![\s\S]*?\*\//g, "")));
});

Deno.test("GET /client.js is the client as a module that a page of any origin may import", async () => {
  await using server = await startOpenServer();
  const response = await fetch(`${server.url}/client.js`, { headers: { origin: "null" } });
  assertEquals(await response.text(), CLIENT_JS);
  assertEquals(response.headers.get("content-type"), "text/javascript; charset=utf-8");
  assertEquals(response.headers.get("access-control-allow-origin"), "*");
  assertStringIncludes(CLIENT_JS, "SignalingClient");
});

Deno.test("createServer(): playground is true or false", async () => {
  // A caller without types.
  const options = JSON.parse('{"authEnabled":false,"playground":"yes"}');
  await assertRejects(() => createServer(options), TypeError, "playground must be true or false");
});

function directives(policy: string | null): Map<string, string> {
  return new Map(
    (policy ?? "").split("; ").map((directive) => {
      const [name = "", ...values] = directive.split(" ");
      return [name, values.join(" ")];
    }),
  );
}

function between(text: string, first: string, last: string): string {
  const start = text.indexOf(first) + first.length;
  return text.slice(start, text.indexOf(last, start));
}

async function hashOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return `'sha256-${new Uint8Array(digest).toBase64()}'`;
}
