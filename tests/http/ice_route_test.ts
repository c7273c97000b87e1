import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  createSignalingHandler,
  generateKeyPairJwk,
  type IcePeer,
  type ServerOptions,
} from "../../mod.ts";
import { TurnSecret } from "../../src/ice/credentials.ts";
import { issueToken } from "../../src/access/room_tokens.ts";
import { loadKeyPair } from "../../src/access/keys.ts";
import { newProvider } from "../helpers/provider.ts";
import { ADMIN_SECRET, startOpenServer, startServer, type TestServer } from "../helpers/server.ts";

const STUN = { urls: "stun:stun.example.com" };
const turn = { urls: ["turn:turn.example.com"], secret: "a-secret-that-coturn-shares" };
const secret = await TurnSecret.load(turn.secret);

interface Asking {
  readonly token?: string | undefined;
  readonly query?: string;
  readonly headers?: Record<string, string>;
  readonly method?: string;
}

function ask(server: TestServer, { token, query = "", headers, method }: Asking = {}) {
  return fetch(`${server.url}/ice-servers${query}`, {
    ...(method === undefined ? {} : { method }),
    headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...headers },
  });
}

async function refusal(response: Response): Promise<number> {
  const body = await response.json();
  assertEquals(Object.keys(body), ["error"]);
  assertEquals(response.headers.get("cache-control"), "no-store");
  return response.status;
}

/** The credentials that a peer gets, whenever they expire. */
function minted(answer: { expiresAt: string }, room: string, nodeId: string) {
  return {
    urls: turn.urls,
    ...secret.mint({ room, nodeId }, Date.parse(answer.expiresAt) / 1000),
  };
}

async function requestToken(server: TestServer, body: Record<string, unknown>) {
  return await fetch(`${server.url}/token`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-admin-secret": ADMIN_SECRET },
    body: JSON.stringify({ ttl: "1h", ...body }),
  });
}

Deno.test("GET /ice-servers gives credentials to the peer of a room token", async () => {
  await using server = await startServer({ turn, iceServers: [STUN], iceTtl: "8h" });
  const before = Date.now();
  const token = await server.token("todos");
  const response = await ask(server, { token });
  assertEquals([response.status, response.headers.get("cache-control")], [200, "no-store"]);
  const answer = await response.json();
  const seconds = (Date.parse(answer.expiresAt) - before) / 1000;
  assert(seconds > 8 * 3600 - 2 && seconds < 8 * 3600 + 60);
  assertEquals(answer, {
    iceServers: [STUN, minted(answer, "todos", "todos")],
    ttl: 8 * 3600,
    expiresAt: answer.expiresAt,
  });
  const named = await (await ask(server, { token, query: "?room=todos&nodeId=ada" })).json();
  assertEquals(named.iceServers[1], minted(named, "todos", "ada"));
});

Deno.test("GET /ice-servers gives a token that is bound to a nodeId no credentials of another", async () => {
  await using server = await startServer({ turn });
  const { token } = await (await requestToken(server, { subject: "todos", nodeId: "ada" })).json();
  const answer = await (await ask(server, { token })).json();
  assertEquals(answer.iceServers, [minted(answer, "todos", "ada")]);
  const long = "a".repeat(129);
  for (const query of ["?nodeId=ben", `?nodeId=${long}`, "?room=other"]) {
    assertEquals(await refusal(await ask(server, { token, query })), 403);
  }
});

Deno.test("GET /ice-servers answers with an empty list where nothing is configured", async () => {
  await using server = await startServer();
  const answer = await (await ask(server, { token: await server.token("todos") })).json();
  assertEquals([answer.iceServers, answer.ttl], [[], 86_400]);
  assertMatch(answer.expiresAt, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
});

Deno.test("GET /ice-servers refuses a token that /signal refuses, and none at all", async () => {
  await using server = await startServer({ turn });
  const foreign = await loadKeyPair((await generateKeyPairJwk()).privateKeyJwk);
  const own = await loadKeyPair(server.privateKeyJwk);
  const clock = { now: () => Date.now() - 7_200_000 };
  const refused = [
    undefined,
    "",
    "rubbish",
    `${await server.token("todos")}x`,
    (await issueToken(foreign.privateKey, { ttl: "1h" })).token,
    (await issueToken(own.privateKey, { ttl: "1h" }, { clock })).token,
    await (await newProvider()).token({ iss: "https://idp.example.com" }),
    ADMIN_SECRET,
  ];
  for (const token of refused) {
    const response = await ask(server, { token, query: "?room=default" });
    assertEquals(response.headers.get("www-authenticate"), "Bearer");
    assertEquals(await refusal(response), 401, token);
  }
  const token = await server.token("todos");
  assertEquals(await refusal(await ask(server, { query: `?token=${token}` })), 401);
  assertEquals(await refusal(await ask(server, { token, query: "?room=other" })), 403);
});

Deno.test("GET /ice-servers asks for a token before it asks for a consumer's room", async () => {
  const provider = await newProvider();
  await using server = await startServer({ consumerAuth: { jwks: provider.jwks } });
  for (const token of [undefined, ""]) {
    for (const query of ["", "?room=todos", "?nodeId=ada"]) {
      const response = await ask(server, { token, query });
      assertEquals(response.headers.get("www-authenticate"), "Bearer");
      assertEquals(await refusal(response), 401, query);
    }
  }
  assertEquals(await refusal(await ask(server, { token: await provider.token() })), 400);
});

Deno.test("GET /ice-servers refuses a token that is revoked", async () => {
  await using server = await startServer({ turn });
  const { token, jti } = await (await requestToken(server, { subject: "todos" })).json();
  assertEquals((await (await ask(server, { token })).json()).iceServers.length, 1);
  const revoked = await fetch(`${server.url}/revoke`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-admin-secret": ADMIN_SECRET },
    body: JSON.stringify({ jti }),
  });
  assertEquals([revoked.status, await revoked.json()], [200, { disconnected: 0 }]);
  assertEquals(await refusal(await ask(server, { token })), 401);
});

Deno.test("GET /ice-servers counts forged tokens with those of /signal, and answers 429", async () => {
  await using server = await startServer({ turn, limits: { maxFailedAuthPerMinute: 2 } });
  const token = await server.token("todos");
  for (let time = 0; time < 2; time++) {
    assertEquals(await refusal(await ask(server, { token: "a.b.c" })), 401);
  }
  const response = await ask(server, { token });
  assertMatch(response.headers.get("retry-after") ?? "", /^[1-9]\d?$/);
  assertEquals(await refusal(response), 429);
  const signal = await fetch(`${server.url}/signal`, {
    headers: { upgrade: "websocket", "sec-websocket-version": "13" },
  });
  assertEquals(signal.status, 429);
  await signal.body?.cancel();
});

Deno.test("GET /ice-servers gives a consumer credentials for the room that its token claims", async () => {
  const provider = await newProvider();
  await using server = await startServer({
    turn,
    consumerAuth: { jwks: provider.jwks, roomClaim: "rooms" },
  });
  const token = await provider.token({ iss: "https://idp.example.com", sub: "eve" });
  const answer = await (await ask(server, { token, query: "?room=room&nodeId=c" })).json();
  assertEquals(answer.iceServers, [minted(answer, "room", "c")]);
  const unnamed = await (await ask(server, { token, query: "?room=room" })).json();
  const identity = JSON.stringify(["https://idp.example.com", "eve"]);
  assertEquals(unnamed.iceServers, [minted(unnamed, "room", identity)]);

  assertEquals(await refusal(await ask(server, { token })), 400);
  assertEquals(await refusal(await ask(server, { token, query: "?room=other" })), 401);
  assertEquals(await refusal(await ask(server, { query: "?room=room" })), 401);
  const old = await provider.token({ exp: 1 });
  assertEquals(await refusal(await ask(server, { token: old, query: "?room=room" })), 401);
  const room = await (await ask(server, { token: await server.token("room") })).json();
  assertEquals(room.iceServers, [minted(room, "room", "room")]);
});

Deno.test("GET /ice-servers asks no token where authentication is off, and the host who it is", async () => {
  const asked: IcePeer[] = [];
  const iceServers = (peer: IcePeer) => {
    asked.push(peer);
    return [STUN];
  };
  await using server = await startOpenServer({ iceServers });
  const query = "?room=r%C3%A4ume&nodeId=ada";
  assertEquals((await (await ask(server, { query })).json()).iceServers, [STUN]);
  await (await ask(server)).body?.cancel();
  assertEquals(asked[0], { room: "räume", nodeId: "ada", role: "normal" });
  assertEquals(asked[1]?.room, "default");
});

Deno.test("GET /ice-servers asks the host's own authorize", async () => {
  const authorize: ServerOptions["authorize"] = ({ headers }) =>
    headers.get("cookie") === "session=1" ? { room: "todos", nodeId: "ada" } : null;
  await using server = await startServer({ turn, authorize });
  const answer = await (await ask(server, { headers: { cookie: "session=1" } })).json();
  assertEquals(answer.iceServers, [minted(answer, "todos", "ada")]);
  assertEquals(await refusal(await ask(server)), 403);
});

Deno.test("GET /ice-servers is open to pages of the origins that may connect, and to no other", async () => {
  await using server = await startServer({ allowedOrigins: ["https://app.example.com"], turn });
  const token = await server.token("todos");
  const origin = "https://app.example.com";
  const response = await ask(server, { token, headers: { origin } });
  assertEquals(response.headers.get("access-control-allow-origin"), origin);
  assertEquals(response.headers.get("vary"), "Origin");
  await response.body?.cancel();
  // A page can read why it is refused.
  const refused = await ask(server, { token: "rubbish", headers: { origin } });
  assertEquals(refused.headers.get("access-control-allow-origin"), origin);
  assertEquals(await refusal(refused), 401);
  const preflight = { origin, "access-control-request-method": "GET" };
  const answer = await ask(server, { method: "OPTIONS", headers: preflight });
  assertEquals([answer.status, await answer.text()], [204, ""]);
  assertEquals(answer.headers.get("access-control-allow-origin"), origin);
  assertEquals(answer.headers.get("access-control-allow-headers"), "authorization");
  assertEquals(answer.headers.get("vary"), "Origin");

  for (const method of ["GET", "OPTIONS"]) {
    const headers = { origin: "https://evil.example.com" };
    const other = await ask(server, { token, headers, method });
    assertEquals(other.headers.get("access-control-allow-origin"), null);
    assertEquals(await refusal(other), 403);
  }
  const noPage = await ask(server, { token });
  assertEquals([noPage.status, noPage.headers.get("vary")], [200, "Origin"]);
  await noPage.body?.cancel();
});

Deno.test("GET /ice-servers is readable from any page where any may connect", async () => {
  await using server = await startServer();
  const headers = { origin: "https://anywhere.example.com" };
  const response = await ask(server, { token: await server.token("todos"), headers });
  assertEquals(response.headers.get("access-control-allow-origin"), headers.origin);
  await response.body?.cancel();
});

Deno.test("routes: /ice-servers answers GET, HEAD and OPTIONS, and 405 to the rest", async () => {
  await using server = await startServer();
  const token = await server.token("todos");
  const head = await ask(server, { token, method: "HEAD" });
  assertEquals([head.status, await head.text()], [200, ""]);
  const response = await ask(server, { token, method: "POST" });
  assertEquals([response.status, response.headers.get("allow")], [405, "GET, HEAD, OPTIONS"]);
  await response.body?.cancel();
});

Deno.test("POST /token gives ICE servers for the token's peer to who asks for them", async () => {
  await using server = await startServer({ turn, iceServers: [STUN] });
  const plain = await (await requestToken(server, { subject: "todos" })).json();
  assertEquals(Object.keys(plain), ["token", "expiresAt", "subject", "jti"]);
  const declined = await (await requestToken(server, { iceServers: false })).json();
  assert(!("iceServers" in declined));

  for (const nodeId of [undefined, "ada"]) {
    const response = await requestToken(server, { subject: "todos", nodeId, iceServers: true });
    assertEquals(response.status, 201);
    const { iceServers, token } = await response.json();
    const [expires = ""] = iceServers[1].username.split(":");
    const expiresAt = new Date(Number(expires) * 1000).toISOString();
    assertEquals(iceServers, [STUN, minted({ expiresAt }, "todos", nodeId ?? "todos")]);
    assertEquals((await (await ask(server, { token })).json()).iceServers.length, 2);
  }
});

Deno.test("POST /token says which field is meant by a name that is nearly iceServers", async () => {
  await using server = await startServer({ turn });
  for (const name of ["ice", "iceServer", "ice_servers", "IceServers"]) {
    const response = await requestToken(server, { [name]: true });
    const error = `There is no field \`${name}\`: use \`iceServers\``;
    assertEquals([response.status, await response.json()], [400, { error }]);
  }
});

Deno.test("POST /token refuses iceServers that is neither true nor false", async () => {
  await using server = await startServer({ turn });
  for (const iceServers of ["true", 1, null, [], {}]) {
    const response = await requestToken(server, { iceServers });
    assertEquals(response.status, 400);
    assertMatch((await response.json()).error, /`iceServers`/);
  }
});

Deno.test("handler.iceServers() finds the ICE servers of a peer for a route of the host's own", async () => {
  await using handler = await createSignalingHandler({ ...await generateKeyPairJwk(), turn });
  const answer = await handler.iceServers({ room: "todos", nodeId: "ada" });
  assertEquals(answer.iceServers, [minted(answer, "todos", "ada")]);
  assertEquals(await handler.fetch(new Request("http://localhost/ice-servers")), null);
  const malformed = [null, undefined, "ada", { room: "", nodeId: "a" }, { room: "r", nodeId: 5 }, {
    room: "r",
    nodeId: "a",
    role: "admin",
  }];
  for (const peer of malformed) {
    const error = await handler.iceServers(peer as IcePeer).catch((cause) => cause);
    assert(error instanceof TypeError);
    assertMatch(error.message, /^The (peer|room|nodeId|role of the peer)/);
  }
});
