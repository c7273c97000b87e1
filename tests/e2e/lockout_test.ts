/** Who is locked out by failed attempts: nobody by what is no guess, and nobody by those of others. */

import { assertEquals, assertMatch } from "@std/assert";
import { SignJWT } from "jose";
import {
  generateKeyPairJwk,
  issueToken,
  loadKeyPair,
  type ServerOptions,
  TOKEN_AUDIENCE,
  TOKEN_ISSUER,
} from "../../mod.ts";
import { MAX_ERROR_LINES } from "../../src/runtime/limited_logger.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import { Client } from "../helpers/client.ts";
import { newProvider } from "../helpers/provider.ts";
import { exchange, handshake } from "../helpers/raw.ts";
import { ADMIN_SECRET, startServer, type TestServer } from "../helpers/server.ts";

const MAX = 3;

function start(config: ServerOptions = {}): Promise<TestServer> {
  return startServer({ limits: { maxFailedAuthPerMinute: MAX }, ...config });
}

async function closeCodeOf(url: string, register?: unknown): Promise<number> {
  const client = await Client.connect(url);
  if (register !== undefined) client.send(register);
  return (await client.closed).code;
}

async function mint(server: TestServer, secret = ADMIN_SECRET): Promise<number> {
  const response = await fetch(`${server.url}/token`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-admin-secret": secret },
    body: '{"ttl":"1h","subject":"room"}',
  });
  await response.body?.cancel();
  return response.status;
}

Deno.test("lockout: tokens that have expired lock nobody out", async () => {
  await using server = await start();
  const { privateKey } = await loadKeyPair(server.privateKeyJwk);
  const expired = (jti: string) =>
    new SignJWT({ sub: "room", iss: TOKEN_ISSUER, aud: TOKEN_AUDIENCE, exp: 1e9, jti })
      .setProtectedHeader({ alg: "EdDSA" }).sign(privateKey);
  for (let n = 0; n < MAX * 3; n++) {
    const token = await expired(`${n % 4}`);
    assertEquals(await closeCodeOf(server.signal({ token, room: "room" })), 4003);
  }
  await using client = await Client.join(server.signal({ token: await server.token("room") }));
  assertEquals(client.peers, []);
});

Deno.test("lockout: room tokens whose signature is valid lock nobody out, whatever they say", async () => {
  await using server = await start({ maxTokenTtl: "2h" });
  const { privateKey } = await loadKeyPair(server.privateKeyJwk);
  const now = Math.floor(Date.now() / 1000);
  const right = { sub: "room", iss: TOKEN_ISSUER, aud: TOKEN_AUDIENCE, iat: now, exp: now + 600 };
  const unfit = [
    { exp: now + 86_400 },
    { nbf: now + 120 },
    { aud: "else" },
    { aud: "else", exp: now - 1 },
    { iss: "else" },
    { sub: "" },
  ];
  for (const claims of unfit) {
    const token = await new SignJWT({ ...right, ...claims }).setProtectedHeader({ alg: "EdDSA" })
      .sign(privateKey);
    for (let n = 0; n <= MAX; n++) {
      assertEquals(await closeCodeOf(server.signal({ token })), 4003, JSON.stringify(claims));
    }
  }
  await using client = await Client.join(server.signal({ token: await server.token("room") }));
  assertEquals(client.peers, []);
});

Deno.test("lockout: consumer tokens whose signature is valid, and none at all, lock nobody out", async () => {
  const provider = await newProvider();
  const consumerAuth = { jwks: provider.jwks, audience: "app", roomClaim: "rooms" };
  await using server = await start({ consumerAuth });
  const right = { aud: "app", rooms: ["room"], exp: 1e10 };
  const unfit = [{ aud: "else" }, { rooms: ["else"] }, { nbf: 1e10 - 1 }, { exp: 1 }];
  const tokens: unknown[] = [undefined, 5, ""];
  for (const claims of unfit) tokens.push(await provider.token({ ...right, ...claims }));
  for (const token of tokens) {
    for (let n = 0; n <= MAX; n++) {
      const register = { type: "register", role: "consumer", token };
      const url = server.signal({ room: "room", nodeId: "c" });
      assertEquals(await closeCodeOf(url, register), 4003);
    }
  }
  await using client = await Client.join(server.signal({ token: await server.token("room") }));
  assertEquals(client.peers, []);
});

Deno.test("lockout: tokens of a key that is not known here lock nobody out, of a known one they do", async () => {
  await using server = await start();
  const { kid } = await loadKeyPair(server.privateKeyJwk);
  const { privateKey } = await loadKeyPair((await generateKeyPairJwk()).privateKeyJwk);
  for (let n = 0; n < MAX * 3; n++) {
    const { token } = await issueToken(privateKey, { ttl: "1h", subject: "room" });
    assertEquals(await closeCodeOf(server.signal({ token, room: "room" })), 4003);
  }
  await using client = await Client.join(server.signal({ token: await server.token("room") }));
  assertEquals(client.peers, []);
  for (let n = 0; n < MAX; n++) {
    const { token } = await issueToken(privateKey, { ttl: "1h", subject: "room" }, { kid });
    assertEquals(await closeCodeOf(server.signal({ token, room: "room" })), 4003);
  }
  const token = await server.token("room");
  const answer = await exchange(server.port, handshake(`/signal?token=${token}`), /\r\n\r\n/);
  assertMatch(answer, /^HTTP\/1\.1 429 /);
});

Deno.test("lockout: forged tokens lock their address out of sockets, and of no minting", async () => {
  await using server = await start();
  const token = await server.token("room");
  for (let n = 0; n < MAX; n++) {
    assertEquals(await closeCodeOf(server.signal({ token: `${token.slice(0, -4)}AAAA` })), 4003);
  }
  const answer = await exchange(server.port, handshake(`/signal?token=${token}`), /\r\n\r\n/);
  assertMatch(answer, /^HTTP\/1\.1 429 /);
  assertEquals(await mint(server), 201);
});

Deno.test("lockout: wrong secrets lock their address out of minting, and of no socket", async () => {
  await using server = await start();
  const token = await server.token("room");
  for (let n = 0; n < MAX; n++) assertEquals(await mint(server, "wrong"), 401);
  assertEquals([await mint(server), await mint(server, "wrong")], [429, 429]);
  await using client = await Client.join(server.signal({ token }));
  assertEquals(client.peers, []);
});

Deno.test("lockout: an outage of the identity provider locks nobody out, closes 1013 and is logged", async () => {
  const errors: string[] = [];
  const logger = { ...silentLogger, error: (message: string) => void errors.push(message) };
  const consumerAuth = { jwksUrl: "http://127.0.0.1:1/keys" };
  await using server = await start({ consumerAuth, logger });
  const provider = await newProvider();
  for (let n = 0; n < MAX * 4; n++) {
    const register = { type: "register", role: "consumer", token: await provider.token() };
    const code = await closeCodeOf(server.signal({ room: "room", nodeId: `c${n}` }), register);
    assertEquals(code, 1013);
  }
  assertEquals(errors, Array(MAX_ERROR_LINES).fill("Verifying a consumer token failed"));
  assertEquals(await mint(server), 201);
  await using client = await Client.join(server.signal({ token: await server.token("room") }));
  assertEquals(client.peers, []);
});
