import { assert, assertEquals, assertThrows } from "@std/assert";
import { checkRedisUrl } from "../../src/runtime/redis_url.ts";

Deno.test("checkRedisUrl() accepts what every client reads the same way", () => {
  for (
    const url of [
      "redis://127.0.0.1",
      "redis://127.0.0.1:6379",
      "redis://[::1]:6379/0",
      "rediss://user:p%40ss%2Fword@redis.example:6380/15",
      "REDIS://:password@host/",
    ]
  ) assert(checkRedisUrl(url).hostname !== "");
});

Deno.test("checkRedisUrl() says what to encode, and shows nothing of the URL", () => {
  for (const character of "/#?%") {
    const { message } = assertThrows(
      () => checkRedisUrl(`redis://:hush${character}hush@redis.example:6379`),
      TypeError,
    );
    assert(message.includes(`${character} as %`), message);
    assertEquals(/hush|redis\.example/.test(message), false, message);
  }
});

Deno.test("checkRedisUrl() refuses another scheme, a missing host, and a database that is no number", () => {
  for (
    const url of ["", "h:6379", "redis:h:6379", "http://h", "redis://", "redis://:6379", "redis:/h"]
  ) assertThrows(() => checkRedisUrl(url), TypeError, "A Redis URL");
  for (const url of ["redis://h/x", "redis://h/1/2", "redis://h?db=1", "redis://h#1"]) {
    assertThrows(() => checkRedisUrl(url), TypeError, "looks like");
  }
});
