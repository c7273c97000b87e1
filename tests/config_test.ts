import { assert, assertEquals, assertThrows } from "@std/assert";
import { generateKeyPairJwk } from "../mod.ts";
import { type Config, ConfigError, parseConfig } from "../src/config.ts";

const keys = await generateKeyPairJwk();
const AUTH = { PRIVATE_KEY_JWK: keys.privateKeyJwk, ADMIN_SECRET: "s".repeat(32) };

function parse(environment: Record<string, string>): Config {
  return parseConfig((name) => environment[name], "KEYGEN");
}

function problems(environment: Record<string, string>): readonly string[] {
  return assertThrows(() => parse(environment), ConfigError).problems;
}

Deno.test("parseConfig() needs keys and a secret and has a default for the rest", () => {
  assertEquals(parse(AUTH), {
    host: "0.0.0.0",
    port: 8080,
    logLevel: "info",
    logFormat: undefined,
    consumerAuth: undefined,
    warnings: [],
    auth: {
      enabled: true,
      privateKeyJwk: keys.privateKeyJwk,
      publicKeyJwk: undefined,
      adminSecret: AUTH.ADMIN_SECRET,
    },
  });
});

Deno.test("parseConfig() reads every setting", () => {
  const config = parse({
    ...AUTH,
    HOST: "::1",
    PORT: " 0 ",
    LOG_LEVEL: "DEBUG",
    LOG_FORMAT: "pretty",
    PUBLIC_KEY_JWK: keys.publicKeyJwk,
    AUTH_DISABLED: "false",
  });
  assertEquals([config.host, config.port, config.logLevel], ["::1", 0, "debug"]);
  assertEquals(config.logFormat, "pretty");
  assert(config.auth.enabled);
  assertEquals(config.auth.publicKeyJwk, keys.publicKeyJwk);
});

Deno.test("parseConfig() takes an empty setting for one that is not set", () => {
  assertEquals(
    parse({ ...AUTH, PORT: "", HOST: " ", LOG_LEVEL: "", AUTH_DISABLED: "" }).port,
    8080,
  );
});

Deno.test("parseConfig() needs nothing without auth, and warns loudly", () => {
  const config = parse({ AUTH_DISABLED: "true", PRIVATE_KEY_JWK: "left over" });
  assertEquals(config.auth, { enabled: false });
  assertEquals(config.warnings.length, 1);
  assert(config.warnings[0]?.includes("AUTHENTICATION IS OFF"));
});

Deno.test("parseConfig() warns of a short admin secret without showing it", () => {
  const { warnings } = parse({ ...AUTH, ADMIN_SECRET: "hunter2" });
  assertEquals(warnings, ["ADMIN_SECRET has 7 bytes: use 32 random ones or more"]);
});

Deno.test("parseConfig() reports everything at once, a line each, with what helps", () => {
  const found = problems({
    PORT: "80a",
    LOG_LEVEL: "loud",
    LOG_FORMAT: "xml",
    AUTH_DISABLED: "yes",
    PUBLIC_KEY_JWK: "nonsense",
  });
  assertEquals(found, [
    'PORT must be a whole number from 0 to 65535, not "80a". Try: PORT=8080',
    'LOG_LEVEL must be one of debug, info, warn, error, silent, not "loud". Try: LOG_LEVEL=info',
    'LOG_FORMAT must be one of pretty, json, not "xml". Try: LOG_FORMAT=json',
    'AUTH_DISABLED must be one of true, false, 1, 0, not "yes". Try: AUTH_DISABLED=false',
    "PRIVATE_KEY_JWK is not set. Run: KEYGEN >> .env, or set AUTH_DISABLED=true for local " +
    "development",
    "ADMIN_SECRET is not set. Run: KEYGEN >> .env, or set AUTH_DISABLED=true for local development",
    "PUBLIC_KEY_JWK is not usable: The key is not base64 of a JWK's JSON. Unset it: it is derived " +
    "from PRIVATE_KEY_JWK",
  ]);
  for (const line of found) assertEquals(line.includes("\n"), false);
});

Deno.test("parseConfig() advises no new keys where only the secret is missing", () => {
  const [line = ""] = problems({ PRIVATE_KEY_JWK: keys.privateKeyJwk });
  assert(line.startsWith("ADMIN_SECRET is not set") && !line.includes("KEYGEN"), line);
});

Deno.test("parseConfig() refuses ports that are none", () => {
  for (const PORT of ["-1", "65536", "1.5", "0x50", "1e3", "NaN", "8080 9090", "٣"]) {
    assertEquals(problems({ ...AUTH, PORT }).length, 1, PORT);
  }
});

Deno.test("parseConfig() refuses a public key that is private or not the partner", async () => {
  const { publicKeyJwk: foreign } = await generateKeyPairJwk();
  for (const PUBLIC_KEY_JWK of [keys.privateKeyJwk, foreign]) {
    assertEquals(problems({ ...AUTH, PUBLIC_KEY_JWK }).length, 1);
  }
});

Deno.test("parseConfig() reads how consumers are verified, and warns of what is left open", async () => {
  const CONSUMER_PUBLIC_KEY_JWK = (await generateKeyPairJwk()).publicKeyJwk;
  const config = parse({
    ...AUTH,
    CONSUMER_PUBLIC_KEY_JWK,
    CONSUMER_ALGORITHMS: "EdDSA, ES256",
    CONSUMER_ISSUER: "https://idp",
    CONSUMER_ROOM_CLAIM: "rooms",
  });
  assertEquals(config.consumerAuth, {
    jwks: CONSUMER_PUBLIC_KEY_JWK,
    issuer: "https://idp",
    algorithms: ["EdDSA", "ES256"],
    roomClaim: "rooms",
  });
  assertEquals(config.warnings.map((line) => line.split(" ")[0]), ["CONSUMER_AUDIENCE"]);
});

Deno.test("parseConfig() takes the URL of a key set only if nobody can put in another", () => {
  for (
    const url of [
      "https://idp/jwks",
      "http://localhost:9/x",
      "http://127.0.0.1/x",
      "http://[::1]/x",
    ]
  ) {
    assertEquals(parse({ ...AUTH, CONSUMER_JWKS_URL: url }).consumerAuth?.jwksUrl, url);
  }
  for (
    const url of [
      "http://idp/jwks",
      "ftp://localhost/x",
      "file:///x",
      "idp",
      "http://127.0.0.1.evil/",
    ]
  ) {
    assertEquals(problems({ ...AUTH, CONSUMER_JWKS_URL: url }).length, 1, url);
  }
});

Deno.test("parseConfig() refuses algorithms without a key pair and keys that are not public", async () => {
  const { privateKeyJwk, publicKeyJwk } = await generateKeyPairJwk();
  for (const CONSUMER_ALGORITHMS of ["none", "HS256", "ES256,HS512", ",", "es256"]) {
    assertEquals(problems({ ...AUTH, CONSUMER_ALGORITHMS }).length, 1, CONSUMER_ALGORITHMS);
  }
  const bad = [{ kty: "oct", k: "c2VjcmV0" }, [], {}, { keys: [] }, { keys: [5] }, [
    { kty: "EC" },
    5,
  ], 5];
  for (
    const value of [
      privateKeyJwk,
      "rubbish",
      ...bad.map((json) => btoa(JSON.stringify(json))),
    ]
  ) {
    assertEquals(problems({ ...AUTH, CONSUMER_PUBLIC_KEY_JWK: value }).length, 1, value);
  }
  const both = { CONSUMER_PUBLIC_KEY_JWK: publicKeyJwk, CONSUMER_JWKS_URL: "https://idp/jwks" };
  assertEquals(problems({ ...AUTH, ...both }).length, 1);
});

Deno.test("parseConfig() never shows a secret", () => {
  const { d } = JSON.parse(atob(keys.privateKeyJwk));
  const found = problems({
    PRIVATE_KEY_JWK: keys.publicKeyJwk,
    PUBLIC_KEY_JWK: keys.privateKeyJwk,
    ADMIN_SECRET: "pässword",
  }).join();
  for (const secret of [d, keys.privateKeyJwk, "pässword"]) {
    assertEquals(found.includes(secret), false);
  }
});
