import { assert, assertEquals, assertRejects } from "@std/assert";
import { SignJWT } from "jose";
import {
  generateKeyPairJwk,
  InvalidTokenError,
  issueToken,
  type KeyPair,
  loadKeyPair,
  TOKEN_AUDIENCE,
  TOKEN_ISSUER,
  TokenRequestError,
  verifyToken,
} from "../../mod.ts";
import { createSecretCheck } from "../../src/access/secrets.ts";

async function newKeys(): Promise<KeyPair> {
  return await loadKeyPair((await generateKeyPairJwk()).privateKeyJwk);
}

Deno.test("issueToken() mints what verifyToken() accepts", async () => {
  const { privateKey, publicKey } = await newKeys();
  const { token, expiresAt, subject } = await issueToken(privateKey, { ttl: "24h", subject: "r" });
  assertEquals(subject, "r");
  const claims = await verifyToken(token, publicKey);
  assertEquals([claims.sub, claims.iss, claims.aud], ["r", TOKEN_ISSUER, TOKEN_AUDIENCE]);
  assertEquals(new Date(claims.exp * 1000).toISOString(), expiresAt);
  assertEquals(claims.exp - (claims.iat ?? 0), 24 * 60 * 60);
  assertEquals(JSON.parse(atob(token.split(".")[0] ?? "")), { alg: "EdDSA" });
});

Deno.test("issueToken() takes default for the subject and any Unicode in it", async () => {
  const { privateKey, publicKey } = await newKeys();
  assertEquals((await issueToken(privateKey, { ttl: "30m" })).subject, "default");
  const subject = "räume/🚪\n".repeat(32);
  const { token } = await issueToken(privateKey, { ttl: "7 days", subject });
  assertEquals((await verifyToken(token, publicKey)).sub, subject);
});

Deno.test("issueToken() refuses a ttl that is no duration or does not lie in the future", async () => {
  const { privateKey } = await newKeys();
  const bad = [undefined, null, 3600, "", "abc", "5", "-1h", "0s", "1h ago", "1e9 years", {}, [
    "1h",
  ]];
  for (const ttl of [...bad, "99999999999999999999 years", "9000 years", `${"9".repeat(400)}s`]) {
    const request = { ttl, subject: "r" } as { ttl: string };
    const error = await assertRejects(() => issueToken(privateKey, request), TokenRequestError);
    assertEquals(error.code, "ERR_TOKEN_REQUEST");
  }
});

Deno.test("issueToken() refuses a subject that cannot name a room", async () => {
  const { privateKey } = await newKeys();
  for (const subject of ["", 5, null, {}, "\ud800", "a".repeat(257)]) {
    const request = { ttl: "1h", subject } as { ttl: string };
    await assertRejects(() => issueToken(privateKey, request), TokenRequestError);
  }
});

Deno.test("verifyToken() accepts the newer name of the algorithm", async () => {
  const { privateKey, publicKey } = await newKeys();
  const jwt = new SignJWT({ sub: "r", aud: [TOKEN_AUDIENCE, "other"] }).setIssuer(TOKEN_ISSUER)
    .setExpirationTime("1h").setProtectedHeader({ alg: "Ed25519" });
  assertEquals((await verifyToken(await jwt.sign(privateKey), publicKey)).sub, "r");
});

Deno.test("verifyToken() refuses every token that says too little or something else", async () => {
  const { privateKey, publicKey } = await newKeys();
  const claims = { sub: "r", iss: TOKEN_ISSUER, aud: TOKEN_AUDIENCE, exp: Date.now() / 1000 + 60 };
  const sign = (payload: Record<string, unknown>) =>
    new SignJWT(payload).setProtectedHeader({ alg: "EdDSA" }).sign(privateKey);
  assertEquals((await verifyToken(await sign(claims), publicKey)).sub, "r");
  const wrong: Record<string, unknown>[] = [
    { sub: undefined },
    { sub: "" },
    { sub: 5 },
    { iss: undefined },
    { iss: "else" },
    { aud: undefined },
    { aud: "else" },
    { exp: undefined },
    { exp: "soon" },
    { exp: Date.now() / 1000 - 1 },
    { nbf: Date.now() / 1000 + 60 },
  ];
  for (const change of wrong) {
    const token = await sign({ ...claims, ...change });
    const error = await assertRejects(() => verifyToken(token, publicKey), InvalidTokenError);
    assertEquals(error.message.includes(token), false);
  }
});

Deno.test("verifyToken() refuses forged, foreign and malformed tokens", async () => {
  const [{ privateKey, publicKey }, foreign] = [await newKeys(), await newKeys()];
  const { token } = await issueToken(privateKey, { ttl: "1h", subject: "r" });
  const [header, payload = "", signature] = token.split(".");
  const encode = (value: unknown) => btoa(JSON.stringify(value)).replaceAll("=", "");
  const hmac = new SignJWT(JSON.parse(atob(payload))).setProtectedHeader({ alg: "HS256" });
  const bad = [
    "",
    ".",
    "a.b.c",
    "null",
    `${header}.${payload}.`,
    `${header}.${encode({ ...JSON.parse(atob(payload)), sub: "else" })}.${signature}`,
    `${encode({ alg: "none" })}.${payload}.`,
    `${encode({ alg: "EdDSA", crit: ["x"], x: 1 })}.${payload}.${signature}`,
    await hmac.sign(new TextEncoder().encode(JSON.stringify(publicKey))),
    (await issueToken(foreign.privateKey, { ttl: "1h", subject: "r" })).token,
    token + "A".repeat(9000),
    "\u0000\ud800",
  ];
  for (const text of bad) {
    await assertRejects(() => verifyToken(text, publicKey), InvalidTokenError);
  }
});

Deno.test("createSecretCheck() accepts the secret and nothing else", async () => {
  const isSecret = await createSecretCheck("correct horse");
  assert(await isSecret("correct horse"));
  for (const wrong of ["", "correct hors", "correct horse ", "Correct horse", "\ud800"]) {
    assertEquals(await isSecret(wrong), false);
  }
});
