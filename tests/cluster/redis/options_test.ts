import { assertThrows } from "@std/assert";
import {
  createRedisBackplane,
  type RedisBackplaneOptions,
} from "../../../src/cluster/redis/backplane.ts";

Deno.test("createRedisBackplane() refuses options that it cannot use, and names that it does not know", () => {
  const url = "redis://127.0.0.1";
  const wrong: [unknown, string][] = [
    [null, "must be an object"],
    [{}, "redis://"],
    [{ url: "redis://127.0.0.1:0" }, "Redis URL"],
    [{ url, prefx: "x" }, "is prefix meant?"],
    [{ url, prefix: "" }, "prefix"],
    [{ url, prefix: 5 }, "prefix"],
    [{ url, prefix: null }, "prefix"],
    [{ url, prefix: "a\nb" }, "prefix"],
    [{ url, prefix: "a{b" }, "braces"],
    [{ url, prefix: "a}b" }, "braces"],
    [{ url, clock: {} }, "clock"],
  ];
  for (const [options, message] of wrong) {
    assertThrows(() => createRedisBackplane(options as RedisBackplaneOptions), TypeError, message);
  }
  createRedisBackplane({ url: "redis://127.0.0.1:6379/1", prefix: "my app:é" });
});
