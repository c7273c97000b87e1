import { assert, assertEquals } from "@std/assert";
import {
  admit,
  type Authorization,
  type ConsumerAuthorizer,
  createConsumerAuthorizer,
  readCredentials,
} from "../../src/access/admission.ts";
import { FailureLimiter } from "../../src/access/failure_limiter.ts";
import { KeySetError } from "../../src/access/fetched_keys.ts";
import { InvalidTokenError } from "../../src/access/invalid_token.ts";
import { VerificationLimiter } from "../../src/access/verification_limiter.ts";
import { silentLogger } from "../../src/runtime/logger.ts";
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
  const failures = new FailureLimiter(new FakeClock(), 60);
  const limiter = new VerificationLimiter(failures);
  const logger = { ...silentLogger, error: (message: string) => void errors.push(message) };
  return {
    authorize: createConsumerAuthorizer({ verify, isOpen, limiter, logger }),
    failures,
    errors,
  };
}

function read(query: string, headers: Record<string, string> = {}): unknown {
  return readCredentials(new URLSearchParams(query), new Headers(headers));
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
    const credentials = readCredentials(new URLSearchParams(), headers);
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

const rejected = (close: CloseReason) => ({ kind: "rejected", close }) as const;
const accepted = (identity: string) => ({ kind: "accepted", identity }) as const;

Deno.test("createConsumerAuthorizer() admits all, none, or whose token is valid for the room", async () => {
  assertEquals(authorizer(undefined, true).authorize("any", "room", HERE), accepted(""));
  assertEquals(
    authorizer(undefined, false).authorize("any", "room", HERE),
    rejected(CLOSE.consumersRefused),
  );
  const verify = (token: string, room?: string) =>
    token === "good" && room === "room"
      ? Promise.resolve({ iss: "idp", sub: "ann" })
      : Promise.reject(new InvalidTokenError("bad", { reason: "signature" }));
  for (const isOpen of [true, false]) {
    const { authorize } = authorizer(verify, isOpen);
    assertEquals(authorize(undefined, "room", HERE), rejected(CLOSE.invalidConsumerToken));
    assertEquals(await authorize("good", "room", HERE), accepted('["idp","ann"]'));
    assertEquals(await authorize("good", "else", HERE), rejected(CLOSE.invalidConsumerToken));
    assertEquals(await authorize("bad", "room", HERE), rejected(CLOSE.invalidConsumerToken));
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
      assertEquals(await authorize("any", "room", HERE), rejected(expected));
    }
    assertEquals([failures.retryAfter(HERE), errors.length], [0, 100]);
  }
});

Deno.test("createConsumerAuthorizer() names a consumer by issuer and subject, and no two without a subject alike", async () => {
  const { authorize } = authorizer((claims) => Promise.resolve(JSON.parse(claims)), false);
  const tokens = [
    { iss: "a", sub: "b" },
    { iss: "a", sub: "c" },
    { iss: "b", sub: "b" },
    { sub: "b" },
    { iss: "a,b", sub: "" },
    { iss: "a" },
    { iss: "a" },
  ].map((claims) => JSON.stringify(claims));
  const verdicts = await Promise.all(tokens.map((token) => authorize(token, "room", HERE)));
  const identities = verdicts.map((verdict) => verdict.kind === "accepted" && verdict.identity);
  assertEquals(new Set(identities).size, tokens.length);
  assertEquals(await authorize(tokens[0], "room", HERE), verdicts[0]);
});

Deno.test("admit() takes what the host says as the room, and reports an answer that it cannot use", async () => {
  const causes: unknown[] = [];
  const ask = (found: Authorization | null, query = "") =>
    admit(
      {
        policy: { kind: "host", authorize: () => found },
        allowsConsumers: false,
        logger: { ...silentLogger, error: (_, fields) => causes.push(fields) },
      },
      {
        query: new URLSearchParams(query),
        token: undefined,
        address: undefined,
        request: new Request("http://h/signal"),
      },
    );
  const identity = { room: "r", nodeId: "n", canJoinAsNormal: true };
  assertEquals(await ask({ room: "r", nodeId: "n" }, "room=r&nodeId=asked"), { identity });
  assertEquals(await ask({ room: "r", nodeId: "" }, "nodeId=n"), { identity });
  assertEquals(await ask({ room: "r" }, "room=other"), { refusal: CLOSE.wrongRoom });
  assertEquals(await ask(null, "room=r"), { refusal: CLOSE.notAuthorized });
  const junk: unknown[] = [{ room: "" }, {}, { room: ["r"] }, { room: "r", nodeId: {} }, "r", 5];
  for (const found of junk) {
    assertEquals(await ask(found as Authorization), { refusal: CLOSE.internalError });
  }
  assertEquals(causes.length, junk.length);
  for (const found of [undefined, false]) {
    assertEquals(await ask(found as unknown as null), { refusal: CLOSE.notAuthorized });
  }
});
