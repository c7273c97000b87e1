import { assert, assertEquals, assertRejects } from "@std/assert";
import { CompactSign, decodeProtectedHeader, SignJWT } from "jose";
import {
  generateKeyPairJwk,
  InvalidTokenError,
  issueToken,
  type KeyPair,
  loadKeyPair,
  TOKEN_AUDIENCE,
  TOKEN_ISSUER,
  type TokenOptions,
  TokenRequestError,
  verifyToken,
} from "../../mod.ts";
import { createSecretCheck } from "../../src/access/secrets.ts";

async function newKeys(): Promise<KeyPair> {
  return await loadKeyPair((await generateKeyPairJwk()).privateKeyJwk);
}

Deno.test("issueToken() mints what verifyToken() accepts", async () => {
  const { privateKey, publicKey, kid } = await newKeys();
  const { token, expiresAt, subject } = await issueToken(privateKey, { ttl: "24h", subject: "r" });
  assertEquals(subject, "r");
  const claims = await verifyToken(token, publicKey);
  assertEquals([claims.sub, claims.iss, claims.aud], ["r", TOKEN_ISSUER, TOKEN_AUDIENCE]);
  assertEquals(new Date(claims.exp * 1000).toISOString(), expiresAt);
  assertEquals(claims.exp - (claims.iat ?? 0), 24 * 60 * 60);
  assertEquals(JSON.parse(atob(token.split(".")[0] ?? "")), { alg: "EdDSA", kid, typ: "JWT" });
});

Deno.test("issueToken() names the key by its thumbprint, by the option kid, or not at all", async () => {
  const kidOf = async (key: CryptoKey, options?: TokenOptions) =>
    decodeProtectedHeader((await issueToken(key, { ttl: "1h" }, options)).token).kid;
  const { privateKey, privateKeyJwk, kid } = await newKeys();
  assertEquals(await kidOf(privateKey), kid);
  assertEquals(await kidOf(privateKey, { kid: "mine" }), "mine");
  const jwk = JSON.parse(atob(privateKeyJwk));
  const bare = (isExtractable: boolean) =>
    crypto.subtle.importKey("jwk", jwk, "Ed25519", isExtractable, ["sign"]);
  assertEquals(await kidOf(await bare(true)), kid);
  assertEquals(await kidOf(await bare(false)), undefined);
  assertEquals(await kidOf(await bare(false), { kid: "mine" }), "mine");
  for (const bad of ["", "k".repeat(257), "\ud800"]) {
    await assertRejects(() => kidOf(privateKey, { kid: bad }), TokenRequestError, "`kid`");
  }
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

Deno.test("issueToken() refuses a property that it does not know, by which the token would open another room", async () => {
  const { privateKey } = await newKeys();
  for (const name of ["room", "subjekt", "sub"]) {
    const request = { ttl: "1h", [name]: "todos" };
    await assertRejects(() => issueToken(privateKey, request), TypeError, JSON.stringify(name));
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
    { nbf: Date.now() / 1000 + 120 },
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

/** Signs claims as they are written, numbers such as 1e999 included. */
function signText(claims: string, privateKey: CryptoKey): Promise<string> {
  return new CompactSign(new TextEncoder().encode(claims)).setProtectedHeader({ alg: "EdDSA" })
    .sign(privateKey);
}

Deno.test("verifyToken() accepts one spelling of a token and no other", async () => {
  const { privateKey, publicKey } = await newKeys();
  // The length of each part leaves another number of bits over.
  for (const subject of ["r", "rr", "rrr"]) {
    const { token } = await issueToken(privateKey, { ttl: "1h", subject });
    await verifyToken(token, publicKey);
    const [header = "", payload = "", signature = ""] = token.split(".");
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const others = [header, payload, signature].flatMap((part, index) =>
      [...alphabet].map((last) => {
        const parts = [header, payload, signature];
        parts[index] = part.slice(0, -1) + last;
        return parts.join(".");
      })
    ).filter((text) => text !== token);
    const padded = [" ", "\n", "\t", "=", "==", "\u00a0"].flatMap((extra) => [
      extra + token,
      token + extra,
      [header + extra, payload, signature].join("."),
      [header, payload + extra, signature].join("."),
      [header, payload.slice(0, 4) + extra + payload.slice(4), signature].join("."),
    ]);
    const plain = token.replaceAll("-", "+").replaceAll("_", "/");
    for (const text of [...others, ...padded, ...plain === token ? [] : [plain]]) {
      await assertRejects(() => verifyToken(text, publicKey), InvalidTokenError);
    }
  }
});

Deno.test("verifyToken() bounds the lifetime of a token whatever its iat says", async () => {
  const { privateKey, publicKey } = await newKeys();
  const now = Math.floor(Date.now() / 1000);
  const verify = async (times: string, maxTtlSeconds?: number) => {
    const claims = `{"sub":"r","iss":"${TOKEN_ISSUER}","aud":"${TOKEN_AUDIENCE}",${times}}`;
    return await verifyToken(await signText(claims, privateKey), publicKey, { maxTtlSeconds });
  };
  await verify(`"iat":${now},"exp":${now + 3600}`, 3600);
  await verify(`"exp":${now + 3500}`, 3600);
  const tooLong = [
    `"iat":${now},"exp":${now + 3700}`,
    `"exp":${now + 3700}`,
    `"iat":${now + 1_000_000},"exp":${now + 1_003_600}`,
    `"iat":1e999,"exp":1e999`,
    `"iat":-1e999,"exp":${now + 60}`,
  ];
  for (const times of tooLong) {
    const error = await assertRejects(() => verify(times, 3600), InvalidTokenError);
    assertEquals(error.reason, "claims", times);
  }
  for (const times of ['"exp":1e999', `"exp":${now + 60},"iat":1e999`]) {
    await assertRejects(() => verify(times), InvalidTokenError);
  }
});

Deno.test("verifyToken() forgives a clock that is a minute behind, or as much as it is told", async () => {
  const { privateKey, publicKey } = await newKeys();
  const now = Math.floor(Date.now() / 1000);
  const sign = (claims: Record<string, unknown>) =>
    new SignJWT({ sub: "r", iss: TOKEN_ISSUER, aud: TOKEN_AUDIENCE, exp: now + 600, ...claims })
      .setProtectedHeader({ alg: "EdDSA" }).sign(privateKey);
  await verifyToken(await sign({ nbf: now + 55, iat: now + 55 }), publicKey);
  await verifyToken(await sign({ nbf: now + 295 }), publicKey, { clockToleranceSeconds: 300 });
  for (const [nbf, options] of [[70, {}], [2, { clockToleranceSeconds: 0 }]] as const) {
    const token = await sign({ nbf: now + nbf });
    const error = await assertRejects(
      () => verifyToken(token, publicKey, options),
      InvalidTokenError,
    );
    assertEquals([error.reason, error.claim], ["claims", "nbf"]);
  }
  const expired = await sign({ exp: now - 1 });
  const error = await assertRejects(() => verifyToken(expired, publicKey), InvalidTokenError);
  assertEquals(error.reason, "expired");
});

Deno.test("verifyToken() says what is wrong with a token, and in which claim", async () => {
  const { privateKey, publicKey } = await newKeys();
  const foreign = await newKeys();
  const now = Date.now() / 1000;
  const sign = (claims: Record<string, unknown>, key = privateKey) =>
    new SignJWT({ sub: "r", iss: TOKEN_ISSUER, aud: TOKEN_AUDIENCE, exp: now + 60, ...claims })
      .setProtectedHeader({ alg: "EdDSA" }).sign(key);
  const cases: [string, string, string | undefined][] = [
    ["a.b", "malformed", undefined],
    ["x".repeat(9000), "malformed", undefined],
    [await sign({}, foreign.privateKey), "signature", undefined],
    [await sign({ exp: now - 5 }), "expired", "exp"],
    [await sign({ exp: now + 9000 }), "claims", "exp"],
    [await sign({ exp: undefined }), "claims", "exp"],
    [await sign({ iss: "else" }), "claims", "iss"],
    [await sign({ aud: "else" }), "claims", "aud"],
    [await sign({ nbf: now + 600 }), "claims", "nbf"],
    [await sign({ sub: 5 }), "claims", "sub"],
    [await sign({ sub: "" }), "claims", "sub"],
  ];
  for (const [token, reason, claim] of cases) {
    const error = await assertRejects(
      () => verifyToken(token, publicKey, { maxTtlSeconds: 3600 }),
      InvalidTokenError,
    );
    assertEquals([error.reason, error.claim], [reason, claim], error.message);
    if (claim !== undefined) assert(error.message.includes(`${claim}`), error.message);
  }
});

Deno.test("createSecretCheck() accepts the secret and nothing else", async () => {
  const isSecret = await createSecretCheck("correct horse");
  assert(await isSecret("correct horse"));
  for (const wrong of ["", "correct hors", "correct horse ", "Correct horse", "\ud800"]) {
    assertEquals(await isSecret(wrong), false);
  }
});
