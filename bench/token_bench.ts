/** What issuing and verifying a room token costs, beside the bare Ed25519 operation. */

import { issueToken, verifyToken } from "../src/access/room_tokens.ts";
import { generateKeyPairJwk, loadKeyPairFromEnv } from "../src/access/keys.ts";

const { privateKeyJwk } = await generateKeyPairJwk();
const { privateKey, publicKey } = await loadKeyPairFromEnv(privateKeyJwk);
const { token } = await issueToken(privateKey, { ttl: "1h", subject: "room" });
const signed = new TextEncoder().encode(token.slice(0, token.lastIndexOf(".")));
const signature = new Uint8Array(await crypto.subtle.sign("Ed25519", privateKey, signed));

Deno.bench("Ed25519 sign", { group: "issue", baseline: true }, async () => {
  await crypto.subtle.sign("Ed25519", privateKey, signed);
});
Deno.bench("issueToken", { group: "issue" }, async () => {
  await issueToken(privateKey, { ttl: "1h", subject: "room" });
});
Deno.bench("Ed25519 verify", { group: "verify", baseline: true }, async () => {
  await crypto.subtle.verify("Ed25519", publicKey, signature, signed);
});
Deno.bench("verifyToken", { group: "verify" }, async () => {
  await verifyToken(token, publicKey);
});
