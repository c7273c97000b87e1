import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { generateKeyPairJwk } from "../../mod.ts";
import { type Config, ConfigError, parseConfig } from "../../src/config/config.ts";
import { DEFAULT_LIMITS } from "../../src/access/limits.ts";
import { LIMIT_SETTINGS, SETTINGS } from "../../src/config/settings.ts";

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
    internal: undefined,
    logLevel: "info",
    logFormat: undefined,
    consumerAuth: undefined,
    allowedOrigins: undefined,
    trustedProxies: [],
    maxTokenTtl: undefined,
    clockToleranceSeconds: 60,
    closeExpired: false,
    playground: false,
    ice: { iceServers: [], turn: undefined, iceTtl: "24h" },
    registerTimeoutMs: 10_000,
    idleTimeoutSeconds: 30,
    reintroduceSeconds: 60,
    drainSeconds: 3,
    redis: undefined,
    limits: {},
    warnings: [],
    auth: {
      enabled: true,
      privateKeyJwk: keys.privateKeyJwk,
      publicKeyJwk: undefined,
      verifyKeysJwk: undefined,
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
    PLAYGROUND: "true",
    ALLOWED_ORIGINS: "https://a.example, https://*.b.example",
    TRUSTED_PROXIES: "10.0.0.0/8,::1",
    MAX_TOKEN_TTL: "30d",
    CLOCK_TOLERANCE_SECONDS: "5",
    CLOSE_EXPIRED: "true",
    REGISTER_TIMEOUT_MS: "1",
    IDLE_TIMEOUT_SECONDS: "2",
    REINTRODUCE_SECONDS: "7",
    DRAIN_SECONDS: "0",
    REDIS_URL: "rediss://user:hush@redis.example:6380/1",
    MAX_MESSAGE_BYTES: "4",
    MAX_CONNECTIONS_PER_IP: "0",
  });
  assertEquals(config.allowedOrigins, ["https://a.example", "https://*.b.example"]);
  assertEquals(config.trustedProxies, ["10.0.0.0/8", "::1"]);
  assertEquals([config.maxTokenTtl, config.closeExpired], ["30d", true]);
  assertEquals(config.playground, true);
  assertEquals([config.registerTimeoutMs, config.idleTimeoutSeconds, config.drainSeconds], [
    1,
    2,
    0,
  ]);
  const url = "rediss://user:hush@redis.example:6380/1";
  assertEquals(config.redis, { url, prefix: "client-db-sync:" });
  assertEquals(config.limits, { maxMessageBytes: 4, maxConnectionsPerIp: 0 });
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
  const auth = { enabled: false, adminSecret: undefined };
  assertEquals<unknown>([config.auth, config.host], [auth, "127.0.0.1"]);
  assertEquals(config.warnings.length, 2);
  assert(config.warnings[0]?.includes("AUTHENTICATION IS OFF"));
  assert(config.warnings[1]?.includes("ALLOWED_ORIGINS"));
  const open = parse({ AUTH_DISABLED: "true", ALLOWED_ORIGINS: "null", HOST: "0.0.0.0" });
  assertEquals([open.warnings.length, open.host], [1, "0.0.0.0"]);
});

Deno.test("parseConfig() keeps an admin secret without auth, and checks it", () => {
  const config = parse({ AUTH_DISABLED: "true", ADMIN_SECRET: AUTH.ADMIN_SECRET });
  assertEquals(config.auth, { enabled: false, adminSecret: AUTH.ADMIN_SECRET });
  assertMatch(
    parse({ AUTH_DISABLED: "true", ADMIN_SECRET: "short" }).warnings.join(),
    /ADMIN_SECRET has 5 bytes/,
  );
  assertMatch(problems({ AUTH_DISABLED: "true", ADMIN_SECRET: "ä" }).join(), /printable ASCII/);
});

Deno.test("parseConfig() reads the port for operators, which is another one than that for clients", () => {
  const { internal } = parse({ ...AUTH, INTERNAL_PORT: "9090" });
  assertEquals(internal, { port: 9090, host: "127.0.0.1" });
  const anywhere = parse({ ...AUTH, PORT: "0", INTERNAL_PORT: "0", INTERNAL_HOST: "0.0.0.0" });
  assertEquals(anywhere.internal, { port: 0, host: "0.0.0.0" });
  assertEquals(parse({ ...AUTH, INTERNAL_HOST: "0.0.0.0" }).internal, undefined);
  assertEquals(problems({ ...AUTH, INTERNAL_PORT: "8080" }), [
    "INTERNAL_PORT is the same as PORT. Choose another one",
  ]);
  assertMatch(problems({ ...AUTH, INTERNAL_PORT: "x" }).join(), /Try: INTERNAL_PORT=9090/);
  assertMatch(
    problems({ ...AUTH, INTERNAL_PORT: "1", INTERNAL_HOST: "a b" }).join(),
    /Try: INTERNAL_HOST=127\.0\.0\.1/,
  );
});

Deno.test("parseConfig() shortens a malformed origin, and not the examples beside it", () => {
  const found = problems({
    AUTH_DISABLED: "true",
    ALLOWED_ORIGINS: "https://app.example.com,https://shop.example.org/path",
  });
  assertEquals(found, [
    "ALLOWED_ORIGINS is not usable: An origin must look like https://app.example.com or " +
    'https://*.example.com, not "http…". ' +
    "Try: ALLOWED_ORIGINS=https://app.example.com,https://*.example.com",
  ]);
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
    PUBLIC_KEY_JWK: "nonsense",
  });
  assertEquals(found, [
    'PORT must be a whole number from 0 to 65535, not "80a". Try: PORT=8080',
    'LOG_LEVEL must be one of debug, info, warn, error, silent, not "loud". Try: LOG_LEVEL=info',
    'LOG_FORMAT must be one of pretty, json, not "xml". Try: LOG_FORMAT=json',
    "PRIVATE_KEY_JWK is not set. Run: KEYGEN, or set AUTH_DISABLED=true for local development",
    "ADMIN_SECRET is not set. Run: KEYGEN, or set AUTH_DISABLED=true for local development",
    "PUBLIC_KEY_JWK is not usable: The key is not base64 of a JWK's JSON. Unset it: it is derived " +
    "from PRIVATE_KEY_JWK",
  ]);
  for (const line of found) assertEquals(line.includes("\n"), false);
});

Deno.test("parseConfig() has a setting for every limit, and reports each that is malformed", () => {
  for (const { name, default: fallback } of LIMIT_SETTINGS) {
    const [key = ""] = Object.keys(parse({ ...AUTH, [name]: "7" }).limits);
    assertEquals(name, key.replace(/[A-Z]/g, "_$&").toUpperCase());
    if (name !== "MAX_MEMORY_MB") {
      assertEquals(fallback, String(DEFAULT_LIMITS[key as "messageBurst"]));
    }
    for (const value of ["-1", "1.5", "many", "2147483648"]) {
      const found = problems({ ...AUTH, [name]: value });
      assertEquals(found.length, 1);
      assert(found[0]?.startsWith(`${name} must be a whole number from 0`), found[0]);
    }
  }
});

Deno.test("parseConfig() reports origins, proxies and durations that are none", () => {
  const bad = {
    ALLOWED_ORIGINS: [
      "app.example.com",
      "https://a.example/",
      "https://*",
      "https://a.*.example",
      "*",
    ],
    TRUSTED_PROXIES: [
      "10.0.0.0/33",
      "256.1.1.1",
      "proxy.example",
      "::1/129",
      "1.2.3",
      "10.0.0.1/a",
    ],
    MAX_TOKEN_TTL: ["30", "0d", "-1d", "1 dy", "1d ago", "soon"],
  };
  for (const [name, values] of Object.entries(bad)) {
    for (const value of values) {
      const found = problems({ ...AUTH, [name]: value });
      assertEquals(found.length, 1, value);
      assert(found[0]?.startsWith(`${name} is not usable: `), found[0]);
      assert(found[0]?.includes("Try: "), found[0]);
    }
  }
});

Deno.test("parseConfig() asks for no keys when it cannot tell whether any are needed", () => {
  assertEquals(problems({ AUTH_DISABLED: "yes" }), [
    'AUTH_DISABLED must be one of true, false, 1, 0, not "yes". Try: AUTH_DISABLED=false',
  ]);
});

Deno.test("parseConfig() reports malformed keys beside a malformed AUTH_DISABLED", () => {
  const lines = problems({ AUTH_DISABLED: "yes", PRIVATE_KEY_JWK: "x", ADMIN_SECRET: "n\u00e9" });
  assertEquals(lines.map((line) => line.split(" ", 1)[0]), [
    "AUTH_DISABLED",
    "ADMIN_SECRET",
    "PRIVATE_KEY_JWK",
  ]);
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

Deno.test("parseConfig() reads further keys as a JWK, an array or a set, and refuses private ones", async () => {
  const { publicKeyJwk, privateKeyJwk } = await generateKeyPairJwk();
  const jwk = JSON.parse(atob(publicKeyJwk));
  const encode = (value: unknown) => btoa(JSON.stringify(value));
  for (const value of [jwk, [jwk], { keys: [jwk, jwk] }, JSON.parse(atob(keys.publicKeyJwk))]) {
    const { auth } = parse({ ...AUTH, VERIFY_KEYS_JWK: encode(value) });
    assert(auth.enabled);
    assertEquals(auth.verifyKeysJwk, encode(value));
  }
  const { d } = JSON.parse(atob(privateKeyJwk));
  const bad: [unknown, RegExp][] = [
    [{ ...jwk, d }, /Key 1 has the private member d/],
    [[jwk, { ...jwk, kid: "next", d }], /Key 2 \(kid "next"\) has the private member d/],
    [{ keys: [{ ...jwk, d: "" }] }, /private member d/],
    [{ ...jwk, crv: "X25519" }, /Key 1/],
    [{ ...jwk, x: "A".repeat(43) }, /anyone can sign/],
    [{ ...jwk, use: "enc" }, /signatures/],
    [
      [{ ...jwk, use: "enc" }, jwk, { ...jwk, kid: "next", d }],
      /Key 3 \(kid "next"\) has the private/,
    ],
    [[], /no JWK/],
    [{ keys: [] }, /no JWK/],
    [Array(17).fill(jwk), /17 keys: 16 at most/],
    [null, /no JWK/],
  ];
  for (const [value, expected] of bad) {
    const [problem = "", ...others] = problems({ ...AUTH, VERIFY_KEYS_JWK: encode(value) });
    assertMatch(problem, /^VERIFY_KEYS_JWK is not usable: /);
    assertMatch(problem, expected);
    assertEquals([others, problem.includes(d)], [[], false]);
  }
  assertMatch(problems({ ...AUTH, VERIFY_KEYS_JWK: "%" }).join(), /^VERIFY_KEYS_JWK is not usable/);
  // Without authentication there are no room tokens, whose keys would matter.
  parse({ AUTH_DISABLED: "true", VERIFY_KEYS_JWK: "%" });
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

/** A value of each kind of setting that is too long to be shown, or cannot be. */
const HIDDEN = [
  "hush-hush-hush-hush",
  "https://a\nADMIN_SECRET=hush-hush",
  "a\u009b31mhush-hush",
  "a\u2028hush-hush",
  '"hush-hush"',
];

Deno.test("parseConfig() shows no more than a few characters of any value, and none that cannot be shown", () => {
  const shown: string[] = [];
  for (const { name } of SETTINGS) {
    for (const value of HIDDEN) {
      try {
        shown.push(...parse({ ...AUTH, [name]: value }).warnings);
      } catch (error) {
        assert(error instanceof ConfigError);
        shown.push(...error.problems);
      }
    }
  }
  assert(shown.length > 40);
  for (const line of shown) {
    assert(!/hush-hush|[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(line), JSON.stringify(line));
  }
});

Deno.test("parseConfig() asks whether a quote is not closed where a value has a line break", () => {
  const value = "https://a\nADMIN_SECRET=hush\n";
  for (const name of ["ALLOWED_ORIGINS", "TRUSTED_PROXIES", "HOST", "PORT", "PRIVATE_KEY_JWK"]) {
    assertEquals(problems({ ...AUTH, [name]: value + "x" }), [
      `${name} contains a line break: is a quote not closed?`,
    ]);
  }
});

Deno.test("parseConfig() reads a key whose base64 is wrapped", () => {
  const wrapped = keys.privateKeyJwk.replace(/.{76}/g, "$&\n");
  const { auth } = parse({ ...AUTH, PRIVATE_KEY_JWK: wrapped });
  assert(auth.enabled && auth.privateKeyJwk === keys.privateKeyJwk);
});

Deno.test("parseConfig() reports quotes that became part of a value", () => {
  for (const quote of ["'", '"', "`"]) {
    assertEquals(problems({ ...AUTH, ADMIN_SECRET: quote + AUTH.ADMIN_SECRET + quote }), [
      "ADMIN_SECRET is in quotes that became part of its value, as with docker --env-file. " +
      "Write it without quotes",
    ]);
  }
});

Deno.test("parseConfig() refuses a host that is neither an address nor a name", () => {
  for (const HOST of ["a b", "http://a", "a/b", "a,b", "#"]) {
    const [line = ""] = problems({ ...AUTH, HOST });
    assert(line.startsWith("HOST must be an address or a host name"), line);
  }
  for (const HOST of ["0.0.0.0", "::", "fe80::1%eth0", "a.example", "my_host"]) {
    assertEquals(parse({ ...AUTH, HOST }).host, HOST);
  }
});

Deno.test("parseConfig() refuses a Redis URL that would be understood in another way, without showing it", () => {
  for (
    const url of [
      "redis:hush:6379",
      "redis://",
      "http://hush",
      "redis://:hu/sh@h:6379",
      "redis://:hu#sh@h:6379",
      "redis://:hu?sh@h:6379",
      "redis://:hu%sh@h:6379",
      "redis://h:6379/hush",
      "redis://h:6379/1?hush=1",
      "redis://h:6379#hush",
      "redis://u:12/sh@h",
      "hush",
    ]
  ) {
    const found = problems({ ...AUTH, REDIS_URL: url });
    assertEquals(found.length, 1, url);
    assert(found[0]?.startsWith("REDIS_URL is not usable: ") && !/hu|sh@/.test(found[0]), found[0]);
  }
  for (const url of ["redis://h", "rediss://u:p%2Fw@h:6380/15", "redis://[::1]:6379/"]) {
    assertEquals(parse({ ...AUTH, REDIS_URL: url }).redis?.url, url);
  }
});
