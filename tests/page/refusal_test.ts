import { assertEquals } from "@std/assert";
import { checkToken } from "../../page/refusal.ts";
import { readToken } from "../../page/token.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");

function token(claims: unknown): string {
  const encode = (value: unknown) =>
    new TextEncoder().encode(JSON.stringify(value)).toBase64({
      alphabet: "base64url",
      omitPadding: true,
    });
  return `${encode({ alg: "EdDSA" })}.${encode(claims)}.c2ln`;
}

const OURS = { iss: "aikofy:client-db-sync", sub: "todos", exp: NOW / 1000 + 60 };

Deno.test("page: a token's claims are read, whatever letters they have, and nothing else is a token", () => {
  assertEquals(readToken(token({ ...OURS, sub: "Straße 🙂", nodeId: "a" })), {
    isRoomToken: true,
    issuer: "aikofy:client-db-sync",
    subject: "Straße 🙂",
    nodeId: "a",
    expiresAt: NOW + 60_000,
  });
  for (const text of ["", "abc", "a.b.c", "a.%%.c", token(null), token(7), token([]).slice(1)]) {
    const found = readToken(text);
    assertEquals(found === undefined || found.subject === "", true, text);
  }
});

Deno.test("page: what is wrong with a token is told by its claims and the server's time", () => {
  const attempt = { room: "todos", nodeId: "a", isConsumer: false };
  const idOf = (claims: unknown, more = {}) =>
    checkToken({ ...attempt, ...more, token: token(claims) }, NOW)?.id;
  assertEquals(checkToken({ ...attempt, token: "no token" }, NOW)?.id, "malformed-token");
  assertEquals(idOf(OURS), undefined);
  assertEquals(idOf({ ...OURS, exp: NOW / 1000 }), "expired-token");
  assertEquals(idOf({ ...OURS, sub: "other" }), "wrong-room");
  assertEquals(idOf({ ...OURS, nodeId: "b" }), "wrong-name");
  assertEquals(idOf({ ...OURS, iss: "https://idp.example" }), "foreign-token");
  assertEquals(idOf({ iss: "https://idp.example" }, { isConsumer: true }), undefined);
});
