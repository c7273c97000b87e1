import { assert, assertEquals, assertMatch } from "@std/assert";
import { verifyToken } from "../../mod.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { loadKeyPair } from "../../src/access/keys.ts";
import { Client } from "../helpers/client.ts";
import { exchange } from "../helpers/raw.ts";
import { ADMIN_SECRET, startOpenServer, startServer } from "../helpers/server.ts";

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

function post(
  url: string,
  body: BodyInit,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`${url}/token`, {
    method: "POST",
    body,
    headers: { "content-type": "application/json", "x-admin-secret": ADMIN_SECRET, ...headers },
  });
}

/** The status and the error of an answer, which has to be one sentence as JSON. */
async function error(response: Response): Promise<{ status: number; error: string }> {
  const body = await response.json();
  assertEquals(Object.keys(body), ["error"]);
  assertEquals(response.headers.get("content-type"), "application/json");
  assertMatch(body.error, /^[^\n]{5,}$/);
  return { status: response.status, error: body.error };
}

Deno.test("GET /health tells that it lives, whether auth is on, and who is there", async () => {
  await using server = await startServer();
  const response = await fetch(`${server.url}/health`);
  assertEquals(response.status, 200);
  const { ts, ...rest } = await response.json();
  assertEquals(rest, { status: "ok", auth: "enabled", peers: 0, rooms: 0 });
  assertMatch(ts, ISO);
});

Deno.test("GET /health counts peers and rooms, and nobody who is pending", async () => {
  await using server = await startOpenServer();
  await using _a = await Client.join(server.signal({ room: "r", nodeId: "a" }));
  await using _b = await Client.join(server.signal({ room: "r", nodeId: "b" }));
  await using _c = await Client.join(server.signal({ room: "s", nodeId: "a" }));
  await using _pending = await Client.connect(server.signal({ room: "t" }));
  const { ts: _, ...rest } = await server.health();
  assertEquals(rest, { status: "ok", auth: "disabled", peers: 3, rooms: 2 });
});

Deno.test("POST /token mints a token that the public key verifies", async () => {
  await using server = await startServer();
  const response = await post(server.url, JSON.stringify({ ttl: "24h", subject: "user-123" }));
  assertEquals(response.status, 201);
  assertEquals(response.headers.get("cache-control"), "no-store");
  const { token, expiresAt, subject, jti, ...rest } = await response.json();
  assertEquals([subject, rest], ["user-123", {}]);
  assertMatch(expiresAt, ISO);
  assertMatch(jti, /^[\w-]{22}$/);
  const { publicKey } = await loadKeyPair(server.privateKeyJwk);
  const claims = await verifyToken(token, publicKey);
  assertEquals([claims.sub, claims.jti, claims.nodeId], ["user-123", jti, undefined]);
  assertEquals(new Date(claims.exp * 1000).toISOString(), expiresAt);
});

Deno.test("POST /token binds a token to the nodeId of its body", async () => {
  await using server = await startServer();
  const body = { ttl: "24h", subject: "r", nodeId: "n".repeat(128) };
  const response = await post(server.url, JSON.stringify(body));
  const { token, nodeId } = await response.json();
  assertEquals(nodeId, body.nodeId);
  const { publicKey } = await loadKeyPair(server.privateKeyJwk);
  assertEquals((await verifyToken(token, publicKey)).nodeId, body.nodeId);
  for (const nodeId of ["", 7, null, "n".repeat(129), ["n"], "\ud800"]) {
    const refused = await post(server.url, JSON.stringify({ ...body, nodeId }));
    const { error } = await refused.json();
    assertEquals([refused.status, error.includes("`nodeId`")], [400, true]);
  }
});

Deno.test("POST /token takes the secret as a bearer token too, and default as the subject", async () => {
  await using server = await startServer();
  for (const authorization of [`Bearer ${ADMIN_SECRET}`, `bearer  ${ADMIN_SECRET}`]) {
    const response = await fetch(`${server.url}/token`, {
      method: "POST",
      headers: { authorization, "content-type": "Application/JSON; charset=utf-8" },
      body: '{"ttl":"30m"}',
    });
    assertEquals((await response.json()).subject, "default");
  }
});

Deno.test("POST /token answers a wrong and a missing secret alike", async () => {
  await using server = await startServer();
  const answers = [];
  const wrong = [{}, { "x-admin-secret": "wrong" }, { authorization: "Bearer wrong" }, {
    authorization: `Basic ${ADMIN_SECRET}`,
  }, { "x-admin-secret": "", authorization: "" }];
  for (const headers of wrong as Record<string, string>[]) {
    const response = await fetch(`${server.url}/token`, {
      method: "POST",
      headers: { ...headers, "content-type": "application/json" },
      body: '{"ttl":"1h"}',
    });
    const shown = [...response.headers].filter(([name]) => name !== "date");
    answers.push({ status: response.status, shown, body: await response.text() });
  }
  assertEquals(answers[0]?.status, 401);
  for (const answer of answers) assertEquals(answer, answers[0]);
});

Deno.test("POST /token asks for the secret before it looks at anything else", async () => {
  await using server = await startServer();
  const response = await post(server.url, "x".repeat(20_000), {
    "x-admin-secret": "wrong",
    "content-type": "text/plain",
  });
  assertEquals((await error(response)).status, 401);
});

Deno.test("POST /token answers a bad body with 400 and says what is wanted", async () => {
  await using server = await startServer();
  const bodies = [
    "",
    "{",
    "null",
    "[]",
    '"24h"',
    "{}",
    '{"ttl":3600}',
    '{"ttl":null}',
    '{"ttl":""}',
    '{"ttl":"soon"}',
    '{"ttl":"-1h"}',
    '{"ttl":"0s"}',
    '{"ttl":"1h ago"}',
    '{"ttl":"99999999999 years"}',
    '{"ttl":"1h","subject":""}',
    '{"ttl":"1h","subject":5}',
    '{"ttl":"1h","subject":null}',
    JSON.stringify({ ttl: "1h", subject: "a".repeat(257) }),
  ];
  for (const body of bodies) {
    assertEquals((await error(await post(server.url, body))).status, 400, body);
  }
});

Deno.test("POST /token says which field is meant by another name, and ignores other fields", async () => {
  await using server = await startServer();
  const mistakes = {
    subject: ["room", "sub", "roomId", "room_id", "Subject"],
    ttl: ["expiresIn", "expires_in", "expires", "exp", "TTL"],
    nodeId: ["nodeID", "node_id", "nodeid", "Node-Id"],
  };
  const right = { ttl: "1h", subject: "r", nodeId: "n" };
  for (const [meant, names] of Object.entries(mistakes)) {
    for (const name of names) {
      // Beside the right name and instead of it.
      for (const body of [{ ...right, [name]: "x" }, { [name]: "x" }]) {
        const answer = await error(await post(server.url, JSON.stringify(body)));
        assertEquals(answer, {
          status: 400,
          error: `There is no field \`${name}\`: use \`${meant}\``,
        });
      }
    }
  }
  const two = await error(await post(server.url, '{"room":"r","expiresIn":"1h"}'));
  assertMatch(two.error, /`room`: use `subject`, and no field `expiresIn`: use `ttl`/);
  for (const name of ["duration", "maxAge", "max_age", "expirationTime"]) {
    assertMatch((await error(await post(server.url, `{"${name}":"1h"}`))).error, /use `ttl`/);
  }
  for (const name of ["deviceId", "clientId", "peer", "name"]) {
    assertMatch((await error(await post(server.url, `{"${name}":"a"}`))).error, /use `nodeId`/);
  }
  const others = { jti: "x", userId: "x", role: "x", "": "x", ["room".repeat(99)]: "x", iat: 1 };
  const text = JSON.stringify({ ...right, ...others }).replace("{", '{"__proto__":1,');
  const { expiresAt: _, token: _token, jti, ...answer } = await (await post(server.url, text))
    .json();
  assertEquals(answer, { subject: "r", nodeId: "n" });
  assertMatch(jti, /^[\w-]{22}$/);
});

Deno.test("POST /token refuses what is not JSON with 415", async () => {
  await using server = await startServer();
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""]) {
    const response = await post(server.url, '{"ttl":"1h"}', { "content-type": type });
    assertEquals((await error(response)).status, 415, type);
  }
});

Deno.test("POST /token refuses a body over 16 KiB, also one whose length is not announced", async () => {
  await using server = await startServer();
  const fits = JSON.stringify({ ttl: "1h", pad: "x".repeat(16384 - 21) });
  assertEquals(fits.length, 16384);
  const response = await post(server.url, fits);
  assertEquals(response.status, 201);
  await response.body?.cancel();
  assertEquals((await error(await post(server.url, fits + " "))).status, 413);
  const chunk = new TextEncoder().encode("x".repeat(1000));
  let sent = 0;
  const endless = new ReadableStream({
    pull(controller) {
      if (sent++ < 100) controller.enqueue(chunk);
      else controller.close();
    },
  });
  assertEquals((await error(await post(server.url, endless))).status, 413);
});

Deno.test("routes: an unknown path is 404 and a wrong method 405 with Allow", async () => {
  await using server = await startServer();
  for (const path of ["/", "/nothing", "/health/", "//", "/HEALTH", "/token/x"]) {
    assertEquals((await error(await fetch(server.url + path))).status, 404, path);
  }
  const allowed = { "/health": "GET, HEAD", "/public-key": "GET, HEAD", "/token": "POST" };
  Object.assign(allowed, { "/.well-known/jwks.json": "GET, HEAD" });
  for (const [path, allow] of Object.entries({ ...allowed, "/signal": "GET, HEAD" })) {
    for (const method of ["PUT", "DELETE", "OPTIONS", "PATCH"]) {
      const response = await fetch(server.url + path, { method });
      assertEquals(response.headers.get("allow"), allow);
      assertEquals((await error(response)).status, 405, `${method} ${path}`);
    }
  }
});

Deno.test("routes: HEAD goes wherever GET does", async () => {
  await using server = await startServer();
  for (
    const [path, status] of Object.entries({
      "/health": 200,
      "/public-key": 200,
      "/.well-known/jwks.json": 200,
      "/signal": 426,
    })
  ) {
    const response = await fetch(server.url + path, { method: "HEAD" });
    assertEquals([response.status, await response.text()], [status, ""], path);
  }
});

Deno.test("GET /signal without an upgrade is 426", async () => {
  await using server = await startServer();
  const response = await fetch(`${server.url}/signal?room=r`);
  assertEquals(response.headers.get("upgrade"), "websocket");
  assertEquals((await error(response)).status, 426);
});

Deno.test("without auth neither /public-key nor /token is there", async () => {
  await using server = await startOpenServer();
  assertEquals((await error(await fetch(`${server.url}/public-key`))).status, 404);
  assertEquals((await error(await post(server.url, '{"ttl":"1h"}'))).status, 404);
});

Deno.test("routes: without auth, a request for a token or a key is told that auth is off", async () => {
  await using server = await startOpenServer();
  const requests = [
    ["POST", "/token"],
    ["GET", "/token"],
    ["GET", "/public-key"],
    ["GET", "/.well-known/jwks.json"],
  ] as const;
  for (const [method, path] of requests) {
    const answer = await error(await fetch(server.url + path, { method }));
    assertEquals(answer.status, 404, path);
    assertMatch(answer.error, /Authentication is off.*\/signal/, path);
  }
});

Deno.test("routes: a 404 names the path of the endpoint, and a prefix that a proxy has left", async () => {
  await using server = await startServer();
  for (const path of ["/", "/nothing", "/signals"]) {
    assertMatch((await error(await fetch(server.url + path))).error, /^Not found.* \/signal/, path);
  }
  for (const path of ["//signal", "/app/signal", `/${"a".repeat(5000)}/signal`]) {
    const answer = await error(await fetch(server.url + path));
    assertEquals(answer.status, 404);
    assertMatch(answer.error, /^Not found: the path is ".*", not \/signal.* proxy/, path);
    assert(answer.error.length < 300);
  }
  for (const path of ["/", "/client.js"]) {
    const { error: sentence } = await error(await fetch(server.url + path));
    assertMatch(sentence, /the page is off. PLAYGROUND=true/, path);
  }
  const sent = await error(await fetch(`${server.url}//signal`));
  assertMatch(sent.error, /"\/\/signal"/);
});

Deno.test("routes: requests that are barely HTTP get an answer and harm nobody", async () => {
  await using server = await startServer();
  const requests = [
    "GET // HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /health HTTP/1.1\r\nHost: [\r\n\r\n",
    "GET /health HTTP/1.1\r\nHost: a b\r\n\r\n",
    "GET /health HTTP/1.0\r\n\r\n",
    "GET http://else.where/health HTTP/1.1\r\nHost: x\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    "BREW /health HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /%00%ff%zz HTTP/1.1\r\nHost: x\r\n\r\n",
    `GET /${"a".repeat(70_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
    "__proto__ /health HTTP/1.1\r\nHost: x\r\n\r\n",
    "constructor /health HTTP/1.1\r\nHost: x\r\n\r\n",
    "nonsense\r\n\r\n",
  ];
  for (const request of requests) {
    const answer = await exchange(server.port, request, /\r\n\r\n/);
    assertMatch(answer, /^HTTP\/1\.[01] (200|4\d\d) /, request.slice(0, 60));
  }
  assertEquals((await server.health())["status"], "ok");
});

Deno.test("routes: a request that fails is logged and answered with 500, without its cause", async () => {
  const lines: string[] = [];
  const clock = {
    ...systemClock,
    now(): number {
      throw new Error("no time");
    },
  };
  const log = (message: string) => void lines.push(message);
  await using server = await startServer({
    clock,
    logger: { debug() {}, info() {}, warn() {}, error: log },
  });
  const answer = await error(await fetch(`${server.url}/health`));
  assertEquals(answer, { status: 500, error: "The server failed to answer" });
  assertEquals(lines, ["A request failed"]);
  assert(!answer.error.includes("no time"));
});
