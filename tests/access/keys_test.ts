import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import {
  decodePublicJwk,
  generateKeyPairJwk,
  InvalidKeyError,
  loadKeyPair,
  loadKeyPairFromEnv,
} from "../../mod.ts";

function encode(value: unknown): string {
  return btoa(JSON.stringify(value));
}

Deno.test("generateKeyPairJwk() returns base64 of two JWKs that need no quotes anywhere", async () => {
  const { privateKeyJwk, publicKeyJwk } = await generateKeyPairJwk();
  assertMatch(privateKeyJwk, /^[A-Za-z0-9]+$/);
  assertMatch(publicKeyJwk, /^[A-Za-z0-9]+$/);
  const { d, ...rest } = JSON.parse(atob(privateKeyJwk));
  assertMatch(d, /^[\w-]{43}$/);
  assertEquals(JSON.parse(atob(publicKeyJwk)), { ...rest, alg: "EdDSA" });
  assertEquals([rest.kty, rest.crv], ["OKP", "Ed25519"]);
});

Deno.test("loadKeyPair() derives the public key", async () => {
  const { privateKeyJwk, publicKeyJwk } = await generateKeyPairJwk();
  const derived = await loadKeyPair(privateKeyJwk);
  const given = await loadKeyPair(privateKeyJwk, publicKeyJwk);
  assertEquals(derived.publicKeyJwk, publicKeyJwk);
  const data = new Uint8Array([1, 2, 3]);
  const signature = await crypto.subtle.sign("Ed25519", given.privateKey, data);
  assert(await crypto.subtle.verify("Ed25519", derived.publicKey, signature, data));
});

Deno.test("loadKeyPair() reads base64url, line breaks and members it does not need", async () => {
  const { privateKeyJwk } = await generateKeyPairJwk();
  const jwk = {
    ...JSON.parse(atob(privateKeyJwk)),
    kid: "ÿþ~?",
    "key_ops": ["sign"],
    alg: "Ed25519",
  };
  const base64url = btoa(JSON.stringify(jwk)).replaceAll("+", "-").replaceAll("/", "_");
  await loadKeyPair(`${base64url.replaceAll("=", "")}\n`);
});

Deno.test("loadKeyPair() refuses a public key that does not belong to the private one", async () => {
  const [one, other] = [await generateKeyPairJwk(), await generateKeyPairJwk()];
  await assertRejects(
    () => loadKeyPair(one.privateKeyJwk, other.publicKeyJwk),
    InvalidKeyError,
    "does not belong",
  );
});

Deno.test("loadKeyPair() refuses a private key that was put together of two", async () => {
  const [one, other] = [await generateKeyPairJwk(), await generateKeyPairJwk()];
  const { d } = JSON.parse(atob(one.privateKeyJwk));
  const mixed = encode({ ...JSON.parse(atob(other.privateKeyJwk)), d });
  await assertRejects(() => loadKeyPair(mixed), InvalidKeyError);
});

Deno.test("loadKeyPairFromEnv() is the npm package's name of loadKeyPair()", () => {
  assertEquals(loadKeyPairFromEnv, loadKeyPair);
});

Deno.test("keys: what is no Ed25519 JWK is refused without showing it", async () => {
  const { privateKeyJwk, publicKeyJwk } = await generateKeyPairJwk();
  const jwk = JSON.parse(atob(privateKeyJwk));
  const bad = [
    "",
    "not base64!",
    btoa("not JSON"),
    encode(null),
    encode([]),
    encode("text"),
    encode({}),
    encode({ ...jwk, kty: "EC" }),
    encode({ ...jwk, crv: "X25519" }),
    encode({ ...jwk, x: undefined }),
    encode({ ...jwk, x: 5 }),
    encode({ ...jwk, d: "short" }),
    publicKeyJwk,
  ];
  for (const text of bad) {
    const error = await assertRejects(() => loadKeyPair(text), InvalidKeyError);
    assertEquals(error.code, "ERR_INVALID_KEY");
    assertEquals(error.message.includes(jwk.d), false);
  }
});

Deno.test("decodePublicJwk() returns public members alone and refuses a private key", async () => {
  const { privateKeyJwk, publicKeyJwk } = await generateKeyPairJwk();
  const { x } = JSON.parse(atob(publicKeyJwk));
  const padded = encode({ kty: "OKP", crv: "Ed25519", x, key_ops: ["verify"], secret: 1 });
  assertEquals(decodePublicJwk(padded), { alg: "EdDSA", crv: "Ed25519", kty: "OKP", x });
  assertThrows(() => decodePublicJwk(privateKeyJwk), InvalidKeyError, "private member d");
});
