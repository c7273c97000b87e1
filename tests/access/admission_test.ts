import { assert, assertEquals } from "@std/assert";
import {
  admit,
  type Authorization,
  createConsumerAuthorizer,
  readCredentials,
} from "../../src/access/admission.ts";
import { FailureLimiter, VerificationLimiter } from "../../src/access/verification_limiter.ts";
import { CLOSE, type CloseReason } from "../../src/protocol/messages.ts";
import { FakeClock } from "../helpers/clock.ts";

const HERE = "192.0.2.1";

function guard(): VerificationLimiter {
  return new VerificationLimiter(new FailureLimiter(new FakeClock(), 60));
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

Deno.test("consumerGate() lets in all, none, or whose token holds for the room", async () => {
  const rejected = (close: CloseReason) => ({ kind: "rejected", close }) as const;
  const accepted = (identity: string) => ({ kind: "accepted", identity }) as const;
  assertEquals(
    createConsumerAuthorizer(undefined, true, guard())("any", "room", HERE),
    accepted(""),
  );
  assertEquals(
    createConsumerAuthorizer(undefined, false, guard())("any", "room", HERE),
    rejected(CLOSE.consumersRefused),
  );
  const verify = (token: string, room?: string) =>
    token === "good" && room === "room" ? Promise.resolve({}) : Promise.reject(new Error("bad"));
  for (const isOpen of [true, false]) {
    const gate = createConsumerAuthorizer(verify, isOpen, guard());
    assertEquals(gate(undefined, "room", HERE), rejected(CLOSE.invalidConsumerToken));
    assertEquals(await gate("good", "room", HERE), accepted("")); // a token without a subject
    assertEquals(await gate("good", "else", HERE), rejected(CLOSE.invalidConsumerToken));
    assertEquals(await gate("bad", "room", HERE), rejected(CLOSE.invalidConsumerToken));
  }
});

Deno.test("createConsumerAuthorizer() names a consumer by issuer and subject, so that none is like another", async () => {
  const gate = createConsumerAuthorizer(
    (claims) => Promise.resolve(JSON.parse(claims)),
    false,
    guard(),
  );
  const claims = [
    { iss: "a", sub: "b" },
    { iss: "ab", sub: "" },
    { sub: "ab" },
    { iss: '","', sub: "" },
    { iss: "", sub: '","' },
    { iss: "a" },
  ];
  const identities = await Promise.all(claims.map(async (each) => {
    const verdict = await gate(JSON.stringify(each), "room", HERE);
    return verdict.kind === "accepted" ? verdict.identity : "rejected";
  }));
  assertEquals(new Set(identities).size, claims.length);
  assertEquals(identities.at(-1), "");
});

Deno.test("admit() takes what the host says for the room, and an empty name for the host's mistake", async () => {
  const causes: unknown[] = [];
  const ask = (found: Authorization | null, query = "") =>
    admit(
      { kind: "host", authorize: () => found },
      {
        query: new URLSearchParams(query),
        token: undefined,
        address: undefined,
        request: new Request("http://h/signal"),
      },
      false,
      (cause) => causes.push(cause),
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
