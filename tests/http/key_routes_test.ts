import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  createSignalingHandler,
  generateKeyPairJwk,
  InvalidKeyError,
  loadKeyPair,
} from "../../mod.ts";
import { startOpenServer, startServer } from "../helpers/server.ts";

Deno.test("GET /public-key shows the public key to every origin, and caches", async () => {
  await using server = await startServer();
  const response = await fetch(`${server.url}/public-key`, { headers: { origin: "https://app" } });
  assertEquals(response.headers.get("access-control-allow-origin"), "*");
  const { x } = JSON.parse(atob(server.publicKeyJwk));
  assertEquals(await response.json(), { alg: "EdDSA", crv: "Ed25519", kty: "OKP", x });
  const etag = response.headers.get("etag") ?? "";
  const again = await fetch(`${server.url}/public-key`, { headers: { "if-none-match": etag } });
  assertEquals([again.status, await again.text()], [304, ""]);
});

Deno.test("GET /.well-known/jwks.json shows every key, the signing one first, to every origin", async () => {
  const [own, next] = [await generateKeyPairJwk(), await generateKeyPairJwk()];
  const encoded = [next, own, next].map(({ publicKeyJwk }) => JSON.parse(atob(publicKeyJwk)));
  const verifyKeysJwk = btoa(JSON.stringify(encoded));
  await using server = await startServer({ ...own, verifyKeysJwk });
  const url = `${server.url}/.well-known/jwks.json`;
  const response = await fetch(url, { headers: { origin: "https://app" } });
  const { headers } = response;
  assertEquals(headers.get("content-type"), "application/jwk-set+json");
  assertEquals(headers.get("cache-control"), "public, max-age=300");
  assertEquals(headers.get("access-control-allow-origin"), "*");
  const pairs = [await loadKeyPair(own.privateKeyJwk), await loadKeyPair(next.privateKeyJwk)];
  const keys = pairs.map(({ kid, publicKeyJwk }) => {
    const { x } = JSON.parse(atob(publicKeyJwk));
    return { kty: "OKP", crv: "Ed25519", x, kid, use: "sig", alg: "EdDSA" };
  });
  assertEquals(await response.json(), { keys });
  const etag = headers.get("etag") ?? "";
  const again = await fetch(url, { headers: { "if-none-match": etag } });
  assertEquals([again.status, await again.text()], [304, ""]);
  assertEquals(again.headers.get("access-control-allow-origin"), "*");
  const head = await fetch(url, { method: "HEAD" });
  assertEquals([head.status, head.headers.get("etag"), await head.text()], [200, etag, ""]);
});

Deno.test("without room tokens there are no keys", async () => {
  await using open = await startOpenServer({ verifyKeysJwk: "not read" });
  await using own = await startServer({ authorize: () => null });
  for (const { url } of [open, own]) {
    const response = await fetch(`${url}/.well-known/jwks.json`);
    assertEquals(response.status, 404);
    assertMatch((await response.json()).error, /.{5}/);
  }
  await using handler = await createSignalingHandler({ authEnabled: false });
  assertEquals(handler.publicKeys(), null);
});

Deno.test("createSignalingHandler() names the option whose keys are not usable", async () => {
  const keys = await generateKeyPairJwk();
  for (const verifyKeysJwk of [keys.privateKeyJwk, "%", btoa("[]")]) {
    await assertRejects(
      () => createSignalingHandler({ ...keys, verifyKeysJwk }),
      InvalidKeyError,
      "verifyKeysJwk",
    );
  }
  await using handler = await createSignalingHandler(keys);
  assertEquals(handler.publicKeys()?.keys.length, 1);
});
