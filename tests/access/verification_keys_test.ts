import { assertEquals, assertRejects } from "@std/assert";
import { SignJWT } from "jose";
import {
  generateKeyPairJwk,
  InvalidKeyError,
  InvalidTokenError,
  issueToken,
  type KeyPair,
  loadKeyPair,
  loadVerificationKeys,
  TOKEN_AUDIENCE,
  TOKEN_ISSUER,
  type VerificationKeys,
  verifyToken,
} from "../../mod.ts";

/** RFC 8037, appendix A. */
const RFC_X = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const RFC_THUMBPRINT = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

async function newPair(): Promise<KeyPair> {
  return await loadKeyPair((await generateKeyPairJwk()).privateKeyJwk);
}

function newPairs(number: number): Promise<KeyPair[]> {
  return Promise.all(Array.from({ length: number }, newPair));
}

function jwkOf({ publicKeyJwk }: KeyPair, members: object = {}): object {
  return { ...JSON.parse(atob(publicKeyJwk)), ...members };
}

/** A token by any means, such as one without `kid` of an earlier version. */
function sign({ privateKey }: KeyPair, header: object = {}, claims: object = {}): Promise<string> {
  const exp = Math.floor(Date.now() / 1000) + 60;
  return new SignJWT({ sub: "r", iss: TOKEN_ISSUER, aud: TOKEN_AUDIENCE, exp, ...claims })
    .setProtectedHeader({ alg: "EdDSA", ...header }).sign(privateKey);
}

/** Why a token is refused; `undefined` if it is not. */
async function reasonOf(token: string, keys: VerificationKeys): Promise<string | undefined> {
  try {
    assertEquals((await verifyToken(token, keys)).sub, "r");
  } catch (error) {
    if (!(error instanceof InvalidTokenError)) throw error;
    return error.reason;
  }
}

Deno.test("a key is named by its thumbprint as in RFC 8037", async () => {
  const { jwks } = await loadVerificationKeys({ kty: "OKP", crv: "Ed25519", x: RFC_X });
  assertEquals(jwks.keys.map(({ kid }) => kid), [RFC_THUMBPRINT]);
});

Deno.test("verifyToken() verifies with the key that a token names, whatever the others are", async () => {
  const pairs = await newPairs(6);
  const keys = await loadVerificationKeys(pairs.map((pair) => jwkOf(pair)));
  for (const pair of pairs) {
    const { token } = await issueToken(pair.privateKey, { ttl: "1h", subject: "r" });
    assertEquals(await reasonOf(token, keys), undefined);
    const foreign = await newPair();
    assertEquals(await reasonOf(await sign(foreign, { kid: pair.kid }), keys), "signature");
    for (const name of ["EdDSA", "Ed25519"]) {
      const token = await sign(pair, { alg: name, kid: pair.kid });
      assertEquals(await reasonOf(token, keys), undefined);
    }
  }
});

Deno.test("verifyToken() refuses an unknown key id without verifying, and one that is no text", async () => {
  const pair = await newPair();
  const keys = await loadVerificationKeys([jwkOf(pair)]);
  for (const kid of ["", "else", "__proto__", "constructor", `${pair.kid} `]) {
    assertEquals(await reasonOf(await sign(pair, { kid }), keys), "unknown key", kid);
  }
  for (const kid of [null, 5, [pair.kid], {}]) {
    assertEquals(await reasonOf(await sign(pair, { kid }), keys), "malformed");
  }
  // What is wrong in any case is found first: such a token is a failed attempt.
  const hmac = new SignJWT({ sub: "r" }).setProtectedHeader({ alg: "HS256", kid: "else" });
  assertEquals(await reasonOf(await hmac.sign(new Uint8Array(32)), keys), "signature");
  // The caller has chosen the one key.
  assertEquals((await verifyToken(await sign(pair, { kid: "else" }), pair.publicKey)).sub, "r");
});

Deno.test("verifyToken() tries four keys, and no fifth, for a token that names none", async () => {
  const pairs = await newPairs(5);
  const keys = await loadVerificationKeys(pairs.map((pair) => jwkOf(pair)));
  const reasons = await Promise.all(pairs.map(async (pair) => reasonOf(await sign(pair), keys)));
  assertEquals(reasons, [undefined, undefined, undefined, undefined, "signature"]);
});

Deno.test("verifyToken() says what is wrong with a token of the second key as it does of the first", async () => {
  const pairs = await newPairs(2);
  const keys = await loadVerificationKeys(pairs.map((pair) => jwkOf(pair)));
  for (const pair of pairs) {
    for (const header of [{}, { kid: pair.kid }]) {
      const of = async (claims: object) => reasonOf(await sign(pair, header, claims), keys);
      assertEquals(await of({ exp: 1 }), "expired");
      assertEquals(await of({ iss: "else" }), "claims");
      assertEquals(await of({ nbf: Date.now() / 1000 + 600 }), "claims");
      assertEquals(await of({ exp: undefined }), "claims");
    }
  }
  assertEquals(await reasonOf(await sign(await newPair(), {}, { exp: 1 }), keys), "signature");
});

Deno.test("a key is also found by the kid of its JWK, and two keys may share one", async () => {
  const [one, other] = [await newPair(), await newPair()];
  const keys = await loadVerificationKeys([jwkOf(one, { kid: "k" }), jwkOf(other, { kid: "k" })]);
  for (const pair of [one, other]) {
    for (const kid of ["k", pair.kid]) {
      assertEquals(await reasonOf(await sign(pair, { kid }), keys), undefined);
    }
  }
  assertEquals(keys.jwks.keys.map(({ kid }) => kid), [one.kid, other.kid]);
});

Deno.test("loadVerificationKeys() reads every form of a set, and each key once", async () => {
  const [one, other] = [await newPair(), await newPair()];
  const set = [jwkOf(one), jwkOf(other), jwkOf(one, { kid: "again", alg: "Ed25519" })];
  for (const form of [set, { keys: set }, btoa(JSON.stringify(set))]) {
    const { jwks } = await loadVerificationKeys(form);
    assertEquals(jwks.keys.map(({ kid }) => kid), [one.kid, other.kid]);
    assertEquals((await loadVerificationKeys(jwks)).jwks, jwks);
  }
});

Deno.test("loadVerificationKeys() refuses what is no set of at most 17 public Ed25519 keys", async () => {
  const pair = await newPair();
  const bad = [
    "%",
    btoa("null"),
    [],
    {},
    [jwkOf(pair), null],
    JSON.parse(atob(pair.privateKeyJwk)),
    pair.privateKeyJwk,
    { kty: "EC", crv: "P-256", x: RFC_X, y: RFC_X },
    { kty: "OKP", crv: "Ed25519", x: RFC_X.slice(1) },
    { kty: "OKP", crv: "Ed25519", x: RFC_X.slice(0, -1) + "p" },
    { keys: Array(18).fill(jwkOf(pair)) },
  ];
  for (const keys of bad) {
    await assertRejects(() => loadVerificationKeys(keys), InvalidKeyError);
  }
  await loadVerificationKeys({ keys: Array(17).fill(jwkOf(pair)) });
});

Deno.test("loadVerificationKeys() refuses keys of small order, for which anyone can sign", async () => {
  const endings = { "00": "00", "01": "00", "ec": "7f", "26": "05", "c7": "7a" };
  const middles = {
    "26": "e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc",
    "c7": "176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03",
    "ec": "ff".repeat(30),
  };
  for (const [first, last] of Object.entries(endings)) {
    const middle = new Map(Object.entries(middles)).get(first) ?? "00".repeat(30);
    const bytes = Uint8Array.fromHex(first + middle + last);
    for (const sign of [0, 0x80]) {
      bytes[31] = (bytes[31] ?? 0) & 0x7f | sign;
      const x = bytes.toBase64({ alphabet: "base64url", omitPadding: true });
      await assertRejects(
        () => loadVerificationKeys({ kty: "OKP", crv: "Ed25519", x }),
        InvalidKeyError,
        "anyone can sign",
      );
    }
  }
});
