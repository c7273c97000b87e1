import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { generateKeyPairJwk, loadKeyPair, verifyToken } from "../../mod.ts";
import { Client } from "../helpers/client.ts";
import { temporaryFolder } from "../helpers/command.ts";
import { listening, runMain, serve } from "../helpers/main.ts";
import { signalUrl } from "../helpers/server.ts";

const { privateKeyJwk } = await generateKeyPairJwk();
const KEY = { PRIVATE_KEY_JWK: privateKeyJwk };

Deno.test("token prints a token alone that a server with the same key accepts", async () => {
  const env = { ...KEY, ADMIN_SECRET: "s".repeat(32), HOST: "127.0.0.1", PORT: "0" };
  await using server = serve({ env });
  const { url } = await listening(server);
  const { code, stdout, stderr } = await runMain(["token", "--subject", "todos"], { env: KEY });
  assertEquals(code, 0);
  assertMatch(stdout, /^eyJ[\w-]+\.[\w-]+\.[\w-]+\n$/);
  assert(!stderr.includes("eyJ"), stderr);
  await using client = await Client.join(signalUrl(url, { token: stdout.trim() }));
  assertEquals(client.peers, []);
});

Deno.test("token accepts both forms of an option, and has one hour as its default", async () => {
  const { publicKey } = await loadKeyPair(privateKeyJwk);
  for (
    const { args, nodeId, seconds } of [
      { args: ["--subject=todos"], nodeId: undefined, seconds: 3600 },
      { args: ["--subject", "todos", "--ttl", "90s", "--node-id=a=b"], nodeId: "a=b", seconds: 90 },
      {
        args: ["--node-id", "a", "--ttl=2 days", "--subject=todos"],
        nodeId: "a",
        seconds: 172_800,
      },
    ]
  ) {
    const { code, stdout } = await runMain(["token", ...args], { env: KEY });
    assertEquals(code, 0);
    const claims = await verifyToken(stdout.trim(), publicKey);
    assertEquals([claims.sub, claims.nodeId], ["todos", nodeId]);
    assertEquals(claims.exp - (claims.iat ?? 0), seconds);
  }
});

Deno.test("token needs no setting but the key, from the environment or .env", async () => {
  await using folder = await temporaryFolder();
  await Deno.writeTextFile(`${folder.path}/.env`, `PRIVATE_KEY_JWK=${privateKeyJwk}\n`);
  const env = { PORT: "x", REDIS_URL: "redis://redis.example", ADMIN_SECRET: "" };
  const { code, stderr } = await runMain(["token", "--subject=todos"], { cwd: folder.path, env });
  assertEquals(code, 0, stderr);
});

Deno.test("token answers each wrong use with one sentence, exits with 2 and prints no token", async () => {
  const hush = "hush-hush-hush";
  for (
    const { args, says } of [
      { args: [], says: "token: --subject is missing" },
      { args: ["--subject"], says: "token: --subject needs a value" },
      { args: ["--subject="], says: "token: --subject needs a value" },
      { args: ["--subject", "--ttl=1h"], says: "token: --subject needs a value" },
      { args: ["--subject=a", "--subject=b"], says: "token: --subject is given twice" },
      { args: ["--subject=a", "--ttl=soon"], says: "token: --ttl must be a number and a unit" },
      { args: ["--subject=a", "--ttl=0s"], says: "token: --ttl must be a number and a unit" },
      { args: ["--subject=a", "--ttl=2d"], says: "token: --ttl must be 86400 seconds at most" },
      { args: ["--subject=a", "--ttl=9999y"], says: "token: --ttl must end in the future" },
      { args: [`--subject=${"a".repeat(257)}`], says: "token: --subject must have 256 characters" },
      { args: ["--subject=a", "--node-id", "a".repeat(129)], says: "token: --node-id must have" },
      { args: ["--subject=a", "--room=b"], says: 'token: unknown argument "--room"' },
      { args: ["--subject=a", hush], says: 'token: unknown argument "hush…"' },
      { args: ["--admin-secret", hush], says: 'token: unknown argument "--admin-secret"' },
      { args: [`--admin-secret=${hush}`], says: 'token: unknown argument "--admin-secret"' },
    ]
  ) {
    const env = { ...KEY, MAX_TOKEN_TTL: "1d" };
    const { code, stdout, stderr } = await runMain(["token", ...args], { env });
    assertEquals([code, stdout], [2, ""], args.join(" "));
    assertStringIncludes(stderr, says);
    assertMatch(stderr, /^[^\n]*\. Try: token --subject ROOM [^\n]*\n$/);
    assert(!stderr.includes("hush-"), stderr);
  }
});

Deno.test("token without a key, with a wrong one or with authentication off exits with 1", async () => {
  await using folder = await temporaryFolder();
  for (
    const { env, says } of [
      { env: {}, says: /^PRIVATE_KEY_JWK is not set\. Run: [^\n]*\n$/ },
      { env: { PRIVATE_KEY_JWK: "hush-hush" }, says: /^PRIVATE_KEY_JWK is not usable: [^\n]*\n$/ },
      { env: { ...KEY, AUTH_DISABLED: "true" }, says: /^AUTH_DISABLED is true: [^\n]*Unset it/ },
      { env: { ...KEY, MAX_TOKEN_TTL: "soon" }, says: /^MAX_TOKEN_TTL [^\n]*\n$/ },
    ]
  ) {
    const options = { cwd: folder.path, env };
    const { code, stdout, stderr } = await runMain(["token", "--subject=a"], options);
    assertEquals([code, stdout], [1, ""]);
    assertMatch(stderr, says);
    assert(!stderr.includes("hush"), stderr);
  }
});
