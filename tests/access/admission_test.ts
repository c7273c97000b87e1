import { assert, assertEquals } from "@std/assert";
import {
  type Admission,
  admit,
  type ConsumerAuthorizer,
  createConsumerAuthorizer,
  type Rejection,
} from "../../src/access/admission.ts";
import { readCredentials } from "../../src/access/credentials.ts";
import { FailureLimiter } from "../../src/access/failure_limiter.ts";
import { KeySetError } from "../../src/access/key_set_error.ts";
import type { Authorization } from "../../src/access/host.ts";
import { InvalidTokenError } from "../../src/access/invalid_token.ts";
import { VerificationLimiter } from "../../src/access/verification_limiter.ts";
import { generateKeyPairJwk, loadKeyPair } from "../../src/access/keys.ts";
import { issueToken, verifyToken } from "../../src/access/room_tokens.ts";
import { createVerificationKeys } from "../../src/access/verification_keys.ts";
import { Revocations } from "../../src/access/revocations.ts";
import { TokenCache } from "../../src/access/token_cache.ts";
import { RefusalLog } from "../../src/access/refusal_log.ts";
import { type LogFields, silentLogger } from "../../src/runtime/logger.ts";
import { CLOSE, type CloseReason } from "../../src/protocol/messages.ts";
import type { ConsumerVerifier } from "../../src/access/consumer_tokens.ts";
import { FakeClock } from "../helpers/clock.ts";

const HERE = "192.0.2.1";

function authorizer(verify: ConsumerVerifier | undefined, isOpen: boolean): {
  authorize: ConsumerAuthorizer;
  failures: FailureLimiter;
  errors: string[];
} {
  const errors: string[] = [];
  const clock = new FakeClock();
  const failures = new FailureLimiter(clock, 60);
  const limiter = new VerificationLimiter(failures);
  const logger = { ...silentLogger, error: (message: string) => void errors.push(message) };
  return {
    authorize: createConsumerAuthorizer({
      verify,
      isOpen,
      limiter,
      refusals: new RefusalLog({ clock, logger }),
    }),
    failures,
    errors,
  };
}

function read(query: string, headers: Record<string, string> = {}): unknown {
  return readCredentials(new URLSearchParams(query), new Headers(headers), true);
}

Deno.test("readCredentials() finds the token in the query, the header or the subprotocols", () => {
  assertEquals(read(""), { token: undefined, protocol: undefined });
  assertEquals(read("token="), { token: undefined, protocol: undefined });
  assertEquals(read("token=a.b.c"), { token: "a.b.c", protocol: undefined });
  assertEquals(read("", { authorization: "Bearer a.b.c" }), {
    token: "a.b.c",
    protocol: undefined,
  });
  assertEquals(read("", { authorization: "Basic eDp5" }), {
    token: undefined,
    protocol: undefined,
  });
  for (
    const list of [
      "client-db-sync, bearer.a.b.c",
      "client-db-sync,bearer.a.b.c",
      "bearer.a.b.c ,client-db-sync",
    ]
  ) {
    const credentials = read("", { "sec-websocket-protocol": list });
    assertEquals(credentials, { token: "a.b.c", protocol: "client-db-sync" });
  }
});

Deno.test("readCredentials() answers with our subprotocol and no other", () => {
  assertEquals(read("", { "sec-websocket-protocol": "chat, client-db-sync" }), {
    token: undefined,
    protocol: "client-db-sync",
  });
  assertEquals(read("", { "sec-websocket-protocol": "chat" }), {
    token: undefined,
    protocol: undefined,
  });
});

Deno.test("readCredentials() refuses a malformed list of subprotocols and a token in two places", () => {
  const lists = [
    "",
    ",",
    "a,,b",
    "a b",
    "a,a",
    "client-db-sync, bearer.a, bearer.b",
    "bearer.a",
    "ä",
    'a"b',
  ];
  for (const list of lists) {
    const headers = new Headers();
    headers.get = (name) => name === "sec-websocket-protocol" ? list : null;
    const credentials = readCredentials(new URLSearchParams(), headers, true);
    assert("problem" in credentials, list);
  }
  const both = [
    ["token=a&token=b", {}],
    ["token=a", { authorization: "Bearer b" }],
    ["token=a", { "sec-websocket-protocol": "client-db-sync, bearer.b" }],
    ["", { authorization: "Bearer b", "sec-websocket-protocol": "client-db-sync, bearer.b" }],
  ] as const;
  for (const [query, headers] of both) {
    assertEquals(read(query, headers), { problem: "Send one token, in one place" });
  }
});

function assertRejected(
  verdict: object,
  expected: CloseReason,
): asserts verdict is Rejection {
  const { kind, close }: { kind?: string; close?: CloseReason } = verdict;
  assertEquals([kind, close], ["rejected", expected]);
}

const accepted = (identity: string) => ({ kind: "accepted", identity }) as const;

Deno.test("createConsumerAuthorizer() admits all, none, or whose token is valid for the room", async () => {
  assertEquals(authorizer(undefined, true).authorize("any", "room", HERE), accepted(""));
  assertRejected(
    authorizer(undefined, false).authorize("any", "room", HERE),
    CLOSE.consumersRefused,
  );
  const verify = (token: string, room?: string) =>
    token === "good" && room === "room"
      ? Promise.resolve({ iss: "idp", sub: "ann" })
      : Promise.reject(new InvalidTokenError("bad", { reason: "signature" }));
  for (const isOpen of [true, false]) {
    const { authorize } = authorizer(verify, isOpen);
    assertRejected(authorize(undefined, "room", HERE), CLOSE.invalidConsumerToken);
    assertEquals(await authorize("good", "room", HERE), accepted('["idp","ann"]'));
    assertRejected(await authorize("good", "else", HERE), CLOSE.invalidConsumerToken);
    assertRejected(await authorize("bad", "room", HERE), CLOSE.invalidConsumerToken);
  }
});

Deno.test("createConsumerAuthorizer() blames no client for a failure of the provider or of ours, and logs it", async () => {
  const causes = [
    [new KeySetError("down"), CLOSE.keySetUnavailable],
    [new TypeError("a bug"), CLOSE.internalError],
  ] as const;
  for (const [cause, expected] of causes) {
    const { authorize, failures, errors } = authorizer(() => Promise.reject(cause), false);
    for (let n = 0; n < 100; n++) {
      assertRejected(await authorize("any", "room", HERE), expected);
    }
    assertEquals([failures.retryAfter(HERE), errors.length], [0, 100]);
  }
});

Deno.test("createConsumerAuthorizer() counts no token whose key may be new", async () => {
  const error = new InvalidTokenError("new key", { reason: "unknown key" });
  const { authorize, failures } = authorizer(() => Promise.reject(error), false);
  for (let n = 0; n < 100; n++) {
    assertRejected(await authorize("any", "room", HERE), CLOSE.invalidConsumerToken);
  }
  assertEquals(failures.retryAfter(HERE), 0);
});

Deno.test("createConsumerAuthorizer() names a consumer by issuer and subject, or by its token, where that has no subject", async () => {
  const { authorize } = authorizer((claims) => Promise.resolve(JSON.parse(claims)), false);
  const tokens = [
    { iss: "a", sub: "b" },
    { iss: "a", sub: "c" },
    { iss: "b", sub: "b" },
    { sub: "b" },
    { iss: "a,b", sub: "" },
    { iss: "a" },
    { iss: "a", jti: "another" },
  ].map((claims) => JSON.stringify(claims));
  const verdicts = await Promise.all(tokens.map((token) => authorize(token, "room", HERE)));
  const identities = verdicts.map((verdict) => verdict.kind === "accepted" && verdict.identity);
  assertEquals(new Set(identities).size, tokens.length);
  for (const [index, token] of tokens.entries()) {
    assertEquals(await authorize(token, "room", HERE), verdicts[index]);
  }
});

Deno.test("readCredentials() looks for no token where none is needed", () => {
  const query = new URLSearchParams("token=a&token=b");
  const headers = new Headers({
    authorization: "Bearer of-the-gateway",
    "sec-websocket-protocol": "bearer.x, client-db-sync",
  });
  assertEquals(readCredentials(query, headers, false), {
    token: undefined,
    protocol: "client-db-sync",
  });
  const alone = new Headers({ "sec-websocket-protocol": "bearer.x" });
  assertEquals(readCredentials(query, alone, false), { token: undefined, protocol: undefined });
});

Deno.test("admit() gives the host its time and no longer", async () => {
  const clock = new FakeClock();
  const errors: unknown[] = [];
  const logger = {
    ...silentLogger,
    error: (message: string, fields?: LogFields) => void errors.push([message, fields?.["cause"]]),
  };
  const policy = {
    kind: "host" as const,
    authorize: () => new Promise<null>(() => {}),
    timeoutMs: 10_000,
    clock,
  };
  const admission = admit(
    { policy, allowsConsumers: false, refusals: new RefusalLog({ clock, logger }) },
    {
      query: new URLSearchParams("room=r"),
      token: undefined,
      address: undefined,
      request: new Request("http://h/signal"),
    },
  );
  clock.tick(9999);
  assertEquals(errors, []);
  clock.tick(1);
  assertRejected(await admission, CLOSE.internalError);
  assertEquals(errors, [["authorize() failed", "TimeoutError: No answer within 10000 ms"]]);
});

/** Room tokens of a server whose clock a test moves. */
async function roomTokens() {
  const clock = new FakeClock();
  const pair = await loadKeyPair((await generateKeyPairJwk()).privateKeyJwk);
  const { privateKey, publicKey } = pair;
  const failures = new FailureLimiter(clock, 3);
  const options = {
    policy: {
      kind: "room token" as const,
      keys: await createVerificationKeys(pair),
      options: { clock, maxTtlSeconds: 3600 },
      limiter: new VerificationLimiter(failures),
      cache: new TokenCache(clock),
      revocations: new Revocations(clock),
    },
    allowsConsumers: false,
    refusals: new RefusalLog({ clock, logger: silentLogger }),
  };
  const present = (token: string) =>
    admit(options, {
      query: new URLSearchParams("room=r&nodeId=n"),
      token,
      address: HERE,
      request: new Request("http://h/signal"),
    });
  const accepted = async (token: string): Promise<Admission> => {
    const claims = await verifyToken(token, publicKey, { clock });
    const identity = { room: "r", nodeId: "n", canJoinAsNormal: true, token: claims };
    return { kind: "accepted", identity };
  };
  return { clock, privateKey, failures, present, accepted };
}

Deno.test("admit() refuses a token that has expired from memory, and counts it against no limit", async () => {
  const { clock, privateKey, failures, present, accepted } = await roomTokens();
  const { token } = await issueToken(privateKey, { ttl: "1m", subject: "r" }, { clock });
  const admission = await accepted(token);
  assertEquals(await present(token), admission);
  assertEquals(present(token), admission); // from memory: no promise
  clock.tick(60_000);
  for (let n = 0; n < 100; n++) {
    assertRejected(present(token), CLOSE.invalidToken);
  }
  // The server sees this one for the first time once it has expired.
  const never = await issueToken(privateKey, { ttl: "1s", subject: "r" }, { clock });
  clock.tick(1000);
  assertRejected(await present(never.token), CLOSE.invalidToken);
  for (let n = 0; n < 100; n++) {
    assertRejected(present(never.token), CLOSE.invalidToken);
  }
  assertEquals(failures.retryAfter(HERE), 0);
  const valid = await issueToken(privateKey, { ttl: "1m", subject: "r" }, { clock });
  assertEquals(await present(valid.token), await accepted(valid.token));
  const known = present(never.token);
  assertRejected(known, CLOSE.invalidToken);
  const cause = "The token has expired (exp)";
  assertEquals(known.detail, { room: "r", nodeId: "n", cause, claim: "exp" });
});

Deno.test("admit() counts forged tokens, and says why it refuses them, without the token", async () => {
  const { clock, privateKey, failures, present } = await roomTokens();
  const { token } = await issueToken(privateKey, { ttl: "1m", subject: "r" }, { clock });
  const long = await issueToken(privateKey, { ttl: "2h", subject: "r" }, { clock });
  const tooLong = await present(long.token);
  assertRejected(tooLong, CLOSE.invalidToken);
  assertEquals(tooLong.detail?.["cause"], "The token is valid for too long (exp)");
  assertEquals(tooLong.detail?.["claim"], "exp");
  const forged = `${token.slice(0, -4)}AAAA`;
  for (let n = 0; n < 3; n++) assertRejected(await present(forged), CLOSE.invalidToken);
  assertEquals(failures.retryAfter(HERE) > 0, true);
  for (let n = 0; n < 20; n++) {
    const throttled = await present(forged);
    assertRejected(throttled, CLOSE.tooManyFailures);
    assertEquals(JSON.stringify(throttled).includes(forged), false);
  }
});

Deno.test("createConsumerAuthorizer() refuses a token that has expired from memory, and counts it against no limit", async () => {
  let verified = 0;
  const { authorize, failures } = authorizer(() => {
    verified++;
    return Promise.reject(new InvalidTokenError("old", { reason: "expired", claim: "exp" }));
  }, false);
  const refused = CLOSE.invalidConsumerToken;
  assertRejected(await authorize("old", "room", HERE), refused);
  for (let n = 0; n < 100; n++) assertRejected(authorize("old", "other room", HERE), refused);
  assertEquals([verified, failures.retryAfter(HERE)], [1, 0]);
});

Deno.test("admit() takes what the host says as the room, and reports an answer that it cannot use", async () => {
  const causes: unknown[] = [];
  const clock = new FakeClock();
  const request = new Request("http://h/signal");
  const ask = (found: Authorization | null, query = "") =>
    admit(
      {
        policy: { kind: "host", authorize: () => found, timeoutMs: 1000, clock },
        allowsConsumers: false,
        refusals: new RefusalLog({
          clock,
          logger: { ...silentLogger, error: (_, fields) => causes.push(fields) },
        }),
      },
      {
        query: new URLSearchParams(query),
        token: undefined,
        address: undefined,
        request,
      },
    );
  const identity = { room: "r", nodeId: "n", canJoinAsNormal: true, request };
  assertEquals(await ask({ room: "r", nodeId: "n" }, "room=r&nodeId=asked"), {
    kind: "accepted",
    identity,
  });
  assertEquals(await ask({ room: "r", nodeId: "" }, "nodeId=n"), { kind: "accepted", identity });
  assertRejected(await ask({ room: "r" }, "room=other"), CLOSE.wrongRoom);
  assertRejected(await ask(null, "room=r"), CLOSE.notAuthorized);
  const expiresAt = new Date(clock.now() + 1000);
  assertEquals(await ask({ room: "r", nodeId: "n", expiresAt }), {
    kind: "accepted",
    identity: { ...identity, expiresAt: expiresAt.getTime() },
  });
  const junk: unknown[] = [
    { room: "" },
    {},
    { room: ["r"] },
    { room: "r", nodeId: {} },
    { room: "r", expiresAt: 5 },
    { room: "r", expiresAt: new Date(NaN) },
    "r",
    5,
  ];
  for (const found of junk) {
    assertRejected(await ask(found as Authorization), CLOSE.internalError);
  }
  assertEquals(causes.length, junk.length);
  for (const found of [undefined, false]) {
    assertRejected(await ask(found as unknown as null), CLOSE.notAuthorized);
  }
});
