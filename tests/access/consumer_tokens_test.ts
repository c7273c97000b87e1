import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import {
  type ConsumerAuthOptions,
  InvalidTokenError,
  KeySetError,
  makeConsumerVerifier,
} from "../../mod.ts";
import { InvalidKeyError } from "../../src/access/keys.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
import { FakeClock } from "../helpers/clock.ts";

interface Provider {
  jwk: Record<string, unknown>;
  sign(claims?: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>;
}

/** An identity provider with one key. */
async function newProvider(alg = "ES256", kid?: string): Promise<Provider> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  return {
    jwk: { ...await exportJWK(publicKey), ...(kid === undefined ? {} : { kid }) },
    sign: (claims = {}, header = {}) =>
      new SignJWT({ exp: Date.now() / 1000 + 60, ...claims })
        .setProtectedHeader({ alg, ...(kid === undefined ? {} : { kid }), ...header })
        .sign(privateKey),
  };
}

function encode(value: unknown): string {
  return btoa(JSON.stringify(value));
}

/** A key server on loopback that counts what it is asked. */
class KeyServer implements AsyncDisposable {
  asked = 0;
  answer: () => Response | Promise<Response>;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(...keys: unknown[]) {
    this.answer = () => Response.json({ keys });
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
      this.asked++;
      return this.answer();
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/jwks`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

Deno.test("makeConsumerVerifier() takes a JWK, an array and a set", async () => {
  const [ec, rsa] = [await newProvider(), await newProvider("RS256")];
  for (const keys of [ec.jwk, [rsa.jwk, ec.jwk], { keys: [ec.jwk, rsa.jwk] }]) {
    const verify = makeConsumerVerifier({ jwks: encode(keys) });
    assertEquals((await verify(await ec.sign({ sub: "me" }))).sub, "me");
  }
});

Deno.test("makeConsumerVerifier() tries every key that a token without kid may fit", async () => {
  const [one, other, foreign] = [await newProvider(), await newProvider(), await newProvider()];
  const verify = makeConsumerVerifier({ jwks: encode([one.jwk, other.jwk]) });
  await verify(await one.sign());
  await verify(await other.sign());
  await assertRejects(async () => verify(await foreign.sign()), InvalidTokenError);
});

Deno.test("makeConsumerVerifier() takes ES256 and RS256, and EdDSA only when asked", async () => {
  const ed = await newProvider("Ed25519");
  const token = await ed.sign({}, { alg: "EdDSA" });
  const { jwk } = await newProvider();
  await assertRejects(
    () => makeConsumerVerifier({ jwks: encode(jwk) })(token),
    InvalidTokenError,
  );
  const asked = makeConsumerVerifier({ jwks: encode(ed.jwk), algorithms: ["EdDSA"] });
  await asked(token);
  await asked(await ed.sign());
});

Deno.test("makeConsumerVerifier() finds a key without kid for a token with one, and no key of another kid", async () => {
  const named = await newProvider("ES256", "k1");
  const nameless = await newProvider();
  const foreign = await newProvider("ES256", "k2");
  await using server = new KeyServer(named.jwk, nameless.jwk);
  const options = [
    { jwks: encode([named.jwk, nameless.jwk]) },
    { jwks: encode(nameless.jwk) },
    { jwksUrl: server.url },
  ];
  for (const option of options) {
    const verify = makeConsumerVerifier(option);
    for (let n = 0; n < 2; n++) await verify(await nameless.sign({}, { kid: `any ${n}` }));
    await verify(await nameless.sign());
    await assertRejects(async () => verify(await foreign.sign()), InvalidTokenError);
    await assertRejects(
      async () => verify(await named.sign({}, { kid: "another" })),
      InvalidTokenError,
    );
  }
});

Deno.test("makeConsumerVerifier() forgives a provider's clock that is a minute ahead, or as much as it is told", async () => {
  const provider = await newProvider();
  const jwks = encode(provider.jwk);
  const now = Math.floor(Date.now() / 1000);
  const sign = (nbf: number) => provider.sign({ nbf: now + nbf, iat: now + nbf, exp: now + 900 });
  await makeConsumerVerifier({ jwks })(await sign(55));
  await makeConsumerVerifier({ jwks, clockToleranceSeconds: 300 })(await sign(295));
  for (const [nbf, config] of [[70, {}], [2, { clockToleranceSeconds: 0 }]] as const) {
    const error = await assertRejects(
      async () => makeConsumerVerifier({ jwks, ...config })(await sign(nbf)),
      InvalidTokenError,
    );
    assertEquals([error.reason, error.claim], ["claims", "nbf"]);
  }
});

Deno.test("makeConsumerVerifier() says what is wrong with a token, and in which claim", async () => {
  const [provider, foreign] = [await newProvider(), await newProvider()];
  const verify = makeConsumerVerifier({
    jwks: encode(provider.jwk),
    issuer: "idp",
    audience: "app",
    roomClaim: "rooms",
  });
  const right = { iss: "idp", aud: "app", rooms: ["r"] };
  await verify(await provider.sign(right), "r");
  const token = await provider.sign(right);
  const cases: [string, string, string | undefined][] = [
    ["nonsense", "malformed", undefined],
    [` ${token}`, "malformed", undefined],
    [`${token}=`, "malformed", undefined],
    [await foreign.sign(right), "signature", undefined],
    [await provider.sign({ ...right, exp: 1 }), "expired", "exp"],
    [await provider.sign({ ...right, exp: undefined }), "claims", "exp"],
    [await provider.sign({ ...right, iss: "else" }), "claims", "iss"],
    [await provider.sign({ ...right, aud: "else" }), "claims", "aud"],
    [await provider.sign({ ...right, nbf: 1e10 }), "claims", "nbf"],
    [await provider.sign({ ...right, rooms: ["q"] }), "claims", "rooms"],
  ];
  for (const [text, reason, claim] of cases) {
    const error = await assertRejects(() => verify(text, "r"), InvalidTokenError);
    assertEquals([error.reason, error.claim], [reason, claim], error.message);
    if (claim !== undefined) assert(error.message.includes(claim), error.message);
  }
});

Deno.test("makeConsumerVerifier() refuses keys that can never verify a token, and names them", async () => {
  const ec = { ...(await newProvider()).jwk, kid: "mine" } as Record<string, unknown>;
  const rsa = (await newProvider("RS256")).jwk;
  const ed = (await newProvider("Ed25519")).jwk;
  const p384 = (await newProvider("ES384")).jwk;
  const small = await crypto.subtle.generateKey(
    {
      name: "RSASSA-PKCS1-v1_5",
      modulusLength: 1024,
      publicExponent: new Uint8Array([1, 0, 1]),
      hash: "SHA-256",
    },
    true,
    ["sign", "verify"],
  );
  const plain = (text: unknown) => {
    const base64 = btoa(atob(String(text).replaceAll("-", "+").replaceAll("_", "/")));
    return base64.endsWith("=") ? base64 : `${base64}=`;
  };
  const bad: [Record<string, unknown>, RegExp][] = [
    [{ ...ec, y: undefined }, /no member y/],
    [{ ...ec, y: ec["x"] }, /no point of its curve/],
    [{ ...ec, x: plain(ec["x"]) }, /member x that is not base64url/],
    [{ ...rsa, n: plain(rsa["n"]) }, /member n that is not base64url/],
    [{ ...ec, x: "AAAA" }, /32 bytes/],
    [{ ...ed, x: "AAAA" }, /accepted algorithms/],
    [await exportJWK(small.publicKey) as Record<string, unknown>, /1024 bits/],
    [{ ...rsa, e: "AA" }, /exponent/],
    [{ ...rsa, e: undefined }, /no member e/],
    [ed, /is for EdDSA, Ed25519, but the accepted algorithms are ES256, RS256/],
    [p384, /is for ES384/],
    [{ ...rsa, alg: "RS512" }, /is for RS512/],
    [{ ...ec, alg: "RS256" }, /alg that does not fit/],
    [{ ...ec, use: "wrap" }, /use must be "sig"/],
    [{ ...ec, "key_ops": ["sign"] }, /key_ops/],
    [{ ...rsa, kty: "rsa" }, /needs the kty/],
    [{ ...ec, crv: "secp256k1" }, /needs the kty/],
    [{ ...ec, crv: "toString" }, /needs the kty/],
  ];
  for (const [jwk, message] of bad) {
    for (const keys of [jwk, [ec, jwk]]) {
      const error = assertThrows(
        () => makeConsumerVerifier({ jwks: encode(keys) }),
        InvalidKeyError,
      );
      assertMatch(error.message, message);
      assertMatch(error.message, Array.isArray(keys) ? /^Key 2 / : /^Key 1 /);
      if (jwk["kid"] === "mine") assertMatch(error.message, /\(kid "mine"\)/);
    }
  }
});

Deno.test("makeConsumerVerifier() leaves out the keys of a set that are for encryption", async () => {
  const { jwk, sign } = await newProvider();
  const encryption = { ...(await newProvider("RS256")).jwk, use: "enc", alg: "RSA-OAEP" };
  const verify = makeConsumerVerifier({ jwks: encode({ keys: [encryption, jwk] }) });
  await verify(await sign());
  const none = { keys: [encryption, { ...jwk, use: "enc" }] };
  assertThrows(() => makeConsumerVerifier({ jwks: encode(none) }), InvalidKeyError, "Key 1");
});

Deno.test("makeConsumerVerifier() accepts a key of every algorithm", async () => {
  for (const alg of ["ES256", "ES384", "ES512", "RS256", "PS512", "Ed25519"]) {
    for (let n = 0; n < (alg.startsWith("ES") ? 20 : 1); n++) {
      const { jwk, sign } = await newProvider(alg);
      const good = { ...jwk, use: "sig", "key_ops": ["verify"], alg, kid: "k" };
      const verify = makeConsumerVerifier({ jwks: encode(good), algorithms: [alg] });
      if (alg !== "ES512") await verify(await sign({}, { kid: "k" }));
    }
  }
});

Deno.test("makeConsumerVerifier() never takes none, an HMAC, or a token without exp", async () => {
  const provider = await newProvider();
  const verify = makeConsumerVerifier({ jwks: encode(provider.jwk) });
  const [header, payload] = (await provider.sign()).split(".");
  const none = encode({ alg: "none" }).replaceAll("=", "");
  const hmac = await new SignJWT({ exp: Date.now() / 1000 + 60 }).setProtectedHeader({
    alg: "HS256",
  })
    .sign(new TextEncoder().encode(encode(provider.jwk)));
  const bad = ["", "a.b.c", `${none}.${payload}.`, hmac, `${header}.${payload}.`, "x".repeat(9000)];
  for (const token of [...bad, await provider.sign({ exp: undefined })]) {
    await assertRejects(() => verify(token), InvalidTokenError);
  }
  for (const algorithms of [[], ["none"], ["HS256"], ["ES256", "HS256"]]) {
    assertThrows(() => makeConsumerVerifier({ jwks: encode(provider.jwk), algorithms }), TypeError);
  }
});

Deno.test("makeConsumerVerifier() checks issuer, audience and expiry", async () => {
  const provider = await newProvider();
  const verify = makeConsumerVerifier({
    jwks: encode(provider.jwk),
    issuer: "idp",
    audience: "app",
  });
  const right = { iss: "idp", aud: ["else", "app"] };
  await verify(await provider.sign(right));
  for (
    const wrong of [{ iss: "else" }, { aud: "else" }, { exp: 1 }, { nbf: 1e10 }, { iss: undefined }]
  ) {
    await assertRejects(
      async () => verify(await provider.sign({ ...right, ...wrong })),
      InvalidTokenError,
    );
  }
});

Deno.test("makeConsumerVerifier() asks the room claim for the room", async () => {
  const provider = await newProvider();
  const verify = makeConsumerVerifier({
    jwks: encode(provider.jwk),
    roomClaim: "https://app/rooms",
  });
  await verify(await provider.sign({ "https://app/rooms": "r" }), "r");
  await verify(await provider.sign({ "https://app/rooms": ["q", "r"] }), "r");
  for (const claim of [undefined, null, "rr", [], ["q"], { r: true }, 5, [["r"]]]) {
    const token = await provider.sign({ "https://app/rooms": claim });
    await assertRejects(() => verify(token, "r"), InvalidTokenError);
  }
});

Deno.test("makeConsumerVerifier() refuses keys that are missing, private or symmetric", async () => {
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  assertThrows(() => makeConsumerVerifier({}), TypeError);
  assertThrows(() => makeConsumerVerifier({ jwks: encode({}), jwksUrl: "https://idp" }), TypeError);
  for (const value of [await exportJWK(privateKey), { kty: "oct", k: "c2VjcmV0" }, [], "text"]) {
    assertThrows(() => makeConsumerVerifier({ jwks: encode(value) }), InvalidKeyError);
  }
  for (const jwksUrl of ["http://idp/jwks", "nonsense"]) {
    assertThrows(() => makeConsumerVerifier({ jwksUrl }), TypeError);
  }
});

Deno.test("a fetched key set is cached, and an unknown kid fetches once per cool-down", async () => {
  const [known, unknown] = [await newProvider("ES256", "k1"), await newProvider("ES256", "k2")];
  await using server = new KeyServer(known.jwk);
  const verify = makeConsumerVerifier({ jwksUrl: server.url });
  await Promise.all([1, 2, 3].map(async () => await verify(await known.sign())));
  assertEquals(server.asked, 1);
  for (let n = 0; n < 5; n++) {
    await assertRejects(async () => verify(await unknown.sign()), InvalidTokenError);
  }
  await verify(await known.sign());
  assertEquals(server.asked, 1);
});

Deno.test("a key that is not in a set which was not fetched again says nothing about the token", async () => {
  const [known, unknown] = [await newProvider("ES256", "k1"), await newProvider("ES256", "k2")];
  await using server = new KeyServer(known.jwk);
  const verify = makeConsumerVerifier({ jwksUrl: server.url });
  const reason = async () =>
    (await assertRejects(async () => verify(await unknown.sign()), InvalidTokenError)).reason;
  assertEquals(await reason(), "signature"); // The set is as fresh as can be.
  assertEquals(await reason(), "unknown key"); // The provider may have another key since.
  assertEquals(server.asked, 1);
});

Deno.test("a provider without a good key set is a KeySetError for every token, and is not asked again at once", async () => {
  const provider = await newProvider();
  const answers: (() => Response)[] = [
    () => new Response("down", { status: 500 }),
    () => new Response("<html>"),
    () => Response.json({ keys: "none" }),
    () => Response.json({ keys: [5] }),
    () => Response.json({ keys: [provider.jwk], pad: "x".repeat(200_000) }),
    () => Response.redirect("http://127.0.0.1:1/", 302),
  ];
  for (const answer of answers) {
    await using server = new KeyServer();
    server.answer = answer;
    const warnings: string[] = [];
    const warn = (message: string) => void warnings.push(message);
    const verify = makeConsumerVerifier({ jwksUrl: server.url }, {
      logger: { ...silentLogger, warn },
    });
    for (let n = 0; n < 3; n++) {
      await assertRejects(async () => verify(await provider.sign()), KeySetError);
    }
    assertEquals([server.asked, warnings.length], [1, 1], answer.toString());
  }
});

Deno.test("an empty key set is warned about", async () => {
  await using server = new KeyServer();
  const warnings: string[] = [];
  const logger = { ...silentLogger, warn: (message: string) => void warnings.push(message) };
  const verify = makeConsumerVerifier({ jwksUrl: server.url }, { logger });
  const provider = await newProvider();
  for (let n = 0; n < 3; n++) {
    await assertRejects(async () => verify(await provider.sign()), InvalidTokenError);
  }
  assertEquals(warnings, ["The consumers' key set is empty: every consumer token is refused"]);
});

Deno.test("the last good key set is kept when its host fails, and fetched again when it is back", async () => {
  const [old, young] = [await newProvider("ES256", "k1"), await newProvider("ES256", "k2")];
  await using server = new KeyServer(old.jwk);
  const clock = new FakeClock();
  const now = () => Date.now();
  const verify = makeConsumerVerifier({ jwksUrl: server.url }, {
    clock: Object.assign(clock, { now }),
  });
  await verify(await old.sign());
  const realNow = Date.now;
  try {
    Date.now = () => realNow() + 11 * 60_000; // past the ten minutes that a set is kept
    server.answer = () => new Response("down", { status: 503 });
    await verify(await old.sign());
    assertEquals(server.asked, 2);
    Date.now = () => realNow() + 12 * 60_000; // past the cool-down for an unknown key
    clock.tick(5000); // past the one for a provider that has failed
    server.answer = () => Response.json({ keys: [young.jwk] });
    await verify(await young.sign());
    assertEquals(server.asked, 3);
  } finally {
    Date.now = realNow;
  }
});

Deno.test("makeConsumerVerifier() refuses an option that is misspelt, empty or out of its bounds", async () => {
  const jwks = encode((await newProvider()).jwk);
  const wrong: Record<string, unknown[]> = {
    isuer: ["x"],
    roomclaim: ["rooms"],
    issuer: ["", 5, null],
    audience: ["", [], 5],
    roomClaim: ["", 5],
    algorithms: ["ES256", [], [5]],
    clockToleranceSeconds: [-1, NaN, 86_401],
  };
  for (const [name, values] of Object.entries(wrong)) {
    for (const value of values) {
      const config = { jwks, [name]: value };
      assertThrows(() => makeConsumerVerifier(config), TypeError, name);
    }
  }
  const none: unknown = null;
  assertThrows(() => makeConsumerVerifier(none as ConsumerAuthOptions), TypeError, "consumerAuth");
});
