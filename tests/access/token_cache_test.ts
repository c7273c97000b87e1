import { assertEquals } from "@std/assert";
import { TokenCache } from "../../src/access/token_cache.ts";
import { FakeClock } from "../helpers/clock.ts";

function claims(exp: number) {
  return { sub: "room", iss: "i", aud: "a", exp };
}

Deno.test("TokenCache knows a token until it expires, and no other", () => {
  const clock = new FakeClock();
  const tokens = new TokenCache(clock);
  const exp = clock.now() / 1000 + 60;
  tokens.add("h.p.s", claims(exp));
  assertEquals(tokens.get("h.p.s"), claims(exp));
  assertEquals([tokens.get("h.q.s"), tokens.get("")], [undefined, undefined]);
  clock.tick(59_999);
  assertEquals(tokens.get("h.p.s"), claims(exp));
  clock.tick(1);
  assertEquals(tokens.get("h.p.s"), "expired");
  assertEquals(tokens.get("h.p.s"), "expired");
});

Deno.test("TokenCache remembers a bounded number, the latest", () => {
  const clock = new FakeClock();
  const tokens = new TokenCache(clock);
  const exp = clock.now() / 1000 + 60;
  for (let n = 0; n <= 10_000; n++) tokens.add(`token ${n}`, claims(exp));
  assertEquals([tokens.get("token 0"), tokens.get("token 1")], [undefined, claims(exp)]);
});

Deno.test("TokenCache knows tokens that had expired when they came, and forgets no valid one for them", () => {
  const clock = new FakeClock();
  const tokens = new TokenCache(clock);
  const exp = clock.now() / 1000 + 60;
  tokens.add("valid", claims(exp));
  for (let n = 0; n <= 10_000; n++) tokens.addExpired(`token ${n}`);
  assertEquals([tokens.get("token 0"), tokens.get("token 10000")], [undefined, "expired"]);
  assertEquals(tokens.get("valid"), claims(exp));
});
